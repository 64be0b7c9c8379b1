//! Where the driver writes down what it knows, and what readers see of it.
//!
//! The driver owns the [`Board`] and writes without a lock; about once a second, and soon after
//! something of consequence, it publishes a [`Snapshot`]. Readers take the newest snapshot and
//! never wait for the driver, nor it for them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ledger::{Ledger, Recent};
use super::model::{Agent, Canary, Change, Drained, Failure, Health, Limits, Reason, Streak};
use super::reader::Reader;
use super::row::Row;
use super::snapshot::{PeerSeen, Snapshot, VoteHeard};
use super::time::Moment;
use crate::engine::canaries::Cause;
use crate::engine::plan::Observed;
use crate::heart::Heart;

/// How long readers see the old snapshot while only round-trip times and streaks change.
pub const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// How long they see it after something of consequence: many targets that flip together make one
/// snapshot, not one each.
pub const PUBLISH_SOON: Duration = Duration::from_millis(50);

/// What is watched, and by whom: what a start or a reload settles.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The agent as a whole. Its isolation does not belong to the setup: see [`Board::set_isolation`].
    pub agent: Agent,
    /// The addresses that are watched, distinct, in the configuration's order.
    pub targets: Vec<IpAddr>,
    /// The owner names that each of them may have a record at.
    pub names: Vec<String>,
}

/// What was decided about one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// As seen from here.
    pub health: Health,
    /// When a probe was last judged a reply or a loss; before the first, when the watching began.
    /// `None` if that is not said.
    pub judged: Option<Instant>,
    /// Whether its records belong in the zone. False for a target that is down by the verdict or
    /// drained, also while the floor or dry-run keeps its records.
    pub in_service: bool,
    /// What stands in the way of what its health asks for.
    pub reason: Option<Reason>,
    /// The newest outcomes, as far as they are alike.
    pub streak: Streak,
    /// The operator's word.
    pub drained: Option<Drained>,
}

/// What the driver knows, as others may see it.
///
/// Every method is a few stores, so that the driver calls it in passing; an address that is not
/// watched (any more) is ignored. Nothing is seen by readers before [`Board::tick`].
#[derive(Debug)]
pub struct Board {
    made: Instant,
    /// The newest reading of both clocks.
    moment: Moment,
    /// The reading that tells wall-clock times. Instants are what is kept: the wall clock may be set.
    dates: Moment,
    /// When the agent started, and when its configuration was loaded.
    begun: [Instant; 2],
    setup: Setup,
    /// Kept apart from the setup, so that a reload leaves it as it is.
    isolation: Option<Cause>,
    /// Shared with the snapshots, so that publishing copies no names.
    agent: Arc<Agent>,
    names: Arc<[String]>,
    rows: Vec<Row>,
    places: Arc<HashMap<IpAddr, usize>>,
    peers: Arc<[PeerSeen]>,
    canaries: Arc<[Canary]>,
    recent: Recent,
    ledger: Ledger,
    heart: Arc<Heart>,
    published: Instant,
    urgent: bool,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Board {
    /// A board on which every target is assumed up and nothing else is known.
    pub fn new(setup: Setup, now: Moment) -> Self {
        let mut board = Self {
            made: now.clock,
            moment: now,
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
            ledger: Ledger::default(),
            heart: Arc::new(Heart::new(now.clock)),
            published: now.clock,
            urgent: false,
            snapshots: watch::Sender::new(Arc::new(Snapshot::empty(&setup, now))),
            setup,
        };
        board.seat();
        board.publish(now);
        board
    }

    /// Another reader.
    pub fn reader(&self) -> Reader {
        Reader::new(self.snapshots.subscribe(), Arc::clone(&self.heart))
    }

    /// A reload at `now`: targets that stay keep all that is known of them, the others' traces are
    /// gone. The time of the agent's start and its isolation stay as well, whatever `setup` says.
    pub fn reload(&mut self, setup: Setup, now: Moment) {
        self.moment = now;
        self.begun[1] = now.clock;
        self.agent = Arc::new(setup.agent.clone());
        let renamed = setup.names != self.setup.names;
        if renamed {
            let old = std::mem::replace(&mut self.names, setup.names.clone().into());
            self.rows.iter_mut().for_each(|row| row.rename(&old, &self.names));
        }
        self.setup = setup;
        self.seat();
        self.urgent = true;
    }

    /// Gives each target its row, an old one where there is one.
    fn seat(&mut self) {
        let mut old: HashMap<IpAddr, Row> =
            self.rows.drain(..).map(|row| (row.view.address, row)).collect();
        let since = self.moment.clock;
        let names = self.names.len();
        let row = |address: &IpAddr| {
            old.remove(address).unwrap_or_else(|| Row::new(*address, names, since))
        };
        self.rows = self.setup.targets.iter().map(row).collect();
        let place = |(place, row): (usize, &Row)| (row.view.address, place);
        self.places = Arc::new(self.rows.iter().enumerate().map(place).collect());
    }

    fn row(&mut self, target: IpAddr) -> Option<&mut Row> {
        let place = self.places.get(&target)?;
        self.rows.get_mut(*place)
    }

    fn seconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.made).as_secs()
    }

    /// A probe was answered in time.
    pub fn reply(&mut self, target: IpAddr, at: Instant, rtt: Duration) {
        let second = self.seconds(at);
        if let Some(row) = self.row(target) {
            row.reply(second, at, rtt);
            self.ledger.rtt.observe(rtt);
        }
    }

    /// A probe was not answered within its timeout, or was answered with "unreachable".
    pub fn loss(&mut self, target: IpAddr, at: Instant) {
        let second = self.seconds(at);
        if let Some(row) = self.row(target) {
            row.loss(second);
        }
    }

    /// A probe could not be sent: no evidence about its target.
    pub fn fault(&mut self, target: IpAddr) {
        if let Some(row) = self.row(target) {
            row.view.counts.faults += 1;
        }
    }

    /// A target does not answer at the retry pace, so that its death is noticed after this long at
    /// worst; or it does again.
    pub fn limits(&mut self, target: IpAddr, noticed_after: Option<Duration>) {
        if let Some(row) = self.row(target) {
            row.view.limits = noticed_after;
        }
    }

    /// Every canary that the configuration lists. What is known of those that stay is kept.
    pub fn set_canaries(&mut self, addresses: impl IntoIterator<Item = String>) {
        let known = |address: &str| self.canaries.iter().find(|known| known.address == address);
        let canary = |address: String| Canary {
            limits: known(&address).and_then(|known| known.limits),
            address,
        };
        self.canaries = addresses.into_iter().map(canary).collect();
        self.urgent = true;
    }

    /// As [`limits`](Self::limits), for a canary.
    pub fn canary_limits(&mut self, address: &str, noticed_after: Option<Duration>) {
        let limits = noticed_after.map(Limits::after);
        let mut canaries = self.canaries.to_vec();
        for canary in canaries.iter_mut().filter(|canary| canary.address == address) {
            canary.limits = limits;
        }
        self.canaries = canaries.into();
        self.urgent = true;
    }

    /// An answer to a probe that was counted as lost came after all.
    pub fn late(&mut self, target: IpAddr) {
        if let Some(row) = self.row(target) {
            row.view.counts.late += 1;
        }
    }

    /// What holds for a target since `at`. Flips, verdicts and refusals are counted from what
    /// differs from before, so that saying the same thing twice is harmless.
    pub fn decided(&mut self, target: IpAddr, at: Instant, facts: &Facts) {
        let Some(row) = self.row(target) else { return };
        let turn = row.decided(at, facts);
        if let Some(reason) = turn.refused {
            self.ledger.refused(reason);
        }
        self.urgent |= turn.of_consequence;
    }

    /// Every vote on one target that still counts.
    pub fn set_votes(&mut self, target: IpAddr, votes: Vec<VoteHeard>) {
        if let Some(row) = self.row(target) {
            row.view.votes = votes.into();
        }
    }

    /// What the provider listed; `None` when that is no longer known.
    pub fn set_observed(&mut self, observed: Option<&Observed>) {
        let names = Arc::clone(&self.names);
        self.rows.iter_mut().for_each(|row| row.observed(&names, observed));
        self.urgent = true;
    }

    /// Every peer that the configuration lists. The votes of others are forgotten in the metrics.
    pub fn set_peers(&mut self, peers: Vec<PeerSeen>) {
        self.ledger.keep_peers(|peer| peers.iter().any(|seen| seen.address == peer));
        self.peers = peers.into();
        self.urgent = true;
    }

    /// The agent takes its own network for the cause of its losses, on these grounds; `None` if it
    /// does not.
    pub fn set_isolation(&mut self, cause: Option<Cause>) {
        self.urgent |= self.isolation != cause;
        self.isolation = cause;
    }

    /// Something was done to the zone, or would have been in dry-run: `withdrew 192.0.2.10 from
    /// www.example.com`, on this evidence.
    pub fn changed(&mut self, at: Instant, what: &str, evidence: &str, target: Option<IpAddr>) {
        let (what, evidence) = (what.to_owned(), evidence.to_owned());
        let change = Change { at: self.dates.wall_at(at), what, evidence, target };
        self.recent.changed(at, change);
        self.urgent = true;
    }

    /// `what` did not work and is being tried again, until [`Board::recovered`] or the next time.
    pub fn failed(&mut self, at: Instant, what: &str, error: &str) {
        let (what, error) = (what.to_owned(), error.to_owned());
        self.recent.failed(at, Failure { at: self.dates.wall_at(at), what, error });
        self.urgent = true;
    }

    /// `what` works, or is no longer wanted. Also harmless if it never failed.
    pub fn recovered(&mut self, what: &str) {
        self.urgent |= self.recent.recovered(what);
    }

    /// The counters that belong to no target.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// To be called on every turn of the driver's loop, and at least once a second: stamps the
    /// heart beat behind `/healthz` and publishes what is due. Returns whether it published.
    pub fn tick(&mut self, now: Moment) -> bool {
        self.heart.beat(now.clock);
        let waited = now.clock.saturating_duration_since(self.published);
        let due = waited >= PUBLISH_EVERY || self.urgent && waited >= PUBLISH_SOON;
        if due {
            self.publish(now);
        }
        due
    }

    /// Publishes now, whatever is due: for the last word before the end.
    pub fn publish(&mut self, now: Moment) {
        self.moment = now;
        self.dates = self.dates.or_if_set(now);
        self.published = now.clock;
        self.urgent = false;
        let second = self.seconds(now.clock);
        let snapshot = Snapshot {
            moment: now,
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
            ledger: self.ledger.clone(),
        };
        self.snapshots.send_replace(Arc::new(snapshot));
    }
}
