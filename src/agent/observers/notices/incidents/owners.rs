//! The agent that reports about an incident: it takes incidents over from others, and from an earlier run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::Incidents;
use super::open::Telling;
use crate::engine::Moment;
use crate::notify::{IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeKind, Severity};

/// Time for which an agent that opened an incident may have failed to say so.
const MAYBE_UNSAID: Duration = Duration::from_mins(5);

/// Time from the start within which the peers of an earlier run are heard of again.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

impl Incidents {
    /// Leaves the notices of an agent that is gone to the next one in rank, which may be this one.
    pub(in crate::agent::observers::notices) fn peer_gone(
        &mut self,
        peer: SocketAddr,
        author: &Notice,
    ) {
        let mut taken = Vec::new();
        for (key, incident) in &mut self.open {
            let was_left = incident.left_to.any.contains(&peer);
            if incident.left_to.remove(peer) {
                taken.push(key.clone());
            } else if was_left {
                incident.lost = Some(peer);
            }
        }
        self.is_changed |= !taken.is_empty();
        for key in taken {
            let notice = self.taken_over(&key, Some(peer), author);
            self.outbox.extend(notice);
        }
    }

    /// Returns the notice that this agent reports about an incident from now on. It is a message if the
    /// agent that is gone may not have said the incident.
    pub(super) fn taken_over(
        &self,
        key: &IncidentKey,
        gone: Option<SocketAddr>,
        author: &Notice,
    ) -> Option<Notice> {
        let mut notice = self.standing(key, author)?;
        let age = author.at.duration_since(notice.since).unwrap_or_default();
        if let Some(peer) = gone
            && age < MAYBE_UNSAID
            && notice.worst >= Severity::Warning
        {
            let words = format!("taken over from {peer}, which may not have said it");
            notice.status = IncidentStatus::Updated;
            notice.detail = Some(match notice.detail {
                Some(detail) => format!("{detail}; {words}"),
                None => words,
            });
        }
        Some(notice)
    }

    /// Takes over from all agents that are not alive, or not configured any more.
    pub(in crate::agent::observers::notices) fn keep_peers(
        &mut self,
        alive: &BTreeSet<SocketAddr>,
        author: &Notice,
        now: Moment,
    ) {
        if now.since_start() < HEARD_WITHIN {
            return;
        }
        let mut gone = BTreeSet::new();
        for incident in self.open.values() {
            gone.extend(incident.left_to.any.difference(alive).copied());
            gone.extend(incident.left_to.before.difference(alive).copied());
        }
        for peer in gone {
            self.peer_gone(peer, author);
        }
    }

    /// Sends the notices for other channels: that each incident of this agent stands.
    pub(in crate::agent::observers::notices) fn stand(&mut self, author: &Notice) {
        for (key, incident) in &self.open {
            if incident.is_ours() {
                self.outbox.extend(self.standing(key, author));
            }
        }
    }

    /// Says again the incidents that an earlier run may not have said; all others of it stand.
    pub(super) fn say_again(&mut self, author: &Notice) {
        for (key, incident) in &self.open {
            let notice = self.standing(key, author).filter(|_| incident.is_ours());
            self.outbox.extend(notice.map(|mut notice| {
                if incident.telling == Telling::Waits {
                    notice.status = IncidentStatus::Opened;
                }
                notice
            }));
        }
    }

    /// Returns the notice that an incident is this agent's from now on.
    pub(super) fn standing(&self, key: &IncidentKey, author: &Notice) -> Option<Notice> {
        let incident = self.open.get(key)?;
        let mut notice = author.clone();
        notice.kind = incident.kind;
        notice.status = IncidentStatus::Standing;
        (notice.severity, notice.worst) = (incident.worst, incident.worst);
        notice.targets = incident.members.keys().cloned().collect();
        notice.names = incident.members.values().next().into_iter().flatten().cloned().collect();
        (notice.detail, notice.zone) = (incident.detail.clone(), incident.zone.clone());
        notice.reason = reason(incident.kind, key.problem).map(str::to_owned);
        notice.dry_run = incident.dry_run;
        notice.evidence = incident.evidence.clone();
        notice.advice = key.problem.advice().map(str::to_owned);
        Some(incident.complete(key, notice))
    }
}

/// Returns the reason that a notice of this kind gives.
fn reason(kind: NoticeKind, problem: IncidentProblem) -> Option<&'static str> {
    let is_for_reason = match kind {
        NoticeKind::Refused => true,
        NoticeKind::Withdrawn => {
            matches!(problem, IncidentProblem::Drained | IncidentProblem::Asked)
        }
        _ => false,
    };
    is_for_reason.then(|| problem.word())
}
