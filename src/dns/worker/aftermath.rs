//! What a write leaves to be seen to when the zone is read again: whether it is in force, and
//! whether somebody else's write at the same moment broke the floor.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use tokio::time::Instant;

use crate::engine::place::Parts;
use crate::engine::plan::{self, Observed, Plan, SetKey, Wish};

/// For how long an address that came back for the floor's sake stays in, in seconds. Drawn anew
/// each time, and over several of the driver's retries, so that two agents that got into each
/// other's way do not do so again and again.
const STAYS_FOR: Range<f64> = 5.0..65.0;

/// An address at its place.
type Entry = (SetKey, IpAddr);

/// One thing that a write asked for and no listing has shown yet.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// To be there, or gone.
    there: bool,
    /// The provider confirmed it, and that was reported.
    confirmed: bool,
    /// To be there at a name that held none, and of which nothing is remembered.
    anew: bool,
    /// Since when it was wished for.
    since: Instant,
}

/// What became true, to be reported.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) withdrawn: Vec<Entry>,
    pub(super) restored: Vec<Entry>,
    pub(super) created: Vec<Entry>,
    /// Since when the oldest of it was wished for.
    pub(super) since: Option<Instant>,
}

impl Done {
    fn add(&mut self, entry: &Entry, asked: Asked) {
        let list = match (asked.there, asked.anew) {
            (true, true) => &mut self.created,
            (true, false) => &mut self.restored,
            (false, _) => &mut self.withdrawn,
        };
        list.push(entry.clone());
        self.since = Some(self.since.map_or(asked.since, |since| since.min(asked.since)));
    }
}

/// What earlier writes left open.
#[derive(Debug, Default)]
pub(in crate::dns) struct Aftermath {
    asked: BTreeMap<Entry, Asked>,
    /// A write was confirmed, and the zone has not been looked at since.
    unseen: bool,
    /// Taken out without the operator's word: comes back if the floor turns out to be broken.
    owed: BTreeSet<Entry>,
    /// For which places that was, where sets are told apart by place.
    were: BTreeMap<SetKey, Parts>,
    /// Came back for the floor's sake, and stays in until then.
    back: BTreeMap<Entry, Instant>,
}

impl Aftermath {
    /// Whether the zone should be looked at though nothing more is wished for.
    pub(super) fn is_open(&self) -> bool {
        !self.owed.is_empty() || self.asked.values().any(|asked| !asked.confirmed)
    }

    /// Notes a write that was confirmed, or whose answer was lost. Returns what is news: a change
    /// that is asked for again because no listing shows it is reported once.
    pub(super) fn wrote(
        &mut self,
        plan: &Plan,
        confirmed: bool,
        since: impl Fn(IpAddr) -> Instant,
        is_anew: impl Fn(&Entry) -> bool,
    ) -> Done {
        self.unseen |= confirmed;
        let mut done = Done::default();
        let gone = plan.delete.iter().map(|entry| (entry, false));
        for (entry, there) in gone.chain(plan.create.iter().map(|entry| (entry, true))) {
            let before = self.asked.get(entry).filter(|before| before.there == there);
            let told = before.is_some_and(|before| before.confirmed);
            let anew = there && is_anew(entry);
            let asked = Asked { there, confirmed: confirmed || told, anew, since: since(entry.1) };
            if confirmed && !told {
                done.add(entry, asked);
            }
            self.asked.insert(entry.clone(), asked);
        }
        done
    }

    /// Notes the places of what is about to be written.
    pub(super) fn note_places(&mut self, observed: &Observed) {
        for (key, parts) in &observed.parts {
            let were = self.were.entry(key.clone()).or_default();
            for (place, addresses) in parts {
                were.entry(place.clone()).or_default().extend(addresses);
            }
        }
    }

    /// Answers for what was taken out without the operator's word.
    pub(super) fn owe(&mut self, withdrawn: impl Iterator<Item = Entry>) {
        self.owed.extend(withdrawn);
    }

    /// Looks at the zone as it is after all writes. Returns what is in force although its answer
    /// was lost.
    pub(super) fn seen(&mut self, observed: &Observed) -> Done {
        let mut done = Done::default();
        self.asked.retain(|entry, asked| {
            let is_there = observed.get(&entry.0).is_some_and(|there| there.contains(&entry.1));
            if is_there != asked.there {
                return true;
            }
            if !asked.confirmed {
                done.add(entry, *asked);
            }
            false
        });
        done
    }

    /// What `plan`, made from the first look after a confirmed write, asks for again.
    pub(super) fn unshown(&mut self, plan: &Plan) -> Vec<(Entry, bool)> {
        if !std::mem::take(&mut self.unseen) {
            return vec![];
        }
        let gone = plan.delete.iter().map(|entry| (entry.clone(), false));
        let all = gone.chain(plan.create.iter().map(|entry| (entry.clone(), true)));
        let is_same = |(entry, there): &(Entry, bool)| {
            self.asked.get(entry).is_some_and(|asked| asked.confirmed && asked.there == *there)
        };
        all.filter(is_same).collect()
    }

    /// What has to come back because the floor is broken, though `plan` is about to be carried out.
    /// The operator's word to take an address out stands, and so does what it left behind.
    pub(super) fn repair(
        &self,
        observed: &Observed,
        plan: &Plan,
        wishes: &BTreeMap<IpAddr, Wish>,
        floor: usize,
        struck: &BTreeSet<Entry>,
    ) -> Vec<Entry> {
        let mut after = observed.clone();
        for (key, address) in &plan.create {
            after.sets.entry(key.clone()).or_default().insert(*address);
        }
        let by_hand = |address| wishes.get(address) == Some(&Wish::WithdrawAnyway);
        let owed = self.owed.iter().filter(|entry| !by_hand(&entry.1) && !struck.contains(entry));
        plan::repair(&after, &owed.cloned().collect::<Vec<_>>(), &self.were, floor)
    }

    /// Keeps in for a while what comes back for the floor's sake.
    pub(super) fn came_back(&mut self, entries: &[Entry], now: Instant) {
        let stay = std::time::Duration::from_secs_f64(rand::random_range(STAYS_FOR));
        self.back.extend(entries.iter().map(|entry| (entry.clone(), now + stay)));
    }

    /// Whether `entry` came back for the floor's sake a short while ago.
    pub(super) fn stays_in(&self, entry: &Entry, now: Instant) -> bool {
        self.back.get(entry).is_some_and(|until| *until > now)
    }

    /// The zone is as it should be, but for what is still open.
    pub(super) fn settled(&mut self, now: Instant, is_open: impl Fn(&Entry) -> bool) {
        self.asked.retain(|entry, _| is_open(entry));
        self.owed.retain(|entry| is_open(entry));
        self.unseen = false;
        let owed = &self.owed;
        self.were.retain(|key, _| owed.iter().any(|(at, _)| at == key));
        self.back.retain(|_, until| *until > now);
    }
}
