//! The trust of this agent in its own observations: the canaries, and isolation.

use std::collections::BTreeMap;

use super::ids::EndpointId;
use super::moment::Moment;
use super::prober::watch::Judged;
use super::types::{IsolationCause, Outcome};

/// The evidence of one canary about this agent's own network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Canary {
    /// The send time of the newest probe that the canary answered.
    answered: Option<Moment>,
    /// The send time of the newest probe that the canary did not answer, or that could not be sent.
    missed: Option<Moment>,
    /// The number of probes in a row that it has missed since its last answer.
    misses: u32,
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

    /// Records the result of a probe of the canary at `endpoint`. `faulty` means that this machine
    /// cannot send to it. A fault without that proves nothing: this process did not run.
    pub(super) fn judged(&mut self, endpoint: EndpointId, judged: &Judged, faulty: bool) {
        let canary = self.members.iter_mut().find(|(known, _)| *known == endpoint);
        let Some((_, canary)) = canary else { return };
        let newest = match judged.outcome {
            Outcome::Reply => &mut canary.answered,
            Outcome::Loss | Outcome::Fault => &mut canary.missed,
        };
        *newest = (*newest).max(Some(judged.sent));
        canary.misses = match judged.outcome {
            Outcome::Reply => 0,
            Outcome::Fault if !faulty => canary.misses,
            Outcome::Loss | Outcome::Fault => canary.misses.saturating_add(1),
        };
    }

    /// Whether each canary missed at least `threshold` probes in a row.
    pub(super) fn all_miss(&self, threshold: u32) -> bool {
        self.members.iter().all(|(_, canary)| canary.misses >= threshold)
    }

    /// Weighs a run of losses that began with a probe sent at `run_began`.
    ///
    /// The evidence is absent only once every canary has missed a probe sent after that. Until then
    /// it is pending, so that a run shorter than a canary's pace is not called isolation.
    pub(super) fn weigh(&self, run_began: Moment) -> CanaryEvidence {
        weigh(self.members.iter().map(|(_, canary)| *canary), run_began)
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
    pub(super) fn is_isolated_by_faults(&self) -> bool {
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

fn weigh(canaries: impl Iterator<Item = Canary>, run_began: Moment) -> CanaryEvidence {
    let mut weighed = None;
    for canary in canaries {
        let since = |moment: Option<Moment>| moment.is_some_and(|sent| sent > run_began);
        if since(canary.answered) {
            return CanaryEvidence::Proven;
        }
        let this =
            if since(canary.missed) { CanaryEvidence::Absent } else { CanaryEvidence::Pending };
        weighed = match (weighed, this) {
            (Some(CanaryEvidence::Pending), _) => weighed,
            _ => Some(this),
        };
    }
    weighed.unwrap_or(CanaryEvidence::Proven)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_evidence_only_if_a_canary_answered_after_it_began() {
        let at = |second: u64| Some(Moment::after_start(Duration::from_secs(second)));
        let canary = |answered, missed| Canary { answered, missed, misses: 0 };
        let cases = [
            ("no canary, no question", vec![], CanaryEvidence::Proven),
            ("answered after it began", vec![canary(at(11), None)], CanaryEvidence::Proven),
            ("answered before it began only", vec![canary(at(9), None)], CanaryEvidence::Pending),
            (
                "at the very moment is not after",
                vec![canary(at(10), None)],
                CanaryEvidence::Pending,
            ),
            ("missed since", vec![canary(at(9), at(11))], CanaryEvidence::Absent),
            (
                "one of two answered",
                vec![canary(None, at(11)), canary(at(11), None)],
                CanaryEvidence::Proven,
            ),
            (
                "one of two still out",
                vec![canary(None, at(11)), canary(None, None)],
                CanaryEvidence::Pending,
            ),
            (
                "the other order",
                vec![canary(None, None), canary(None, at(11))],
                CanaryEvidence::Pending,
            ),
            (
                "both missed",
                vec![canary(None, at(11)), canary(at(3), at(12))],
                CanaryEvidence::Absent,
            ),
        ];
        for (name, canaries, want) in cases {
            assert_eq!(
                weigh(canaries.into_iter(), Moment::after_start(Duration::from_secs(10))),
                want,
                "{name}"
            );
        }
    }

    fn judged(second: u64, outcome: Outcome) -> Judged {
        let sent = Moment::after_start(Duration::from_secs(second));
        Judged { seq: second.into(), sent, quick: false, outcome }
    }

    #[test]
    fn losses_and_faults_in_a_row_are_misses_but_for_a_process_that_did_not_run() {
        let mut canaries = Canaries::default();
        let canary = EndpointId::from(7);
        canaries.set_members(&[canary]);
        canaries.judged(canary, &judged(1, Outcome::Loss), false);
        canaries.judged(canary, &judged(2, Outcome::Fault), true);
        canaries.judged(canary, &judged(3, Outcome::Fault), false);
        assert!(canaries.all_miss(2));
        assert!(!canaries.all_miss(3), "the last one proves nothing");
        canaries.judged(canary, &judged(4, Outcome::Reply), false);
        assert!(!canaries.all_miss(1));
    }

    #[test]
    fn canaries_that_stay_keep_their_results() {
        let mut canaries = Canaries::default();
        let [first, second, third] = [1, 2, 3].map(EndpointId::from);
        canaries.set_members(&[first, second]);
        canaries.judged(second, &judged(1, Outcome::Loss), false);
        canaries.set_members(&[second]);
        assert!(canaries.all_miss(1));
        canaries.set_members(&[second, third]);
        assert!(!canaries.all_miss(1), "the new one missed nothing");
        assert_eq!(canaries.endpoints(), [second, third]);
    }
}
