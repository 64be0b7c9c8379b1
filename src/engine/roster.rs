//! The watched endpoints: enrolled at the start and at every reload.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::Engine;
use super::ids::{EndpointId, ServiceId, TargetKey};
use super::plan::Family;
use super::prober::Role;
use super::service::{Target, evidence};
use super::settings::{CheckSettings, ServiceSettings, Settings};
use super::types::Endpoint;
use super::zone::Zone;

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
    let (interval, burst) = (settings.canary_check.pace.interval, settings.burst);
    match burst.get() {
        1 => spread(interval, index, count, 0.5),
        _ => phase(interval, burst, index, settings.target_count()),
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
        self.prober.reserve(settings.endpoint_count());
        self.zones.retain(|id, _| settings.zones.contains_key(id));
        for id in settings.zones.keys() {
            self.zones.entry(*id).or_insert_with(|| Zone::new(*id));
        }
        for mut gone in self.services.follow(&settings.services) {
            self.unwatch(gone.retain(&BTreeSet::new()));
            gone.end_drains(&mut self.context);
        }
        let mut before = 0;
        for (id, its) in settings.services() {
            self.enroll_service(id, its, before);
            before += its.targets.len();
        }
        let canaries = self.enroll_canaries(&settings);
        self.canaries.set_members(&canaries);
        self.prober.enrolled(canaries, &self.context);
        self.enroll_peers();
        let sweep_at = self.context.now + evidence::term(settings.canary_check.pace.interval);
        for service in self.services.iter_mut() {
            service.schedule_sweep(sweep_at, &mut self.context);
        }
    }

    fn unwatch(&mut self, targets: Vec<Target>) {
        for target in targets {
            self.prober.unwatch(target.endpoint);
        }
    }

    /// Watches exactly the targets of one service; `before` many targets come before them.
    fn enroll_service(&mut self, id: ServiceId, its: &ServiceSettings, before: usize) {
        let burst = self.context.settings.burst;
        let CheckSettings { port, pace, .. } = its.check;
        let (now, count) = (self.context.now, self.context.settings.target_count());
        let keep: BTreeSet<IpAddr> = its.targets.iter().copied().collect();
        let Some(service) = self.services.get_mut(id) else { return };
        service.settings = its.clone();
        let gone = service.retain(&keep);
        service.reserve(keep.len());
        for target in gone {
            self.prober.unwatch(target.endpoint);
        }
        for (index, address) in its.targets.iter().copied().enumerate() {
            let first = now + phase(pace.interval, burst, before + index, count);
            let endpoint = Endpoint { address, port };
            if let Some(target) = service.target(address) {
                self.prober.move_watch(target.endpoint, endpoint, first, &mut self.context);
            } else {
                let role = Role::Target(service.key(service.next_target()));
                let endpoint = self.prober.watch(endpoint, first, role, &mut self.context);
                service.add(address, endpoint, now);
            }
        }
        service.begin_parked_drains(&mut self.context);
    }

    /// Watches the canaries that the settings name. Returns their endpoints.
    fn enroll_canaries(&mut self, settings: &Settings) -> Vec<EndpointId> {
        let before = self.canaries.endpoints();
        let mut endpoints = Vec::with_capacity(settings.canaries.len());
        for (index, endpoint) in settings.canaries.iter().copied().enumerate() {
            let first = self.context.now + canary_phase(settings, index, settings.canaries.len());
            let known = before.iter().find(|id| self.prober.endpoint(**id) == Some(endpoint));
            if let Some(id) = known.copied() {
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
        let paces = [&before, settings].map(|settings| settings.canary_check.pace);
        let paces = paces.map(|pace| (pace.interval, pace.retry_interval));
        self.enroll();
        if paces[0] != paces[1] {
            self.prober.restart_rehearsals(self.context.now);
        }
        for service in self.services.iter_mut() {
            let interval = before.service(service.id).map(|before| before.resync_interval);
            if interval != Some(service.settings.resync_interval) {
                service.schedule_resync(&mut self.context);
            }
        }
        let reaches_none = self.prober.reaches_none(&self.context);
        self.isolate(self.canaries.weigh_reload(had_canaries, reaches_none));
        for (id, _) in settings.services() {
            self.restart_orders(id, &before);
            if let Some(service) = self.services.get_mut(id) {
                service.resume_waiting(&mut self.context);
            }
        }
        for key in self.target_keys() {
            self.weigh(key);
            if let Some(service) = self.services.get_mut(key.service) {
                service.mark(key.target);
            }
        }
        self.prober.pace_canaries(&mut self.context);
    }

    /// Requests the orders of a service again, since the reload began a new reconciler. If the targets
    /// are published elsewhere now, nothing is known of DNS.
    fn restart_orders(&mut self, id: ServiceId, before: &Settings) {
        let after = &self.context.settings;
        let Some(service) = self.services.get_mut(id) else { return };
        service.orders.restart(service.settings.targets.iter().copied());
        if before.place(id) == after.place(id) {
            return;
        }
        service.orders.void_reports();
        if let Some(zone) = self.zones.get_mut(&service.zone()) {
            zone.discard_listing();
        }
        service.compare(&[Family::A, Family::Aaaa]);
    }

    fn target_keys(&self) -> Vec<TargetKey> {
        let mut keys = Vec::new();
        for service in self.services.iter() {
            for target in service.ids() {
                keys.push(service.key(target));
            }
        }
        keys
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
