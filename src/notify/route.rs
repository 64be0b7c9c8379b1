//! Which notices a channel gets.

use std::collections::BTreeSet;
use std::time::Duration;

use super::incident::{IncidentStatus, NO_PART};
use super::severity::Severity;
use super::{Notice, NoticeTarget};

/// Selection of the notices for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Route {
    /// The least severe incident that the channel gets.
    pub min_severity: Severity,
    /// The services of the channel; `None` is all of them.
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
            | IncidentStatus::Standing
            | IncidentStatus::Left => notice.worst,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::{Created, Isolated, ProviderRefused, Restored, Withdrawn};
    use crate::notify::tests::notice;
    use crate::notify::{IncidentKey, IncidentProblem};

    #[test]
    fn the_end_of_an_incident_goes_where_its_beginning_went() {
        let route = Route { min_severity: Severity::Warning, ..Route::default() };
        let mut over = notice(Restored, &[1]);
        (over.severity, over.worst) = (Severity::Info, Severity::Warning);
        assert!(route.accepts(&over));
        over.worst = Severity::Info;
        assert!(!route.accepts(&over));
        let mut event = notice(Created, &[1]);
        (event.severity, event.worst) = (Severity::Info, Severity::Critical);
        assert!(!route.accepts(&event), "an event has no course");
        let critical = Route { min_severity: Severity::Critical, ..Route::default() };
        assert!(!critical.accepts(&notice(Withdrawn, &[1])));
    }

    #[test]
    fn a_channel_of_some_services_gets_these_their_zones_and_the_agent_itself() {
        let [names, zones] = ["www", "main"].map(|name| BTreeSet::from([name.to_owned()]));
        let services = Some(RouteServices { names, zones });
        let route = Route { services, ..Route::default() };
        let mut of_mx = notice(Withdrawn, &[1]);
        of_mx.incident.service = "mx".into();
        let mut of_both = of_mx.clone();
        of_both.targets[0].service = Some("www".into());
        let [mut of_main, mut of_far] = [0, 1].map(|_| notice(ProviderRefused, &[]));
        for (notice, zone) in [(&mut of_main, "main"), (&mut of_far, "far")] {
            notice.incident = IncidentKey::new(Some(zone), None, None, IncidentProblem::Provider);
        }
        let mut of_agent = notice(Isolated, &[]);
        of_agent.incident = IncidentKey::of_agent("sfo-1", IncidentProblem::Isolated);
        let rows = [
            ("its service", notice(Withdrawn, &[1]), true),
            ("another one", of_mx, false),
            ("merged with another one", of_both, true),
            ("its zone", of_main, true),
            ("another zone", of_far, false),
            ("the agent", of_agent, true),
        ];
        for (name, notice, want) in rows {
            assert_eq!(route.accepts(&notice), want, "{name}");
        }
    }
}
