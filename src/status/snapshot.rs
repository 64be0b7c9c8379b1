//! A published snapshot of the board, and the conversion to the object behind `/status`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counters::StatusCounters;
use super::history::Minute;
use super::input::{PeerStatus, ReceivedVote, Setup};
use super::model::{Agent, Canary, Limits, Peer, RecordPresence, Status, Target, Vote};
use super::recent::Recent;
use super::time::{ClockReading, Time};
use super::view::View;
use crate::engine::plan::Family;
use crate::engine::types::IsolationCause;

/// The content of the board at one time. Readers convert it to the form that they serve.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) now: ClockReading,
    /// The reading that converts instants to wall-clock times.
    pub(super) dates: ClockReading,
    /// The times of the agent's start and of the last reload.
    pub(super) begun: [Instant; 2],
    /// The number of whole minutes since the board was made.
    pub(super) minute: u64,
    pub(super) agent: Arc<Agent>,
    /// The cause of the agent's isolation, while there is one.
    pub(super) isolation: Option<IsolationCause>,
    pub(super) names: Arc<[String]>,
    pub(super) rows: Vec<View>,
    /// The index of each address in `rows`, since `/verdict` is requested often.
    pub(super) places: Arc<HashMap<IpAddr, usize>>,
    pub(super) peers: Arc<[PeerStatus]>,
    pub(super) canaries: Arc<[Canary]>,
    pub(super) recent: Recent,
    pub(super) counters: StatusCounters,
}

impl Snapshot {
    pub(super) fn empty(setup: &Setup, now: ClockReading) -> Self {
        Self {
            now,
            dates: now,
            begun: [now.clock; 2],
            minute: 0,
            agent: Arc::new(setup.agent.clone()),
            isolation: None,
            names: Arc::new([]),
            rows: Vec::new(),
            places: Arc::default(),
            peers: Arc::new([]),
            canaries: Arc::new([]),
            recent: Recent::default(),
            counters: StatusCounters::default(),
        }
    }

    /// Returns the object behind `/status`, as if the last iteration were just now.
    pub fn status(&self) -> Status {
        let dates = &self.dates;
        let changes = self.recent.changes(dates);
        let [started_at, config_loaded_at] = self.begun.map(|at| dates.wall_at(at));
        Status {
            at: Time::new(self.now.wall),
            silence_s: 0.0,
            agent: Agent {
                started_at,
                config_loaded_at,
                isolated: self.isolation.is_some(),
                isolation_cause: self.isolation.map(|cause| cause.as_str().to_owned()),
                ..Agent::clone(&self.agent)
            },
            targets: self.rows.iter().map(|row| self.target(row)).collect(),
            peers: self.peers.iter().map(|peer| self.peer(peer)).collect(),
            canaries: self.canaries.to_vec(),
            last_change: changes.first().cloned(),
            last_error: self.recent.last_error(dates),
            failing: self.recent.failing(dates),
            changes,
        }
    }

    /// Returns the last hour of each target, in the order of [`Status::targets`].
    pub fn hours(&self) -> Vec<Vec<Minute>> {
        self.rows.iter().map(|row| row.history.hour(self.minute)).collect()
    }

    /// Returns one target, so that `/verdict` costs less than `/status`.
    pub fn find(&self, address: IpAddr) -> Option<Target> {
        let place = self.places.get(&address)?;
        self.rows.get(*place).map(|row| self.target(row))
    }

    fn target(&self, row: &View) -> Target {
        Target {
            address: row.address,
            health: row.health,
            in_service: row.in_service,
            reason: row.reason,
            streak: row.streak,
            last_rtt_ms: row.last_rtt.map(milliseconds),
            loss_1m: row.loss_1m.map(|loss| (loss * 10_000.0).round() / 10_000.0),
            evidence_age_s: self.evidence_age(row).map(|age| (age * 10.0).round() / 10.0),
            since: self.dates.wall_at(row.since),
            in_service_since: Some(self.dates.wall_at(row.in_service_since)),
            last_reply_at: row.last_reply.map(|at| self.dates.wall_at(at)),
            late: row.counters.late,
            limits: row.limits.map(Limits::after),
            drained: row.drained.as_deref().cloned(),
            records: self.records(row),
            votes: row.votes.iter().map(|vote| self.vote(vote)).collect(),
        }
    }

    /// Returns the time in seconds since a probe of the target was judged.
    pub(super) fn evidence_age(&self, row: &View) -> Option<f64> {
        Some(self.now.clock.saturating_duration_since(row.judged?).as_secs_f64())
    }

    fn records(&self, row: &View) -> Vec<RecordPresence> {
        let family = Family::of(row.address).to_string();
        let mut records = Vec::with_capacity(self.names.len());
        for (name, present) in self.names.iter().zip(row.present.iter()) {
            let r#type = family.clone();
            records.push(RecordPresence { name: name.clone(), r#type, present: *present });
        }
        records
    }

    fn vote(&self, vote: &ReceivedVote) -> Vote {
        let age = self.now.clock.saturating_duration_since(vote.heard);
        let age_s = (age.as_secs_f64() * 10.0).round() / 10.0;
        Vote { peer: vote.peer.to_string(), health: vote.health, age_s }
    }

    fn peer(&self, peer: &PeerStatus) -> Peer {
        Peer {
            address: peer.address.clone(),
            alive: peer.alive,
            signed: peer.signed,
            last_heard: peer.last_heard.map(|at| self.dates.wall_at(at)),
            no_vote_on: peer.no_vote_on.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Returns a duration in milliseconds, rounded to the microsecond.
fn milliseconds(rtt: Duration) -> f64 {
    (rtt.as_secs_f64() * 1e6).round() / 1e3
}
