//! The decision engine: pure, std only, with time as a parameter.
//!
//! [`Engine::handle`] receives an event and its time, and returns the actions to perform. It reads
//! no clock, opens no socket and writes no log, so every decision that goavail makes can be
//! replayed in a test. One file a concept:
//!
//! - `prober`: when to probe each endpoint, and the outcome of each probe
//! - `health`: whether each endpoint is up, from the outcomes of its probes
//! - `canaries`: whether this agent can trust its own observations
//! - `service`: the gate with its ordered questions, the verdicts on targets; `services`: all services
//!   by their ids
//! - `peers`: the votes of peers, and the announcement of this agent's own votes; [`quorum`]:
//!   whether enough agents agree
//! - `zone`: the last listing of a zone; the orders are part of the service; [`plan`]: which records
//!   to change, and the floor
//! - `stall`: whether this process ran; `schedule`: when to look at each part again; `context`: the
//!   current event
//! - `roster`, `probing`, `isolation`, `reconciling`, `operator`, `rehearsing`, `cluster`: the
//!   connections between the parts. In this order: the watched endpoints, from probes to health,
//!   isolation, from verdicts to orders and back, the operator's commands, rehearsals, the exchange
//!   of votes with peers
//! - `journal`: the notes for a recorder; `replaying`: an engine that is given them
//! - `attribution`: the service of a changed record; `view`: the state that the engine exposes;
//!   `explaining` and [`explanation`]: the answers of all guards about one target
//! - [`event`], [`dns_report`]: the events that the engine receives; [`action`], [`fact`]: the actions
//!   that it requests, and the facts that it reports; [`settings`], [`ids`], [`types`], [`drain`],
//!   [`moment`]: their vocabulary

mod action;
mod attribution;
mod canaries;
mod cluster;
mod context;
mod dns_report;
mod drain;
pub mod event;
mod explaining;
pub(crate) mod explanation;
mod fact;
mod failed;
mod health;
pub mod ids;
mod isolation;
pub(crate) mod journal;
pub(crate) mod journaling;
mod moment;
mod operator;
mod peers;
pub(crate) mod place;
pub mod plan;
pub(crate) mod prober;
mod probing;
pub(crate) mod quorum;
mod reconciling;
mod rehearsing;
pub(crate) mod replaying;
mod roster;
mod schedule;
mod service;
mod services;
pub mod settings;
mod slab;
mod stall;
#[cfg(test)]
pub(crate) mod tests;
pub mod types;
mod view;
mod zone;

use std::collections::BTreeMap;

use action::Action;
use attribution::SetOwners;
use canaries::Canaries;
use context::Context;
use drain::Drain;
use event::Event;
use fact::Fact;
use health::HealthTracker;
use ids::{ServiceId, TargetRef, ZoneId};
use journal::Noted;
use peers::Peers;
use prober::Prober;
use quorum::PeerVote;
use schedule::Item;
use service::Service;
use services::Services;
use settings::Settings;
use stall::StallDetector;
use zone::Zone;

pub use moment::Moment;
pub use roster::phase;
pub(crate) use service::often;
pub use service::{ReturnView, StandbyView};
pub use view::{CheckView, TargetView};

/// Routes events to the parts, and runs the decision pass at the end of each event.
///
/// The settings say how many services and zones there are.
#[derive(Debug)]
pub struct Engine {
    context: Context,
    stall: StallDetector,
    prober: Prober,
    health: HealthTracker,
    canaries: Canaries,
    peers: Peers,
    services: Services,
    zones: BTreeMap<ZoneId, Zone>,
    set_owners: SetOwners,
}

impl Engine {
    /// Creates an agent that starts at `now`, with the drains that it remembers.
    pub fn new(settings: Settings, drains: BTreeMap<TargetRef, Drain>, now: Moment) -> Self {
        Self::start(Context::new(settings, now), drains)
    }

    /// Creates an agent in a context.
    fn start(context: Context, drains: BTreeMap<TargetRef, Drain>) -> Self {
        let now = context.now;
        let mut engine = Self {
            context,
            stall: StallDetector::new(now),
            prober: Prober::default(),
            health: HealthTracker::default(),
            canaries: Canaries::default(),
            peers: Peers::default(),
            services: Services::default(),
            zones: BTreeMap::new(),
            set_owners: SetOwners::default(),
        };
        engine.enroll();
        engine.services.remember(drains, &mut engine.context);
        for service in engine.services.iter_mut() {
            service.schedule_resync(&mut engine.context);
        }
        engine
    }

    /// Returns the settings in force.
    pub fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// Returns the time at which the next [`Event::Tick`] is needed.
    pub fn next_wake(&self) -> Option<Moment> {
        self.context.schedule.next()
    }

    /// Handles one event, and returns the actions that it requests, in order.
    ///
    /// Entries that are due by time are processed on [`Event::Tick`] only: answers that arrived
    /// before a tick have to be handled first. A tick is needed at least once a second: after a
    /// while without one, this process counts as suspended.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.context.now = now;
        self.begin_notes();
        self.forget_if_suspended();
        self.note_event(&event);
        self.dispatch(event);
        self.decide();
        self.announce();
        self.forget_stale();
        let mut actions = self.context.take_actions();
        self.services.complete(&mut actions);
        actions
    }

    /// Passes an event to the part that it concerns.
    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Tick => self.tick(),
            Event::Answered { probe, answer } => self.answered(probe, answer),
            Event::Undelivered { probe, report } => self.undelivered(probe, report),
            Event::Dns(zone, report) => self.dns_reported(zone, report),
            Event::Vote { peer, service, target: address, vote, age } => {
                let target = TargetRef { service, address };
                self.voted(PeerVote { peer, target, vote, age });
            }
            Event::Abstained { peer, service, target: address } => {
                self.abstained(peer, TargetRef { service, address });
            }
            Event::Peer { peer, state } => self.peer_changed(peer, state),
            Event::Drain(order) => self.drain(order),
            Event::Undrain { ticket, service, target } => self.undrain(ticket, service, target),
            Event::Return { ticket, service, target, undrain } => {
                self.return_now(ticket, service, target, undrain);
            }
            Event::DrainEndsChanged { service, ends } => self.set_drain_ends(service, &ends),
            Event::Reloaded(settings) => self.reload(&settings),
        }
    }

    /// Takes back an empty list of actions, to use its memory for the next ones.
    pub fn reuse(&mut self, actions: Vec<Action>) {
        self.context.reuse(actions);
    }

    /// Returns the number of ordinary probes a second, of all endpoints together.
    pub fn pace(&self) -> f64 {
        self.prober.load().a_second()
    }

    /// Drops entries from the head of the schedule that an answer has made unnecessary.
    fn forget_stale(&mut self) {
        let prober = &self.prober;
        self.context.schedule.forget(|when, item| match item {
            Item::Watch(endpoint) => !prober.is_armed_for(endpoint, when),
            _ => false,
        });
    }

    /// Processes every entry of the schedule that is due.
    fn tick(&mut self) {
        let now = self.context.now;
        let (next, timeout) = (self.context.schedule.next(), self.prober.load().shortest_timeout());
        let tick = self.stall.tick(now, next, timeout);
        if let Some(lasted) = tick.report {
            self.context.report(Fact::Stalled { lasted });
        }
        while let Some((moment, item)) = self.context.schedule.take_due(now) {
            match item {
                Item::Watch(endpoint) => self.watch_due(endpoint, moment, tick),
                Item::Order | Item::Announce => {}
                Item::Verdict(_) | Item::Held(_) | Item::Resync(_) => self.look_by_time(item),
                Item::Evidence => self.sweep(),
                Item::Retry => self.prober.retry_waiting(&mut self.context),
                Item::Faults => self.prober.report_fault_summary(&mut self.context),
                Item::Rehearsal(service) => {
                    self.context.note(Noted::Due);
                    self.look_at(service, Service::begin_rehearsals);
                    self.follow_rehearsals(service);
                }
            }
        }
    }

    /// Has a service look at its state, since an entry of the schedule was due.
    fn look_by_time(&mut self, item: Item) {
        let now = self.context.now;
        self.context.note(Noted::Due);
        match item {
            Item::Verdict(key) => self.look_at(key.service, |it, _| it.mark(key.target)),
            Item::Held(service) => self.look_at(service, |it, _| it.retry_held()),
            Item::Resync(service) => self.look_at(service, |it, _| it.begin_resync(now)),
            _ => {}
        }
    }

    /// Has a service look at its state.
    fn look_at(&mut self, id: ServiceId, look: impl FnOnce(&mut Service, &mut Context)) {
        if let Some(service) = self.services.get_mut(id) {
            look(service, &mut self.context);
        }
    }
}
