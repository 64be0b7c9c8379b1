//! The decisions: pure, std only, time is a parameter.
//!
//! [`Engine::handle`] is told what happened and when, and answers with what is to be done. It reads
//! no clock, opens no socket and writes no log, so everything that goavail decides can be played
//! through in a test. One file a concept:
//!
//! - [`prober`]: when to probe each endpoint, and what became of each probe
//! - [`canaries`]: whether this agent may trust what it sees
//! - [`service`]: the health of targets, the gate with its questions in their order, the verdicts
//! - `peers`: what they said, and what they are to hear; [`quorum`]: whether enough agents say the same
//! - `zone`: what was read of it, and the orders to its DNS worker; [`plan`]: which records to change,
//!   and the floor
//! - `stall`: whether this process ran; `schedule`: what is looked at next; `context`: the event in hand
//! - `roster`, `probing`, `isolation`, `reconciling`, `operator`, `cluster`: the ways between the parts:
//!   who is watched, from probes to health, isolation, from verdicts to orders and back, the operator's
//!   commands, what the peers have to do with it; `view`: what it shows of itself
//! - [`event`]: what it is told and what it asks for

pub mod action;
pub mod canaries;
mod cluster;
mod context;
pub mod event;
pub mod fact;
mod isolation;
mod operator;
mod peers;
pub mod place;
mod places;
pub mod plan;
pub mod prober;
mod probing;
pub mod quorum;
mod reconciling;
mod roster;
mod schedule;
pub mod service;
pub mod settings;
mod stall;
#[cfg(test)]
mod tests;
mod view;
mod zone;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use canaries::Canaries;
use context::Context;
use event::{Action, Drain, Event, Fact, Settings};
use peers::Peers;
use prober::Prober;
use schedule::Item;
use service::Service;
use stall::StallDetector;
use zone::Zone;

pub use roster::phase;
pub use view::TargetView;

/// A moment on the agent's own clock: the time since it started.
pub type Moment = Duration;

/// Routes events to the parts, and runs the decision pass at the end of each.
///
/// There is one service and one zone so far.
#[derive(Debug)]
pub struct Engine {
    context: Context,
    stall: StallDetector,
    prober: Prober,
    canaries: Canaries,
    peers: Peers,
    services: Vec<Service>,
    zones: Vec<Zone>,
}

impl Engine {
    /// An agent that starts at `now`, with the drains that it remembers.
    pub fn new(settings: Settings, drains: BTreeMap<IpAddr, Drain>, now: Moment) -> Self {
        let mut engine = Self {
            context: Context::new(settings, now),
            stall: StallDetector::new(now),
            prober: Prober::default(),
            canaries: Canaries::default(),
            peers: Peers::default(),
            services: vec![Service::default()],
            zones: vec![Zone::default()],
        };
        engine.enroll();
        for (address, drain) in drains {
            engine.take_up_drain(address, drain);
        }
        engine.note_resync();
        engine
    }

    /// Treats `target` as dead from `begin` until it has flipped, then as it is.
    #[must_use]
    pub fn rehearsing(mut self, target: IpAddr, begin: Moment) -> Self {
        self.services[0].rehearse(target);
        self.context.schedule.note(begin, Item::Rehearsal);
        self
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.context.settings
    }

    fn service(&self) -> &Service {
        &self.services[0]
    }

    /// When it wants to be told that time has passed.
    pub fn next_wake(&self) -> Option<Moment> {
        self.context.schedule.next()
    }

    /// Takes an event in; says what is to be done.
    ///
    /// What is due by time is looked at on [`Event::Tick`] only: answers that came in before it are
    /// to be told first. A tick is to be told at least once a second: without one for a while, this
    /// process counts as having stood still.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.context.now = now;
        self.prober.ignore(self.service().rehearsed_dead());
        self.forget_if_suspended();
        match event {
            Event::Tick => self.tick(),
            Event::Answered { slot, seq, answer } => self.answered(slot, seq, answer),
            Event::Doubted { slot, seq, what } => {
                self.prober.doubted(slot, seq, what, &mut self.context);
            }
            Event::Dns(report) => self.dns_reported(report),
            Event::Vote { peer, target, up, age } => self.voted(peer, target, up, age),
            Event::Abstained { peer, target } => self.abstained(peer, target),
            Event::Peer { peer, alive, go } => self.peer_changed(peer, alive, go),
            Event::Drain(order) => self.drain(order),
            Event::Undrain { ticket, target } => self.undrain(ticket, target),
            Event::Redated(ends) => self.redate_drains(&ends),
            Event::Reloaded(settings) => self.reload(&settings),
        }
        self.decide();
        self.resync();
        self.place_order();
        self.announce();
        self.forget_stale();
        self.context.take_actions()
    }

    /// Takes off the head of the schedule what an answer has made needless.
    fn forget_stale(&mut self) {
        let prober = &self.prober;
        self.context.schedule.forget(|when, item| match item {
            Item::Watch(slot) => !prober.is_armed_for(slot, when),
            _ => false,
        });
    }

    /// Looks at everything whose moment has come.
    fn tick(&mut self) {
        let now = self.context.now;
        let (next, timeout) = (self.context.schedule.next(), self.context.settings.pace.timeout);
        let tick = self.stall.tick(now, next, timeout);
        if let Some(lasted) = tick.report {
            self.context.report(Fact::Stalled { lasted });
        }
        while let Some((moment, item)) = self.context.schedule.take_due(now) {
            match item {
                Item::Watch(slot) => self.watch_due(slot, moment, tick.stalled),
                Item::Verdict(id) => self.services[0].mark(id),
                Item::Held => self.retry_held(),
                Item::Resync => self.zones[0].begin_resync(now),
                Item::Order | Item::Announce => {}
                Item::Evidence => self.sweep(),
                Item::Retry => self.prober.retry_waiting(&mut self.context),
                Item::Faults => self.prober.sum_faults_up(&mut self.context),
                Item::Rehearsal => self.begin_rehearsal(),
            }
        }
    }

    /// Looks for evidence that has aged: this agent has no vote without any.
    fn sweep(&mut self) {
        if self.services[0].sweep(&mut self.context) {
            self.peers.announce();
        }
    }

    /// Begins to treat the rehearsed target as dead.
    fn begin_rehearsal(&mut self) {
        self.services[0].begin_rehearsal(&mut self.context);
        self.prober.ignore(self.service().rehearsed_dead());
    }
}
