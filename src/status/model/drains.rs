//! Drains as readers see them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DEFAULT, Time};

/// A drain: the operator has taken the target out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The time at which the drain expires; `None` means at `undrain`.
    pub until: Option<Time>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// Whether it was ordered with `--force`; absent if it was not.
    #[serde(default, skip_serializing_if = "super::standby::is_false")]
    pub forced: bool,
}

/// A drain of an address that no service of its name watches at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingDrain {
    /// The name of the service.
    pub service: String,
    /// The address that is drained.
    pub address: IpAddr,
    /// The time at which the drain expires; `None` means at `undrain`.
    pub until: Option<Time>,
    /// The operator's reason.
    pub reason: Option<String>,
}

impl WaitingDrain {
    /// Returns the target for people: `SERVICE/ADDRESS`, or the address in the service `default`.
    pub(in crate::status) fn target(&self) -> String {
        if self.service == DEFAULT {
            return self.address.to_string();
        }
        format!("{}/{}", self.service, self.address)
    }
}
