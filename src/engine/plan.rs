//! The changes that make record sets match the verdicts without falling below the floor.
//!
//! Planning is a pure function of the listing and the desired states; planning again after applying
//! the plan gives an empty plan.

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
    /// Returns the kind of record that holds `address`.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::A } else { Self::Aaaa }
    }

    /// Returns the name of the kind of record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The key of a record set: an owner name and a kind of record (RFC 2181, section 5).
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

/// Returns the record sets that hold `targets` at `names`.
pub fn record_sets(names: &[String], targets: &[IpAddr]) -> Vec<SetKey> {
    let families: BTreeSet<Family> = targets.iter().map(|target| Family::of(*target)).collect();
    let mut sets = Vec::new();
    for name in names {
        sets.extend(families.iter().map(|family| SetKey { name: name.clone(), family: *family }));
    }
    sets
}

/// The record sets at the managed names as they were listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The distinct addresses of each set, foreign ones included. A set that does not exist is an
    /// empty entry or has none; a set that could not be read never has an entry.
    pub sets: BTreeMap<SetKey, BTreeSet<IpAddr>>,
    /// Sets that could not be read or cannot be edited, with the reason. Nothing is planned there.
    pub unfit: BTreeMap<SetKey, String>,
    /// Addresses of sets that a write may still change because its answer was lost. The listing may
    /// or may not show that change already.
    pub uncertain: BTreeSet<(SetKey, IpAddr)>,
    /// The addresses by place, for each set that gives a client the addresses meant for its place.
    pub parts: BTreeMap<SetKey, Parts>,
    /// A problem of the zone as a whole that does not keep its records from being read and changed.
    pub caution: Option<String>,
}

impl Observed {
    /// Returns the addresses that one client can get at a set: all of them, or, if they depend on
    /// the place of the client, those for that place and for wider ones. There is one item for each
    /// kind of client, and at least one.
    ///
    /// Sets distinguished in any other way (by weight, by latency, for failover) answer for one
    /// another once one of them is gone, so each client can get all of them.
    fn clients(&self, key: &SetKey) -> Vec<BTreeSet<IpAddr>> {
        match self.parts.get(key) {
            Some(parts) if !parts.is_empty() => {
                parts.keys().map(|place| reach(parts, place)).collect()
            }
            _ => vec![self.get(key).cloned().unwrap_or_default()],
        }
    }

    /// Like [`Self::clients`], but also with the places from before a write: the addresses that
    /// each client can get now, and those that it could get then. The latter are empty if they do
    /// not depend on the client's place.
    fn clients_since(
        &self,
        key: &SetKey,
        were: Option<&Parts>,
    ) -> Vec<(BTreeSet<IpAddr>, BTreeSet<IpAddr>)> {
        let Some(were) = were.filter(|were| !were.is_empty()) else {
            return self.clients(key).into_iter().map(|now| (now, BTreeSet::new())).collect();
        };
        let none = Parts::new();
        let now = self.parts.get(key).unwrap_or(&none);
        were.keys().map(|place| (reach(now, place), reach(were, place))).collect()
    }

    /// Removes all addresses for which `is_leaving` returns true, as if they were gone.
    pub fn without(&mut self, is_leaving: impl Fn(&IpAddr) -> bool) {
        let parts = self.parts.values_mut().flat_map(BTreeMap::values_mut);
        for there in self.sets.values_mut().chain(parts) {
            there.retain(|address| !is_leaving(address));
        }
    }

    /// Removes an address from one set.
    pub(crate) fn without_at(&mut self, key: &SetKey, address: IpAddr) {
        let parts = self.parts.get_mut(key).into_iter().flat_map(BTreeMap::values_mut);
        for there in self.sets.get_mut(key).into_iter().chain(parts) {
            there.remove(&address);
        }
    }

    /// Returns the addresses of a set; `None` if it does not exist, or is not known.
    pub fn get(&self, key: &SetKey) -> Option<&BTreeSet<IpAddr>> {
        self.sets.get(key)
    }

    /// Returns whether `address` is in a set; `None` if that set could not be read, or may still
    /// change.
    pub fn holds(&self, key: &SetKey, address: IpAddr) -> Option<bool> {
        if self.unfit.contains_key(key)
            || !self.uncertain.is_empty() && self.uncertain.contains(&(key.clone(), address))
        {
            return None;
        }
        Some(self.get(key).is_some_and(|there| there.contains(&address)))
    }
}

impl FromIterator<(SetKey, BTreeSet<IpAddr>)> for Observed {
    fn from_iter<I: IntoIterator<Item = (SetKey, BTreeSet<IpAddr>)>>(sets: I) -> Self {
        Self { sets: sets.into_iter().collect(), ..Self::default() }
    }
}

/// The decision about one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Desired {
    /// It belongs in every set of its family.
    Serve,
    /// It belongs in no set, if the floor allows that.
    Withdraw,
    /// It belongs in no set regardless of the floor, at the operator's command. The floor was
    /// checked when the command was given.
    WithdrawAnyway,
    /// It belongs in no set, at the operator's command, and leaves before any other, if the floor
    /// allows that: when the command was given, an address may have been counted that was still to come.
    WithdrawFirst,
    /// It is a standby and belongs in no set. It leaves a set in which at least this many of the
    /// addresses to serve or to stay are, and if the floor allows that.
    StandBy(usize),
    /// It serves where it is, and is left as it is.
    Stay,
}

impl Desired {
    /// Whether it is a withdrawal that the floor may hold back.
    pub fn is_held_by_floor(self) -> bool {
        matches!(self, Self::Withdraw | Self::WithdrawFirst | Self::StandBy(_))
    }
}

/// The changes to all record sets together, and those that have to wait.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Addresses to create, ascending.
    pub create: Vec<(SetKey, IpAddr)>,
    /// Addresses to delete with all duplicate records, ascending.
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

/// Returns the owner names of each address, in the order of the places.
pub fn names_by_address<'a>(
    places: impl IntoIterator<Item = &'a (SetKey, IpAddr)>,
) -> BTreeMap<IpAddr, Vec<String>> {
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (set, address) in places {
        names.entry(*address).or_default().push(set.name.clone());
    }
    names
}

/// Plans how to make the sets at `names` match the desired states.
///
/// Shape: `observed` holds every address at those names, foreign ones too. An address without a
/// desired state is left as it is, and so is an unfit set. If several addresses are to go and the
/// floor allows only some, the lowest ones stay: any two agents with the same knowledge choose the
/// same ones.
///
/// Units: `floor` counts the distinct addresses left in a set, foreign ones included, A and AAAA
/// apart. If answers depend on the client's place, it counts those left for each place. Addresses
/// withdrawn at the operator's command are not subject to it.
pub fn plan(
    names: &[String],
    observed: &Observed,
    desired: &BTreeMap<IpAddr, Desired>,
    floor: usize,
) -> Plan {
    plan_without(names, observed, desired, floor, &BTreeSet::new())
}

/// Like [`plan`], but without the changes in `excluded`, which will not be made: an address that
/// will not be created does not count towards the floor, and one that will not be deleted does.
pub fn plan_without(
    names: &[String],
    observed: &Observed,
    desired: &BTreeMap<IpAddr, Desired>,
    floor: usize,
    excluded: &BTreeSet<(SetKey, IpAddr)>,
) -> Plan {
    let mut plan = Plan::default();
    for name in names {
        for family in [Family::A, Family::Aaaa] {
            let key = SetKey { name: name.clone(), family };
            if observed.unfit.contains_key(&key) {
                continue;
            }
            let mut of_set = Vec::new();
            for (address, state) in desired {
                if Family::of(*address) == family
                    && (excluded.is_empty() || !excluded.contains(&(key.clone(), *address)))
                {
                    of_set.push((*address, *state));
                }
            }
            plan_set(&key, observed, &of_set, floor, &mut plan);
        }
    }
    plan
}

/// Plans the changes to one set.
fn plan_set(
    key: &SetKey,
    observed: &Observed,
    desired: &[(IpAddr, Desired)],
    floor: usize,
    plan: &mut Plan,
) {
    let none = BTreeSet::new();
    let there = observed.get(key).unwrap_or(&none);
    let (mut create, mut delete, mut held) = (Vec::new(), Vec::new(), Vec::new());
    let (mut first, mut leaving, mut standing_by) = (Vec::new(), Vec::new(), Vec::new());
    let mut serving = BTreeSet::new();
    for (address, state) in desired {
        if matches!(state, Desired::Serve | Desired::Stay) {
            serving.insert(*address);
        }
        match (state, there.contains(address)) {
            (Desired::Serve, false) => create.push(*address),
            (Desired::WithdrawFirst, true) => first.push((*address, 0)),
            (Desired::Withdraw, true) => leaving.push((*address, 0)),
            (Desired::WithdrawAnyway, true) => delete.push(*address),
            (Desired::StandBy(least), true) => standing_by.push((*address, *least)),
            _ => {}
        }
    }
    let mut clients = observed.clients(key);
    // The place of a new record is not known here; the next listing shows it.
    if let [everyone] = &mut clients[..]
        && !observed.parts.contains_key(key)
    {
        everyone.extend(&create);
    }
    for client in &mut clients {
        client.retain(|address| !delete.contains(address));
    }
    let turns = [first, leaving, standing_by];
    for (address, least) in turns.into_iter().flat_map(|turn| turn.into_iter().rev()) {
        if floor_allows(&clients, address, floor)
            && are_served(&clients, address, (&serving, least))
        {
            for client in &mut clients {
                client.remove(&address);
            }
            delete.push(address);
        } else {
            held.push(address);
        }
    }
    delete.sort();
    held.sort();
    plan.create.extend(create.into_iter().map(|address| (key.clone(), address)));
    plan.delete.extend(delete.into_iter().map(|address| (key.clone(), address)));
    plan.held.extend(held.into_iter().map(|address| (key.clone(), address)));
}

/// Whether every client that can get `address` can get more addresses than the floor requires.
fn floor_allows(clients: &[BTreeSet<IpAddr>], address: IpAddr, floor: usize) -> bool {
    clients.iter().filter(|client| client.contains(&address)).all(|client| client.len() > floor)
}

/// Whether every client that can get `address` can get at least `least` of the `serving` addresses.
fn are_served(
    clients: &[BTreeSet<IpAddr>],
    address: IpAddr,
    (serving, least): (&BTreeSet<IpAddr>, usize),
) -> bool {
    let mut concerned = clients.iter().filter(|client| client.contains(&address));
    least == 0 || concerned.all(|client| client.intersection(serving).count() >= least)
}

/// Returns the addresses just withdrawn by this agent that have to come back, because somebody else
/// changed the set at the same moment and the floor is broken.
///
/// Shape: `observed` was listed after the write; `withdrawn` is the part of the write that was not
/// commanded by the operator, and `were` holds the places before it. The lowest addresses come
/// back, so that any two agents restore the same ones.
pub fn repair(
    observed: &Observed,
    withdrawn: &[(SetKey, IpAddr)],
    were: &BTreeMap<SetKey, Parts>,
    floor: usize,
) -> Vec<(SetKey, IpAddr)> {
    let mut candidates: BTreeMap<&SetKey, BTreeSet<IpAddr>> = BTreeMap::new();
    for (key, address) in withdrawn {
        if !observed.get(key).is_some_and(|there| there.contains(address)) {
            candidates.entry(key).or_default().insert(*address);
        }
    }
    let mut back = Vec::new();
    for (key, candidates) in candidates {
        let mut clients = observed.clients_since(key, were.get(key));
        for address in candidates {
            let mut helped = Vec::new();
            for (now, before) in &mut clients {
                if before.is_empty() || before.contains(&address) {
                    helped.push(now);
                }
            }
            if helped.iter().any(|now| now.len() < floor) {
                for now in helped {
                    now.insert(address);
                }
                back.push((key.clone(), address));
            }
        }
    }
    back
}

/// Returns the names at which the floor would be broken if `address` were withdrawn now.
pub fn floor_breaks(
    names: &[String],
    observed: &Observed,
    address: IpAddr,
    floor: usize,
) -> Vec<String> {
    let family = Family::of(address);
    let mut broken = Vec::new();
    for name in names {
        let key = SetKey { name: name.clone(), family };
        if !floor_allows(&observed.clients(&key), address, floor) {
            broken.push(name.clone());
        }
    }
    broken
}

#[cfg(test)]
mod tests;
