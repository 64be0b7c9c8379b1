//! Which notices a channel gets.

use std::collections::BTreeSet;
use std::time::Duration;

use super::incident::{IncidentStatus, NO_PART, Severity};
use super::{Notice, NoticeTarget};

/// Selection of the notices for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Route {
    /// The least severe incident that the channel gets.
    pub min_severity: Severity,
    /// The services whose notices the channel gets; `None` is all of them.
    pub services: Option<RouteServices>,
    /// Time after which an incident that is still open is said again; `None` is never.
    pub remind_after: Option<Duration>,
}

/// The services of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteServices {
    /// The names of the services.
    pub names: BTreeSet<String>,
    /// The names of their zones: trouble with a whole zone is trouble of its services.
    pub zones: BTreeSet<String>,
}

impl Route {
    /// Whether the channel gets a notice. The end of an incident goes wherever its beginning went,
    /// since it is compared by the highest severity that the incident had.
    pub(super) fn accepts(&self, notice: &Notice) -> bool {
        let severity = match notice.status {
            IncidentStatus::Event => notice.severity,
            IncidentStatus::Opened
            | IncidentStatus::Updated
            | IncidentStatus::Closed
            | IncidentStatus::Standing => notice.worst,
        };
        severity >= self.min_severity
            && self.services.as_ref().is_none_or(|services| services.accepts(notice))
    }
}

impl RouteServices {
    /// Whether a notice is about one of the services, one of their zones, or the agent itself.
    fn accepts(&self, notice: &Notice) -> bool {
        let key = &notice.incident;
        if key.service != NO_PART {
            return self.names.contains(&key.service)
                || notice.targets.iter().any(|it| self.has(it));
        }
        if notice.targets.iter().any(|target| target.service.is_some()) {
            return notice.targets.iter().any(|target| self.has(target));
        }
        let zone = notice.zone.as_deref().or((key.zone != NO_PART).then_some(key.zone.as_str()));
        zone.is_none_or(|zone| self.zones.contains(zone))
    }

    /// Whether a target is of one of the services.
    fn has(&self, target: &NoticeTarget) -> bool {
        target.service.as_ref().is_some_and(|service| self.names.contains(service))
    }
}
