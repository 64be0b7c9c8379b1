//! Whether this agent may trust what it sees: the canaries.

use super::Moment;

/// What one canary says about this agent's own network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Canary {
    /// When the newest probe that it answered was sent.
    pub answered: Option<Moment>,
    /// When the newest probe that it did not answer, or that could not be sent, was sent.
    pub missed: Option<Moment>,
    /// How many it has missed in a row since it last answered.
    pub misses: u32,
}

/// What the canaries say about a run of losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A canary answered a probe sent after the first lost probe of the run, or there are none.
    Proven,
    /// None has yet, but at least one has still to be heard.
    Pending,
    /// None did: the losses may be this agent's own.
    Absent,
}

/// Weighs a run of losses whose first lost probe was sent at `run_began`.
///
/// Every canary must have missed a probe sent after that for the evidence to be absent; until then
/// it is pending, so that a run shorter than a canary's pace is not called isolation.
pub fn weigh(canaries: impl Iterator<Item = Canary>, run_began: Moment) -> Evidence {
    let mut weighed = None;
    for canary in canaries {
        let since = |moment: Option<Moment>| moment.is_some_and(|sent| sent > run_began);
        if since(canary.answered) {
            return Evidence::Proven;
        }
        let this = if since(canary.missed) { Evidence::Absent } else { Evidence::Pending };
        weighed = match (weighed, this) {
            (Some(Evidence::Pending), _) => weighed,
            _ => Some(this),
        };
    }
    weighed.unwrap_or(Evidence::Proven)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_evidence_only_if_a_canary_answered_after_it_began() {
        let at = |second: u64| Some(Duration::from_secs(second));
        let canary = |answered, missed| Canary { answered, missed, misses: 0 };
        let cases = [
            ("no canary, no question", vec![], Evidence::Proven),
            ("answered after it began", vec![canary(at(11), None)], Evidence::Proven),
            ("answered before it began only", vec![canary(at(9), None)], Evidence::Pending),
            ("at the very moment is not after", vec![canary(at(10), None)], Evidence::Pending),
            ("missed since", vec![canary(at(9), at(11))], Evidence::Absent),
            (
                "one of two answered",
                vec![canary(None, at(11)), canary(at(11), None)],
                Evidence::Proven,
            ),
            (
                "one of two still out",
                vec![canary(None, at(11)), canary(None, None)],
                Evidence::Pending,
            ),
            ("the other order", vec![canary(None, None), canary(None, at(11))], Evidence::Pending),
            ("both missed", vec![canary(None, at(11)), canary(at(3), at(12))], Evidence::Absent),
        ];
        for (name, canaries, want) in cases {
            assert_eq!(weigh(canaries.into_iter(), Duration::from_secs(10)), want, "{name}");
        }
    }
}
