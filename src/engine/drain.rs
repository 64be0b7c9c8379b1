//! The drains: targets that the operator takes out, and gives back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::ids::{ServiceId, Ticket};
use super::moment::Moment;
use super::settings::ServiceSettings;

/// The operator's command to take a target out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainCommand {
    /// The ticket of the command, handed back with the answer.
    pub ticket: Ticket,
    /// The service of the target.
    pub service: ServiceId,
    /// The target to take out.
    pub target: IpAddr,
    /// Duration of the drain; `None` means until the target is given back, or until the end that it has
    /// if it is drained already.
    pub lasts: Option<Duration>,
    /// The reason for the drain, in the operator's words; without one, a target that is drained already
    /// keeps the reason that it has.
    pub reason: Option<String>,
    /// Whether to skip the check of the floor.
    pub force: bool,
    /// The part of the command that is carried out.
    pub step: DrainStep,
}

/// The part of a drain command that is carried out. A command about several services checks the floors
/// of all of them first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrainStep {
    /// The check of the floor, and the drain.
    #[default]
    Both,
    /// The check alone: the answer says whether the target could be taken out now.
    Check,
    /// The drain alone: the check was made just now.
    Drain,
}

/// A target that the operator took out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drain {
    /// The time at which the drain ends by itself, if it does.
    pub until: Option<Moment>,
    /// The reason for the drain, in the operator's words.
    pub reason: Option<String>,
    /// Whether the check of the floor was skipped.
    pub forced: bool,
    /// The configuration that it was ordered in, or that it last followed.
    pub scope: DrainScope,
}

impl Drain {
    /// Whether it has ended by itself.
    pub fn is_over(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The part of a configuration that tells to which services a drain belongs under another one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrainScope {
    /// The owner names of its service.
    pub names: BTreeSet<String>,
    /// The names of the other services that watched the address.
    pub others: BTreeSet<String>,
}

impl DrainScope {
    /// Returns the services that a drain with this scope belongs to under other settings. It follows the
    /// owner names; without any of them it stays with the service `owner`. If that no longer watches the
    /// address, it follows the address to the services that are new to it, if it `follows_address`. A
    /// service that watched the address already is drained only if all of its names were.
    ///
    /// `watchers` are the services that watch the address now.
    pub(super) fn heirs(
        &self,
        owner: ServiceId,
        follows_address: bool,
        watchers: &BTreeMap<ServiceId, &ServiceSettings>,
    ) -> Vec<ServiceId> {
        let (mut named, mut new) = (Vec::new(), Vec::new());
        for (id, its) in watchers {
            let is_new = *id != owner && !self.others.contains(&its.name);
            let drained = its.names.iter().filter(|name| self.names.contains(*name)).count();
            if drained > 0 && (*id == owner || is_new || drained == its.names.len()) {
                named.push(*id);
            }
            if is_new {
                new.push(*id);
            }
        }
        if !named.is_empty() {
            named
        } else if watchers.contains_key(&owner) {
            vec![owner]
        } else if follows_address {
            new
        } else {
            vec![]
        }
    }
}

/// The reason why a command of the operator was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainRefusal {
    /// The address is not one of the targets.
    NotATarget,
    /// The target is not drained.
    NotDrained,
    /// The target does not wait to be put back, for this reason.
    NotWaiting(&'static str),
    /// Too few addresses would be left at these names.
    Floor(Vec<String>),
    /// The zone could not be listed, so the number of remaining addresses is not known. Carries the
    /// problem.
    ZoneUnknown(String),
}
