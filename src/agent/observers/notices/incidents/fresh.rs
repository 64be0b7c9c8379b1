//! Incidents that were opened within the last second: more than five of one service and one problem are
//! one incident of the service.

use std::collections::BTreeMap;
use std::time::Duration;

use super::open::{OpenIncident, OtherAgents};
use crate::engine::Moment;
use crate::notify::{IncidentKey, IncidentStatus, Notice, NoticeQueue};

/// Time for which new incidents wait for others of their service.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(1);

/// Maximum number of targets of a service that have an incident each.
pub(super) const MOST_ALONE: usize = 5;

/// New incidents of one service with one problem, which one agent reports.
#[derive(Debug)]
pub(super) struct FreshIncidents {
    until: Moment,
    notices: Vec<Notice>,
}

/// The new incidents of all services.
#[derive(Debug, Default)]
pub(super) struct FreshPool(BTreeMap<(IncidentKey, OtherAgents), FreshIncidents>);

impl FreshPool {
    /// Adds the first notice of an incident about one target.
    pub(super) fn add(&mut self, notice: Notice, left_to: OtherAgents, now: Moment) {
        let until = now + FRESH_FOR;
        let place = (notice.incident.of_service(), left_to);
        let fresh = self.0.entry(place).or_insert(FreshIncidents { until, notices: vec![] });
        fresh.notices.push(notice);
    }

    /// Removes and returns those that have waited long enough by `now`, or all of them.
    pub(super) fn take_due(&mut self, now: Option<Moment>) -> Vec<FreshIncidents> {
        let due = self.0.extract_if(.., |_, fresh| now.is_none_or(|now| fresh.until <= now));
        due.map(|(_, fresh)| fresh).collect()
    }

    /// Removes and returns those with the problem and the service of an incident.
    pub(super) fn take(&mut self, key: &IncidentKey) -> Vec<FreshIncidents> {
        let group = key.of_service();
        let its = self.0.extract_if(.., |(place, _), _| *place == group);
        its.map(|(_, fresh)| fresh).collect()
    }
}

impl FreshIncidents {
    /// Leaves the reports to other agents that have come to see the same since.
    pub(super) fn review(
        &self,
        open: &mut BTreeMap<IncidentKey, OpenIncident>,
        others: impl Fn(&Notice) -> OtherAgents,
    ) {
        for notice in &self.notices {
            if let Some(incident) = open.get_mut(&notice.incident).filter(|it| it.is_ours()) {
                incident.left_to = others(notice);
            }
        }
    }

    /// Returns the notices that are due: one of the service if there are too many. In `open` its
    /// incident takes the place of theirs.
    pub(super) fn settle(self, open: &mut BTreeMap<IncidentKey, OpenIncident>) -> Vec<Notice> {
        let mut notices = self.notices;
        notices.retain(|notice| open.contains_key(&notice.incident));
        if notices.len() <= MOST_ALONE {
            notices.retain(|notice| open[&notice.incident].is_ours());
            return notices;
        }
        let mut queue = NoticeQueue::new(FRESH_FOR.saturating_mul(60));
        let mut group: Option<OpenIncident> = None;
        for notice in notices {
            let Some(single) = open.remove(&notice.incident) else { continue };
            match &mut group {
                Some(group) => {
                    group.members.extend(single.members);
                    group.worst = group.worst.max(single.worst);
                    group.since = group.since.min(single.since);
                    group.left_to.any.extend(single.left_to.any);
                    group.left_to.before.extend(single.left_to.before);
                }
                None => group = Some(single),
            }
            // Fewer than the queue takes: those of one problem are alike.
            let key = notice.incident.of_service();
            let _ = queue.add(Notice { incident: key, ..notice });
        }
        let Some(group) = group else { return vec![] };
        let mut said: Vec<Notice> = queue.take().into();
        for (nth, notice) in said.iter_mut().enumerate() {
            let status = if nth == 0 { IncidentStatus::Opened } else { IncidentStatus::Updated };
            (notice.status, notice.since, notice.joined) = (status, group.since, vec![]);
        }
        let is_ours = group.is_ours();
        let Some(key) = said.first().map(|first| first.incident.clone()) else { return vec![] };
        match open.get_mut(&key) {
            // An earlier wave of the same problem is still open.
            Some(before) => {
                before.members.extend(group.members);
                before.worst = before.worst.max(group.worst);
                before.joined_at = group.joined_at;
                for notice in &mut said {
                    (notice.status, notice.since) = (IncidentStatus::Updated, before.since);
                }
            }
            None => _ = open.insert(key, group),
        }
        if is_ours { said } else { vec![] }
    }
}
