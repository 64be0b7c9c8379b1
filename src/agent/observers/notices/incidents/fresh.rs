//! Incidents that were opened within the last second: more than five of one service and one problem are
//! one incident of the service.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::JOINED_FOR;
use super::open::{OpenIncident, OtherAgents};
use crate::engine::Moment;
use crate::notify::{
    IncidentKey, IncidentStatus, Notice, NoticeEvidence, NoticeKind, NoticeQueue, Severity,
};

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

    /// Adds the names of a further notice to one that waits. Returns whether there is one.
    pub(super) fn join(&mut self, key: &IncidentKey, further: &Notice) -> bool {
        let mut waiting = self.0.values_mut().flat_map(|fresh| &mut fresh.notices);
        let notice = waiting.find(|its| its.incident == *key && its.kind == further.kind);
        let Some(notice) = notice else { return false };
        for name in &further.names {
            if !notice.names.contains(name) {
                notice.names.push(name.clone());
            }
        }
        (notice.worst, notice.severity) =
            (notice.worst.max(further.worst), notice.severity.max(further.severity));
        true
    }

    /// Removes the notices of an incident that wait.
    pub(super) fn forget(&mut self, key: &IncidentKey) {
        for fresh in self.0.values_mut() {
            fresh.notices.retain(|notice| notice.incident != *key);
        }
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
            // A wave of long ago is still open. This one must not change its page in silence.
            Some(before) if group.joined_at.since(before.joined_at) >= JOINED_FOR => {
                continue_wave(before, group, &mut said);
            }
            Some(before) => merge(before, group, &mut said),
            None => _ = open.insert(key, group),
        }
        if is_ours { said } else { vec![] }
    }
}

/// Lets a later wave go on in the place of an open one. `said` are its notices, if this agent reports it:
/// the end of the open one comes before them.
fn continue_wave(open: &mut OpenIncident, mut later: OpenIncident, said: &mut Vec<Notice>) {
    if !later.is_ours() {
        open.members.append(&mut later.members);
        open.joined_at = later.joined_at;
        return;
    }
    if let Some(opened) = said.first_mut() {
        let end = open.is_ours().then(|| end_of(opened, open.since, open.worst));
        let words = format!("{} others are out since before", open.members.len());
        opened.detail = Some(match opened.detail.take() {
            Some(detail) => format!("{detail}; {words}"),
            None => words,
        });
        said.splice(0..0, end);
    }
    later.worst = later.worst.max(open.worst);
    later.members.append(&mut open.members);
    *open = later;
}

/// Adds a later part of the same wave to an open incident of many. `said` are its notices.
fn merge(open: &mut OpenIncident, later: OpenIncident, said: &mut [Notice]) {
    let (was_ours, is_ours) = (open.is_ours(), later.is_ours());
    open.members.extend(later.members);
    open.worst = open.worst.max(later.worst);
    open.joined_at = later.joined_at;
    if is_ours && !was_ours {
        open.left_to = OtherAgents::default();
        return;
    }
    for notice in said {
        (notice.status, notice.since) = (IncidentStatus::Updated, open.since);
    }
}

/// Returns the end of an incident of many that goes on in another one, which `opened` opens.
fn end_of(opened: &Notice, since: SystemTime, worst: Severity) -> Notice {
    let mut end = opened.clone();
    end.kind = NoticeKind::Over;
    (end.status, end.severity) = (IncidentStatus::Closed, Severity::Info);
    (end.since, end.worst) = (since, worst);
    (end.targets, end.names, end.joined) = (vec![], vec![], vec![]);
    (end.evidence, end.advice, end.reason) = (NoticeEvidence::default(), None, None);
    end.detail = Some("it goes on in a new incident, since more targets died".to_owned());
    end
}
