//! The drains: targets that the operator takes out, and gives back.

use std::net::IpAddr;
use std::time::Duration;

use super::ids::{ServiceId, Ticket};
use super::moment::Moment;

/// The operator's command to take a target out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainCommand {
    /// The ticket of the command, handed back with the answer.
    pub ticket: Ticket,
    /// The service of the target.
    pub service: ServiceId,
    /// The target to take out.
    pub target: IpAddr,
    /// Duration of the drain; `None` means until the target is given back.
    pub lasts: Option<Duration>,
    /// The reason for the drain, in the operator's words.
    pub reason: Option<String>,
    /// Whether to skip the check of the floor.
    pub force: bool,
    /// Whether only the check is made. Then the answer says whether the target could be taken out now.
    pub check_only: bool,
}

/// A target that the operator took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    /// The time at which the drain ends by itself, if it does.
    pub until: Option<Moment>,
    /// The reason for the drain, in the operator's words.
    pub reason: Option<String>,
}

/// The reason why a command of the operator was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainRefusal {
    /// The address is not one of the targets.
    NotATarget,
    /// The target is not drained.
    NotDrained,
    /// Too few addresses would be left at these names.
    Floor(Vec<String>),
    /// The zone could not be listed, so the number of remaining addresses is not known. Carries the
    /// problem.
    ZoneUnknown(String),
}
