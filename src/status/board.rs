//! The board: the status as the event loop updates it and publishes it to readers.
//!
//! The event loop owns the [`Board`] and updates it without a lock. It publishes a [`Snapshot`] about
//! once a second, and soon after a significant change. Readers take the newest snapshot. They never
//! wait for the event loop, nor does it wait for them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::counters::StatusCounters;
use super::input::{PeerStatus, ReceivedVote, Setup, TargetState};
use super::model::{Agent, Canary, Change, Failure, Limits};
use super::reader::Reader;
use super::recent::Recent;
use super::row::TargetRow;
use super::snapshot::Snapshot;
use super::time::ClockReading;
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
/// Every method is a few stores, cheap enough for the event loop. An address that is not a target is
/// ignored. Readers see nothing of an update before [`Board::tick`].
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
    /// Shared with the snapshots, like the names, so that publishing copies neither.
    agent: Arc<Agent>,
    names: Arc<[String]>,
    rows: Vec<TargetRow>,
    places: Arc<HashMap<IpAddr, usize>>,
    peers: Arc<[PeerStatus]>,
    canaries: Arc<[Canary]>,
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
            names: setup.names.clone().into(),
            rows: Vec::new(),
            places: Arc::default(),
            peers: Arc::new([]),
            canaries: Arc::new([]),
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
    /// time of the agent's start and its isolation stay, too.
    pub fn reload(&mut self, setup: Setup, now: ClockReading) {
        self.now = now;
        self.begun[1] = now.clock;
        self.agent = Arc::new(setup.agent.clone());
        if setup.names != self.setup.names {
            let old = std::mem::replace(&mut self.names, setup.names.clone().into());
            self.rows.iter_mut().for_each(|row| row.rename(&old, &self.names));
        }
        self.setup = setup;
        self.assign_rows();
        self.is_urgent = true;
    }

    /// Assigns a row to each target: its old one if it had one.
    fn assign_rows(&mut self) {
        let mut old: HashMap<IpAddr, TargetRow> =
            self.rows.drain(..).map(|row| (row.view.address, row)).collect();
        let since = self.now.clock;
        let names = self.names.len();
        for address in &self.setup.targets {
            let row = old.remove(address);
            self.rows.push(row.unwrap_or_else(|| TargetRow::new(*address, names, since)));
        }
        let places = self.rows.iter().enumerate().map(|(place, row)| (row.view.address, place));
        self.places = Arc::new(places.collect());
    }

    fn row(&mut self, target: IpAddr) -> Option<&mut TargetRow> {
        let place = self.places.get(&target)?;
        self.rows.get_mut(*place)
    }

    fn seconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.made).as_secs()
    }

    /// Counts a reply in time.
    pub fn reply(&mut self, target: IpAddr, at: Instant, rtt: Duration) {
        let second = self.seconds(at);
        if let Some(row) = self.row(target) {
            row.reply(second, at, rtt);
            self.counters.rtt.observe(rtt);
        }
    }

    /// Counts a loss: no reply within the timeout, or "unreachable".
    pub fn loss(&mut self, target: IpAddr, at: Instant) {
        let second = self.seconds(at);
        if let Some(row) = self.row(target) {
            row.loss(second);
        }
    }

    /// Counts a probe that could not be sent: no evidence about its target.
    pub fn fault(&mut self, target: IpAddr) {
        if let Some(row) = self.row(target) {
            row.view.counters.faults += 1;
        }
    }

    /// Sets the longest time until a target's failure is noticed, if the target does not answer at the
    /// retry pace; `None` if it does.
    pub fn set_limits(&mut self, target: IpAddr, noticed_after: Option<Duration>) {
        if let Some(row) = self.row(target) {
            row.view.limits = noticed_after;
        }
    }

    /// Sets the canaries of the configuration. Those that stay keep their limits.
    pub fn set_canaries(&mut self, addresses: impl IntoIterator<Item = String>) {
        let mut canaries = Vec::new();
        for address in addresses {
            let known = self.canaries.iter().find(|known| known.address == address);
            canaries.push(Canary { limits: known.and_then(|known| known.limits), address });
        }
        self.canaries = canaries.into();
        self.is_urgent = true;
    }

    /// Like [`Self::set_limits`], for a canary.
    pub fn set_canary_limits(&mut self, address: &str, noticed_after: Option<Duration>) {
        let limits = noticed_after.map(Limits::after);
        let mut canaries = self.canaries.to_vec();
        for canary in canaries.iter_mut().filter(|canary| canary.address == address) {
            canary.limits = limits;
        }
        self.canaries = canaries.into();
        self.is_urgent = true;
    }

    /// Counts a reply to a probe that was counted as lost before.
    pub fn late(&mut self, target: IpAddr) {
        if let Some(row) = self.row(target) {
            row.view.counters.late += 1;
        }
    }

    /// Sets the state of a target, which holds since `at`. Flips, verdicts and refusals are counted by
    /// the difference, so that repeating an update is harmless.
    pub fn update(&mut self, target: IpAddr, at: Instant, state: &TargetState) {
        let Some(row) = self.row(target) else { return };
        let update = row.update(at, state);
        if let Some(reason) = update.refused {
            self.counters.refused(reason);
        }
        self.is_urgent |= update.is_significant;
    }

    /// Sets the votes of peers on a target that count now.
    pub fn set_votes(&mut self, target: IpAddr, votes: Vec<ReceivedVote>) {
        if let Some(row) = self.row(target) {
            row.view.votes = votes.into();
        }
    }

    /// Sets the last listing of the provider; `None` if it no longer holds.
    pub fn set_observed(&mut self, observed: Option<&Observed>) {
        let names = Arc::clone(&self.names);
        self.rows.iter_mut().for_each(|row| row.observed(&names, observed));
        self.is_urgent = true;
    }

    /// Sets the peers of the configuration. The votes of others are removed from the metrics.
    pub fn set_peers(&mut self, peers: Vec<PeerStatus>) {
        self.counters.keep_peers(|peer| peers.iter().any(|seen| seen.address == peer));
        self.peers = peers.into();
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
    pub fn changed(&mut self, at: Instant, what: &str, evidence: &str, target: Option<IpAddr>) {
        let (what, evidence) = (what.to_owned(), evidence.to_owned());
        let change = Change { at: self.dates.wall_at(at), what, evidence, target };
        self.recent.changed(at, change);
        self.is_urgent = true;
    }

    /// Adds a failure of the work `what`, which is retried until [`Board::recovered`].
    pub fn failed(&mut self, at: Instant, what: &str, error: &str) {
        let (what, error) = (what.to_owned(), error.to_owned());
        self.recent.failed(at, Failure { at: self.dates.wall_at(at), what, error });
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
            names: Arc::clone(&self.names),
            places: Arc::clone(&self.places),
            rows: self.rows.iter_mut().map(|row| row.view_at(second)).collect(),
            peers: Arc::clone(&self.peers),
            canaries: Arc::clone(&self.canaries),
            recent: self.recent.clone(),
            counters: self.counters.clone(),
        };
        self.snapshots.send_replace(Arc::new(snapshot));
    }
}
