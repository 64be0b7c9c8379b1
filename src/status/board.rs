//! The board: the status as the event loop updates it and publishes it to readers.
//!
//! The event loop owns the [`Board`] and updates it without a lock. It publishes a [`Snapshot`] about
//! once a second, and soon after a significant change. Readers take the newest snapshot. They never
//! wait for the event loop, nor does it wait for them.

mod checks;
mod effects;
mod incidents;
mod surroundings;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::checks::AllChecks;
use super::counters::StatusCounters;
use super::input::{PeerStatus, ReceivedVote, Setup, TargetState, ZoneSetup};
use super::model::{Agent, Canary, Change, Failure, OpenIncidentStatus, WaitingDrain};
use super::probes::{ProbeRow, Probes};
use super::reader::Reader;
use super::recent::Recent;
use super::row::{ServiceRows, TargetRow};
use super::snapshot::{Snapshot, ZoneEffects};
use super::time::ClockReading;
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::plan::Observed;
use crate::engine::types::IsolationCause;
use crate::heart::Heart;

/// Time between snapshots while only round-trip times and streaks change.
pub const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Time between snapshots after a significant change: many targets that flip together make one
/// snapshot, not one each.
pub const PUBLISH_SOON: Duration = Duration::from_millis(50);

/// The status of the agent.
///
/// Every method is a few stores, cheap enough for the event loop. What is not a target is ignored.
/// Readers see nothing of an update before [`Board::tick`].
#[derive(Debug)]
pub struct Board {
    made: Instant,
    /// The newest reading of both clocks.
    now: ClockReading,
    /// The reading that converts instants to wall-clock times. Instants are stored, because the wall
    /// clock may be set.
    dates: ClockReading,
    /// The times of the agent's start and of the last reload.
    begun: [Instant; 2],
    setup: Setup,
    /// Separate from the setup, so that a reload does not change it.
    isolation: Option<IsolationCause>,
    /// Shared with the snapshots, like the services, so that publishing copies neither.
    agent: Arc<Agent>,
    /// The services with their targets, in the order of the setup.
    services: Vec<Arc<ServiceRows>>,
    /// The service and the row of each target, by their places.
    places: Arc<HashMap<TargetRef, [usize; 2]>>,
    zones: Arc<[ZoneSetup]>,
    probes: Probes,
    checks: AllChecks,
    peers: Arc<[PeerStatus]>,
    canaries: Arc<[Canary]>,
    waiting_drains: Arc<[WaitingDrain]>,
    effects: Arc<ZoneEffects>,
    incidents: Arc<Vec<OpenIncidentStatus>>,
    recent: Recent,
    counters: StatusCounters,
    heart: Arc<Heart>,
    published: Instant,
    is_urgent: bool,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Board {
    /// Returns a board on which every target is assumed up.
    pub fn new(setup: Setup, now: ClockReading) -> Self {
        let mut board = Self {
            made: now.clock,
            now,
            dates: now,
            begun: [setup.agent.started_at, setup.agent.config_loaded_at]
                .map(|time| now.clock_at(time)),
            isolation: None,
            agent: Arc::new(setup.agent.clone()),
            services: Vec::new(),
            places: Arc::default(),
            zones: setup.zones.as_slice().into(),
            probes: Probes::default(),
            checks: AllChecks::default(),
            peers: Arc::new([]),
            canaries: Arc::new([]),
            waiting_drains: Arc::new([]),
            effects: Arc::default(),
            incidents: Arc::default(),
            recent: Recent::default(),
            counters: StatusCounters::default(),
            heart: Arc::new(Heart::new(now.clock)),
            published: now.clock,
            is_urgent: false,
            snapshots: watch::Sender::new(Arc::new(Snapshot::empty(&setup, now))),
            setup,
        };
        board.assign_rows();
        board.publish(now);
        board
    }

    /// Returns a new reader of the snapshots.
    pub fn reader(&self) -> Reader {
        Reader::new(self.snapshots.subscribe(), Arc::clone(&self.heart))
    }

    /// Follows a reload at `now`. Targets that stay keep their state; the others are forgotten. The
    /// time of the agent's start and its isolation stay, too. An address that moves to another service
    /// keeps the figures of its probe.
    pub fn reload(&mut self, setup: Setup, now: ClockReading) {
        self.now = now;
        self.begun[1] = now.clock;
        self.agent = Arc::new(setup.agent.clone());
        self.zones = setup.zones.as_slice().into();
        self.setup = setup;
        self.assign_rows();
        let zones: BTreeSet<ZoneId> = self.setup.zones.iter().map(|zone| zone.id).collect();
        self.recent.keep_zones(|zone| zones.contains(&zone));
        self.counters.keep_zones(|zone| zones.contains(&zone));
        let services: BTreeSet<ServiceId> = self.setup.services.iter().map(|its| its.id).collect();
        self.counters.keep_services(|service| services.contains(&service));
        self.is_urgent = true;
    }

    /// Assigns a row to each target: its old one if it had one.
    fn assign_rows(&mut self) {
        let mut old: HashMap<ServiceId, ServiceRows> = HashMap::new();
        for service in self.services.drain(..) {
            old.insert(service.id, Arc::unwrap_or_clone(service));
        }
        let mut services = Vec::with_capacity(self.setup.services.len());
        for setup in &self.setup.services {
            services.push(ServiceRows::new(setup, old.get_mut(&setup.id), self.now.clock));
        }
        let gone = old.into_values().flat_map(|service| service.rows);
        let gone: HashMap<IpAddr, Option<usize>> =
            gone.map(|row| (row.address, row.probe)).collect();
        let mut places = HashMap::new();
        for (nth, service) in services.iter_mut().enumerate() {
            for (place, row) in service.rows.iter_mut().enumerate() {
                places
                    .insert(TargetRef { service: service.id, address: row.address }, [nth, place]);
                row.probe = row.probe.or_else(|| gone.get(&row.address).copied().flatten());
            }
        }
        let rows = services.iter().flat_map(|service| &service.rows);
        let probes = self.probes.keep(rows.filter_map(|row| row.probe));
        for row in services.iter_mut().flat_map(|service| &mut service.rows) {
            row.probe = row.probe.and_then(|place| probes.get(&place).copied());
        }
        self.separate_probes(&mut services);
        let rows = services.iter_mut().flat_map(|service| &mut service.rows);
        self.checks.keep(rows.map(|row| &mut row.checks));
        self.places = Arc::new(places);
        self.services = services.into_iter().map(Arc::new).collect();
    }

    /// Returns the row of a target for modification. The rows of its service are copied if a snapshot
    /// shares them.
    fn row(&mut self, target: TargetRef) -> Option<&mut TargetRow> {
        let [service, place] = *self.places.get(&target)?;
        Arc::make_mut(self.services.get_mut(service)?).rows.get_mut(place)
    }

    /// Returns the row of a target.
    fn row_of(&self, target: TargetRef) -> Option<&TargetRow> {
        let [service, place] = *self.places.get(&target)?;
        self.services.get(service)?.rows.get(place)
    }

    /// Returns the probe of a target.
    fn probe(&mut self, target: TargetRef) -> Option<&mut ProbeRow> {
        let place = if let Some(place) = self.row_of(target)?.probe {
            place
        } else {
            let place = self.probes.add();
            self.row(target)?.probe = Some(place);
            place
        };
        self.probes.get_mut(place)
    }

    fn seconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.made).as_secs()
    }

    /// Counts a reply in time to the probe of a target.
    pub fn reply(&mut self, target: TargetRef, at: Instant, rtt: Duration) {
        if self.reply_again(target, at, rtt) {
            self.counters.rtt.observe(rtt);
        }
    }

    /// Counts a loss: no reply within the timeout, or "unreachable".
    pub fn loss(&mut self, target: TargetRef, at: Instant) {
        let second = self.seconds(at);
        if let Some(probe) = self.probe(target) {
            probe.loss(second);
        }
    }

    /// Counts a probe that could not be sent: no evidence about its target.
    pub fn fault(&mut self, target: TargetRef) {
        if let Some(probe) = self.probe(target) {
            probe.view.counters.faults += 1;
        }
    }

    /// Sets the longest time until a target's failure is noticed, if the target does not answer at the
    /// retry pace; `None` if it does.
    pub fn set_limits(&mut self, target: TargetRef, noticed_after: Option<Duration>) {
        if let Some(probe) = self.probe(target) {
            probe.view.limits = noticed_after;
        }
    }

    /// Counts a reply to a probe that was counted as lost before.
    pub fn late(&mut self, target: TargetRef) {
        if let Some(probe) = self.probe(target) {
            probe.view.counters.late += 1;
        }
    }

    /// Sets the state of a target, which holds since `at`. Flips, verdicts and refusals are counted by
    /// the difference, so that repeating an update is harmless.
    pub fn update(&mut self, target: TargetRef, at: Instant, state: &TargetState) {
        let Some(row) = self.row_of(target) else { return };
        let (before, is_new) = (row.probe, !row.is_as(state));
        let place = match state.probe {
            Some(endpoint) => self.probes.bind(endpoint, before),
            None => before.unwrap_or_else(|| self.probes.add()),
        };
        if let Some(probe) = self.probes.get_mut(place) {
            probe.view.judged = state.judged.or(probe.view.judged);
            probe.view.streak = state.streak;
        }
        if !is_new && before == Some(place) {
            // The row is shared with a snapshot, and is copied for a change alone.
            return;
        }
        let Some(row) = self.row(target) else { return };
        row.probe = Some(place);
        let update = row.update(at, state);
        if let Some(reason) = update.refused {
            self.counters.refused(target.service, reason);
        }
        self.is_urgent |= update.is_significant;
    }

    /// Sets the votes of peers on a target that count now.
    pub fn set_votes(&mut self, target: TargetRef, votes: Vec<ReceivedVote>) {
        let is_new = self.row_of(target).is_some_and(|row| !are_alike(&row.votes, &votes));
        if let Some(row) = self.row(target).filter(|_| is_new) {
            row.votes = votes.into();
        }
    }

    /// Sets the last listing of a zone; `None` if it no longer holds.
    pub fn set_observed(&mut self, zone: ZoneId, observed: Option<&Observed>) {
        for service in self.services.iter_mut().filter(|service| service.zone == zone) {
            let Some(present) = service.presence(observed) else { continue };
            let rows = &mut Arc::make_mut(service).rows;
            rows.iter_mut().zip(present).for_each(|(row, present)| row.present = present);
        }
        self.is_urgent = true;
    }

    /// Sets the reason why the agent considers its own network the cause of its losses; `None` if it
    /// does not.
    pub fn set_isolation(&mut self, cause: Option<IsolationCause>) {
        self.is_urgent |= self.isolation != cause;
        self.isolation = cause;
    }

    /// Adds a change to the zone, made or left out by dry-run: `withdrew 192.0.2.10 from
    /// www.example.com`, with its evidence.
    pub fn changed(&mut self, at: Instant, what: &str, evidence: &str, target: Option<TargetRef>) {
        let (what, evidence) = (what.to_owned(), evidence.to_owned());
        let named = target.filter(|_| self.setup.names_services());
        let service = named.and_then(|target| self.service_name(target.service));
        let target = target.map(|target| target.address);
        let change = Change { at: self.dates.wall_at(at), what, evidence, target, service };
        self.recent.changed(at, change);
        self.is_urgent = true;
    }

    /// Returns the name of a service of the setup.
    fn service_name(&self, service: ServiceId) -> Option<String> {
        let known = self.setup.services.iter().find(|known| known.id == service)?;
        Some(known.name.clone())
    }

    /// Adds a failure of the work `what`, which is retried until [`Board::recovered`].
    pub fn failed(&mut self, at: Instant, what: &str, error: &str) {
        self.add_failure(at, None, what, error);
    }

    /// Like [`Self::failed`], for work in a zone.
    pub fn failed_in(&mut self, zone: ZoneId, at: Instant, what: &str, error: &str) {
        self.add_failure(at, Some(zone), what, error);
    }

    fn add_failure(&mut self, at: Instant, zone: Option<ZoneId>, what: &str, error: &str) {
        let (what, error) = (what.to_owned(), error.to_owned());
        self.recent.failed(at, zone, Failure { at: self.dates.wall_at(at), what, error });
        self.is_urgent = true;
    }

    /// Removes the failure of the work `what`, if there is one.
    pub fn recovered(&mut self, what: &str) {
        self.is_urgent |= self.recent.recovered(what);
    }

    /// Returns the counters that belong to no single target.
    pub fn counters(&mut self) -> &mut StatusCounters {
        &mut self.counters
    }

    /// Records an iteration of the event loop for `/healthz`, and publishes a snapshot if one is due.
    /// Must be called at least once a second. Returns whether it published.
    pub fn tick(&mut self, now: ClockReading) -> bool {
        self.heart.beat(now.clock);
        let waited = now.clock.saturating_duration_since(self.published);
        let due = waited >= PUBLISH_EVERY || self.is_urgent && waited >= PUBLISH_SOON;
        if due {
            self.publish(now);
        }
        due
    }

    /// Publishes a snapshot now.
    pub fn publish(&mut self, now: ClockReading) {
        self.now = now;
        self.dates = self.dates.or_if_set(now);
        self.published = now.clock;
        self.is_urgent = false;
        let second = self.seconds(now.clock);
        let snapshot = Snapshot {
            now,
            dates: self.dates,
            begun: self.begun,
            minute: second / 60,
            agent: Arc::clone(&self.agent),
            isolation: self.isolation,
            zones: Arc::clone(&self.zones),
            services: self.services.clone(),
            places: Arc::clone(&self.places),
            probes: self.probes.views(second),
            checks: self.checks.published(),
            peers: Arc::clone(&self.peers),
            canaries: Arc::clone(&self.canaries),
            waiting_drains: Arc::clone(&self.waiting_drains),
            effects: Arc::clone(&self.effects),
            incidents: Arc::clone(&self.incidents),
            recent: self.recent.clone(),
            counters: self.counters.clone(),
        };
        self.snapshots.send_replace(Arc::new(snapshot));
    }
}

/// The smallest difference between the times of two votes that readers can see.
const SAME_TIME: Duration = Duration::from_millis(50);

/// Whether readers see no difference between these votes.
fn are_alike(before: &[ReceivedVote], votes: &[ReceivedVote]) -> bool {
    before.len() == votes.len()
        && before.iter().zip(votes).all(|(old, new)| {
            let later = new.heard.saturating_duration_since(old.heard);
            let earlier = old.heard.saturating_duration_since(new.heard);
            old.peer == new.peer && old.health == new.health && later.max(earlier) < SAME_TIME
        })
}
