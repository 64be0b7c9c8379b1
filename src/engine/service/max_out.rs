//! `max_out`: the number of addresses of a service that may be out for their health at once.
//!
//! The addresses that are out, and those that are to go, have one order: those that are gone already,
//! those that are about to leave, those that are down and still in service, and those that the floor
//! keeps where they are. As many as the limit allows are out or may go, from the front; the others are
//! held. Within each of these classes, an address that more agents see down comes first, and then the
//! highest one, as with the floor. Agents with the same votes therefore choose the same addresses.
//!
//! Standbys and drained addresses have no place in this order, and neither have those that asked to be
//! taken out. An address that is gone already is never held: a dead address is not put back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engine::ids::TargetId;

/// How far an address is on its way out. The order of the variants is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OutStage {
    /// It is in no record set, as far as is known.
    Gone,
    /// It is up, and not back in a record set yet.
    Returning,
    /// Its withdrawal was decided and is not carried out yet.
    Leaving,
    /// It is down, and nothing but this guard keeps it; or enough other agents to withdraw it see that.
    Down,
    /// Its withdrawal was decided, and the floor keeps it where it is.
    Kept,
}

/// The place of an address in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OutPlace {
    pub(super) stage: OutStage,
    /// The number of agents that see it down.
    pub(super) votes: Reverse<usize>,
    pub(super) address: Reverse<IpAddr>,
}

/// The addresses of a service that are out for their health, or are to go.
#[derive(Debug, Default)]
pub(super) struct OutTargets {
    /// The most that may be out, once the targets were looked at.
    limit: Option<usize>,
    places: BTreeMap<TargetId, OutPlace>,
    ranked: BTreeMap<OutPlace, TargetId>,
    /// The number of targets at each stage.
    at_stage: BTreeMap<OutStage, usize>,
    /// The first place that is not within the limit.
    first_held: Option<OutPlace>,
}

/// The evidence that no more addresses may go: the number that may be out, and the number of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaxOutReached {
    pub(super) limit: usize,
    pub(super) of: usize,
}

impl MaxOutReached {
    /// Describes the evidence: `2 of 4 addresses are out or about to leave, and no more may be`.
    pub(super) fn in_words(self) -> String {
        let verb = if self.limit == 1 { "is" } else { "are" };
        let Self { limit, of } = self;
        format!("{limit} of {of} addresses {verb} out or about to leave, and no more may be")
    }
}

impl OutTargets {
    /// Returns no targets, of which at most `limit` may be out.
    pub(super) fn within(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Returns the most that may be out, once the targets were looked at.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Whether more targets are out or to go than may be.
    pub(super) fn is_over_limit(&self) -> bool {
        self.first_held.is_some()
    }

    /// Whether a target has to stay for now.
    pub(super) fn holds(&self, id: TargetId) -> bool {
        let Some(place) = self.places.get(&id) else { return false };
        place.stage > OutStage::Returning && self.first_held.is_some_and(|first| *place >= first)
    }

    /// Returns the number of targets that would leave if more were allowed to be out.
    pub(super) fn held(&self) -> usize {
        let Some(limit) = self.limit else { return 0 };
        let room = limit.saturating_sub(self.count(OutStage::Gone) + self.returning());
        (self.count(OutStage::Leaving) + self.count(OutStage::Down)).saturating_sub(room)
    }

    /// Returns the number of targets that are on their way back.
    pub(super) fn returning(&self) -> usize {
        self.count(OutStage::Returning)
    }

    /// Whether a target would have to stay at this place, in the stead of its own.
    pub(super) fn would_hold(&self, id: TargetId, place: OutPlace) -> bool {
        let Some(limit) = self.limit else { return false };
        let before = self.ranked.range(..place).filter(|(_, its)| **its != id);
        before.take(limit).count() >= limit
    }

    /// Returns the number of targets at a stage.
    pub(super) fn count(&self, stage: OutStage) -> usize {
        self.at_stage.get(&stage).copied().unwrap_or_default()
    }

    /// Gives a target another place, or none. Returns the targets with another answer of
    /// [`Self::holds`].
    pub(super) fn set(&mut self, id: TargetId, place: Option<OutPlace>) -> Vec<TargetId> {
        let before = match place {
            Some(place) => self.places.insert(id, place),
            None => self.places.remove(&id),
        };
        if before == place {
            return Vec::new();
        }
        if let Some(before) = before {
            self.ranked.remove(&before);
            *self.at_stage.entry(before.stage).or_default() -= 1;
        }
        if let Some(place) = place {
            self.ranked.insert(place, id);
            *self.at_stage.entry(place.stage).or_default() += 1;
        }
        let first_before = self.first_held;
        self.first_held = self.first_beyond();
        self.between(first_before, self.first_held)
    }

    /// Returns the first place beyond the limit.
    fn first_beyond(&self) -> Option<OutPlace> {
        let limit = self.limit?;
        let beyond = self.ranked.len().checked_sub(limit + 1)?;
        let mut places = self.ranked.keys();
        let first = if limit <= beyond { places.nth(limit) } else { places.nth_back(beyond) };
        first.copied()
    }

    /// Returns the targets at the places between two limits.
    fn between(&self, one: Option<OutPlace>, other: Option<OutPlace>) -> Vec<TargetId> {
        if one == other {
            return Vec::new();
        }
        let (low, high) = match (one, other) {
            (Some(one), Some(other)) => (one.min(other), Some(one.max(other))),
            (Some(low), None) | (None, Some(low)) => (low, None),
            (None, None) => return Vec::new(),
        };
        let beyond = self.ranked.range(low..);
        let within = beyond.take_while(|(place, _)| high.is_none_or(|high| **place < high));
        within.map(|(_, id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the place that a word stands for: the stage `g`, `r`, `l`, `d` or `k`, the last byte of the
    /// address, and the number of votes if it is not 1, as in `d3/2`.
    fn place(word: &str) -> OutPlace {
        let (stage, rest) = word.split_at(1);
        let (last, votes) = rest.split_once('/').unwrap_or((rest, "1"));
        let stage = match stage {
            "g" => OutStage::Gone,
            "r" => OutStage::Returning,
            "l" => OutStage::Leaving,
            "d" => OutStage::Down,
            _ => OutStage::Kept,
        };
        let address = IpAddr::from([192, 0, 2, last.parse().unwrap()]);
        OutPlace { stage, votes: Reverse(votes.parse().unwrap()), address: Reverse(address) }
    }

    fn id(place: OutPlace) -> TargetId {
        let IpAddr::V4(address) = place.address.0 else { return 0.into() };
        usize::from(address.octets()[3]).into()
    }

    /// Returns the last bytes of the addresses that are held.
    fn held(out: &OutTargets) -> Vec<usize> {
        (0..10).filter(|last| out.holds((*last).into())).collect()
    }

    #[test]
    fn as_many_as_the_limit_go_from_the_front_and_the_others_are_held() {
        let rows: [(&str, usize, &str, &[usize]); 12] = [
            ("none is dead", 2, "", &[]),
            ("as many as may be", 2, "d1 d2", &[]),
            ("the highest ones go", 2, "d1 d2 d3", &[1]),
            ("of those at one stage, the ones with more votes", 2, "d1/2 d2 d3/2", &[2]),
            ("one is gone", 2, "g1 d2 d3", &[2]),
            ("those that are gone are never held", 1, "g1 g2 g3 d4", &[4]),
            ("one that is coming back is still out", 2, "r1 d2 d3", &[2]),
            ("one is on its way", 2, "l1 d2 d3", &[2]),
            ("more are gone than was known", 2, "g3 g4 l1 l2", &[1, 2]),
            ("one that the floor keeps is the last", 2, "k4 d1 d2", &[4]),
            ("it goes once there is room", 2, "k4 d1", &[]),
            ("all are held but one", 1, "d1 d2 d3 d4 d5", &[1, 2, 3, 4]),
        ];
        for (name, limit, words, want) in rows {
            let mut out = OutTargets::within(Some(limit));
            for word in words.split_whitespace().map(place) {
                out.set(id(word), Some(word));
            }
            assert_eq!(
                (held(&out).as_slice(), out.is_over_limit()),
                (want, out.ranked.len() > limit),
                "{name}"
            );
            let kept = words.split(' ').filter(|word| word.starts_with('k')).count();
            assert_eq!(out.held(), want.len().saturating_sub(kept), "{name}");
        }
    }

    #[test]
    fn a_change_names_the_targets_that_may_go_now_and_those_that_may_not_any_more() {
        let mut out = OutTargets::within(Some(2));
        let steps: [(&str, bool, &[usize]); 9] = [
            ("d2", true, &[]),
            ("d1", true, &[]),
            ("d3", true, &[1]),
            ("l3", true, &[]),
            ("l2", true, &[]),
            ("l2", false, &[1]),
            ("g4", true, &[1]),
            ("g4", true, &[]),
            ("g4", false, &[1]),
        ];
        for (step, (word, comes, want)) in steps.into_iter().enumerate() {
            let place = place(word);
            let changed = out.set(id(place), comes.then_some(place));
            let want: Vec<TargetId> = want.iter().map(|last| (*last).into()).collect();
            assert_eq!(changed, want, "step {step}, {word}");
        }
    }

    #[test]
    fn without_a_limit_none_is_held() {
        let mut out = OutTargets::within(None);
        for word in ["d1", "d2", "d3"].map(place) {
            assert!(out.set(id(word), Some(word)).is_empty());
        }
        assert_eq!(held(&out), [0; 0]);
    }
}
