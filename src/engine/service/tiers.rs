//! Tiers: whether the standbys of a tier are needed.
//!
//! Tier 0 holds the addresses that are published as long as they are up, the tiers behind it those
//! that are published only while too few of the tiers before are in service. A and AAAA are counted
//! apart, since a standby replaces addresses of its own record set. Where tier 0 has no address of a
//! family, there is nothing to replace, and no standby of that family is ever needed.
//!
//! A need begins with the verdicts: an address does not count once its withdrawal was decided, even while
//! the floor keeps it in DNS. It ends only once enough of the others are confirmed to be up; in
//! between, a standby stays as it is, so that one that is found in DNS at the start stays there until
//! then. The plan adds that a standby leaves no record set in which too few of these addresses are.

use std::collections::BTreeMap;

use crate::engine::plan::Family;

/// An address of a service, as its tiers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TierMember {
    pub(super) tier: usize,
    pub(super) family: Family,
    /// Whether it belongs in DNS by its verdict.
    pub(super) in_service: bool,
    /// Whether it was taken out for its health, at its own request or by hand.
    pub(super) is_out: bool,
    /// Whether this agent and its peers confirm now that it is up.
    pub(super) confirmed: bool,
}

/// Whether the standbys of a tier are needed in the record sets of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// They are: too few addresses of the tiers before are in service.
    Needed,
    /// Enough others are in service, but too few of them are confirmed to be up. Nothing changes.
    Undecided,
    /// They are not: enough others are confirmed to be up.
    Unneeded,
}

/// The number of addresses of the tiers before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Before {
    /// All of them.
    pub(super) all: usize,
    /// Those that are in service by their verdicts.
    pub(super) in_service: usize,
    /// Those that were taken out for their health, at their own request or by hand.
    pub(super) out: usize,
    /// Those of them that are confirmed to be up.
    pub(super) confirmed: usize,
}

impl Before {
    /// Counts the members of a family in the tiers before `tier`.
    pub(super) fn of(
        members: impl Iterator<Item = TierMember>,
        tier: usize,
        family: Family,
    ) -> Self {
        let mut before = Self::default();
        for member in members.filter(|it| it.tier < tier && it.family == family) {
            before.all += 1;
            before.in_service += usize::from(member.in_service);
            before.out += usize::from(member.is_out);
            before.confirmed += usize::from(member.in_service && member.confirmed);
        }
        before
    }

    /// Returns the need for a last resort, which is published while all of these are out. A standby
    /// that was not put in since it was not seen yet is no reason to resort to it.
    pub(super) fn need_of_last_resort(self) -> Need {
        if self.all == 0 || self.confirmed > 0 {
            Need::Unneeded
        } else if self.out == self.all {
            Need::Needed
        } else {
            Need::Undecided
        }
    }

    /// Returns the need for a tier that is published while fewer than `below` of these are in
    /// service.
    pub(super) fn need(self, below: usize) -> Need {
        if self.all == 0 || self.confirmed >= below {
            Need::Unneeded
        } else if self.in_service >= below {
            Need::Undecided
        } else {
            Need::Needed
        }
    }
}

/// The needs for the standbys of a service, by tier and family, as they were last found.
#[derive(Debug, Default)]
pub(super) struct Needs(BTreeMap<(usize, Family), Need>);

impl Needs {
    /// Returns the need for a tier. One that was never looked at is undecided.
    pub(super) fn of(&self, tier: usize, family: Family) -> Need {
        self.0.get(&(tier, family)).copied().unwrap_or(Need::Undecided)
    }

    /// Records the need for a tier. Returns whether it differs from the one before.
    pub(super) fn set(&mut self, tier: usize, family: Family, need: Need) -> bool {
        self.0.insert((tier, family), need) != Some(need)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tier`, and whether it is `+` in service and confirmed, `~` in service, `-` out, or `?` a
    /// standby that was not put in.
    fn member(word: &str) -> TierMember {
        let (sign, tier) = word.split_at(1);
        let (in_service, confirmed) = (sign == "+" || sign == "~", sign == "+");
        let is_out = sign == "-";
        TierMember { tier: tier.parse().unwrap(), family: Family::A, in_service, is_out, confirmed }
    }

    #[test]
    fn a_tier_is_needed_while_too_few_before_it_are_in_service() {
        use Need::{Needed, Undecided, Unneeded};
        let rows = [
            ("all are well", "+0 +0", 1, 1, Unneeded),
            ("one of two is enough", "+0 -0", 1, 1, Unneeded),
            ("one of two is not enough", "+0 -0", 1, 2, Needed),
            ("none is left", "-0 -0", 1, 1, Needed),
            ("assumed", "~0 ~0", 1, 1, Undecided),
            ("one is confirmed", "~0 +0", 1, 2, Undecided),
            ("its own tier does not count", "-0 +1 +1", 1, 1, Needed),
            ("the tiers before count together", "-0 +0 +1", 2, 2, Unneeded),
            ("the tiers before are down", "-0 -1", 2, 1, Needed),
            ("there is nothing to replace", "+1", 1, 1, Unneeded),
        ];
        for (name, words, tier, below, want) in rows {
            let members = words.split(' ').map(member);
            assert_eq!(Before::of(members, tier, Family::A).need(below), want, "{name}");
            let other = words.split(' ').map(member);
            let none = Before::of(other, tier, Family::Aaaa);
            assert_eq!((none, none.need(below)), (Before::default(), Unneeded), "{name}");
        }
    }

    #[test]
    fn a_last_resort_is_needed_once_all_tiers_are_out() {
        use Need::{Needed, Undecided, Unneeded};
        let rows = [
            ("all are out", "-0 -0 -1", Needed),
            ("one is confirmed", "-0 +0 -1", Unneeded),
            ("a standby is confirmed", "-0 -0 +1", Unneeded),
            ("one is assumed", "-0 ~0 -1", Undecided),
            ("the standby was not seen yet", "-0 -0 ?1", Undecided),
            ("there is nothing to replace", "+2", Unneeded),
        ];
        for (name, words, want) in rows {
            let before = Before::of(words.split(' ').map(member), 2, Family::A);
            assert_eq!(before.need_of_last_resort(), want, "{name}");
        }
    }

    #[test]
    fn a_need_that_was_never_looked_at_is_undecided_and_each_change_is_told_once() {
        let mut needs = Needs::default();
        assert_eq!(needs.of(1, Family::A), Need::Undecided);
        assert!(needs.set(1, Family::A, Need::Undecided), "it was looked at");
        assert!(!needs.set(1, Family::A, Need::Undecided));
        assert!(needs.set(1, Family::A, Need::Needed));
        assert_eq!(
            (needs.of(1, Family::A), needs.of(1, Family::Aaaa)),
            (Need::Needed, Need::Undecided)
        );
    }
}
