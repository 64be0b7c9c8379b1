//! The services and zones of a file.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Probing;
use crate::config::in_force::ValueInForce;
use crate::dns::providers::ProviderSettings;
use crate::engine::types::Endpoint;
use crate::probe::checks::CheckKind;

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
    /// Every value in force, with the place in the file that it comes from.
    pub values: Vec<ValueInForce>,
}

impl ServiceConfig {
    /// Describes the check, as in `TCP connects to port 443`.
    pub(super) fn check_in_words(&self) -> String {
        let port = self.tcp_port;
        let first = self.targets.first().map(|address| Endpoint { address: *address, port });
        first.map(|endpoint| CheckKind::of(endpoint).in_words(endpoint)).unwrap_or_default()
    }
}

/// A zone with the settings of its provider.
#[derive(Debug, Clone)]
pub struct NamedZone {
    /// Its name in the configuration.
    pub name: String,
    /// The settings of its provider.
    pub provider: Arc<dyn ProviderSettings>,
}
