//! Scenes in which the engine itself decides, in virtual time.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::{SERVICE, Scene, ZONE, address, applied};
use crate::engine::event::{
    Action, DnsReport, DrainCommand, DrainStep, Event, Fact, Order, Withdrawal,
};
use crate::engine::ids::Ticket;
use crate::engine::plan::{Desired, Family, Observed, SetKey};
use crate::engine::types::{Answer, PeerKind, PeerState, Vote};
use crate::notify::Notice;

impl Scene {
    /// Handles events of the engine, and its facts, for some seconds; `answering` targets answer.
    pub(in super::super) async fn run(&mut self, seconds: u64, answering: &[u8]) {
        for _ in 0..seconds * 20 {
            tokio::time::advance(Duration::from_millis(50)).await;
            self.handle(Event::Tick, answering);
            self.reporter.look(&self.engine);
            self.sent.extend(self.reporter.take_due());
        }
    }

    /// The first target is withdrawn.
    pub(in super::super) async fn first_goes(&mut self, is_simulated: bool) {
        let names = vec!["www.example.com".to_owned()];
        let gone = Withdrawal { names, ..Withdrawal::default() };
        self.changes(applied(1, [gone], [], []), is_simulated).await;
    }

    /// The first target is restored.
    pub(in super::super) async fn first_returns(&mut self, is_simulated: bool) {
        self.changes(applied(1, [], ["www.example.com"], []), is_simulated).await;
    }

    async fn changes(&mut self, mut fact: Fact, is_simulated: bool) {
        if let Fact::Applied { dry_run, .. } = &mut fact {
            *dry_run = is_simulated;
        }
        self.fact(fact).await;
    }

    /// Removes and returns the notices so far.
    pub(in super::super) fn take_sent(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.sent)
    }

    /// Handles an event of the engine, with its consequences.
    fn handle(&mut self, event: Event, answering: &[u8]) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.clock.now();
            for action in self.engine.handle(now, event) {
                match action {
                    Action::Probe(request) => {
                        let its = request.endpoint.address;
                        if answering.iter().any(|it| address(*it) == its) {
                            let answer = Answer::Reply(Duration::from_millis(1));
                            events.push_back(Event::Answered { probe: request.id, answer });
                        }
                    }
                    Action::Reconcile { zone, order } if self.is_at_floor => {
                        let Order { service, number, desired, .. } = order;
                        let out = desired.iter().filter(|(_, its)| **its != Desired::Serve);
                        let held = out.map(|(it, _)| (*it, vec!["www.example.com".to_owned()]));
                        let (held, open) = (held.collect(), BTreeSet::new());
                        let report = DnsReport::Confirmed { service, number, desired, held, open };
                        events.push_back(Event::Dns(zone, report));
                    }
                    Action::Report(fact) => self.reporter.fact(&self.engine, &fact),
                    _ => {}
                }
            }
        }
    }

    /// Takes the first target out by hand, or gives it back.
    pub(in super::super) fn drain(&mut self, is_out: bool, answering: &[u8]) {
        let (ticket, service, target) = (Ticket::from(1), SERVICE, address(1));
        let step = DrainStep::Both;
        let command =
            DrainCommand { ticket, service, target, lasts: None, reason: None, force: true, step };
        let event =
            if is_out { Event::Drain(command) } else { Event::Undrain { ticket, service, target } };
        self.handle(event, answering);
    }

    /// Lets the floor hold all addresses that are ordered out.
    pub(in super::super) fn reach_floor(&mut self) {
        self.is_at_floor = true;
    }

    /// Hears the votes of a peer: it sees these targets down, and the others up.
    pub(in super::super) fn hears(&mut self, peer: SocketAddr, down: &[u8], answering: &[u8]) {
        let state = PeerState::Alive(PeerKind::Native);
        self.handle(Event::Peer { peer, state }, answering);
        for last in 1..=3 {
            let vote = if down.contains(&last) { Vote::Down } else { Vote::Up };
            let (service, target, age) = (SERVICE, address(last), Duration::ZERO);
            self.handle(Event::Vote { peer, service, target, vote, age }, answering);
        }
    }

    /// Lists the zone: the first two names hold these addresses.
    pub(in super::super) fn lists(&mut self, there: &[u8], answering: &[u8]) {
        let mut observed = Observed::default();
        for name in ["www.example.com", "api.example.com"] {
            let key = SetKey { name: name.to_owned(), family: Family::of(address(1)) };
            observed.sets.insert(key, there.iter().map(|it| address(*it)).collect());
        }
        self.handle(Event::Dns(ZONE, DnsReport::Listed(observed)), answering);
        self.reporter.zone_listed(&self.engine, ZONE);
    }
}
