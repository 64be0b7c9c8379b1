//! The trust of this agent in its own observations: the canaries, and isolation.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::ids::EndpointId;
use super::moment::Moment;
use super::prober::ProbeResult;
use super::types::{IsolationCause, Outcome};

/// The evidence of one canary about this agent's own network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Canary {
    /// The send time of the newest probe that the canary answered.
    pub(super) answered: Option<Moment>,
    /// The send time of the newest probe that the canary did not answer, or that could not be sent.
    missed: Option<Moment>,
    /// The number of probes in a row that it has missed since its last answer.
    pub(super) misses: u32,
}

/// The evidence of the canaries about a run of losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CanaryEvidence {
    /// A canary answered a probe sent after the first lost probe of the run, or there are no
    /// canaries.
    Proven,
    /// No canary has answered yet, but the result of at least one is still outstanding.
    Pending,
    /// No canary answered: this agent's own network may be the cause of the losses.
    Absent,
}

/// A change of isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsolationChange {
    /// Isolation neither begins nor ends.
    Unchanged,
    /// Isolation begins for this reason.
    Begins(IsolationCause),
    /// Isolation ends, if there is any.
    Ends,
}

/// A period during which this agent considers its own network the cause of its losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Isolation {
    pub(super) since: Moment,
    pub(super) cause: IsolationCause,
}

/// The canaries, the last results of each, and the isolation that follows from them.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    /// The canaries by endpoint, in the order of the settings.
    members: Vec<(EndpointId, Canary)>,
    isolation: Option<Isolation>,
}

impl Canaries {
    /// Returns the endpoints of all canaries, in the order of the settings.
    pub(super) fn endpoints(&self) -> Vec<EndpointId> {
        self.members.iter().map(|(endpoint, _)| *endpoint).collect()
    }

    /// Iterates over the canaries with their newest results, in the order of the settings.
    pub(super) fn members(&self) -> impl Iterator<Item = (EndpointId, Canary)> + '_ {
        self.members.iter().copied()
    }

    /// Whether there are no canaries.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Replaces the canaries. The ones that remain keep their results.
    pub(super) fn set_members(&mut self, endpoints: &[EndpointId]) {
        let before: BTreeMap<_, _> = std::mem::take(&mut self.members).into_iter().collect();
        for endpoint in endpoints {
            let canary = before.get(endpoint).copied().unwrap_or_default();
            self.members.push((*endpoint, canary));
        }
    }

    /// Records the result of a probe of a canary. Returns `None` if it proves nothing; otherwise its
    /// consequence for isolation, which begins once each canary missed `threshold` probes in a row.
    pub(super) fn judged(
        &mut self,
        result: &ProbeResult,
        threshold: NonZeroU32,
    ) -> Option<IsolationChange> {
        let judged = &result.judged;
        // A lost probe of a rehearsal proves nothing.
        if judged.quick && judged.outcome == Outcome::Loss {
            return None;
        }
        for (endpoint, canary) in &mut self.members {
            if *endpoint == result.endpoint {
                canary.judged(result);
            }
        }
        Some(if judged.outcome == Outcome::Reply {
            IsolationChange::Ends
        } else if !self.is_isolated() && self.all_miss(threshold) {
            IsolationChange::Begins(IsolationCause::NoCanary)
        } else {
            IsolationChange::Unchanged
        })
    }

    /// Whether a canary has missed a probe since its last answer.
    pub(super) fn has_missed(&self, endpoint: EndpointId) -> bool {
        let mut its = self.members.iter().filter(|(id, _)| *id == endpoint);
        its.any(|(_, canary)| canary.misses > 0)
    }

    /// Records that a canary has answered a probe sent at `sent`, and had missed none.
    pub(super) fn answered(&mut self, endpoint: EndpointId, sent: Moment) {
        for (_, canary) in self.members.iter_mut().filter(|(id, _)| *id == endpoint) {
            canary.answered = canary.answered.max(Some(sent));
        }
    }

    /// Whether each canary missed at least `threshold` probes in a row.
    fn all_miss(&self, threshold: NonZeroU32) -> bool {
        self.members.iter().all(|(_, canary)| canary.misses >= threshold.get())
    }

    /// Returns the consequence of the faults of targets for isolation. `reaches_none` means that
    /// this machine cannot send probes to any target, which isolates an agent without canaries.
    pub(super) fn weigh_faults(&self, reaches_none: bool) -> IsolationChange {
        if !reaches_none && self.is_isolated_by_faults() {
            IsolationChange::Ends
        } else if reaches_none && self.members.is_empty() && !self.is_isolated() {
            IsolationChange::Begins(IsolationCause::NothingCanBeAsked)
        } else {
            IsolationChange::Unchanged
        }
    }

    /// Returns the consequence of a reload for isolation: it ends if the last canary is gone, or if
    /// the faults that led to it are over. `had_canaries` means that there were canaries before.
    pub(super) fn weigh_reload(&self, had_canaries: bool, reaches_none: bool) -> IsolationChange {
        if had_canaries && self.members.is_empty() || !reaches_none && self.is_isolated_by_faults()
        {
            IsolationChange::Ends
        } else {
            IsolationChange::Unchanged
        }
    }

    /// Weighs a run of losses that began with a probe sent at `run_began`.
    ///
    /// The evidence is absent only once every canary has missed a probe sent after that. Until then
    /// it is pending, so that a run shorter than a canary's pace is not called isolation.
    pub(super) fn weigh(&self, run_began: Moment) -> CanaryEvidence {
        let mut evidence = None;
        for (_, canary) in &self.members {
            evidence = match (evidence, canary.evidence(run_began)) {
                (_, CanaryEvidence::Proven) => return CanaryEvidence::Proven,
                (Some(CanaryEvidence::Pending), _) => evidence,
                (_, this) => Some(this),
            };
        }
        evidence.unwrap_or(CanaryEvidence::Proven)
    }

    /// Returns the isolation, if this agent is isolated.
    pub(super) fn isolation(&self) -> Option<Isolation> {
        self.isolation
    }

    /// Whether this agent is isolated.
    pub(super) fn is_isolated(&self) -> bool {
        self.isolation.is_some()
    }

    /// Whether this agent is isolated because it cannot send probes to any target.
    fn is_isolated_by_faults(&self) -> bool {
        self.isolation.is_some_and(|isolation| isolation.cause == IsolationCause::NothingCanBeAsked)
    }

    /// Begins isolation at `now`.
    pub(super) fn isolate(&mut self, since: Moment, cause: IsolationCause) {
        self.isolation = Some(Isolation { since, cause });
    }

    /// Ends isolation, if there is any, and returns it.
    pub(super) fn end_isolation(&mut self) -> Option<Isolation> {
        self.isolation.take()
    }
}

impl Canary {
    /// Records the result of a probe. A fault without a present one proves nothing: this process did
    /// not run.
    fn judged(&mut self, result: &ProbeResult) {
        let newest = match result.judged.outcome {
            Outcome::Reply => &mut self.answered,
            Outcome::Loss | Outcome::Fault => &mut self.missed,
        };
        *newest = (*newest).max(Some(result.judged.sent));
        self.misses = match result.judged.outcome {
            Outcome::Reply => 0,
            Outcome::Fault if !result.faulty => self.misses,
            Outcome::Loss | Outcome::Fault => self.misses.saturating_add(1),
        };
    }

    /// Returns its own evidence about a run of losses that began with a probe sent at `run_began`.
    fn evidence(&self, run_began: Moment) -> CanaryEvidence {
        if self.answered.is_some_and(|sent| sent > run_began) {
            CanaryEvidence::Proven
        } else if self.missed.is_some_and(|sent| sent > run_began) {
            CanaryEvidence::Absent
        } else {
            CanaryEvidence::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::prober::Role;
    use crate::engine::prober::outstanding::Judged;

    fn at(second: u64) -> Moment {
        Moment::after_start(Duration::from_secs(second))
    }

    /// A canary with its newest answered and missed probes, by the seconds of their sending.
    fn canary(answered: Option<u64>, missed: Option<u64>) -> Canary {
        Canary { answered: answered.map(at), missed: missed.map(at), misses: 0 }
    }

    #[test]
    fn a_run_is_evidence_only_if_a_canary_answered_after_it_began() {
        let cases = [
            ("no canary, no question", vec![], CanaryEvidence::Proven),
            ("answered after it began", vec![canary(Some(11), None)], CanaryEvidence::Proven),
            ("answered before it began only", vec![canary(Some(9), None)], CanaryEvidence::Pending),
            (
                "at the very moment is not after",
                vec![canary(Some(10), None)],
                CanaryEvidence::Pending,
            ),
            ("missed since", vec![canary(Some(9), Some(11))], CanaryEvidence::Absent),
            (
                "one of two answered",
                vec![canary(None, Some(11)), canary(Some(11), None)],
                CanaryEvidence::Proven,
            ),
            (
                "one of two still out",
                vec![canary(None, Some(11)), canary(None, None)],
                CanaryEvidence::Pending,
            ),
            (
                "the other order",
                vec![canary(None, None), canary(None, Some(11))],
                CanaryEvidence::Pending,
            ),
            (
                "both missed",
                vec![canary(None, Some(11)), canary(Some(3), Some(12))],
                CanaryEvidence::Absent,
            ),
        ];
        for (name, members, want) in cases {
            let members = (0..).map(EndpointId::from).zip(members).collect();
            let canaries = Canaries { members, isolation: None };
            assert_eq!(canaries.weigh(at(10)), want, "{name}");
        }
    }

    /// The result of a probe of canary 7. `faulty` means that this machine cannot send to it.
    fn result(second: u64, outcome: Outcome, faulty: bool) -> ProbeResult {
        ProbeResult {
            endpoint: 7.into(),
            role: Role::Canary,
            judged: Judged {
                seq: second.into(),
                sent: at(second),
                quick: false,
                outcome,
                reported: None,
            },
            rtt: None,
            error: None,
            other: None,
            in_order: vec![],
            faulty,
            limits: None,
        }
    }

    const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

    #[test]
    fn losses_and_faults_in_a_row_are_misses_but_for_a_process_that_did_not_run() {
        let mut canaries = Canaries::default();
        canaries.set_members(&[7.into()]);
        let judged = [
            (result(1, Outcome::Loss, false), IsolationChange::Unchanged),
            (result(2, Outcome::Fault, false), IsolationChange::Unchanged),
            (result(3, Outcome::Fault, true), IsolationChange::Begins(IsolationCause::NoCanary)),
            (result(4, Outcome::Reply, false), IsolationChange::Ends),
            (result(5, Outcome::Loss, false), IsolationChange::Unchanged),
        ];
        for (result, change) in judged {
            assert_eq!(canaries.judged(&result, TWO), Some(change), "{result:?}");
        }
    }

    #[test]
    fn a_lost_probe_of_a_rehearsal_proves_nothing() {
        let mut canaries = Canaries::default();
        canaries.set_members(&[7.into()]);
        let mut lost = result(1, Outcome::Loss, false);
        lost.judged.quick = true;
        assert_eq!(canaries.judged(&lost, NonZeroU32::MIN), None);
        assert!(!canaries.all_miss(NonZeroU32::MIN));
    }

    #[test]
    fn faults_of_all_targets_isolate_an_agent_without_canaries_until_one_is_reached() {
        let mut canaries = Canaries::default();
        let begins = IsolationChange::Begins(IsolationCause::NothingCanBeAsked);
        assert_eq!(canaries.weigh_faults(false), IsolationChange::Unchanged);
        assert_eq!(canaries.weigh_faults(true), begins);
        canaries.isolate(Moment::START, IsolationCause::NothingCanBeAsked);
        assert_eq!(canaries.weigh_faults(true), IsolationChange::Unchanged, "it is");
        assert_eq!(canaries.weigh_faults(false), IsolationChange::Ends);
        canaries.set_members(&[7.into()]);
        canaries.end_isolation();
        assert_eq!(canaries.weigh_faults(true), IsolationChange::Unchanged, "the canary decides");
    }

    #[test]
    fn a_reload_ends_isolation_that_has_lost_its_cause() {
        let mut canaries = Canaries::default();
        canaries.isolate(Moment::START, IsolationCause::NoCanary);
        assert_eq!(canaries.weigh_reload(true, false), IsolationChange::Ends, "no canary is left");
        assert_eq!(canaries.weigh_reload(false, true), IsolationChange::Unchanged);
        canaries.isolate(Moment::START, IsolationCause::NothingCanBeAsked);
        assert_eq!(
            canaries.weigh_reload(false, true),
            IsolationChange::Unchanged,
            "none is reached"
        );
        assert_eq!(canaries.weigh_reload(false, false), IsolationChange::Ends);
    }

    #[test]
    fn canaries_that_stay_keep_their_results() {
        let mut canaries = Canaries::default();
        let [first, second, third] = [6, 7, 8].map(EndpointId::from);
        canaries.set_members(&[first, second]);
        canaries.judged(&result(1, Outcome::Loss, false), TWO);
        canaries.set_members(&[second]);
        assert!(canaries.all_miss(NonZeroU32::MIN));
        canaries.set_members(&[second, third]);
        assert!(!canaries.all_miss(NonZeroU32::MIN), "the new one missed nothing");
        assert_eq!(canaries.endpoints(), [second, third]);
    }
}
