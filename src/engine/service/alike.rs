//! Targets that fail alike: a wrong answer that all targets of a service give is no sign of a dead
//! machine.
//!
//! A wrong answer (a status, a body, a certificate) comes from a machine that is alive. If every target
//! gives the same one, the cause may be a bad deployment, and taking the targets out one after another
//! helps nobody. A run of losses with a wrong answer is therefore evidence only if another target
//! answered well, or in a way in which this one did not fail during the run, to a probe that was sent
//! during the run. Canaries are the same for silence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Service, Target};
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::health::{AnsweredRun, Answers, HealthTracker};
use crate::engine::ids::{EndpointId, TargetId};
use crate::engine::moment::Moment;
use crate::engine::schedule::Item;
use crate::engine::types::Health;

/// The number of other targets that are probed sooner to learn whether they fail alike.
const SOONER: usize = 16;

/// The largest number of targets that are compared after each answer. More are compared at most once
/// in [`GAP`], since each comparison looks at all targets of the service.
const FEW: usize = 64;

/// The minimum time between two comparisons of many targets.
const GAP: Duration = Duration::from_millis(100);

/// Whether a target that is down by wrong answers fails as all others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SuspectState {
    /// It was not compared yet, or the others had no time to answer.
    Pending,
    /// No other target answered otherwise.
    Alike,
    /// Another target did. That holds until the target is up again.
    Differs,
}

/// The result for the gate of comparing a target with the others of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The target is not down by wrong answers alone, or others answer otherwise.
    No,
    /// The target was not compared yet.
    Unknown,
    /// All targets give a wrong answer of this kind.
    Yes(String),
}

/// The targets that are down by wrong answers.
#[derive(Debug, Default)]
pub(super) struct AlikeTargets {
    suspects: BTreeMap<TargetId, SuspectState>,
    /// The number of suspects that fail alike.
    alike: usize,
    /// The number of suspects for which no other target is known to answer otherwise.
    open: usize,
    /// Whether an answer came since the last comparison.
    due: bool,
    /// The earliest time of the next comparison of many targets.
    next: Option<Moment>,
    /// The time by which the others will have had time to answer, if that is awaited.
    awaited: Option<Moment>,
    /// Whether it was reported that targets fail alike.
    reported: bool,
    /// Whether a comparison changed since this was last taken. Votes change with it.
    changed: bool,
}

impl AlikeTargets {
    /// Returns the time by which the others will have had time to answer, if that is awaited.
    pub(super) fn awaited(&self) -> Option<Moment> {
        self.awaited
    }

    /// Sets the comparison of a target; `None` if it is no longer down by wrong answers.
    fn set(&mut self, id: TargetId, comparison: Option<SuspectState>) {
        let before = match comparison {
            Some(comparison) => self.suspects.insert(id, comparison),
            None => self.suspects.remove(&id),
        };
        self.changed |= before != comparison;
        if let Some(before) = before {
            self.alike -= usize::from(before == SuspectState::Alike);
            self.open -= usize::from(before != SuspectState::Differs);
        }
        if let Some(comparison) = comparison {
            self.alike += usize::from(comparison == SuspectState::Alike);
            self.open += usize::from(comparison != SuspectState::Differs);
        }
    }
}

/// The newest answers of all targets to one check.
#[derive(Debug, Default)]
struct SeenAnswers<'a> {
    /// The send times of probes that were answered well, in order.
    good: Vec<Moment>,
    /// The send times of the newest wrong answers by their kind, in order.
    wrong: BTreeMap<&'a str, Vec<Moment>>,
}

impl<'a> SeenAnswers<'a> {
    fn of(answers: impl Iterator<Item = &'a Answers>) -> Self {
        let mut seen = Self::default();
        for answers in answers {
            seen.good.extend(answers.good());
            if let Some((sent, kind)) = answers.newest_wrong() {
                seen.wrong.entry(kind).or_default().push(sent);
            }
        }
        seen.good.sort_unstable();
        seen.wrong.values_mut().for_each(|sent| sent.sort_unstable());
        seen
    }

    /// Whether a target other than the one with these `own` answers has answered otherwise during its
    /// run. A target answers otherwise if it answers well, or wrongly in a way that the run does not
    /// have: a deployment often fails in one way first and in another one later.
    fn differ_from(&self, run: &AnsweredRun, own: &Answers) -> bool {
        let own_good = own.good().filter(|sent| run.covers(*sent)).count();
        let mut others = self.wrong.iter().filter(|(kind, _)| !run.has(kind));
        covered(&self.good, run) > own_good || others.any(|(_, sent)| covered(sent, run) > 0)
    }

    /// Whether a target other than the one with these `own` answers has failed during its run in a way
    /// that the run has.
    fn agree_with(&self, run: &AnsweredRun, own: &Answers) -> bool {
        let own = own.newest_wrong().filter(|(sent, _)| run.covers(*sent)).map(|(_, kind)| kind);
        let mut same = self.wrong.iter().filter(|(kind, _)| run.has(kind));
        same.any(|(kind, sent)| covered(sent, run) > usize::from(own == Some(*kind)))
    }
}

/// Returns the number of these moments, which are in order, that a run covers.
fn covered(sent: &[Moment], run: &AnsweredRun) -> usize {
    let ends = sent.partition_point(|sent| *sent <= run.newest);
    ends - sent.partition_point(|sent| *sent <= run.known).min(ends)
}

impl Service {
    /// Returns whether a target is down by wrong answers that all targets give.
    pub(super) fn likeness(&self, target: &Target, health: &HealthTracker) -> Likeness {
        let Some(id) = self.id(target.address).filter(|_| self.alike.open > 0) else {
            return Likeness::No;
        };
        match self.alike.suspects.get(&id) {
            None | Some(SuspectState::Differs) => Likeness::No,
            Some(SuspectState::Pending) => Likeness::Unknown,
            Some(SuspectState::Alike) => {
                let mut runs = target.endpoints.iter().filter_map(|id| health.answered_run(id));
                Likeness::Yes(runs.next().map(|run| run.kind().to_owned()).unwrap_or_default())
            }
        }
    }

    /// Follows a flip of one of a target's endpoints: the target is compared with the others once it is
    /// down by wrong answers. An only target is compared with nothing.
    pub(in crate::engine) fn suspect_alike(&mut self, id: TargetId, health: &HealthTracker) {
        let Some(target) = self.targets.get(id) else { return };
        let its = self.health_of(target, health);
        let has_run = self.counted(target).any(|(_, id)| health.answered_run(id).is_some());
        let several = self.settings.standby.probed(self.by_address.len()) > 1;
        let suspect = several && has_run && its.health == Health::Down && !its.asked;
        if suspect {
            if !self.alike.suspects.contains_key(&id) {
                self.alike.set(id, Some(SuspectState::Pending));
            }
            self.alike.due = true;
        } else {
            self.forget_alike(id);
        }
    }

    /// Follows other settings, by which a target may no longer be down, or be the only one.
    pub(super) fn review_alike(&mut self, health: &HealthTracker) {
        let suspects: Vec<TargetId> = self.alike.suspects.keys().copied().collect();
        for id in suspects {
            self.suspect_alike(id, health);
        }
    }

    /// Forgets that a target is down by wrong answers.
    pub(super) fn forget_alike(&mut self, id: TargetId) {
        if self.alike.suspects.contains_key(&id) {
            self.alike.set(id, None);
        }
    }

    /// Compares the targets that are down by wrong answers with all others, if an answer came since the
    /// last comparison. Marks those with another result.
    pub(super) fn compare_answers(&mut self, health: &HealthTracker, context: &mut Context) {
        let now = context.now;
        let early = self.by_address.len() > FEW && self.alike.next.is_some_and(|next| now < next);
        let due = self.alike.due || self.alike.awaited.is_some_and(|at| at <= now);
        if !due || early {
            return;
        }
        self.alike.due = false;
        self.alike.next = Some(now + GAP);
        let seen: Vec<SeenAnswers<'_>> = (0..self.settings.checks.len())
            .map(|place| {
                let endpoints = self.targets().filter_map(|it| it.endpoints.iter().nth(place));
                SeenAnswers::of(endpoints.filter_map(|id| health.answers(id)))
            })
            .collect();
        let mut news = Vec::new();
        let mut first: Option<(Moment, TargetId)> = None;
        for (id, before) in &self.alike.suspects {
            let Some(target) = self.targets.get(*id) else { continue };
            if *before == SuspectState::Differs {
                continue;
            }
            let (result, awaited) = self.compared(target, &seen, health);
            let awaited = awaited.filter(|at| *before == SuspectState::Pending && now < *at);
            if let Some(at) = awaited.filter(|_| result == SuspectState::Alike) {
                first = first.into_iter().chain([(at, *id)]).min();
            } else if result != *before {
                news.push((*id, result));
            }
        }
        for (id, comparison) in news {
            self.alike.set(id, Some(comparison));
            self.mark(id);
        }
        self.await_answers(first, context);
    }

    /// Compares again at this time, at which the others will have had time to answer for this target.
    fn await_answers(&mut self, first: Option<(Moment, TargetId)>, context: &mut Context) {
        let at = first.map(|(at, _)| at);
        if std::mem::replace(&mut self.alike.awaited, at) != at
            && let Some((at, id)) = first
        {
            context.schedule.add(at, Item::Verdict(self.key(id)));
        }
    }

    /// Compares a target that is down with the answers of all targets. It fails alike if it would not be
    /// down without the checks with a wrong answer that no other target contradicts. Returns also the
    /// time by which others will have had time to answer, if none has failed as this one.
    fn compared(
        &self,
        target: &Target,
        seen: &[SeenAnswers<'_>],
        health: &HealthTracker,
    ) -> (SuspectState, Option<Moment>) {
        let (mut counted, mut justified, mut awaited) = (0_usize, 0, None);
        for (place, id) in self.counted(target) {
            counted += 1;
            let answers = (health.answered_run(id), health.answers(id), seen.get(place));
            let (Some(run), Some(own), Some(seen)) = answers else {
                justified += usize::from(health.is_down(id));
                continue;
            };
            if seen.differ_from(run, own) {
                justified += usize::from(health.is_down(id));
            } else if !seen.agree_with(run, own) {
                awaited = awaited.max(Some(run.known + self.time_to_answer(place)));
            }
        }
        let tolerated = counted.saturating_sub(self.settings.require.get());
        let differs = justified > tolerated;
        (if differs { SuspectState::Differs } else { SuspectState::Alike }, awaited)
    }

    /// Returns the time within which every target is probed by a check, and has answered.
    fn time_to_answer(&self, place: usize) -> Duration {
        let check = self.settings.checks.get(place);
        check.map(|it| it.check.pace.interval + it.check.pace.timeout * 2).unwrap_or_default()
    }

    /// Returns whether comparisons have changed since the last call. Votes change with them.
    pub(in crate::engine) fn take_alike_change(&mut self) -> bool {
        std::mem::take(&mut self.alike.changed)
    }

    /// Reports once that targets fail alike, and once that they no longer do.
    pub(super) fn report_alike(&mut self, health: &HealthTracker, context: &mut Context) {
        let any = self.alike.alike > 0;
        if std::mem::replace(&mut self.alike.reported, any) == any {
            return;
        }
        let service = self.id;
        if !any {
            context.report(Fact::AlikeOver { service });
            return;
        }
        let (mut targets, mut kinds) = (Vec::new(), BTreeSet::new());
        for target in self.targets() {
            if let Likeness::Yes(kind) = self.likeness(target, health) {
                targets.push(target.address);
                kinds.insert(kind);
            }
        }
        let kind = kinds.into_iter().collect::<Vec<_>>().join(", ");
        context.report(Fact::Alike { service, targets, kind });
    }

    /// Notes that a target has answered, which may show that others do not fail alike.
    pub(in crate::engine) fn answered(&mut self) {
        self.alike.due = true;
    }

    /// Whether an answer of a target may show that others do not fail alike.
    pub(in crate::engine) fn awaits_answers(&self) -> bool {
        self.alike.open > 0
    }

    /// Whether targets are to be compared with the next decision pass.
    pub(super) fn compares_answers(&self) -> bool {
        self.alike.due && self.alike.open > 0
    }

    /// Returns the endpoints of other targets that are not down, to be probed sooner: they show whether
    /// all fail as the endpoint of this target does.
    pub(in crate::engine) fn to_compare(
        &self,
        id: TargetId,
        endpoint: EndpointId,
        health: &HealthTracker,
    ) -> Vec<EndpointId> {
        let Some(target) = self.targets.get(id) else { return Vec::new() };
        let Some(place) = target.endpoints.iter().position(|its| its == endpoint) else {
            return Vec::new();
        };
        let after = self.by_address.range(target.address..).skip(1);
        let around = after.chain(self.by_address.range(..target.address));
        let others = around.filter_map(|(_, id)| self.targets.get(*id));
        let endpoints = others.filter_map(|other| other.endpoints.iter().nth(place));
        endpoints.take(SOONER).filter(|other| !health.is_down(*other)).collect()
    }
}

impl HealthTracker {
    /// Whether an endpoint is down.
    fn is_down(&self, id: EndpointId) -> bool {
        self.get(id).is_some_and(|subject| subject.streaks.health() == Health::Down)
    }
}
