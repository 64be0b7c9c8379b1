//! Writes that the next listing has to verify: whether they are in force, and whether a concurrent
//! write of another agent broke the floor.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::current_orders::CurrentOrders;
use super::plan_parts;
use crate::dns::Placement;
use crate::dns::confirm::change::Proof;
use crate::engine::place::Parts;
use crate::engine::plan::{self, Desired, Observed, Plan, SetKey};

/// Time for which an address that was restored for the floor stays in, in seconds. It is random and
/// spans several retries of the event loop, so that two agents that interfered with each other do not
/// repeat it.
const RESTORED_FOR: Range<f64> = 5.0..65.0;

/// A change that was requested but has not yet appeared in a listing.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingWrite {
    /// Whether the address is to be present.
    pub(super) present: bool,
    /// Whether the provider confirmed the change, which was then reported.
    pub(super) confirmed: bool,
    /// Whether it is the first address at a name, and nothing is remembered of that name.
    pub(super) first_at_name: bool,
    /// The time since which the change has been desired.
    pub(super) since: Instant,
    /// How name servers can prove the change; `None` if this agent did not make it.
    pub(super) proof: Option<Proof>,
}

/// Changes that came into force, to be reported.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) withdrawn: Vec<Placement>,
    pub(super) restored: Vec<Placement>,
    pub(super) created: Vec<Placement>,
    /// How name servers can prove each of them.
    pub(super) proofs: BTreeMap<Placement, Proof>,
    /// The time since which the oldest of them has been desired.
    pub(super) since: Option<Instant>,
}

impl Applied {
    fn add(&mut self, entry: &Placement, write: PendingWrite) {
        let list = match (write.present, write.first_at_name) {
            (true, true) => &mut self.created,
            (true, false) => &mut self.restored,
            (false, _) => &mut self.withdrawn,
        };
        list.push(entry.clone());
        self.proofs.extend(write.proof.map(|proof| (entry.clone(), proof)));
        self.since = Some(self.since.map_or(write.since, |since| since.min(write.since)));
    }
}

/// The unverified writes.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    writes: BTreeMap<Placement, PendingWrite>,
    /// Whether a write was confirmed and the zone has not been listed since.
    unlisted: bool,
    /// Addresses that were withdrawn without the operator's command. They are restored if the floor
    /// turns out to be broken.
    owed: BTreeSet<Placement>,
    /// The locations that those sets served, where sets are distinguished by location.
    locations: BTreeMap<SetKey, Parts>,
    /// Addresses that were restored for the floor, with the time until which they stay in.
    restored: BTreeMap<Placement, Instant>,
}

impl PendingWrites {
    /// Whether the zone has to be listed even if nothing is desired.
    pub(super) fn is_open(&self) -> bool {
        !self.owed.is_empty() || self.writes.values().any(|write| !write.confirmed)
    }

    /// Records a write that was confirmed, or with an answer that was lost. Adds a confirmed one to
    /// `applied`: a change that is requested again, because no listing shows it, is reported once.
    pub(super) fn record(
        &mut self,
        place: &Placement,
        mut write: PendingWrite,
        applied: &mut Applied,
    ) {
        self.unlisted |= write.confirmed;
        let before = self.writes.get(place).filter(|before| before.present == write.present);
        let reported = before.is_some_and(|before| before.confirmed);
        if write.confirmed && !reported {
            applied.add(place, write);
        }
        write.confirmed |= reported;
        self.writes.insert(place.clone(), write);
    }

    /// Whether no listing has shown a write at this place yet.
    pub(super) fn is_unverified(&self, place: &Placement) -> bool {
        self.writes.contains_key(place)
    }

    /// Records the locations that the sets serve before a write.
    pub(super) fn record_locations(&mut self, observed: &Observed) {
        for (key, parts) in &observed.parts {
            let recorded = self.locations.entry(key.clone()).or_default();
            for (location, addresses) in parts {
                recorded.entry(location.clone()).or_default().extend(addresses);
            }
        }
    }

    /// Records an address that was withdrawn without the operator's command.
    pub(super) fn owe(&mut self, withdrawn: Placement) {
        self.owed.insert(withdrawn);
    }

    /// Compares the writes with a listing made after all of them. Returns the changes that are in
    /// force although their answer was lost.
    pub(super) fn verify(&mut self, observed: &Observed) -> Applied {
        let mut applied = Applied::default();
        self.writes.retain(|entry, write| {
            let is_present = observed.get(&entry.0).is_some_and(|there| there.contains(&entry.1));
            if is_present != write.present {
                return true;
            }
            if !write.confirmed {
                applied.add(entry, *write);
            }
            false
        });
        applied
    }

    /// Returns the confirmed changes that `plan`, made from the first listing after them, repeats.
    pub(super) fn unshown(&mut self, plan: &Plan) -> Vec<(Placement, bool)> {
        let mut unshown = Vec::new();
        if !std::mem::take(&mut self.unlisted) {
            return unshown;
        }
        for (entry, present) in plan_parts::entries(plan) {
            let write = self.writes.get(entry);
            if write.is_some_and(|write| write.confirmed && write.present == present) {
                unshown.push((entry.clone(), present));
            }
        }
        unshown
    }

    /// Returns the addresses to restore because the floor would be broken after `plan`, without those
    /// in `postponed`. An address that is out regardless of the floor stays out.
    pub(super) fn repair(
        &self,
        observed: &Observed,
        plan: &Plan,
        orders: &CurrentOrders,
        postponed: &BTreeSet<Placement>,
    ) -> Vec<Placement> {
        let mut after = observed.clone();
        for (key, address) in &plan.create {
            after.sets.entry(key.clone()).or_default().insert(*address);
        }
        let mut owed: BTreeMap<usize, Vec<Placement>> = BTreeMap::new();
        for place in &self.owed {
            let stays_out = orders.desired(place) == Some(Desired::WithdrawAnyway);
            if !stays_out && !postponed.contains(place) {
                owed.entry(orders.floor(place)).or_default().push(place.clone());
            }
        }
        let mut back = Vec::new();
        for (floor, owed) in owed {
            back.extend(plan::repair(&after, &owed, &self.locations, floor));
        }
        back
    }

    /// Keeps addresses in for a while that are being restored for the floor.
    pub(super) fn keep_restored(&mut self, entries: &[Placement], now: Instant) {
        let time = Duration::from_secs_f64(rand::random_range(RESTORED_FOR));
        self.restored.extend(entries.iter().map(|entry| (entry.clone(), now + time)));
    }

    /// Whether an address was recently restored for the floor.
    pub(super) fn is_kept(&self, entry: &Placement, now: Instant) -> bool {
        self.restored.get(entry).is_some_and(|until| *until > now)
    }

    /// Records that the zone is as desired, except for the entries for which `is_open` returns true.
    pub(super) fn confirm(&mut self, now: Instant, is_open: impl Fn(&Placement) -> bool) {
        self.writes.retain(|entry, _| is_open(entry));
        self.owed.retain(|entry| is_open(entry));
        self.unlisted = false;
        let owed = &self.owed;
        self.locations.retain(|key, _| owed.iter().any(|(at, _)| at == key));
        self.restored.retain(|_, until| *until > now);
    }
}
