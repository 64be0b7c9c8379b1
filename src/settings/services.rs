//! The services and zones of a file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Probing;
use crate::config::in_force::ValueInForce;
use crate::config::problem::Spot;
use crate::dns::account::Account;
use crate::dns::providers::ProviderSettings;
use crate::engine::plan::{Family, SetKey};
use crate::engine::types::{Endpoint, Method};
use crate::probe::checks::CheckKind;
use crate::text::seconds;

/// The name of the only service, and of its zone.
pub(crate) const DEFAULT: &str = "default";

/// A service: names, the addresses published there, and how these are watched.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Its name; distinct.
    pub name: String,
    /// The place of its zone among those of the configuration.
    pub zone: usize,
    /// The owner names, fully qualified, in lower case, without the final dot; distinct.
    pub names: Vec<String>,
    /// The watched addresses: distinct, in the order of the file. Never empty.
    pub targets: Vec<IpAddr>,
    /// The port to connect to on each target; `None` means echo requests.
    pub tcp_port: Option<u16>,
    /// Pace of probing, and thresholds.
    pub probing: Probing,
    /// The floor: the number of addresses that stay in every record set. 0 is off.
    pub min_in_service: usize,
    /// Interval at which DNS is compared and repaired without a change of verdict.
    pub resync_interval: Option<Duration>,
    /// The settings of new records.
    pub(crate) records: Vec<ValueInForce>,
    /// The places from which the other values come, by key. A key without one has its default.
    pub(crate) places: BTreeMap<&'static str, Spot>,
}

impl ServiceConfig {
    /// Returns the kind of probes by which the targets are asked, and the first endpoint.
    fn check(&self) -> Option<(CheckKind, Endpoint)> {
        let method = Method::of_port(self.tcp_port);
        let endpoint = Endpoint { address: *self.targets.first()?, method };
        Some((CheckKind::of(endpoint), endpoint))
    }

    /// Returns one of its record sets. New records are alike in all of them.
    pub(super) fn a_set(&self) -> Option<SetKey> {
        let (name, target) = (self.names.first()?, self.targets.first()?);
        Some(SetKey { name: name.clone(), family: Family::of(*target) })
    }

    /// Returns the name of the check's kind, as for `--type`.
    pub(crate) fn check_kind(&self) -> &'static str {
        self.check().map(|(kind, _)| kind.name()).unwrap_or_default()
    }

    /// Describes the check, as in `by TCP connects to port 443`.
    pub(crate) fn check_in_words(&self) -> String {
        self.check().map(|(kind, endpoint)| kind.in_words(endpoint)).unwrap_or_default()
    }

    /// Returns the guards of the service that are off, by the key that turns each on.
    pub(super) fn guards_off(&self) -> Vec<&'static str> {
        if self.min_in_service == 0 { vec!["min_in_service"] } else { Vec::new() }
    }

    /// Returns every value in force, with the place in the file that it comes from. In a file with
    /// services it has the name of the zone too, and says the kind of table of each value.
    pub(super) fn values(&self, zone: Option<&str>) -> Vec<ValueInForce> {
        let probing = &self.probing;
        let resync = self.resync_interval.map_or_else(|| "off".to_owned(), seconds);
        let mut values = Vec::new();
        let place = self.places.get("zone");
        values.extend(zone.map(|name| ValueInForce::new("zone", name.to_owned(), place)));
        for (key, value) in [
            ("hostnames", self.names.join(", ")),
            ("ip_addresses", all(&self.targets)),
            ("check", self.check_in_words()),
            ("failure_threshold", probing.failure_threshold.to_string()),
            ("recovery_threshold", probing.recovery_threshold.to_string()),
            ("interval", seconds(probing.interval)),
            ("timeout", seconds(probing.timeout)),
            ("retry_interval", seconds(probing.retry_interval)),
            ("min_in_service", self.min_in_service.to_string()),
            ("resync_interval", resync),
        ] {
            values.push(ValueInForce::new(key, value, self.places.get(key)));
        }
        values.extend(self.records.iter().cloned());
        if zone.is_some() {
            values = values.into_iter().map(ValueInForce::with_layer).collect();
        }
        values
    }
}

/// Lists all items, however many there are.
fn all(items: &[IpAddr]) -> String {
    items.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// A zone with the settings of its provider.
#[derive(Debug, Clone)]
pub struct NamedZone {
    /// Its name in the configuration.
    pub name: String,
    /// The settings of its provider.
    pub provider: Arc<dyn ProviderSettings>,
    /// The pauses that the provider asks for, shared by all zones with the same credentials.
    pub(crate) account: Account,
}
