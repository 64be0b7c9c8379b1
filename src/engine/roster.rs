//! The watched endpoints: enrolled at the start and at every reload.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::Engine;
use super::ids::EndpointId;
use super::plan::Family;
use super::prober::Role;
use super::service::evidence;
use super::settings::Settings;
use super::types::Endpoint;

/// Returns the offset in the interval at which the `index`th of `count` targets is probed. Each
/// target has its own offset, or shares it with at most as many others as make up a `burst`. The
/// offsets are spread evenly.
pub fn phase(interval: Duration, burst: NonZeroUsize, index: usize, count: usize) -> Duration {
    let groups = count.div_ceil(burst.get()).max(1);
    // Neighbours in the list are often neighbours in the network, so they are separated.
    spread(interval, index % groups, groups, 0.0)
}

/// Returns the offset of the `index`th of `count` canaries: between the targets, or, with bursts,
/// together with one, so that it causes no additional wake-up.
fn canary_phase(settings: &Settings, index: usize, count: usize) -> Duration {
    let (interval, burst) = (settings.pace.interval, settings.burst);
    match burst.get() {
        1 => spread(interval, index, count, 0.5),
        _ => phase(interval, burst, index, settings.targets.len()),
    }
}

/// Returns the offset of the `index`th of `count` schedules within the interval, so that they do
/// not fire at once. `shift` moves all of them by a part of the gap between two.
fn spread(interval: Duration, index: usize, count: usize, shift: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    interval.mul_f64((index as f64 + shift) / count.max(1) as f64)
}

impl Engine {
    /// Watches exactly the endpoints that the settings name. Endpoints that remain keep their
    /// counters and their state; the DNS records of removed targets are left as they are.
    pub(super) fn enroll(&mut self) {
        let settings = self.context.settings.clone();
        let (now, interval, burst) = (self.context.now, settings.pace.interval, settings.burst);
        let keep: BTreeSet<IpAddr> = settings.targets.iter().copied().collect();
        for target in self.services[0].retain(&keep) {
            self.prober.unwatch(target.endpoint);
            self.zones[0].orders.forget(target.address);
        }
        let count = keep.len();
        self.prober.reserve(count + settings.canaries.len());
        self.services[0].reserve(count);
        for (index, address) in settings.targets.iter().copied().enumerate() {
            let first = now + phase(interval, burst, index, count);
            let endpoint = Endpoint { address, port: settings.port };
            if let Some(target) = self.services[0].target(address) {
                self.prober.move_watch(target.endpoint, endpoint, first, &mut self.context);
            } else {
                let (prober, context) = (&mut self.prober, &mut self.context);
                let watch = |id| prober.watch(endpoint, first, Role::Target(id), context);
                self.services[0].add(address, watch, now);
            }
        }
        self.unpark_drains();
        let canaries = self.enroll_canaries(&settings);
        self.canaries.set_members(&canaries);
        self.prober.enrolled(canaries, &self.context);
        self.enroll_peers();
        let term = evidence::term(interval);
        self.services[0].schedule_sweep(now + term, &mut self.context);
    }

    /// Watches the canaries that the settings name. Returns their endpoints.
    fn enroll_canaries(&mut self, settings: &Settings) -> Vec<EndpointId> {
        let before = self.canaries.endpoints();
        let mut endpoints = Vec::with_capacity(settings.canaries.len());
        for (index, endpoint) in settings.canaries.iter().copied().enumerate() {
            let first = self.context.now + canary_phase(settings, index, settings.canaries.len());
            let is_there = |id: &EndpointId| self.prober.endpoint(*id) == Some(endpoint);
            if let Some(id) = before.iter().copied().find(is_there) {
                self.prober.move_watch(id, endpoint, first, &mut self.context);
                endpoints.push(id);
            } else {
                let role = Role::Canary;
                endpoints.push(self.prober.watch(endpoint, first, role, &mut self.context));
            }
        }
        for id in before {
            if !endpoints.contains(&id) {
                self.prober.unwatch(id);
            }
        }
        endpoints
    }

    /// Puts other settings in force.
    pub(super) fn reload(&mut self, settings: &Settings) {
        let before = std::mem::replace(&mut self.context.settings, settings.clone());
        let had_canaries = !self.canaries.is_empty();
        let moved = (&settings.zone, &settings.names) != (&before.zone, &before.names);
        let paces = [before.pace, settings.pace].map(|pace| (pace.interval, pace.retry_interval));
        self.enroll();
        if paces[0] != paces[1] {
            self.prober.restart_rehearsals(self.context.now);
        }
        if settings.resync_interval != before.resync_interval {
            self.schedule_resync();
        }
        if had_canaries && self.canaries.is_empty()
            || !self.reaches_none() && self.canaries.is_isolated_by_faults()
        {
            self.end_isolation();
        }
        self.zones[0].orders.restart(settings.targets.iter().copied());
        if moved {
            self.zones[0].discard_listing();
            let both = [Family::A, Family::Aaaa];
            self.services[0].compare(&both, &mut self.zones[0].orders);
        }
        self.resume_waiting_drains();
        for id in self.service().ids() {
            self.weigh_losses(id);
            self.services[0].mark(id);
        }
        self.prober.pace_canaries(&mut self.context);
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
