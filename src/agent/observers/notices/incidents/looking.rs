//! Looks at the causes of open incidents, and closes those that are over without a fact that ends them.

use std::ops::Bound;
use std::time::Duration;

use super::{Incidents, OtherAgents, is_whole};
use crate::engine::Moment;
use crate::notify::{
    IncidentKey, IncidentProblem, IncidentStatus, Notice, NoticeKind, NoticeTarget, Severity,
};

/// Time for which a cause must seem to be over before an incident is closed without a fact that ends
/// it. A fact with more to say is usually on its way.
const OVER_FOR: Duration = Duration::from_secs(5);

/// Maximum number of targets of incidents that are looked at in one iteration.
const LOOKED_AT: usize = 500;

/// A judgement about the cause of an incident, or of one of its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent::observers::notices) enum Cause {
    /// It lasts, or nothing is known to the contrary.
    Lasts,
    /// It seems to be over, in these words.
    Over(&'static str),
    /// It seems to be over, and another agent that ended it has said so.
    Reported,
    /// There is nothing that it could concern any more, in these words.
    Gone(&'static str),
}

/// An incident as a judge sees it.
#[derive(Debug, Clone, Copy)]
pub(in crate::agent::observers::notices) struct Suspect<'a> {
    /// The key of the incident.
    pub(in crate::agent::observers::notices) key: &'a IncidentKey,
    /// The target in question, if the incident has targets.
    pub(in crate::agent::observers::notices) target: Option<&'a NoticeTarget>,
    /// Whether nothing in this run has confirmed it.
    pub(in crate::agent::observers::notices) is_inherited: bool,
}

impl Incidents {
    /// Looks at the causes of some open incidents, and closes those that are over. `author` is the
    /// notice that such an end is made of.
    pub(in crate::agent::observers::notices) fn look(
        &mut self,
        judge: impl Fn(Suspect<'_>) -> Cause,
        author: &Notice,
        now: Moment,
    ) {
        let mut over = Vec::new();
        for (key, target) in self.next_suspects() {
            let Some(incident) = self.open.get_mut(&key) else { continue };
            let is_inherited = incident.is_inherited;
            let suspect = Suspect { key: &key, target: target.as_ref(), is_inherited };
            let cause = match judge(suspect) {
                Cause::Lasts => {
                    incident.over_since.remove(&target);
                    continue;
                }
                cause @ (Cause::Over(_) | Cause::Reported) => {
                    let since = *incident.over_since.entry(target.clone()).or_insert(now);
                    if now.since(since) < OVER_FOR {
                        continue;
                    }
                    cause
                }
                cause @ Cause::Gone(_) => cause,
            };
            over.push((key, target, cause, is_inherited));
        }
        for (key, target, cause, is_inherited) in over {
            let mut notice = author.clone();
            notice.kind = if is_inherited { NoticeKind::Over } else { end_of(key.problem, cause) };
            (notice.status, notice.severity) = (IncidentStatus::Closed, Severity::Info);
            notice.worst = Severity::Info;
            notice.targets = target.into_iter().collect();
            notice.quiet = cause == Cause::Reported;
            notice.reason =
                (notice.kind == NoticeKind::RefusalOver).then(|| key.problem.word().to_owned());
            notice.detail = match cause {
                Cause::Over(words) | Cause::Gone(words) => Some(words.to_owned()),
                Cause::Reported | Cause::Lasts => None,
            };
            notice.incident = key;
            self.closed(notice, now);
        }
    }

    /// Leaves an incident to other agents, which see it still, in silence. Without any it stays with this one.
    pub(in crate::agent::observers::notices) fn hand_over(
        &mut self,
        (key, target): &(IncidentKey, Option<NoticeTarget>),
        others: OtherAgents,
    ) {
        let key = self.find(key, target.as_ref());
        let Some(incident) = key.and_then(|key| self.open.get_mut(&key)) else { return };
        if incident.is_ours() && !others.is_none() {
            incident.left_to = others;
            self.is_changed = true;
        }
    }

    /// Returns the next incidents to look at, each with one of its targets.
    fn next_suspects(&mut self) -> Vec<(IncidentKey, Option<NoticeTarget>)> {
        let mut next = Vec::new();
        let (key, after) = self.looked_at.take().unzip();
        let after = after.flatten();
        let from = key.as_ref().map_or(Bound::Unbounded, Bound::Included);
        for (at, incident) in self.open.range((from, Bound::Unbounded)) {
            let is_first = Some(at) == key.as_ref();
            if incident.members.is_empty() || is_whole(at.problem) {
                if !is_first || after.is_some() {
                    next.push((at.clone(), None));
                }
            } else {
                let from = after.as_ref().filter(|_| is_first);
                let from = from.map_or(Bound::Unbounded, Bound::Excluded);
                for (target, _) in incident.members.range((from, Bound::Unbounded)) {
                    next.push((at.clone(), Some(target.clone())));
                    if next.len() >= LOOKED_AT {
                        break;
                    }
                }
            }
            if next.len() >= LOOKED_AT {
                self.looked_at = next.last().cloned();
                break;
            }
        }
        next
    }
}

/// Returns the kind of notice that ends a problem: the ordinary one, if it is over in the ordinary way, a
/// moment later than here.
fn end_of(problem: IncidentProblem, cause: Cause) -> NoticeKind {
    match (cause, problem) {
        (
            Cause::Over(_),
            IncidentProblem::Floor
            | IncidentProblem::MaxOut
            | IncidentProblem::NoQuorum
            | IncidentProblem::Contested
            | IncidentProblem::Standby,
        ) => NoticeKind::RefusalOver,
        (Cause::Over(_), IncidentProblem::NoneLeft) => NoticeKind::SomeBack,
        _ => NoticeKind::Over,
    }
}
