//! The values in force in each service, with their places in the file.

use super::ServiceConfig;
use super::pace_keys::PaceLayers;
use crate::config::in_force::ValueInForce;
use crate::config::problem::Spot;
use crate::text::{listed, seconds};

/// The places from which the values of a service come. `None` stands for a default.
pub(super) struct ValuePlaces<'a> {
    /// The name of its zone.
    pub(super) zone: (&'a str, Option<&'a Spot>),
    /// The host names and the addresses.
    pub(super) published: [Option<&'a Spot>; 2],
    /// The check in words.
    pub(super) check: (String, Option<&'a Spot>),
    /// The places of the pace and the thresholds.
    pub(super) pace: PaceLayers<'a>,
    /// The place of the floor.
    pub(super) floor: Option<&'a Spot>,
    /// The interval of comparisons with DNS.
    pub(super) resync: Option<&'a Spot>,
    /// The settings of new records.
    pub(super) records: Vec<ValueInForce>,
}

impl ValuePlaces<'_> {
    /// Returns the values in force, in the order of the documentation.
    pub(super) fn values(self, service: &ServiceConfig) -> Vec<ValueInForce> {
        let (probing, pace) = (&service.probing, self.pace);
        let [hostnames, addresses] = self.published;
        let resync = service.resync_interval.map_or_else(|| "off".to_owned(), seconds);
        let mut values = vec![
            ValueInForce::new("zone", self.zone.0.to_owned(), self.zone.1),
            ValueInForce::new("hostnames", listed(&service.names), hostnames),
            ValueInForce::new("ip_addresses", listed(&service.targets), addresses),
            ValueInForce::new("check", self.check.0, self.check.1),
            ValueInForce::new(
                "failure_threshold",
                probing.failure_threshold.to_string(),
                pace.nearest(|keys| &keys.failure_threshold).map(|at| &at.spot),
            ),
            ValueInForce::new(
                "recovery_threshold",
                probing.recovery_threshold.to_string(),
                pace.nearest(|keys| &keys.recovery_threshold).map(|at| &at.spot),
            ),
            ValueInForce::new(
                "interval",
                seconds(probing.interval),
                pace.nearest(|keys| &keys.interval).map(|at| &at.spot),
            ),
            ValueInForce::new(
                "timeout",
                seconds(probing.timeout),
                pace.nearest(|keys| &keys.timeout).map(|at| &at.spot),
            ),
            ValueInForce::new(
                "retry_interval",
                seconds(probing.retry_interval),
                pace.nearest(|keys| &keys.retry_interval).map(|at| &at.spot),
            ),
            ValueInForce::new("min_in_service", service.min_in_service.to_string(), self.floor),
            ValueInForce::new("resync_interval", resync, self.resync),
        ];
        values.extend(self.records);
        values
    }
}
