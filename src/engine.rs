//! The decisions: pure, std only, time is a parameter.
//!
//! [`Engine::handle`] is told what happened and when, and answers with what is to be done. It reads
//! no clock, opens no socket and writes no log, so everything that goavail decides can be played
//! through in a test. One file a concept:
//!
//! - [`watch`]: when to probe an endpoint and what became of each probe; [`rtt`]: when a reply is
//!   overdue
//! - [`target`]: replies and losses in a row, and the health that they flip
//! - [`canaries`]: whether this agent may trust what it sees
//! - [`evidence`]: how old what it saw may be; `isolation`: when it may not trust it at all
//! - [`rate_check`]: whether an endpoint answers at the retry pace; [`retries`]: the budget that all
//!   retries share; `faults`: which faults are worth a line
//! - `endpoints`: who is watched, each in its place; `prober`: what all probes share
//! - `stall`: whether this process ran; `rehearsal`: a target that is treated as dead on demand
//! - `peers`: what they said, and what they are to hear; [`quorum`]: whether enough agents say the same
//! - `zone`: what was read of it, and the orders to its DNS worker
//! - `verdict`: the gate, its questions in their order
//! - [`plan`]: which records to change, and the floor
//! - `drains`: which targets the operator took out
//! - `roster`, `probing`, `service`, `operator`, `cluster`: the engine's own work: who is watched, from
//!   probes to health, from health to what the record sets should serve, the operator's commands, what the
//!   peers have to do with it; `view`: what it shows of itself
//! - [`event`]: what it is told and what it asks for

pub mod canaries;
mod cluster;
mod context;
mod drains;
mod endpoints;
pub mod event;
pub mod evidence;
mod faults;
mod isolation;
mod operator;
mod peers;
pub mod place;
pub mod plan;
mod prober;
mod probing;
pub mod quorum;
pub mod rate_check;
mod rehearsal;
pub mod retries;
mod roster;
pub mod rtt;
mod schedule;
mod service;
mod stall;
pub mod target;
#[cfg(test)]
mod tests;
mod verdict;
mod view;
pub mod watch;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use canaries::Canaries;
use context::Context;
use drains::Drains;
use endpoints::Endpoints;
use event::{Act, Action, Drain, Event, Fact, Reason, Settings, Slot};
use evidence::Evidence;
use peers::Peers;
use prober::Prober;
use rehearsal::Rehearsal;
use schedule::Item;
use stall::StallDetector;
use target::Streaks;
use watch::Watch;
use zone::Zone;

pub use roster::phase;
pub use view::TargetView;

/// A moment on the agent's own clock: the time since it started.
pub type Moment = Duration;

/// Everything the agent knows and decides.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    endpoints: Endpoints,
    prober: Prober,
    targets: BTreeMap<IpAddr, Slot>,
    canaries: Canaries,
    context: Context,
    /// When evidence is looked at next.
    next_sweep: Option<Moment>,
    stall: StallDetector,
    /// Where the targets are published.
    zone: Zone,
    drains: Drains,
    peers: Peers,
    rehearsal: Option<Rehearsal>,
    /// The targets about which something changed that the gate looks at.
    dirty: BTreeSet<Slot>,
    /// The targets whose run of losses is complete, and that no canary has confirmed yet.
    unproven: BTreeSet<Slot>,
}

/// A watched endpoint.
#[derive(Debug)]
struct Subject {
    watch: Watch,
    /// The moment at which it is looked at next; its other entries on the schedule are stale.
    armed: Option<Moment>,
    /// Why this machine cannot ask it, while that is so.
    fault: Option<String>,
    /// How many times in a row that was so.
    faults: u32,
    /// That got a line.
    fault_told: bool,
    /// The first probe, by its number, that was sent after the last fault was known.
    asked_again_from: u64,
    /// Its due probe waits for room.
    waits: bool,
    /// Its due retry waits for the budget.
    waits_to_retry: bool,
    role: Role,
}

/// Why it is watched.
#[derive(Debug)]
enum Role {
    /// It proves that this agent's own network works.
    Canary,
    /// Its records are managed.
    Target(Box<Target>),
}

/// A target: its health, and what was settled about it.
#[derive(Debug)]
struct Target {
    address: IpAddr,
    streaks: Streaks,
    evidence: Evidence,
    /// The verdict.
    in_service: bool,
    /// When health or verdict last changed.
    since: Moment,
    /// The provider has confirmed the verdict, or nothing is to be done for it.
    settled: bool,
    /// It may be out of DNS though the verdict is in: nothing was compared since this agent started,
    /// or since it or a quorum of others saw it down.
    unconfirmed: bool,
    /// The peers that agreed to the verdict.
    agreeing: Vec<SocketAddr>,
    /// When the verdict was reached.
    settled_on: Moment,
    /// When this agent may act on the verdict, after those before it in rank.
    act_at: Moment,
    /// The names at which the floor keeps it.
    held: Vec<String>,
    /// Since when the peers stand against what its health asks for.
    refused_since: Option<Moment>,
    reason: Option<Reason>,
}

impl Engine {
    /// An agent that starts at `now`, with the drains that it remembers.
    pub fn new(settings: Settings, drains: BTreeMap<IpAddr, Drain>, now: Moment) -> Self {
        let mut engine = Self {
            settings,
            endpoints: Endpoints::default(),
            prober: Prober::default(),
            targets: BTreeMap::new(),
            canaries: Canaries::default(),
            context: Context::new(now),
            next_sweep: None,
            stall: StallDetector::new(now),
            zone: Zone::default(),
            drains: Drains::default(),
            peers: Peers::default(),
            rehearsal: None,
            dirty: BTreeSet::new(),
            unproven: BTreeSet::new(),
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
        self.rehearsal = Some(Rehearsal::new(target));
        self.context.schedule.note(begin, Item::Rehearsal);
        self
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
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
        self.forget_if_suspended();
        match event {
            Event::Tick => self.tick(),
            Event::Answered { slot, seq, answer } => self.answered(slot, seq, answer),
            Event::Doubted { slot, seq, what } => self.doubted(slot, seq, what),
            Event::Dns(report) => self.dns_reported(report),
            Event::Vote { peer, target, up, age } => self.voted(peer, target, up, age),
            Event::Abstained { peer, target } => self.abstained(peer, target),
            Event::Peer { peer, alive, go } => self.peer_changed(peer, alive, go),
            Event::Drain(order) => self.drain(order),
            Event::Undrain { ticket, target } => self.undrain(ticket, target),
            Event::Redated(ends) => self.redate_drains(&ends),
            Event::Reloaded(settings) => self.reload(*settings),
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
        let endpoints = &self.endpoints;
        self.context.schedule.forget(|when, item| match item {
            Item::Watch(slot) => {
                endpoints.get(slot).is_none_or(|subject| subject.armed != Some(when))
            }
            _ => false,
        });
    }

    /// Looks at everything whose moment has come.
    fn tick(&mut self) {
        let now = self.context.now;
        let tick = self.stall.tick(now, self.context.schedule.next(), self.settings.pace.timeout);
        if let Some(lasted) = tick.report {
            self.context.report(Fact::Stalled { lasted });
        }
        while let Some((moment, item)) = self.context.schedule.take_due(now) {
            match item {
                Item::Watch(slot) => self.watch_due(slot, moment, tick.stalled),
                Item::Verdict(slot) => self.mark(slot),
                Item::Held => self.retry_held(),
                Item::Resync => self.zone.begin_resync(now),
                Item::Order | Item::Announce => {}
                Item::Evidence => self.sweep(),
                Item::Retry => self.retry_waiting(),
                Item::Faults => self.sum_faults_up(),
                Item::Rehearsal => self.begin_rehearsal(),
            }
        }
    }

    /// Begins to treat the rehearsed target as dead.
    fn begin_rehearsal(&mut self) {
        if let Some(rehearsal) = &mut self.rehearsal
            && rehearsal.begin()
        {
            let target = rehearsal.target();
            self.context.report(Fact::Rehearsal { target, act: Act::Dead });
        }
    }

    /// Whether the replies of this endpoint are ignored by a rehearsal.
    fn is_rehearsed_dead(&self, slot: Slot) -> bool {
        let rehearsal = self.rehearsal.as_ref().filter(|rehearsal| rehearsal.ignores_replies());
        rehearsal.is_some_and(|rehearsal| self.targets.get(&rehearsal.target()) == Some(&slot))
    }

    /// Moves the rehearsal on after the target flipped or DNS followed.
    fn advance_rehearsal(&mut self, target: IpAddr) {
        let slot = self.targets.get(&target).copied();
        let Some(state) = slot.and_then(|slot| self.target(slot)) else { return };
        let (health, confirmed) = (state.streaks.health(), state.settled);
        let rehearsal = self.rehearsal.as_mut().filter(|rehearsal| rehearsal.target() == target);
        if let Some(act) = rehearsal.and_then(|rehearsal| rehearsal.advance(health, confirmed)) {
            self.context.report(Fact::Rehearsal { target, act });
        }
    }
}
