//! The one agent of a cluster that reports about an incident which several agents see.
//!
//! It is the first in rank of those that see it. An agent that was away comes back as the first one, and after a
//! partition two agents report the same incident. So each agent looks again once a second. The one that
//! should report begins to, and some seconds later the others stop. In between there are two, so that
//! there are never none.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::open::Telling;
use super::{Incidents, OtherAgents};
use crate::engine::Moment;
use crate::notify::{IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeTarget};

/// Time for which this agent must be the one to report before it begins to: at the end of an incident,
/// agents see it a few seconds apart.
const TAKEN_AFTER: Duration = Duration::from_secs(15);

/// Time for which another agent must be the one to report before this one stops. It is longer than
/// [`TAKEN_AFTER`], so that the other one has begun.
const LEFT_AFTER: Duration = Duration::from_secs(25);

/// Time from the return of a peer until receivers that keep incidents are told again of open incidents: that
/// peer may have ended it there. Agents that should not report have stopped by then.
const REPEATED_AFTER: Duration = Duration::from_secs(30);

/// Time for which a receiver may be told of an end again.
const CLOSED_FOR: Duration = Duration::from_mins(5);

/// Maximum number of ends that are remembered.
const MOST_CLOSED: usize = 1_000;

/// The most targets of an incident that are asked about at once.
const ASKED_ABOUT: usize = 20;

/// The agents that see the cause of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::agent::observers::notices) struct IncidentWitnesses {
    /// Whether this agent sees it.
    pub(in crate::agent::observers::notices) here: bool,
    /// The other agents that see it and come before this one in rank.
    pub(in crate::agent::observers::notices) before: BTreeSet<SocketAddr>,
    /// All other agents that see it.
    pub(in crate::agent::observers::notices) others: BTreeSet<SocketAddr>,
}

impl IncidentWitnesses {
    /// Returns the agents to which this one leaves the incident; none of them if it should report itself.
    /// `None` means that nobody is known to see it.
    fn reporters(&self) -> Option<OtherAgents> {
        let witnesses = if self.here { &self.before } else { &self.others };
        (self.here || !witnesses.is_empty()).then(|| OtherAgents::before(witnesses.clone()))
    }
}

/// The memory of ends of incidents and of returns of peers, which other agents may see in another way.
#[derive(Debug, Default)]
pub(super) struct SharedMemory {
    /// The time at which a peer came back last, if nothing was repeated since.
    returned_at: Option<Moment>,
    /// The incidents that this agent has ended lately.
    closed: Vec<ClosedIncident>,
}

/// An incident that this agent has ended.
#[derive(Debug)]
struct ClosedIncident {
    notice: Notice,
    members: Vec<NoticeTarget>,
    at: Moment,
}

impl SharedMemory {
    /// Remembers the end of an incident.
    pub(super) fn closed(&mut self, notice: &Notice, now: Moment) {
        if is_shared(notice.incident.problem) && self.closed.len() < MOST_CLOSED {
            let members = notice.targets.iter().take(ASKED_ABOUT).cloned().collect();
            self.closed.push(ClosedIncident { notice: notice.clone(), members, at: now });
        }
    }
}

impl Incidents {
    /// Follows that a peer is alive again.
    pub(in crate::agent::observers::notices) fn peer_returned(&mut self, now: Moment) {
        self.shared.returned_at = Some(now);
    }

    /// Looks at the incidents that several agents may see. `witnesses` returns the agents that see one of
    /// them, if the configuration has its subject.
    pub(in crate::agent::observers::notices) fn reconsider(
        &mut self,
        witnesses: impl Fn(&IncidentKey, &[NoticeTarget]) -> Option<IncidentWitnesses>,
        author: &Notice,
        now: Moment,
    ) {
        let mut moved = Vec::new();
        for (key, incident) in &mut self.open {
            if !is_shared(key.problem) {
                continue;
            }
            let members: Vec<_> = incident.members.keys().take(ASKED_ABOUT).cloned().collect();
            let its = witnesses(key, &members).unwrap_or_default();
            let reporters = its.reporters().filter(|it| it.is_none() != incident.is_ours());
            let Some(reporters) = reporters else {
                incident.disputed_since = None;
                continue;
            };
            let since = *incident.disputed_since.get_or_insert(now);
            let term = if incident.is_ours() { LEFT_AFTER } else { TAKEN_AFTER };
            // One of them may wait for others to join.
            if now.since(since) < term || incident.is_ours() && incident.telling == Telling::Waits {
                continue;
            }
            let had_witness = !its.others.is_disjoint(&incident.left_to.any);
            incident.handed_over = incident.is_ours();
            incident.left_to = reporters;
            incident.disputed_since = None;
            moved.push((key.clone(), had_witness));
        }
        self.is_changed |= !moved.is_empty();
        for (key, had_witness) in moved {
            let notice = self.moved(&key, had_witness, author);
            self.outbox.extend(notice);
        }
        self.correct_ends(witnesses, now);
        self.repeat_after_return(author, now);
    }

    /// Returns the notice that another agent reports about an incident, or this one again.
    /// `had_witness` tells whether an agent that it was left to still sees it.
    fn moved(&mut self, key: &IncidentKey, had_witness: bool, author: &Notice) -> Option<Notice> {
        let incident = self.open.get_mut(key)?;
        if !incident.is_ours() {
            let notice = self.standing(key, author)?;
            return Some(Notice { status: IncidentStatus::Left, ..notice });
        }
        let gone = incident.lost.take();
        if had_witness || is_change(key.problem) {
            return self.taken_over(key, gone, author);
        }
        // The other one may have closed it, as it sees it no more.
        incident.telling = Telling::Waits;
        let notice = self.standing(key, author)?;
        Some(Notice { status: IncidentStatus::Opened, ..notice })
    }

    /// Stops to repeat the end of an incident that another agent still sees.
    fn correct_ends(
        &mut self,
        witnesses: impl Fn(&IncidentKey, &[NoticeTarget]) -> Option<IncidentWitnesses>,
        now: Moment,
    ) {
        let open = &self.open;
        self.shared
            .closed
            .retain(|it| now.since(it.at) < CLOSED_FOR && !open.contains_key(&it.notice.incident));
        let wrong = self.shared.closed.extract_if(.., |it| {
            let its = witnesses(&it.notice.incident, &it.members);
            its.is_some_and(|its| !its.here && !its.others.is_empty())
        });
        self.outbox.extend(wrong.map(|it| Notice { status: IncidentStatus::Left, ..it.notice }));
    }

    /// Tells receivers that keep incidents again of the open ones, some time after a peer came back.
    fn repeat_after_return(&mut self, author: &Notice, now: Moment) {
        let Some(returned) = self.shared.returned_at.filter(|at| now.since(*at) >= REPEATED_AFTER)
        else {
            return;
        };
        self.shared.returned_at = None;
        for (key, incident) in &self.open {
            let is_told = incident.is_ours() && incident.telling != Telling::Waits;
            if !is_told || !is_shared(key.problem) || incident.joined_at > returned {
                continue;
            }
            self.outbox.extend(self.standing(key, author).map(|it| Notice {
                status: IncidentStatus::Updated,
                quiet: true,
                ..it
            }));
        }
    }
}

/// Whether several agents may see a problem, so that it is left to the first of them.
fn is_shared(problem: IncidentProblem) -> bool {
    is_change(problem)
        || matches!(
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

/// Whether a problem is a change in DNS: the agent that made it has said so.
fn is_change(problem: IncidentProblem) -> bool {
    matches!(problem, IncidentProblem::Withdrawn | IncidentProblem::StandbyIn)
}
