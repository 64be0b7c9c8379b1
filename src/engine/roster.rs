//! Who is watched: enrolled at the start and at every reload.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::event::{Settings, Slot};
use super::evidence::{self, Evidence};
use super::target::Streaks;
use super::watch::{Endpoint, Watch};
use super::{Engine, Item, Moment, Role, Subject, Target};

impl Target {
    fn new(address: IpAddr, now: Moment) -> Self {
        Self {
            address,
            streaks: Streaks::default(),
            evidence: Evidence::none(now),
            in_service: true,
            since: now,
            settled: true,
            unconfirmed: true,
            agreeing: Vec::new(),
            settled_on: now,
            act_at: now,
            held: Vec::new(),
            refused_since: None,
            reason: None,
        }
    }
}

/// When in the interval the `index`th of `count` targets is probed: at a moment of its own, or
/// together with no more than make up a `burst`. Those moments are spread evenly.
pub fn phase(interval: Duration, burst: NonZeroUsize, index: usize, count: usize) -> Duration {
    let groups = count.div_ceil(burst.get()).max(1);
    // Neighbours in the list are often neighbours in the network: they go apart.
    spread(interval, index % groups, groups, 0.0)
}

/// The same for the `index`th of `count` canaries: between those, or along with a burst,
/// where it wakes nobody up.
fn canary_phase(settings: &Settings, index: usize, count: usize) -> Duration {
    let (interval, burst) = (settings.pace.interval, settings.burst);
    match burst.get() {
        1 => spread(interval, index, count, 0.5),
        _ => phase(interval, burst, index, settings.targets.len()),
    }
}

/// The place of the `index`th of `count` schedules within the interval, so that they do not fire
/// at once. `shift` moves all of them by a part of the gap between two.
fn spread(interval: Duration, index: usize, count: usize, shift: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    interval.mul_f64((index as f64 + shift) / count.max(1) as f64)
}

impl Engine {
    /// Watches exactly what the settings name. Whatever stays keeps its counters and its state;
    /// the records of what goes are left as they are.
    pub(super) fn enroll(&mut self) {
        let now = self.context.now;
        let keep: BTreeSet<IpAddr> = self.settings.targets.iter().copied().collect();
        for (address, slot) in self.targets.extract_if(.., |address, _| !keep.contains(address)) {
            self.endpoints.remove(slot);
            self.dirty.remove(&slot);
            self.unproven.remove(&slot);
            self.drains.unwatch(address);
            self.zone.orders.forget(address);
        }
        let (port, interval) = (self.settings.port, self.settings.pace.interval);
        let burst = self.settings.burst;
        let count = keep.len();
        self.endpoints.reserve(count + self.settings.canaries.len());
        for (index, address) in self.settings.targets.clone().into_iter().enumerate() {
            let first = now + phase(interval, burst, index, count);
            let endpoint = Endpoint { address, port };
            if let Some(slot) = self.targets.get(&address).copied() {
                self.move_watch(slot, endpoint, first);
            } else {
                let role = Role::Target(Box::new(Target::new(address, now)));
                let slot = self.watch(endpoint, first, role);
                self.targets.insert(address, slot);
            }
        }
        self.unpark_drains();
        self.enroll_canaries();
        self.enroll_peers();
        self.canaries.set_suspects(self.count_suspects());
        self.count_unaskable();
        self.note_sweep(now + evidence::term(interval));
        let rehearsing = self.endpoints.iter().filter(|subject| subject.watch.rate.is_open());
        self.prober.set_rehearsing(rehearsing.count());
    }

    fn enroll_canaries(&mut self) {
        let now = self.context.now;
        let wanted = self.settings.canaries.clone();
        let before = self.canaries.slots();
        let mut slots = Vec::with_capacity(wanted.len());
        let count = wanted.len();
        let is_at = |engine: &Self, slot: Slot, endpoint: Endpoint| {
            engine.endpoints.get(slot).is_some_and(|subject| subject.watch.endpoint == endpoint)
        };
        for (index, endpoint) in wanted.into_iter().enumerate() {
            let first = now + canary_phase(&self.settings, index, count);
            let slot = before.iter().copied().find(|slot| is_at(self, *slot, endpoint));
            let slot = match slot {
                Some(slot) => {
                    self.move_watch(slot, endpoint, first);
                    slot
                }
                None => self.watch(endpoint, first, Role::Canary),
            };
            slots.push(slot);
        }
        self.canaries.set_members(&slots);
        for slot in before {
            if !slots.contains(&slot) {
                self.endpoints.remove(slot);
            }
        }
    }

    /// Begins to watch `endpoint`.
    fn watch(&mut self, endpoint: Endpoint, first: Moment, role: Role) -> Slot {
        let watch = Watch::new(endpoint, first);
        let subject = Subject {
            watch,
            armed: Some(first),
            fault: None,
            faults: 0,
            fault_told: false,
            asked_again_from: 0,
            waits: false,
            waits_to_retry: false,
            role,
        };
        let slot = self.endpoints.insert(subject);
        self.context.schedule.note(first, Item::Watch(slot));
        slot
    }

    /// Goes on watching with another schedule or port.
    fn move_watch(&mut self, slot: Slot, endpoint: Endpoint, first: Moment) {
        let now = self.context.now;
        let pace = self.settings.pace;
        if let Some(subject) = self.endpoints.get_mut(slot) {
            subject.watch.endpoint = endpoint;
            subject.watch.reschedule(first, now, pace);
            subject.armed = None;
        }
        self.arm(slot);
    }

    fn count_suspects(&self) -> usize {
        let slots = self.targets.values();
        slots.filter_map(|slot| self.endpoints.get(*slot)).filter(|s| s.watch.is_suspect()).count()
    }

    /// Works by other settings from now on.
    pub(super) fn reload(&mut self, settings: Settings) {
        let other_resync = settings.resync_interval != self.settings.resync_interval;
        let had_canaries = !self.canaries.is_empty();
        let moved =
            (&settings.zone, &settings.names) != (&self.settings.zone, &self.settings.names);
        let (before, after) = (self.settings.pace, settings.pace);
        let other_pace =
            (before.interval, before.retry_interval) != (after.interval, after.retry_interval);
        self.settings = settings;
        self.enroll();
        if other_pace {
            self.rehearse_all_again();
        }
        if other_resync {
            self.note_resync();
        }
        let can_ask = self.canaries.unaskable() < self.targets.len() || self.targets.is_empty();
        if had_canaries && self.canaries.is_empty()
            || can_ask && self.canaries.is_isolated_by_faults()
        {
            self.end_isolation();
        }
        self.zone.orders.restart(self.targets.keys().copied());
        if moved {
            self.zone.moved();
            self.compare_all();
        }
        self.ask_again();
        for slot in self.targets.values().copied().collect::<Vec<_>>() {
            self.weigh_losses(slot);
            self.mark(slot);
        }
        self.pace_canaries();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn phases(interval: Duration, burst: usize, count: usize) -> Vec<Duration> {
        let burst = NonZeroUsize::new(burst).unwrap();
        (0..count).map(|index| phase(interval, burst, index, count)).collect()
    }

    #[test]
    fn schedules_are_spread_over_the_interval_and_never_share_a_moment() {
        let second = Duration::from_secs(1);
        assert_eq!(phases(second, 1, 4), [0, 250, 500, 750].map(Duration::from_millis));
        let many: BTreeSet<_> = phases(second, 1, 10_000).into_iter().collect();
        assert_eq!(many.len(), 10_000);
        assert_eq!(spread(second, 0, 1, 0.5).as_millis(), 500, "a canary lies between");
    }

    #[test]
    fn bursts_are_no_larger_than_allowed_and_spread_over_the_interval() {
        let interval = Duration::from_secs(3);
        for (burst, count, groups, sizes) in [
            (50, 20, 1, 20..=20),
            (50, 100, 2, 50..=50),
            (50, 101, 3, 33..=34),
            (3, 10, 4, 2..=3),
            (1000, 10_000, 10, 1000..=1000),
        ] {
            let all = phases(interval, burst, count);
            let apart = all.windows(2).all(|two| two[0] != two[1]);
            assert!(apart || groups == 1, "{burst} of {count}: neighbours leave together");
            let mut members = BTreeMap::<Duration, usize>::new();
            for phase in all {
                *members.entry(phase).or_default() += 1;
            }
            let moments: Vec<_> = (0..groups).map(|n| spread(interval, n, groups, 0.0)).collect();
            assert_eq!(members.keys().copied().collect::<Vec<_>>(), moments, "{burst} of {count}");
            assert!(members.values().all(|size| sizes.contains(size)), "{members:?}");
        }
    }
}
