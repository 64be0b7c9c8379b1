//! Targets as `/status` shows them, borrowed from a snapshot: a status of very many targets is written
//! without a copy of them.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::checks::{TargetChecks, milliseconds};
use super::input::ReceivedVote;
use super::model::{
    CheckFailure, CheckStatus, Drained, Health, Limits, RecordPresence, Returning, Standby,
    StatedReason, Status, Streak, Target, Time, Vote,
};
use super::row::{ServiceRows, TargetRow};
use super::snapshot::Snapshot;
use crate::engine::plan::Family;

/// One target. Has the fields of [`Target`], in their order.
#[derive(Debug, Serialize)]
pub(super) struct TargetEntry<'a> {
    address: IpAddr,
    service: &'a str,
    health: Health,
    in_service: bool,
    reason: Option<StatedReason>,
    streak: Streak,
    last_rtt_ms: Option<f64>,
    loss_1m: Option<f64>,
    evidence_age_s: Option<f64>,
    since: Time,
    in_service_since: Time,
    last_reply_at: Option<Time>,
    late: u64,
    limits: Option<Limits>,
    drained: Option<&'a Drained>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standby: Option<&'a Standby>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returning: Option<&'a Returning>,
    records: RecordViews<'a>,
    votes: VoteViews<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<CheckFailure>,
}

impl TargetEntry<'_> {
    /// Returns a copy of the target.
    pub(super) fn to_owned(&self) -> Target {
        Target {
            service: self.service.to_owned(),
            address: self.address,
            health: self.health,
            in_service: self.in_service,
            reason: self.reason.clone(),
            streak: self.streak,
            last_rtt_ms: self.last_rtt_ms,
            loss_1m: self.loss_1m,
            evidence_age_s: self.evidence_age_s,
            since: self.since,
            in_service_since: Some(self.in_service_since),
            last_reply_at: self.last_reply_at,
            late: self.late,
            limits: self.limits,
            drained: self.drained.cloned(),
            standby: self.standby.cloned(),
            returning: self.returning.cloned(),
            records: self.records.to_owned(),
            votes: self.votes.to_owned(),
            checks: self.checks.clone(),
            failed: self.failed.clone(),
        }
    }
}

/// The records that may hold the address of a target.
#[derive(Debug, Clone, Copy)]
struct RecordViews<'a> {
    service: &'a ServiceRows,
    row: &'a TargetRow,
}

/// One record. Has the fields of [`RecordPresence`].
#[derive(Debug, Serialize)]
struct RecordView<'a> {
    name: &'a str,
    r#type: &'static str,
    present: Option<bool>,
}

impl<'a> RecordViews<'a> {
    fn iter(self) -> impl Iterator<Item = RecordView<'a>> {
        let r#type = Family::of(self.row.address).as_str();
        let records = self.service.names.iter().zip(self.row.present.iter());
        records.map(move |(name, present)| RecordView { name, r#type, present: *present })
    }

    fn to_owned(self) -> Vec<RecordPresence> {
        let mut records = Vec::with_capacity(self.service.names.len());
        for RecordView { name, r#type, present } in self.iter() {
            records.push(RecordPresence {
                name: name.to_owned(),
                r#type: r#type.to_owned(),
                present,
            });
        }
        records
    }
}

impl Serialize for RecordViews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The votes of other vantage points on a target.
#[derive(Debug, Clone, Copy)]
struct VoteViews<'a> {
    snapshot: &'a Snapshot,
    votes: &'a [ReceivedVote],
}

/// One vote. Has the fields of [`Vote`].
#[derive(Debug, Serialize)]
struct VoteView<'a> {
    peer: &'a str,
    health: Health,
    age_s: f64,
}

impl<'a> VoteViews<'a> {
    fn iter(self) -> impl Iterator<Item = VoteView<'a>> {
        let now = self.snapshot.now.clock;
        self.votes.iter().map(move |vote| {
            let age = now.saturating_duration_since(vote.heard);
            VoteView { peer: &vote.peer, health: vote.health, age_s: tenths(age.as_secs_f64()) }
        })
    }

    fn to_owned(self) -> Vec<Vote> {
        let mut votes = Vec::with_capacity(self.votes.len());
        for VoteView { peer, health, age_s } in self.iter() {
            votes.push(Vote { peer: peer.to_owned(), health, age_s });
        }
        votes
    }
}

impl Serialize for VoteViews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// All targets of a snapshot, in the order of its services.
#[derive(Debug)]
pub(super) struct TargetViews<'a>(&'a Snapshot);

impl Serialize for TargetViews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.targets().map(|(service, row)| self.0.view(service, row)))
    }
}

/// Upper bound of the usual length of a target in JSON, without its records.
const TARGET_BYTES: usize = 420;

/// Upper bound of the usual length of a record in JSON, without its name.
const RECORD_BYTES: usize = 48;

impl Snapshot {
    /// Returns the object behind `/status`, to be written.
    pub(super) fn status_view(&self) -> Status<TargetViews<'_>> {
        self.status_with(TargetViews(self))
    }

    /// Estimates the length of [`Self::status_view`] in JSON.
    pub(super) fn status_bytes(&self) -> usize {
        let targets = self.services.iter().map(|service| {
            let records = service.names.iter().map(|name| name.len() + RECORD_BYTES);
            service.rows.len() * (TARGET_BYTES + service.name.len() + records.sum::<usize>())
        });
        let services = self.services.len() * 2 * TARGET_BYTES;
        64 * 1024 + services + targets.sum::<usize>()
    }

    /// Returns the view of one target.
    pub(super) fn view<'a>(
        &'a self,
        service: &'a ServiceRows,
        row: &'a TargetRow,
    ) -> TargetEntry<'a> {
        let probe = self.probe(row);
        let checks = self.checks_of(row);
        TargetEntry {
            service: &service.name,
            address: row.address,
            health: row.health,
            in_service: row.in_service,
            reason: row.reason.map(StatedReason::Known),
            streak: probe.streak,
            last_rtt_ms: probe.last_rtt.map(milliseconds),
            loss_1m: probe.loss_1m.map(|loss| (loss * 10_000.0).round() / 10_000.0),
            evidence_age_s: self.evidence_age(probe).map(tenths),
            since: self.dates.wall_at(row.since),
            in_service_since: self.dates.wall_at(row.in_service_since),
            last_reply_at: probe.last_reply.map(|at| self.dates.wall_at(at)),
            late: probe.counters.late,
            limits: probe.limits.map(Limits::after),
            drained: row.drained.as_deref(),
            standby: row.standby.as_deref(),
            returning: row.returning.as_deref(),
            records: RecordViews { service, row },
            votes: VoteViews { snapshot: self, votes: &row.votes },
            checks: checks.into_iter().flat_map(TargetChecks::statuses).collect(),
            failed: checks.map(TargetChecks::failures).unwrap_or_default(),
        }
    }
}

/// Rounds to a tenth.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
