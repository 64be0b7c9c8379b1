//! The services and zones of a file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Delay;
use super::checks::{CheckConfig, CheckMethod, nth_of};
use super::max_out::{self, Share};
use super::returns::ReturnConfig;
use super::standby::StandbyConfig;
use crate::config::in_force::ValueInForce;
use crate::config::problem::Spot;
use crate::dns::account::Account;
use crate::dns::confirm::section::ConfirmSettings;
use crate::dns::providers::ProviderSettings;
use crate::engine::plan::{Family, SetKey};
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
    /// The watched addresses: distinct, in the order of the file, the standbys last. Never empty.
    pub targets: Vec<IpAddr>,
    /// Those of the watched addresses that are published only while too few others are.
    pub standby: StandbyConfig,
    /// The checks by which the targets are asked, in the order of the file. Never empty, and at least
    /// one is counted.
    pub checks: Vec<CheckConfig>,
    /// The number of counted checks that must be up for a target to be up.
    pub require: usize,
    /// The floor: the number of addresses that stay in every record set. 0 is off.
    pub min_in_service: usize,
    /// The share of its addresses, standbys not counted, that may be out for their health at once.
    pub max_out: Share,
    /// How slowly its addresses come back.
    pub returns: ReturnConfig,
    /// Interval at which DNS is compared and repaired without a change of verdict.
    pub resync_interval: Option<Duration>,
    /// The settings of new records.
    pub(crate) records: Vec<ValueInForce>,
    /// The places from which the other values come, by key. A key without one has its default.
    pub(crate) places: BTreeMap<&'static str, Spot>,
}

impl ServiceConfig {
    /// Returns the addresses that are published as long as they are up: the targets without the
    /// standbys.
    pub(crate) fn primaries(&self) -> &[IpAddr] {
        let standbys = self.standby.iter().count();
        &self.targets[..self.targets.len().saturating_sub(standbys)]
    }

    /// Returns the most addresses that may be out for their health at once; `None` for all.
    pub(crate) fn most_out(&self) -> Option<usize> {
        self.max_out.limit(self.primaries().len())
    }

    /// Returns the addresses that are probed: all but the last resort.
    pub(crate) fn probed(&self) -> &[IpAddr] {
        let unprobed = self.standby.last_resort.len();
        &self.targets[..self.targets.len().saturating_sub(unprobed)]
    }

    /// Returns one of its record sets. New records are alike in all of them.
    pub(super) fn a_set(&self) -> Option<SetKey> {
        let (name, target) = (self.names.first()?, self.targets.first()?);
        Some(SetKey { name: name.clone(), family: Family::of(*target) })
    }

    /// Returns the checks that are counted.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &CheckConfig> {
        self.checks.iter().filter(|check| check.is_counted())
    }

    /// Returns the first counted check, which stands for all where there is room for one.
    pub fn first_check(&self) -> &CheckConfig {
        self.counted().next().unwrap_or(&self.checks[0])
    }

    /// Whether there are several checks.
    pub(crate) fn has_several_checks(&self) -> bool {
        self.checks.len() > 1
    }

    /// Returns the name of the first check's kind, as for `--type`.
    pub(crate) fn check_kind(&self) -> &'static str {
        self.first_check().method.word()
    }

    /// Returns the time from the last moment at which a target that dies whole could have answered
    /// until it is seen down: until fewer counted checks than required can be up.
    pub(super) fn detection(&self) -> Delay {
        let down = self.counted().count().saturating_sub(self.require);
        nth_of(self.counted().map(|check| check.probing.detection()), down)
    }

    /// Returns the time from the moment at which a target answers every check again until it is seen
    /// up, without one round trip.
    pub(super) fn recovery(&self) -> Delay {
        let up = self.require.saturating_sub(1);
        nth_of(self.counted().map(|check| check.probing.recovery()), up)
    }

    /// Whether the number of its counted checks that must be up follows from the `require` at this place.
    pub(super) fn requires_by(&self, spot: &Spot) -> bool {
        self.counted().count() > 1 && self.places.get("require") == Some(spot)
    }

    /// Describes `require` in words: `all 2`, `1 of 3`.
    pub(super) fn require_in_words(&self) -> String {
        match (self.require, self.counted().count()) {
            (require, counted) if require == counted => format!("all ({counted})"),
            (require, counted) => format!("{require} of {counted}"),
        }
    }

    /// Returns the guards of the service that are off, by the key that turns each on.
    pub(super) fn guards_off(&self) -> Vec<&'static str> {
        if self.min_in_service == 0 { vec!["min_in_service"] } else { Vec::new() }
    }

    /// Returns the values of the only check. Several are listed one by one, after the service.
    fn values_of_checks(&self) -> Vec<ValueInForce> {
        let place = self.places.get("check");
        let [check] = self.checks.as_slice() else {
            let names: Vec<&str> = self.checks.iter().map(|check| check.name.as_str()).collect();
            let require = self.require_in_words();
            return vec![
                ValueInForce::new("checks", names.join(", "), place),
                ValueInForce::new("require", require, self.places.get("require")),
            ];
        };
        let mut values = vec![ValueInForce::new("check", check.words.clone(), place)];
        if matches!(check.method, CheckMethod::Request(_)) {
            values.extend(check.values.iter().cloned());
        }
        values.extend(check.pace_values());
        values
    }

    /// Returns every value in force, with the place in the file that it comes from. In a file with
    /// services it has the name of the zone too, and says the kind of table of each value.
    pub(super) fn values(&self, zone: Option<&str>) -> Vec<ValueInForce> {
        let resync = self.resync_interval.map_or_else(|| "off".to_owned(), seconds);
        let mut values = Vec::new();
        let place = self.places.get("zone");
        values.extend(zone.map(|name| ValueInForce::new("zone", name.to_owned(), place)));
        for (key, value) in
            [("hostnames", self.names.join(", ")), ("ip_addresses", all(self.primaries()))]
        {
            values.push(ValueInForce::new(key, value, self.places.get(key)));
        }
        values.extend(self.standby.values(|key| self.places.get(key)));
        values.extend(self.values_of_checks());
        let (floor, max_out) = (self.min_in_service.to_string(), self.max_out.to_string());
        for (key, value) in [("min_in_service", floor), (max_out::KEY.name, max_out)] {
            values.push(ValueInForce::new(key, value, self.places.get(key)));
        }
        values.extend(self.returns.values(|key| self.places.get(key)));
        let place = self.places.get("resync_interval");
        values.push(ValueInForce::new("resync_interval", resync, place));
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
    /// The proof of effect; `None` if it is off.
    pub(crate) confirm: Option<ConfirmSettings>,
}
