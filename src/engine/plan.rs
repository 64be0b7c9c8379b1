//! What to change so that record sets serve what was decided, and no less than the floor.
//!
//! Planning is a pure function of what the provider lists and what is wished for; planning again
//! after applying the plan gives an empty plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The two kinds of address record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 addresses, in `A` records (RFC 1035).
    A,
    /// IPv6 addresses, in `AAAA` records (RFC 3596).
    Aaaa,
}

impl Family {
    /// The kind of record that holds `address`.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::A } else { Self::Aaaa }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// Which record set: an owner name and a kind of record (RFC 2181, section 5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetKey {
    /// The owner name, fully qualified, lower case, without the final dot.
    pub name: String,
    /// The kind of record.
    pub family: Family,
}

impl fmt::Display for SetKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.family)
    }
}

/// The record sets at the managed names as they were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The distinct addresses of each set, foreign ones included. A set that is not there is an empty
    /// entry or none at all; what could not be read is never here.
    pub sets: BTreeMap<SetKey, BTreeSet<IpAddr>>,
    /// Sets that could not be read or cannot be edited, and why. Nothing is planned there.
    pub unfit: BTreeMap<SetKey, String>,
}

impl Observed {
    /// The addresses of a set; `None` if it is not there, or not known.
    pub fn get(&self, key: &SetKey) -> Option<&BTreeSet<IpAddr>> {
        self.sets.get(key)
    }

    /// Whether `address` is in a set; `None` if that set could not be read.
    pub fn holds(&self, key: &SetKey, address: IpAddr) -> Option<bool> {
        let is_known = !self.unfit.contains_key(key);
        is_known.then(|| self.get(key).is_some_and(|there| there.contains(&address)))
    }
}

impl FromIterator<(SetKey, BTreeSet<IpAddr>)> for Observed {
    fn from_iter<I: IntoIterator<Item = (SetKey, BTreeSet<IpAddr>)>>(sets: I) -> Self {
        Self { sets: sets.into_iter().collect(), unfit: BTreeMap::new() }
    }
}

/// What was decided about one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wish {
    /// It belongs into every set of its family.
    Serve,
    /// It belongs out of every set, if that leaves the floor.
    Withdraw,
    /// It belongs out of every set whatever is left: the operator's word, for which the floor was
    /// asked when it was given.
    WithdrawAnyway,
}

/// What to change, all sets together, and what has to wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Addresses to create, ascending.
    pub create: Vec<(SetKey, IpAddr)>,
    /// Addresses whose records are to be deleted, ascending, every duplicate of each.
    pub delete: Vec<(SetKey, IpAddr)>,
    /// Addresses that stay for now, since the floor would be broken.
    pub held: Vec<(SetKey, IpAddr)>,
}

impl Plan {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }
}

/// Works out how to make the sets at `names` serve what is wished for.
///
/// Shape: `observed` holds every address at those names, foreign ones too; an address without a wish
/// is left as it is, and so is a set that is unfit. Where several addresses are to go and the floor lets only some, the lowest ones
/// stay: any two agents that know the same then choose the same ones.
///
/// Units: `floor` counts distinct addresses that are left in a set, foreign ones included, A and
/// AAAA apart. Addresses withdrawn by the operator's word do not ask for it.
pub fn plan(
    names: &[String],
    observed: &Observed,
    wishes: &BTreeMap<IpAddr, Wish>,
    floor: usize,
) -> Plan {
    let none = BTreeSet::new();
    let mut plan = Plan::default();
    for name in names {
        for family in [Family::A, Family::Aaaa] {
            let key = SetKey { name: name.clone(), family };
            if observed.unfit.contains_key(&key) {
                continue;
            }
            let there = observed.get(&key).unwrap_or(&none);
            let wishes = wishes.iter().filter(|(address, _)| Family::of(**address) == family);
            plan_set(&key, there, &wishes.collect::<Vec<_>>(), floor, &mut plan);
        }
    }
    plan
}

/// Plans one set.
fn plan_set(
    key: &SetKey,
    there: &BTreeSet<IpAddr>,
    wishes: &[(&IpAddr, &Wish)],
    floor: usize,
    plan: &mut Plan,
) {
    let entries = |wanted: Wish, present: bool| {
        let fits = move |(address, wish): &&(&IpAddr, &Wish)| {
            **wish == wanted && there.contains(*address) == present
        };
        wishes.iter().filter(fits).map(|(address, _)| (key.clone(), **address))
    };
    let mut left = there.len();
    let create: Vec<_> = entries(Wish::Serve, false).collect();
    left += create.len();
    let mut delete: Vec<_> = entries(Wish::WithdrawAnyway, true).collect();
    left -= delete.len();
    let mut held = Vec::new();
    for entry in entries(Wish::Withdraw, true).rev() {
        if left > floor {
            left -= 1;
            delete.push(entry);
        } else {
            held.push(entry);
        }
    }
    delete.sort();
    held.sort();
    plan.create.extend(create);
    plan.delete.extend(delete);
    plan.held.extend(held);
}

/// Which of the addresses that this agent just withdrew have to come back, because somebody else
/// changed the set at the same moment and the floor is broken.
///
/// Shape: `observed` was read after the write; `withdrawn` is what the write took out without the
/// operator's word. The lowest addresses come back, so that any two agents put back the same ones.
pub fn repair(
    observed: &Observed,
    withdrawn: &[(SetKey, IpAddr)],
    floor: usize,
) -> Vec<(SetKey, IpAddr)> {
    let mut missing: BTreeMap<&SetKey, usize> = BTreeMap::new();
    for (key, _) in withdrawn {
        let left = observed.get(key).map_or(0, BTreeSet::len);
        missing.insert(key, floor.saturating_sub(left));
    }
    let gone = |(key, address): &&(SetKey, IpAddr)| {
        !observed.get(key).is_some_and(|there| there.contains(address))
    };
    let mut candidates: Vec<_> = withdrawn.iter().filter(gone).collect();
    candidates.sort();
    candidates.dedup();
    let mut back = Vec::new();
    for (key, address) in candidates {
        if let Some(wanted) = missing.get_mut(key).filter(|wanted| **wanted > 0) {
            *wanted -= 1;
            back.push((key.clone(), *address));
        }
    }
    back
}

/// At which names the floor would be broken if `address` went now.
pub fn floor_breaks(
    names: &[String],
    observed: &Observed,
    address: IpAddr,
    floor: usize,
) -> Vec<String> {
    let family = Family::of(address);
    let breaks = |name: &&String| {
        let key = SetKey { name: (*name).clone(), family };
        let there = observed.get(&key);
        there.is_some_and(|there| there.contains(&address) && there.len() <= floor)
    };
    names.iter().filter(breaks).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "www.example.com";

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn key() -> SetKey {
        SetKey { name: NAME.into(), family: Family::A }
    }

    fn set(last: &[u8]) -> Observed {
        [(key(), last.iter().map(|n| ip(*n)).collect())].into_iter().collect()
    }

    fn lasts(entries: &[(SetKey, IpAddr)]) -> Vec<u8> {
        let last = |address: &IpAddr| match address {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[15],
        };
        entries.iter().map(|(_, address)| last(address)).collect()
    }

    /// `wishes`: `+1` serve, `-1` withdraw, `!1` withdraw anyway.
    fn wishes(words: &str) -> BTreeMap<IpAddr, Wish> {
        let wish = |word: &str| {
            let (sign, last) = word.split_at(1);
            let wish = match sign {
                "+" => Wish::Serve,
                "-" => Wish::Withdraw,
                _ => Wish::WithdrawAnyway,
            };
            (ip(last.parse().unwrap()), wish)
        };
        words.split_whitespace().map(wish).collect()
    }

    #[test]
    fn a_plan_changes_what_is_wished_for_and_nothing_else() {
        // what is there, the wishes, the floor; then created, deleted, held
        type Row = (&'static str, &'static [u8], &'static str, usize, [&'static [u8]; 3]);
        let cases: [Row; 11] = [
            ("a dead address goes", &[1, 2], "-1", 0, [&[], &[1], &[]]),
            ("without a floor even the last one goes", &[1], "-1", 0, [&[], &[1], &[]]),
            ("the floor keeps the last one", &[1], "-1", 1, [&[], &[], &[1]]),
            ("a foreign address counts towards the floor", &[1, 9], "-1", 1, [&[], &[1], &[]]),
            ("the lowest of two stays", &[1, 2], "-1 -2", 1, [&[], &[2], &[1]]),
            ("one that comes back makes room", &[1], "-1 +2", 1, [&[2], &[1], &[]]),
            ("what is there is not created again", &[1, 2], "+1 +2", 1, [&[], &[], &[]]),
            ("what is gone is not deleted again", &[2], "-1", 1, [&[], &[], &[]]),
            ("no wish, no change", &[1, 2, 9], "", 1, [&[], &[], &[]]),
            ("the operator's word does not ask the floor", &[1], "!1", 1, [&[], &[1], &[]]),
            ("but it leaves less for the others", &[1, 2, 3], "!3 -1 -2", 1, [&[], &[2, 3], &[1]]),
        ];
        for (name, there, words, floor, [create, delete, held]) in cases {
            let plan = plan(&[NAME.into()], &set(there), &wishes(words), floor);
            assert_eq!(lasts(&plan.create), create, "{name}: create");
            assert_eq!(lasts(&plan.delete), delete, "{name}: delete");
            assert_eq!(lasts(&plan.held), held, "{name}: held");
        }
    }

    #[test]
    fn a_set_that_is_unfit_is_left_alone_and_the_others_are_planned() {
        let api = SetKey { name: "api.example.com".into(), ..key() };
        let mut observed = set(&[1, 2]);
        observed.unfit.insert(api.clone(), "it is an alias".into());
        let plan = plan(&[NAME.into(), api.name.clone()], &observed, &wishes("-1 +3"), 1);
        assert_eq!((plan.create, plan.delete), (vec![(key(), ip(3))], vec![(key(), ip(1))]));
        assert_eq!(observed.holds(&api, ip(1)), None, "unknown, and not absent");
    }

    #[test]
    fn the_families_are_planned_apart() {
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let mut observed = set(&[1]);
        observed.sets.insert(SetKey { family: Family::Aaaa, ..key() }, BTreeSet::from([v6]));
        let wishes = BTreeMap::from([(ip(1), Wish::Withdraw), (v6, Wish::Withdraw)]);
        let plan = plan(&[NAME.into()], &observed, &wishes, 1);
        assert_eq!((plan.delete.len(), plan.held.len()), (0, 2));
    }

    #[test]
    fn two_agents_that_emptied_a_set_put_the_same_address_back() {
        let both = [(key(), ip(2)), (key(), ip(1))];
        assert_eq!(lasts(&repair(&set(&[]), &both, 1)), [1]);
        assert_eq!(lasts(&repair(&set(&[]), &both[..1], 1)), [2], "it knows of its own only");
        assert_eq!(lasts(&repair(&set(&[7]), &both, 1)), [0u8; 0], "the floor stands");
        assert_eq!(lasts(&repair(&set(&[1]), &both, 2)), [2], "one is back already");
    }

    #[test]
    fn a_drain_is_told_where_the_floor_would_break() {
        let names = [NAME.to_owned(), "api.example.com".to_owned()];
        assert_eq!(floor_breaks(&names, &set(&[1, 2]), ip(1), 2), [NAME.to_owned()]);
        assert!(floor_breaks(&names, &set(&[1, 2]), ip(1), 1).is_empty());
        assert!(floor_breaks(&names, &set(&[2]), ip(1), 1).is_empty(), "it is not there anyway");
    }

    fn apply(observed: &Observed, plan: &Plan) -> Observed {
        let mut after = observed.clone();
        for (key, address) in &plan.delete {
            after.sets.entry(key.clone()).or_default().remove(address);
        }
        for (key, address) in &plan.create {
            after.sets.entry(key.clone()).or_default().insert(*address);
        }
        after
    }

    proptest! {
        #[test]
        fn any_plan_is_safe_and_final(
            there in proptest::collection::btree_set(0u8..12, 0..10),
            wished in proptest::collection::btree_map(0u8..8, 0u8..3, 0..8),
            floor in 0usize..5,
        ) {
            let kinds = [Wish::Serve, Wish::Withdraw, Wish::WithdrawAnyway];
            let wishes: BTreeMap<_, _> =
                wished.iter().map(|(last, kind)| (ip(*last), kinds[usize::from(*kind)])).collect();
            let before = set(&there.iter().copied().collect::<Vec<_>>());
            let names = [NAME.to_owned()];
            let first = plan(&names, &before, &wishes, floor);
            let after = apply(&before, &first);
            let again = plan(&names, &after, &wishes, floor);
            prop_assert!(again.is_empty(), "planning again: {again:?}");
            let (was, is) = (&before.sets[&key()], &after.sets[&key()]);
            for foreign in was.iter().filter(|address| !wishes.contains_key(address)) {
                prop_assert!(is.contains(foreign), "{foreign} is foreign and was touched");
            }
            let anyway = |address: &&IpAddr| wishes.get(address) == Some(&Wish::WithdrawAnyway);
            let forced = was.iter().filter(anyway).count();
            let asked = first.delete.len() - forced;
            prop_assert!(asked == 0 || is.len() >= floor, "the floor is broken: {is:?}");
            for (address, wish) in &wishes {
                let served = is.contains(address);
                prop_assert!(*wish != Wish::Serve || served, "{address} is missing");
                let held = first.held.contains(&(key(), *address));
                prop_assert!(*wish != Wish::Withdraw || served == held, "{address}");
            }
        }
    }
}
