//! What to change so that record sets serve what was decided, and no less than the floor.
//!
//! Planning is a pure function of what the provider lists and what is wished for; planning again
//! after applying the plan gives an empty plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::place::{Parts, reach};

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
    /// Places that a write without an answer may still change, whatever was read there.
    pub doubted: BTreeSet<(SetKey, IpAddr)>,
    /// Of each set from which an asker gets what is meant for his place: the addresses by place.
    pub parts: BTreeMap<SetKey, Parts>,
    /// What is wrong with the zone as a whole though its records can be read and changed.
    pub caution: Option<String>,
}

impl Observed {
    /// What one asker can get at a set: all of it, or, where it depends on where he is, what is there
    /// for that place and for wider ones. A kind of asker for each item, at least one.
    ///
    /// Sets told apart in any other way (by weight, by latency, for failover) answer for one another
    /// once one of them is gone, so that each asker can get all of them.
    fn askers(&self, key: &SetKey) -> Vec<BTreeSet<IpAddr>> {
        match self.parts.get(key) {
            Some(parts) if !parts.is_empty() => {
                parts.keys().map(|place| reach(parts, place)).collect()
            }
            _ => vec![self.get(key).cloned().unwrap_or_default()],
        }
    }

    /// As [`Self::askers`], for the places of before a write as well: what each asker can get now, and
    /// what he could get then; nothing, where that does not depend on his place.
    fn askers_since(
        &self,
        key: &SetKey,
        were: Option<&Parts>,
    ) -> Vec<(BTreeSet<IpAddr>, BTreeSet<IpAddr>)> {
        let Some(were) = were.filter(|were| !were.is_empty()) else {
            return self.askers(key).into_iter().map(|now| (now, BTreeSet::new())).collect();
        };
        let none = Parts::new();
        let now = self.parts.get(key).unwrap_or(&none);
        were.keys().map(|place| (reach(now, place), reach(were, place))).collect()
    }

    /// Takes for gone whatever `is_leaving`.
    pub fn without(&mut self, is_leaving: impl Fn(&IpAddr) -> bool) {
        let parts = self.parts.values_mut().flat_map(BTreeMap::values_mut);
        for there in self.sets.values_mut().chain(parts) {
            there.retain(|address| !is_leaving(address));
        }
    }

    /// The addresses of a set; `None` if it is not there, or not known.
    pub fn get(&self, key: &SetKey) -> Option<&BTreeSet<IpAddr>> {
        self.sets.get(key)
    }

    /// Whether `address` is in a set; `None` if that set could not be read, or may change yet.
    pub fn holds(&self, key: &SetKey, address: IpAddr) -> Option<bool> {
        let is_doubted = || self.doubted.contains(&(key.clone(), address));
        let is_known = !self.unfit.contains_key(key) && (self.doubted.is_empty() || !is_doubted());
        is_known.then(|| self.get(key).is_some_and(|there| there.contains(&address)))
    }
}

impl FromIterator<(SetKey, BTreeSet<IpAddr>)> for Observed {
    fn from_iter<I: IntoIterator<Item = (SetKey, BTreeSet<IpAddr>)>>(sets: I) -> Self {
        Self { sets: sets.into_iter().collect(), ..Self::default() }
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
/// is left as it is, and so is a set that is unfit. Where several addresses are to go and the floor
/// lets only some, the lowest ones stay: any two agents that know the same then choose the same ones.
///
/// Units: `floor` counts distinct addresses that are left in a set, foreign ones included, A and
/// AAAA apart; where it depends on his place what an asker gets, those that are left for each place.
/// Addresses withdrawn by the operator's word do not ask for it.
pub fn plan(
    names: &[String],
    observed: &Observed,
    wishes: &BTreeMap<IpAddr, Wish>,
    floor: usize,
) -> Plan {
    plan_but(names, observed, wishes, floor, &BTreeSet::new())
}

/// As [`plan`], but for the changes in `struck`, which will not be made: an address that will not be
/// created does not count towards the floor, and one that will not be deleted does.
pub fn plan_but(
    names: &[String],
    observed: &Observed,
    wishes: &BTreeMap<IpAddr, Wish>,
    floor: usize,
    struck: &BTreeSet<(SetKey, IpAddr)>,
) -> Plan {
    let mut plan = Plan::default();
    for name in names {
        for family in [Family::A, Family::Aaaa] {
            let key = SetKey { name: name.clone(), family };
            if observed.unfit.contains_key(&key) {
                continue;
            }
            let is_struck = |address: IpAddr| struck.contains(&(key.clone(), address));
            let wishes = wishes.iter().filter(|(address, _)| {
                Family::of(**address) == family && (struck.is_empty() || !is_struck(**address))
            });
            plan_set(&key, observed, &wishes.collect::<Vec<_>>(), floor, &mut plan);
        }
    }
    plan
}

/// Plans one set.
fn plan_set(
    key: &SetKey,
    observed: &Observed,
    wishes: &[(&IpAddr, &Wish)],
    floor: usize,
    plan: &mut Plan,
) {
    let none = BTreeSet::new();
    let there = observed.get(key).unwrap_or(&none);
    let entries = |wanted: Wish, present: bool| {
        let fits = move |(address, wish): &&(&IpAddr, &Wish)| {
            **wish == wanted && there.contains(*address) == present
        };
        wishes.iter().filter(fits).map(|(address, _)| (key.clone(), **address))
    };
    let mut askers = observed.askers(key);
    let create: Vec<_> = entries(Wish::Serve, false).collect();
    // For which place a record will be is not known here; the next reading shows it.
    if let [everyone] = &mut askers[..]
        && !observed.parts.contains_key(key)
    {
        everyone.extend(create.iter().map(|(_, address)| *address));
    }
    let mut delete: Vec<_> = entries(Wish::WithdrawAnyway, true).collect();
    for asker in &mut askers {
        asker.retain(|address| delete.iter().all(|(_, gone)| gone != address));
    }
    let mut held = Vec::new();
    for entry in entries(Wish::Withdraw, true).rev() {
        if floor_allows(&askers, entry.1, floor) {
            for asker in &mut askers {
                asker.remove(&entry.1);
            }
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

/// Whether every asker who can get `address` can get more than the floor asks for.
fn floor_allows(askers: &[BTreeSet<IpAddr>], address: IpAddr, floor: usize) -> bool {
    askers.iter().filter(|asker| asker.contains(&address)).all(|asker| asker.len() > floor)
}

/// Which of the addresses that this agent just withdrew have to come back, because somebody else
/// changed the set at the same moment and the floor is broken.
///
/// Shape: `observed` was read after the write; `withdrawn` is what the write took out without the
/// operator's word, and `were` for which places that was. The lowest addresses come back, so that any
/// two agents put back the same ones.
pub fn repair(
    observed: &Observed,
    withdrawn: &[(SetKey, IpAddr)],
    were: &BTreeMap<SetKey, Parts>,
    floor: usize,
) -> Vec<(SetKey, IpAddr)> {
    let gone = |(key, address): &&(SetKey, IpAddr)| {
        !observed.get(key).is_some_and(|there| there.contains(address))
    };
    let mut candidates: BTreeMap<&SetKey, BTreeSet<IpAddr>> = BTreeMap::new();
    for (key, address) in withdrawn.iter().filter(gone) {
        candidates.entry(key).or_default().insert(*address);
    }
    let mut back = Vec::new();
    for (key, candidates) in candidates {
        let mut askers = observed.askers_since(key, were.get(key));
        for address in candidates {
            let helped = |asker: &&mut (BTreeSet<IpAddr>, BTreeSet<IpAddr>)| {
                asker.1.is_empty() || asker.1.contains(&address)
            };
            if askers.iter_mut().filter(helped).any(|(now, _)| now.len() < floor) {
                for (now, _) in askers.iter_mut().filter(helped) {
                    now.insert(address);
                }
                back.push((key.clone(), address));
            }
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
        !floor_allows(&observed.askers(&key), address, floor)
    };
    names.iter().filter(breaks).cloned().collect()
}

#[cfg(test)]
mod tests;
