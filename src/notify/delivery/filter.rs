//! The notices that a channel is to get.

use std::collections::BTreeSet;

use crate::notify::incident::IncidentStatus;
use crate::notify::route::Route;
use crate::notify::{IncidentKey, Notice};

/// Selects the notices for a channel. The end of an incident goes wherever its beginning went, also if the
/// route has changed since.
#[derive(Debug)]
pub(super) struct IncidentFilter {
    route: Route,
    /// The incidents that the channel was told of, and that are open.
    told: BTreeSet<IncidentKey>,
}

impl IncidentFilter {
    /// Selects notices by `route`.
    pub(super) fn new(route: Route) -> Self {
        Self { route, told: BTreeSet::new() }
    }

    /// Selects by another route from now on.
    pub(super) fn set_route(&mut self, route: Route) {
        self.route = route;
    }

    /// Whether the channel is to get a notice.
    pub(super) fn admits(&mut self, notice: &Notice) -> bool {
        let accepts = self.route.accepts(notice);
        match notice.status {
            IncidentStatus::Event => accepts,
            IncidentStatus::Left => self.told.contains(&notice.incident) || accepts,
            IncidentStatus::Closed => self.told.remove(&notice.incident) || accepts,
            IncidentStatus::Opened | IncidentStatus::Updated | IncidentStatus::Standing => {
                if accepts {
                    self.told.insert(notice.incident.clone());
                }
                accepts
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NoticeKind::{Restored, Withdrawn};
    use crate::notify::Severity;
    use crate::notify::tests::notice;

    #[test]
    fn the_end_goes_where_the_beginning_went_although_the_route_changed() {
        let mut filter = IncidentFilter::new(Route::default());
        assert!(filter.admits(&notice(Withdrawn, &[1])));
        filter.set_route(Route { min_severity: Severity::Critical, ..Route::default() });
        assert!(!filter.admits(&notice(Withdrawn, &[2])));
        assert!(filter.admits(&notice(Restored, &[1])));
        for last in [1, 2] {
            assert!(!filter.admits(&notice(Restored, &[last])), "not told of it, {last}");
        }
    }
}
