//! The agent that reports about an incident: it takes incidents over from others, and from an earlier run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::open::Telling;
use super::{Incidents, OtherAgents};
use crate::engine::Moment;
use crate::notify::{
    IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeKind, NoticeTarget, Severity,
};

/// Time for which an agent that opened an incident may have failed to say so.
const MAYBE_UNSAID: Duration = Duration::from_mins(5);

/// Time from the start within which the peers of an earlier run are heard of again.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// Time for which something that no other agent sees any more must last here before this agent reports
/// it: at its end, agents see it a few seconds apart.
const ALONE_FOR: Duration = Duration::from_secs(15);

impl Incidents {
    /// Leaves the notices of an agent that is gone to the next one in rank, which may be this one.
    pub(in crate::agent::observers::notices) fn peer_gone(
        &mut self,
        peer: SocketAddr,
        author: &Notice,
    ) {
        let mut taken = Vec::new();
        for (key, incident) in &mut self.open {
            if incident.left_to.remove(peer) {
                taken.push(key.clone());
            }
        }
        self.is_changed |= !taken.is_empty();
        for key in taken {
            let Some(mut notice) = self.standing(&key, author) else { continue };
            let age = author.at.duration_since(notice.since).unwrap_or_default();
            if age < MAYBE_UNSAID && notice.worst >= Severity::Warning {
                let words = format!("taken over from {peer}, which may not have said it");
                notice.status = IncidentStatus::Updated;
                notice.detail = Some(match notice.detail {
                    Some(detail) => format!("{detail}; {words}"),
                    None => words,
                });
            }
            self.outbox.push(notice);
        }
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

    /// Looks at the incidents that were left to other agents: if one lasts here, and no other agent that sees it comes
    /// before this one any more, this agent reports it. `ahead` returns the agents before this one, if the
    /// cause lasts.
    pub(in crate::agent::observers::notices) fn reconsider(
        &mut self,
        ahead: impl Fn(&IncidentKey, &[NoticeTarget]) -> Option<OtherAgents>,
        author: &Notice,
        now: Moment,
    ) {
        let mut taken = Vec::new();
        for (key, incident) in &mut self.open {
            if incident.is_ours() || !is_seen_by_all(key.problem) {
                continue;
            }
            // One of them may wait for others to join.
            let members: Vec<_> = incident.members.keys().take(ASKED_ABOUT).cloned().collect();
            match ahead(key, &members) {
                Some(others) if others.is_none() => {
                    let since = *incident.alone_since.get_or_insert(now);
                    if now.since(since) >= ALONE_FOR {
                        incident.left_to = OtherAgents::default();
                        incident.telling = Telling::Waits;
                        taken.push(key.clone());
                    }
                }
                _ => incident.alone_since = None,
            }
        }
        self.is_changed |= !taken.is_empty();
        for key in taken {
            let opened = self.standing(&key, author);
            self.outbox.extend(opened.map(|it| Notice { status: IncidentStatus::Opened, ..it }));
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
    fn standing(&self, key: &IncidentKey, author: &Notice) -> Option<Notice> {
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
        notice.advice = key.problem.advice().map(str::to_owned);
        Some(incident.complete(key, notice))
    }
}

/// The most targets of an incident that are asked about at once.
const ASKED_ABOUT: usize = 20;

/// Whether all agents that see a problem would report it, so that it is left to the first of them.
fn is_seen_by_all(problem: IncidentProblem) -> bool {
    matches!(
        problem,
        IncidentProblem::Floor
            | IncidentProblem::MaxOut
            | IncidentProblem::NoQuorum
            | IncidentProblem::Contested
            | IncidentProblem::Standby
            | IncidentProblem::Alike
            | IncidentProblem::NoneLeft
            | IncidentProblem::Certificate
    )
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
