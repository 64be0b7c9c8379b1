//! One open incident: its targets, and the agent that reports about it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::SystemTime;

use super::PENDING_FOR;
use crate::engine::Moment;
use crate::notify::{
    IncidentKey, Notice, NoticeEvidence, NoticeKind, NoticeQueue, NoticeTarget, Severity,
};

/// The targets of an incident, each with the names that it is out of. An empty set of names means that
/// they are not known.
pub(in crate::agent::observers::notices) type Members = BTreeMap<NoticeTarget, BTreeSet<String>>;

/// The other agents of a cluster that see the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::agent::observers::notices) struct OtherAgents {
    /// All agents that may have reported it; one of them has.
    pub(in crate::agent::observers::notices) any: BTreeSet<SocketAddr>,
    /// Those of them that come before this agent in rank.
    pub(in crate::agent::observers::notices) before: BTreeSet<SocketAddr>,
}

impl OtherAgents {
    /// Returns the agents that report something because they come before this one in rank.
    pub(in crate::agent::observers::notices) fn before(before: BTreeSet<SocketAddr>) -> Self {
        Self { any: before.clone(), before }
    }

    /// Whether this agent is the one that reports.
    pub(super) fn is_none(&self) -> bool {
        self.any.is_empty()
    }

    /// Removes an agent that is gone. Returns whether its part is now this agent's.
    pub(super) fn remove(&mut self, gone: SocketAddr) -> bool {
        let was_before = self.before.remove(&gone);
        let is_next = self.any.remove(&gone)
            && self.before.is_empty()
            // Another one that comes later in rank may have opened it, and lives.
            && (was_before || self.any.is_empty());
        if is_next {
            self.any.clear();
        }
        is_next
    }
}

/// Whether people know of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Its first notice waits for others, or is left to another agent.
    Waits,
    /// Its first notice was sent at this time, and may not be delivered yet.
    SentAt(Moment),
    /// It was delivered, as far as this part knows.
    Known,
}

/// An incident that was opened and not closed.
#[derive(Debug)]
pub(in crate::agent::observers::notices) struct OpenIncident {
    /// The highest severity so far.
    pub(super) worst: Severity,
    /// The time at which it was opened.
    pub(super) since: SystemTime,
    /// The kind of its last notice about an event that is not its end.
    pub(super) kind: NoticeKind,
    /// Its targets; empty if it concerns no target.
    pub(super) members: Members,
    /// The other agents: one of them reports about it. If there is none, this agent does.
    pub(super) left_to: OtherAgents,
    /// Whether people know of it.
    pub(super) telling: Telling,
    /// Whether all of it happened in dry-run.
    pub(super) dry_run: bool,
    /// The name of its zone for people, where zones are named.
    pub(super) zone: Option<String>,
    /// Whether nothing in this run has confirmed it yet: it is from the state file.
    pub(super) is_inherited: bool,
    /// The time since when the cause seems to be over, for each target.
    pub(super) over_since: BTreeMap<Option<NoticeTarget>, Moment>,
    /// The free text of the last notice about an event that is not its end.
    pub(super) detail: Option<String>,
    /// The evidence of that notice.
    pub(super) evidence: NoticeEvidence,
    /// The time since when another agent should report about it.
    pub(super) disputed_since: Option<Moment>,
    /// An agent that may have opened it, and died since.
    pub(super) lost: Option<SocketAddr>,
    /// Whether this agent has reported about it, and left it to another since.
    pub(super) handed_over: bool,
    /// The time at which a target was added last.
    pub(super) joined_at: Moment,
    /// The notices about some of many targets, which wait for more.
    pub(super) pending: NoticeQueue,
    /// The time at which they are sent.
    pub(super) pending_until: Option<Moment>,
}

impl OpenIncident {
    /// Opens an incident with its first notice.
    pub(super) fn new(notice: &Notice, left_to: OtherAgents, now: Moment) -> Self {
        let mut members = Members::new();
        for target in &notice.targets {
            members.insert(target.clone(), notice.names.iter().cloned().collect());
        }
        Self {
            worst: notice.worst,
            since: notice.at,
            kind: notice.kind,
            members,
            left_to,
            is_inherited: false,
            over_since: BTreeMap::new(),
            detail: notice.detail.clone(),
            telling: Telling::Waits,
            dry_run: notice.dry_run,
            zone: notice.zone.clone(),
            evidence: bounded(&notice.evidence),
            disputed_since: None,
            lost: None,
            handed_over: false,
            joined_at: now,
            pending: NoticeQueue::new(PENDING_FOR),
            pending_until: None,
        }
    }

    /// Whether this agent reports about it.
    pub(super) fn is_ours(&self) -> bool {
        self.left_to.is_none()
    }

    /// Adds the content of a further notice. Returns whether it is news.
    pub(super) fn add(&mut self, notice: &Notice) -> bool {
        let mut is_news = notice.worst > self.worst || notice.kind != self.kind;
        // A simulated change is real now.
        is_news |= self.dry_run && !notice.dry_run;
        self.dry_run &= notice.dry_run;
        is_news |= tells_details(notice.kind) && notice.detail != self.detail;
        for target in &notice.targets {
            is_news |= !self.members.contains_key(target);
            let names = self.members.entry(target.clone()).or_default();
            for name in &notice.names {
                is_news |= names.insert(name.clone());
            }
        }
        self.worst = self.worst.max(notice.worst);
        self.kind = notice.kind;
        self.detail.clone_from(&notice.detail);
        self.evidence = bounded(&notice.evidence);
        self.over_since.clear();
        is_news
    }

    /// Removes the targets of a notice, as far as it concerns all the names that they are out of.
    pub(super) fn remove(&mut self, notice: &Notice) {
        for target in &notice.targets {
            let Some(names) = self.members.get_mut(target) else { continue };
            for name in &notice.names {
                names.remove(name);
            }
            if names.is_empty() || notice.names.is_empty() {
                self.members.remove(target);
            }
        }
    }

    /// Whether a notice reports that a change which ends the incident was simulated, although
    /// the one that began it was real.
    pub(super) fn is_simulated_end(&self, notice: &Notice) -> bool {
        let is_change = matches!(notice.kind, NoticeKind::Restored | NoticeKind::Withdrawn);
        is_change && notice.dry_run && !self.dry_run
    }

    /// Adds the facts about the incident to one of its notices.
    pub(super) fn complete(&self, key: &IncidentKey, mut notice: Notice) -> Notice {
        notice.incident = key.clone();
        notice.worst = notice.worst.max(self.worst);
        notice.since = self.since;
        notice
    }

    /// Keeps a notice about some of many targets until more may have come.
    pub(super) fn keep(&mut self, notice: Notice, now: Moment) -> Option<Notice> {
        self.pending_until.get_or_insert(now + PENDING_FOR);
        self.pending.add(notice)
    }
}

/// The most agents that are kept as evidence.
const MOST_VOTES: usize = 32;

/// Returns evidence of limited size, to keep for as long as the incident is open.
fn bounded(evidence: &NoticeEvidence) -> NoticeEvidence {
    let votes = evidence.votes.iter().take(MOST_VOTES).cloned().collect();
    NoticeEvidence { votes, ..evidence.clone() }
}

/// Whether another detail in a notice of this kind is news.
fn tells_details(kind: NoticeKind) -> bool {
    matches!(
        kind,
        NoticeKind::Drained
            | NoticeKind::ReloadRefused
            | NoticeKind::NameFailing
            | NoticeKind::CertificateEnds
            | NoticeKind::ZoneInactive
    )
}
