//! The health of a target that is watched by several checks.

use super::{HealthTracker, Subject};
use crate::engine::ids::EndpointId;
use crate::engine::moment::Moment;
use crate::engine::types::{Health, Vote};

/// The health of a target, from all of its checks that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct TargetHealth {
    /// The health, as seen from here.
    pub(in crate::engine) health: Health,
    /// The time from which there is enough evidence for the health.
    pub(in crate::engine) proof: Option<Moment>,
    /// Whether there are enough losses in a row to flip it down, and it is not down.
    pub(in crate::engine) missing: bool,
    /// Whether it asks to be taken out.
    pub(in crate::engine) asked: bool,
    /// The endpoint that the health is mainly due to.
    pub(in crate::engine) decisive: EndpointId,
}

impl TargetHealth {
    /// Returns the health of a target that is not watched yet.
    pub(in crate::engine) fn unwatched(decisive: EndpointId) -> Self {
        Self { health: Health::AssumedUp, proof: None, missing: false, asked: false, decisive }
    }

    /// Returns the health of a target with one check.
    fn of(id: EndpointId, subject: &Subject) -> Self {
        Self {
            health: subject.streaks.health(),
            proof: subject.evidence.proof,
            missing: subject.is_missing(),
            asked: subject.has_asked(),
            decisive: id,
        }
    }

    /// Returns this agent's own view; `None` before the first flip or confirmation.
    pub(in crate::engine) fn own_view(&self) -> Option<Vote> {
        match self.health {
            Health::AssumedUp => None,
            Health::Up => Some(Vote::Up),
            Health::Down => Some(Vote::Down),
        }
    }
}

/// Returns the health of a target with these results of its counted checks, if `require` of them must
/// be up: down if too many are down or one asks to be taken out, up if enough are up. Otherwise it is not confirmed.
fn combine(results: &[TargetHealth], require: usize) -> Option<TargetHealth> {
    let first = results.first()?;
    // One check is enough to hear that the target asks to be taken out.
    if let Some(asked) = results.iter().find(|result| result.asked) {
        return Some(*asked);
    }
    // The fewest that have to be down.
    let tolerated = results.len().saturating_sub(require);
    let down = results.iter().filter(|it| it.health == Health::Down).count();
    let up = results.iter().filter(|it| it.health == Health::Up).count();
    let (health, needed) = if down > tolerated {
        (Health::Down, tolerated + 1)
    } else if up >= require {
        (Health::Up, require)
    } else {
        (Health::AssumedUp, 1)
    };
    let agreeing = results.iter().filter(|it| it.health == health);
    let mut proofs: Vec<Moment> = agreeing.clone().filter_map(|it| it.proof).collect();
    proofs.sort_unstable_by(|one, other| other.cmp(one));
    let lost = results.iter().filter(|it| it.missing || it.health == Health::Down).count();
    let missing = health != Health::Down && lost > tolerated;
    let decisive = match health {
        Health::Down => agreeing.clone().next(),
        _ => results.iter().find(|result| result.missing),
    };
    Some(TargetHealth {
        health,
        proof: needed.checked_sub(1).and_then(|place| proofs.get(place)).copied(),
        missing,
        asked: false,
        decisive: decisive.unwrap_or(first).decisive,
    })
}

impl HealthTracker {
    /// Returns the health of a target with these counted endpoints, if `require` of them must be up.
    /// `None` if none of them is watched.
    pub(in crate::engine) fn combined(
        &self,
        endpoints: impl Iterator<Item = EndpointId>,
        require: usize,
    ) -> Option<TargetHealth> {
        let results = endpoints.filter_map(|id| Some(TargetHealth::of(id, self.get(id)?)));
        combine(&results.collect::<Vec<_>>(), require)
    }

    /// Returns the health of a target with one counted endpoint.
    pub(in crate::engine) fn single(&self, id: EndpointId) -> TargetHealth {
        self.get(id).map_or(TargetHealth::unwatched(id), |subject| TargetHealth::of(id, subject))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns results as letters: `u` up, `d` down, `a` assumed up; a capital letter has no evidence;
    /// `m` is assumed up and missing; `q` asks to be taken out.
    fn results(letters: &str) -> Vec<TargetHealth> {
        let mut results = Vec::new();
        for (place, letter) in letters.chars().enumerate() {
            let health = match letter.to_ascii_lowercase() {
                'u' => Health::Up,
                'd' | 'q' => Health::Down,
                _ => Health::AssumedUp,
            };
            let at = Moment::after_start(Duration::from_secs(u64::try_from(place).unwrap() + 1));
            results.push(TargetHealth {
                health,
                proof: letter.is_lowercase().then_some(at),
                missing: letter == 'm',
                asked: letter == 'q',
                decisive: place.into(),
            });
        }
        results
    }

    #[test]
    fn so_many_checks_must_be_up() {
        // Results, the number required, and: health, the second of the proof, missing, decisive.
        let rows = [
            ("one check", "u", 1, (Health::Up, Some(1), false, 0)),
            ("one check, down", "d", 1, (Health::Down, Some(1), false, 0)),
            ("one check, missing", "m", 1, (Health::AssumedUp, Some(1), true, 0)),
            ("all: both up", "uu", 2, (Health::Up, Some(1), false, 0)),
            ("all: one down", "ud", 2, (Health::Down, Some(2), false, 1)),
            ("all: one not confirmed", "ua", 2, (Health::AssumedUp, Some(2), false, 0)),
            ("all: one missing", "um", 2, (Health::AssumedUp, Some(2), true, 1)),
            ("any: one down", "ud", 1, (Health::Up, Some(1), false, 0)),
            ("any: both down", "dd", 1, (Health::Down, Some(1), false, 0)),
            ("any: one down, one missing", "dm", 1, (Health::AssumedUp, Some(2), true, 1)),
            ("any: one down, one not confirmed", "da", 1, (Health::AssumedUp, Some(2), false, 0)),
            ("two of three", "udu", 2, (Health::Up, Some(1), false, 0)),
            ("two of three, two down", "udd", 2, (Health::Down, Some(2), false, 1)),
            ("all: no evidence for one that is up", "uU", 2, (Health::Up, None, false, 0)),
            ("all: evidence for one of two down", "Dd", 2, (Health::Down, Some(2), false, 0)),
            ("any: evidence for one of two down", "Dd", 1, (Health::Down, None, false, 0)),
            ("any: one asks", "uq", 1, (Health::Down, Some(2), false, 1)),
            ("any: evidence for one of two up", "Uu", 1, (Health::Up, Some(2), false, 0)),
        ];
        for (name, letters, require, (health, proof, missing, decisive)) in rows {
            let got = combine(&results(letters), require).unwrap();
            let proof = proof.map(|seconds| Moment::after_start(Duration::from_secs(seconds)));
            let (asked, decisive) = (letters.contains('q'), decisive.into());
            let want = TargetHealth { health, proof, missing, asked, decisive };
            assert_eq!(got, want, "{name}");
        }
        assert_eq!(combine(&[], 1), None);
    }
}
