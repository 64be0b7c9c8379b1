//! The machines that a site watches: when they answer, and how.

use std::net::IpAddr;
use std::time::Duration;

use super::site::{Coming, Site};
use crate::engine::event::{Event, ProbeRequest};
use crate::engine::settings::ServiceSettings;
use crate::engine::tests::world::{ip, ms};
use crate::engine::types::{Answer, Endpoint, Method};

impl Site {
    /// Lets a whole machine die.
    pub(super) fn dies(&mut self, last: u8) {
        self.dies_at(ip(last));
    }

    /// Lets the machine at an address die.
    pub(super) fn dies_at(&mut self, address: IpAddr) {
        self.ledger.changed.insert(address, self.now);
        self.dead.insert(Endpoint::echo(address));
    }

    /// Lets one port of a machine die.
    pub(super) fn port_dies(&mut self, last: u8, port: u16) {
        self.ledger.changed.insert(ip(last), self.now);
        self.dead.insert(Endpoint::connect(ip(last), port));
    }

    /// Lets a machine with all its ports live.
    pub(super) fn lives(&mut self, last: u8) {
        self.lives_at(ip(last));
    }

    /// Lets the machine at an address live.
    pub(super) fn lives_at(&mut self, address: IpAddr) {
        self.ledger.changed.insert(address, self.now);
        self.dead.retain(|endpoint| endpoint.address != address);
    }

    /// Whether so many checks of a target get no answer that it is down.
    pub(super) fn is_silent(&self, address: IpAddr, its: &ServiceSettings) -> bool {
        let counted: Vec<_> = its.checks.iter().filter(|check| check.counts).collect();
        let dead = counted.iter().filter(|its| self.is_dead(address, its.check.method)).count();
        dead + its.require.get() > counted.len()
    }

    /// Whether the machine at an address does not answer at a port.
    pub(super) fn is_dead(&self, address: IpAddr, method: Method) -> bool {
        let whole = Endpoint::echo(address);
        self.dead.contains(&whole) || self.dead.contains(&Endpoint { address, method })
    }

    pub(super) fn probe(&mut self, request: ProbeRequest) {
        self.ledger.probes.push((self.now, request.endpoint));
        if let Some(&after) = self.slow.get(&request.endpoint.address) {
            let sent = self.now;
            return self.later(after, Coming::Decided(request, sent));
        }
        let (after, answer) = self.answer(&request, ms(10));
        self.later(after, Coming::Event(Event::Answered { probe: request.id, answer }));
    }

    /// Sends the answer that a slow target gives now to a probe sent at `sent`.
    pub(super) fn decided(&mut self, request: &ProbeRequest, sent: Duration) {
        let took = self.now.saturating_sub(sent);
        let (after, answer) = self.answer(request, took);
        let event = Event::Answered { probe: request.id, answer };
        self.later(after.saturating_sub(took), Coming::Event(event));
    }

    /// Returns the answer to a probe at this moment, and the time that it takes from sending.
    fn answer(&self, request: &ProbeRequest, rtt: Duration) -> (Duration, Answer) {
        let Endpoint { address, method } = request.endpoint;
        if self.unreachable.contains(&address) {
            (Duration::ZERO, Answer::Fault("no route".into()))
        } else if let Some(answer) = self.answers.get(&request.endpoint) {
            let waits = matches!(answer, Answer::Silence | Answer::TimedOut(_));
            (if waits { request.timeout } else { rtt }, answer.clone())
        } else if self.is_dead(address, method) {
            (request.listen_for, Answer::Silence)
        } else {
            (rtt, Answer::Reply(rtt))
        }
    }
}
