//! The settings of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::ids::{RequestId, RoomId, ServiceId, TargetRef, ZoneId};
use super::types::{Endpoint, Method, Pace, Thresholds};

/// The settings of the engine. All of them can change while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The services, by their ids.
    pub services: BTreeMap<ServiceId, ServiceSettings>,
    /// The zones, by their ids.
    pub zones: BTreeMap<ZoneId, ZoneSettings>,
    /// The endpoints that prove that this agent's own network works.
    pub canaries: Vec<Endpoint>,
    /// The names of the checks by which canaries are asked, for people. Echo requests and TCP connects
    /// have none.
    pub canary_checks: BTreeMap<Endpoint, String>,
    /// The pace and the thresholds of the canaries. Each canary has a method of its own.
    pub canary_check: CheckSettings,
    /// The number of targets that may be probed at the same moment.
    pub burst: NonZeroUsize,
    /// The number of probes that may be outstanding at once; further ones wait for their turn.
    pub most_in_flight: Option<NonZeroU32>,
    /// The other agents; `None` means that this agent acts alone.
    pub cluster: Option<ClusterSettings>,
    /// Whether nothing is written at the provider.
    pub dry_run: bool,
    /// The rooms of the requests that only so many may be under way of at once.
    pub rooms: BTreeMap<RequestId, RequestRoom>,
}

/// The room of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRoom {
    /// The key of the room. Several requests may share it.
    pub id: RoomId,
    /// The number of them that may be under way at once. The others wait, which is no loss.
    pub most: NonZeroU32,
}

/// How an address is probed, and how many outcomes decide. Targets with the same address and the
/// same check are probed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CheckSettings {
    /// How the address is probed.
    pub method: Method,
    /// The pace at which the address is probed.
    pub pace: Pace,
    /// The numbers of outcomes in a row that flip a target.
    pub thresholds: Thresholds,
}

/// One of the checks of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCheck {
    /// The name of the check, for people; distinct in its service.
    pub name: String,
    /// How the targets are probed.
    pub check: CheckSettings,
    /// Whether its results count. Otherwise they are only measured and shown.
    pub counts: bool,
}

/// The settings of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// The name of the service, for people.
    pub name: String,
    /// The zone where the targets are published.
    pub zone: ZoneId,
    /// The watched addresses, distinct. Shared, since there may be a million of them.
    pub targets: Arc<[IpAddr]>,
    /// The owner names in the zone.
    pub names: Vec<String>,
    /// How the targets are probed. Never empty.
    pub checks: Vec<ServiceCheck>,
    /// The number of counted checks that must be up for a target to be up.
    pub require: NonZeroUsize,
    /// The fewest addresses that stay in a record set.
    pub floor: usize,
    /// The most targets that may be out for their health at once, standbys not counted; `None` for all.
    pub max_out: Option<usize>,
    /// The tiers of the addresses that are published only while too few others are.
    pub standby: StandbySettings,
    /// How long targets have to be up before they are put back.
    pub returns: ReturnSettings,
    /// Time between comparisons of DNS with all verdicts, which repair it; `None` for never.
    pub resync_interval: Option<Duration>,
}

/// The standby addresses of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandbySettings {
    /// The tier of each standby address, 1 for the one to be used first. All of them are targets, and
    /// the other targets are tier 0.
    pub tiers: BTreeMap<IpAddr, usize>,
    /// The tier of the addresses that are put in unprobed when all others are down, if there are any. It
    /// is the last one.
    pub last_resort: Option<usize>,
    /// The number of addresses of the earlier tiers that must be in service, in each record set, for
    /// a tier to be left out.
    pub below: usize,
}

/// How long targets that were withdrawn have to be up before they are put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReturnSettings {
    /// Time for which a target has to be up; zero puts it back at once.
    pub delay: Duration,
    /// Upper bound of that time, which doubles with each withdrawal; at least the delay.
    pub max: Duration,
}

impl StandbySettings {
    /// Returns the tier of a target.
    pub(super) fn tier(&self, address: IpAddr) -> usize {
        self.tiers.get(&address).copied().unwrap_or_default()
    }

    /// Whether a tier is the one that is put in unprobed.
    pub(super) fn is_last_resort(&self, tier: usize) -> bool {
        self.last_resort == Some(tier)
    }

    /// Whether an address is put in unprobed.
    pub(crate) fn is_unprobed(&self, address: IpAddr) -> bool {
        self.last_resort.is_some() && self.is_last_resort(self.tier(address))
    }

    /// Returns the number of addresses of the earlier tiers in service, in each record set, from which
    /// on a tier is left out.
    pub(super) fn below(&self, tier: usize) -> usize {
        if self.is_last_resort(tier) { 1 } else { self.below }
    }

    /// Returns the number of addresses that are probed, of `count` in all.
    pub(super) fn probed(&self, count: usize) -> usize {
        let unprobed = self.tiers.values().filter(|tier| self.is_last_resort(**tier));
        count.saturating_sub(unprobed.count())
    }

    /// Returns the last tier; 0 without standbys.
    pub(super) fn last_tier(&self) -> usize {
        self.tiers.values().copied().max().unwrap_or_default()
    }
}

/// The settings of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSettings {
    /// The name of the zone in the configuration, for people.
    pub name: String,
    /// The provider and the zone, as a text that differs if either does.
    pub location: String,
}

/// The cluster as the engine knows it. Agents are identified by their vote address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The vote address of this agent.
    pub own: SocketAddr,
    /// The vote addresses of the other agents.
    pub peers: BTreeSet<SocketAddr>,
    /// The number of peers that must agree.
    pub min_peers_agree: usize,
}

impl ZoneSettings {
    /// Returns the settings of a zone with this name and location.
    pub fn new(name: &str, location: &str) -> Self {
        Self { name: name.to_owned(), location: location.to_owned() }
    }
}

impl Default for ServiceCheck {
    fn default() -> Self {
        Self { name: String::new(), check: CheckSettings::default(), counts: true }
    }
}

impl ServiceSettings {
    /// Returns the longest interval between probes of a check that counts.
    pub(super) fn longest_interval(&self) -> Duration {
        let counted = self.checks.iter().filter(|its| its.counts);
        counted.map(|its| its.check.pace.interval).max().unwrap_or_default()
    }

    /// Makes the targets be watched by this check alone.
    #[cfg(test)]
    pub(crate) fn set_check(&mut self, check: CheckSettings) {
        self.checks = vec![ServiceCheck { check, ..ServiceCheck::default() }];
    }

    /// Returns the only check.
    #[cfg(test)]
    pub(crate) fn check(&self) -> CheckSettings {
        assert_eq!(self.checks.len(), 1);
        self.checks[0].check
    }

    /// Returns the settings of the service `default` in its zone, which watches `targets` by echo
    /// requests and publishes them at the owner name `name`, without a floor and without resyncs.
    pub fn new(targets: Vec<IpAddr>, name: &str) -> Self {
        Self {
            name: "default".to_owned(),
            zone: ZoneId::DEFAULT,
            targets: targets.into(),
            names: vec![name.to_owned()],
            checks: vec![ServiceCheck::default()],
            require: NonZeroUsize::MIN,
            floor: 0,
            max_out: None,
            standby: StandbySettings::default(),
            returns: ReturnSettings::default(),
            resync_interval: None,
        }
    }
}

impl Settings {
    /// Returns the room that probes by this method take besides their descriptor.
    pub(super) fn room_of(&self, method: Method) -> Option<RequestRoom> {
        match method {
            Method::Request(id) => self.rooms.get(&id).copied(),
            Method::Echo | Method::Connect(_) => None,
        }
    }

    /// Returns the settings of an agent that acts alone and has no guards: one service in one zone,
    /// watched by echo requests at the pace and with the thresholds of the shipped configuration.
    pub fn new(service: ServiceSettings) -> Self {
        Self {
            services: [(ServiceId::DEFAULT, service)].into(),
            zones: [(ZoneId::DEFAULT, ZoneSettings::new("default", "a zone"))].into(),
            canaries: vec![],
            canary_checks: BTreeMap::new(),
            canary_check: CheckSettings::default(),
            burst: NonZeroUsize::MIN,
            most_in_flight: None,
            cluster: None,
            dry_run: false,
            rooms: BTreeMap::new(),
        }
    }

    /// Iterates over all services with their ids.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &ServiceSettings)> {
        self.services.iter().map(|(id, service)| (*id, service))
    }

    /// Returns the name of a service for people. `None` if `default` is the only service, which is not
    /// named, and for a service that is gone.
    pub fn shown_name(&self, service: ServiceId) -> Option<&str> {
        if self.services.keys().all(|id| *id == ServiceId::DEFAULT) {
            return None;
        }
        self.service(service).map(|service| service.name.as_str())
    }

    /// Returns the name of a zone for people. `None` if the only zone is that of `default`.
    pub fn shown_zone(&self, zone: ZoneId) -> Option<&str> {
        if self.zones.keys().all(|id| *id == ZoneId::DEFAULT) {
            return None;
        }
        self.zones.get(&zone).map(|zone| zone.name.as_str())
    }

    /// Returns a target for people: `SERVICE/ADDRESS`, or the address if services are not named.
    pub fn target_name(&self, target: TargetRef) -> String {
        match self.shown_name(target.service) {
            Some(service) => format!("{service}/{}", target.address),
            None => target.address.to_string(),
        }
    }

    /// Returns an endpoint for people, as the configuration has it if it is a canary: `192.0.2.1`,
    /// `192.0.2.1:53`, or `192.0.2.1 (web)`.
    pub fn endpoint_name(&self, endpoint: Endpoint) -> String {
        match self.canary_checks.get(&endpoint) {
            Some(check) => format!("{} ({check})", endpoint.address),
            None => endpoint.to_string(),
        }
    }

    /// Returns the number of targets of all services.
    pub fn target_count(&self) -> usize {
        self.services.values().map(|service| service.targets.len()).sum()
    }

    /// Returns the number of endpoints that are probed: targets and canaries.
    pub fn endpoint_count(&self) -> usize {
        self.target_count() + self.canaries.len()
    }

    /// Returns the owner names of all services in a zone.
    pub fn names_in(&self, zone: ZoneId) -> BTreeSet<&str> {
        let services = self.services.values().filter(|service| service.zone == zone);
        services.flat_map(|service| service.names.iter().map(String::as_str)).collect()
    }

    /// Returns the owner names in a zone that were published in the same place `before`.
    pub(super) fn names_that_stay(&self, zone: ZoneId, before: &Self) -> BTreeSet<&str> {
        let services = self
            .services
            .iter()
            .filter(|(id, service)| service.zone == zone && before.place(**id) == self.place(**id));
        services.flat_map(|(_, service)| service.names.iter().map(String::as_str)).collect()
    }

    /// Returns the settings of a service.
    pub fn service(&self, service: ServiceId) -> Option<&ServiceSettings> {
        self.services.get(&service)
    }

    /// Returns the place where the targets of a service are published: the zone and the names.
    pub fn place(&self, service: ServiceId) -> Option<(&ZoneSettings, &[String])> {
        let service = self.service(service)?;
        Some((self.zones.get(&service.zone)?, &service.names))
    }

    /// Returns the same settings with this pace and these thresholds for every service and the
    /// canaries.
    #[cfg(test)]
    pub(crate) fn checked(mut self, pace: Pace, thresholds: Thresholds) -> Self {
        for service in self.services.values_mut() {
            for its in &mut service.checks {
                its.check = CheckSettings { pace, thresholds, ..its.check };
            }
        }
        self.canary_check = CheckSettings { pace, thresholds, method: Method::Echo };
        self
    }

    /// Returns the settings of the service `default`.
    #[cfg(test)]
    pub(crate) fn default_service(&self) -> &ServiceSettings {
        &self.services[&ServiceId::DEFAULT]
    }

    /// Returns the settings of the service `default` for modification.
    #[cfg(test)]
    pub(crate) fn default_service_mut(&mut self) -> &mut ServiceSettings {
        self.services.get_mut(&ServiceId::DEFAULT).unwrap()
    }
}
