//! The watched endpoints: enrolled at the start and at every reload.
//!
//! Targets with the same address and the same check share an endpoint ([`sharing`]), whichever
//! services they belong to; `targets` finds or adds it. [`phases`] spreads the probes over the
//! interval.

mod phases;
mod sharing;
mod targets;

use std::sync::Arc;

use super::Engine;
use super::ids::{EndpointId, ServiceId};
use super::plan::Family;
use super::prober::Role;
use super::settings::Settings;
use super::zone::Zone;
use phases::Phases;
pub use phases::phase;
use sharing::Sharing;

impl Engine {
    /// Watches exactly the endpoints that the settings name. Endpoints that remain keep their
    /// counters and their state; the DNS records of removed targets are left as they are.
    pub(super) fn enroll(&mut self) {
        let settings = self.context.settings.clone();
        self.zones.retain(|id, _| settings.zones.contains_key(id));
        for id in settings.zones.keys() {
            self.zones.entry(*id).or_insert_with(|| Zone::new(*id));
        }
        self.set_owners.follow(&settings);
        let mut sharing = Sharing::new(&self.services, &self.health, &settings);
        for (key, endpoint) in self.services.follow(&settings.services, &mut self.context) {
            if !self.health.detach(endpoint, key) && !sharing.keeps(endpoint) {
                self.unwatch(endpoint);
            }
        }
        if settings.services.len() == 1 {
            self.prober.reserve(settings.endpoint_count());
            self.health.reserve(settings.target_count());
        }
        let endpoints = self.enroll_targets(&settings, &mut sharing);
        let phases = self.schedule_targets(&endpoints, settings.burst);
        for service in self.services.iter_mut() {
            service.begin_parked_drains(&mut self.context);
        }
        self.services.store_changed_scopes(&mut self.context);
        let canaries = self.enroll_canaries(&settings, &phases);
        self.canaries.set_members(&canaries);
        self.prober.enrolled(canaries);
        self.enroll_peers();
        self.health.schedule_first_sweep(&mut self.context);
    }

    /// Stops watching an endpoint that no target depends on.
    pub(super) fn unwatch(&mut self, endpoint: EndpointId) {
        self.prober.unwatch(endpoint);
        self.health.remove(endpoint);
    }

    /// Watches the canaries that the settings name. Returns their endpoints.
    fn enroll_canaries(&mut self, settings: &Settings, phases: &Phases) -> Vec<EndpointId> {
        let before = self.canaries.endpoints();
        let check = Arc::new(settings.canary_check);
        let (interval, now) = (check.pace.interval, self.context.now);
        let mut endpoints = Vec::with_capacity(settings.canaries.len());
        for (index, endpoint) in settings.canaries.iter().copied().enumerate() {
            let first = now + phases.of_canary(interval, index, settings.canaries.len());
            let known = before.iter().find(|id| self.prober.endpoint(**id) == Some(endpoint));
            if let Some(id) = known.copied() {
                self.prober.set_check(id, &check, now);
                self.prober.move_watch(id, first, &mut self.context);
                endpoints.push(id);
            } else {
                let id = self.prober.add(endpoint, Role::Canary, &check);
                self.prober.begin(id, first, &mut self.context);
                endpoints.push(id);
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
        self.enroll();
        for service in self.services.iter_mut() {
            let interval = before.service(service.id).map(|before| before.resync_interval);
            service.end_waits();
            if interval != Some(service.settings.resync_interval) {
                service.schedule_resync(&mut self.context);
            }
        }
        let reaches_none = self.note_faults_at_reload();
        self.isolate(self.canaries.weigh_reload(had_canaries, reaches_none));
        for id in settings.services.keys() {
            self.restart_orders(*id, &before);
            if let Some(service) = self.services.get_mut(*id) {
                service.resume_waiting(&mut self.context);
            }
        }
        for service in self.services.iter_mut() {
            service.take_health(&self.health);
        }
        self.weigh_all();
        self.mark_all();
        self.prober.pace_canaries(&mut self.context);
    }

    /// Requests the orders of a service again, since the reload began a new reconciler. If the targets
    /// are published elsewhere now, nothing is known of DNS there.
    fn restart_orders(&mut self, id: ServiceId, before: &Settings) {
        let after = &self.context.settings;
        let Some(service) = self.services.get_mut(id) else { return };
        service.orders.restart(service.settings.targets.iter().copied());
        if before.place(id) == after.place(id) {
            return;
        }
        service.orders.void_reports();
        service.compare(&[Family::A, Family::Aaaa]);
        if let Some(zone) = self.zones.get_mut(&service.zone()) {
            zone.keep_listing_of(&after.names_that_stay(zone.id, before));
        }
    }

    /// Weighs the runs of losses of all targets again, after the thresholds have changed.
    fn weigh_all(&mut self) {
        let mut endpoints = Vec::new();
        for service in self.services.iter() {
            endpoints.extend(service.targets().flat_map(|target| target.endpoints.iter()));
        }
        for endpoint in endpoints {
            self.weigh(endpoint);
        }
    }
}
