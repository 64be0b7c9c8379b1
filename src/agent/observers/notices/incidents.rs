//! The incidents that are open: which notice opens, updates or closes one, and which agent sends it.
//!
//! # Rules
//!
//! - Under one key one incident is open at a time, and it is closed once. A close without an open incident
//!   is no notice, but for an act of this agent: another agent may have opened it.
//! - More than five incidents of one service and one problem within a second are one incident of the
//!   service. Later targets join it, and it is closed with the last of its targets.
//! - An agent that sees the same as others leaves the notices to the first of them in rank. It knows the
//!   incident as well; if the agents before it are gone, it reports from then on.
//! - An incident that was in the state file is inherited: until something confirms it, it is closed as
//!   soon as this run has seen enough to know that its cause is over.

mod fresh;
mod looking;
mod open;
mod owners;
mod saved;
mod sharing;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::engine::Moment;
use crate::notify::{
    IncidentKey, IncidentProblem, IncidentStatus, NO_PART, Notice, NoticeKind, NoticeTarget,
    Severity,
};
use fresh::FreshPool;

pub(super) use looking::{Cause, Suspect};

pub(super) use open::OtherAgents;
pub(super) use sharing::IncidentWitnesses;

use open::{OpenIncident, Telling};
use sharing::SharedMemory;

/// Time for which a notice about some of many targets waits for more of them.
const PENDING_FOR: Duration = Duration::from_secs(10);

/// Time from the last target of many until a further one has an incident of its own: it is another event
/// then, which must not change an old page in silence.
const JOINED_FOR: Duration = Duration::from_mins(1);

/// Time within which a channel has delivered a notice or given up. If the agent is killed before, the next
/// run says it again.
const DELIVERED_WITHIN: Duration = Duration::from_mins(1);

/// An incident as the status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent::observers) struct ShownIncident {
    pub(in crate::agent::observers) key: String,
    pub(in crate::agent::observers) severity: Severity,
    pub(in crate::agent::observers) since: SystemTime,
    pub(in crate::agent::observers) targets: usize,
    pub(in crate::agent::observers) is_ours: bool,
}

/// All open incidents.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    open: BTreeMap<IncidentKey, OpenIncident>,
    fresh: FreshPool,
    /// The notices to send.
    outbox: Vec<Notice>,
    /// The place at which the next look at causes begins.
    looked_at: Option<(IncidentKey, Option<NoticeTarget>)>,
    /// Whether something changed since the last call of [`Self::take_changed`].
    is_changed: bool,
    shared: SharedMemory,
}

impl Incidents {
    /// Handles a notice. `left_to` are other agents: one of them reports the same.
    pub(super) fn report(&mut self, notice: Notice, left_to: OtherAgents, now: Moment) {
        match notice.status {
            IncidentStatus::Opened => self.opened(notice, left_to, now),
            IncidentStatus::Updated => self.updated(notice, now),
            IncidentStatus::Closed => self.closed(notice, now),
            IncidentStatus::Event | IncidentStatus::Standing | IncidentStatus::Left => {
                self.outbox.push(notice);
            }
        }
    }

    /// Returns whether an incident is open under this key, or one of the service that has this target.
    pub(super) fn is_open(&self, key: &IncidentKey, target: Option<&NoticeTarget>) -> bool {
        self.find(key, target).is_some()
    }

    /// Returns the key of the open incident that a notice belongs to.
    fn find(&self, key: &IncidentKey, target: Option<&NoticeTarget>) -> Option<IncidentKey> {
        if self.open.contains_key(key) {
            return Some(key.clone());
        }
        if is_of_agent(key) {
            // The agent may have another name since.
            let mut its = self.open.keys().filter(|open| is_of_agent(open));
            return its.find(|open| open.problem == key.problem).cloned();
        }
        let group = key.of_service();
        if is_each_agents(key.problem) {
            // So may it have here, or the file is one of an earlier version.
            let (single, group) = (key.without_agent(), group.without_agent());
            let mut its = self.open.iter().filter(|(open, _)| open.problem == key.problem);
            let its = its.find(|(open, incident)| {
                let open = open.without_agent();
                let is_member = target.is_some_and(|it| incident.members.contains_key(it));
                open == single || open == group && is_member
            });
            return its.map(|(open, _)| open.clone());
        }
        let is_member = self.open.get(&group)?.members.contains_key(target?);
        is_member.then_some(group)
    }

    fn opened(&mut self, notice: Notice, left_to: OtherAgents, now: Moment) {
        self.is_changed = true;
        let target = notice.targets.first();
        if let Some(key) = self.find(&notice.incident, target) {
            return self.opened_again(&key, notice, &left_to, now);
        }
        let group = notice.incident.of_service();
        let is_single = is_single(&notice);
        if is_single
            && let Some(incident) = self.open.get_mut(&group)
            && now.since(incident.joined_at) < JOINED_FOR
        {
            incident.add(&notice);
            incident.joined_at = now;
            let is_said = left_to.is_none();
            let notice = incident.complete(&group, notice);
            return self.say_some(&group, notice, is_said, now);
        }
        self.open.insert(notice.incident.clone(), OpenIncident::new(&notice, left_to.clone(), now));
        if is_single {
            self.fresh.add(notice, left_to, now);
        } else if left_to.is_none() {
            self.outbox.push(notice);
        }
    }

    /// Handles the begin of an incident that is open already.
    fn opened_again(
        &mut self,
        key: &IncidentKey,
        notice: Notice,
        left_to: &OtherAgents,
        now: Moment,
    ) {
        let Some(incident) = self.open.get_mut(key) else { return };
        let (was_ours, was_inherited) = (incident.is_ours(), incident.is_inherited);
        // What was simulated in an earlier run is real now.
        let is_worse = notice.worst > incident.worst || incident.dry_run && !notice.dry_run;
        let is_news = incident.add(&notice);
        incident.is_inherited = false;
        if left_to.is_none() && !was_ours {
            // This agent has acted itself, and left the report to another before.
            incident.left_to = OtherAgents::default();
            incident.telling = Telling::Waits;
            let notice = incident.complete(key, notice);
            if is_single(&notice) {
                // The first notice, for which another agent was to speak, may wait still.
                self.fresh.forget(key);
                return self.fresh.add(notice, OtherAgents::default(), now);
            }
            return self.outbox.push(notice);
        }
        if was_ours && is_news && (is_worse || !was_inherited) {
            if self.fresh.join(key, &notice) {
                return;
            }
            let notice = incident.complete(key, notice);
            self.say_some(key, notice, true, now);
        }
    }

    fn updated(&mut self, notice: Notice, now: Moment) {
        let Some(key) = self.find(&notice.incident, notice.targets.first()) else { return };
        let Some(incident) = self.open.get_mut(&key) else { return };
        let notice = incident.complete(&key, notice);
        self.say_some(&key, notice, true, now);
    }

    /// Sends a notice about an open incident, or keeps it if the incident is one of a service.
    fn say_some(&mut self, key: &IncidentKey, mut notice: Notice, is_said: bool, now: Moment) {
        self.send_fresh(key);
        notice.status = IncidentStatus::Updated;
        let Some(incident) = self.open.get_mut(key) else { return };
        if !is_said {
            return;
        }
        if is_of_many(key, &notice) {
            let too_many = incident.keep(notice, now);
            self.outbox.extend(too_many);
        } else {
            self.outbox.push(notice);
        }
    }

    fn closed(&mut self, notice: Notice, now: Moment) {
        let target = notice.targets.first();
        let Some(key) = self.find(&notice.incident, target) else {
            return self.closed_unknown(notice);
        };
        self.is_changed = true;
        self.send_fresh(&key);
        // Its incident may have become one of the service just now.
        let Some(key) = self.find(&key, target) else { return };
        let Some(incident) = self.open.get_mut(&key) else { return };
        let is_said = incident.is_ours() || is_act(notice.kind);
        if incident.is_simulated_end(&notice) {
            let notice = incident.complete(&key, notice);
            return self.say_some(&key, notice, is_said, now);
        }
        let has_targets = !incident.members.is_empty();
        incident.remove(&notice);
        let mut notice = incident.complete(&key, notice);
        let is_partial = has_targets && !incident.members.is_empty();
        if is_partial && !is_whole(key.problem) {
            return self.say_some(&key, notice, is_said, now);
        }
        let Some(mut incident) = self.open.remove(&key) else { return };
        notice.status = IncidentStatus::Closed;
        if !is_said {
            // Receivers that keep incidents may have this one from here.
            notice.quiet = true;
            self.outbox.extend(incident.handed_over.then_some(notice));
            return;
        }
        self.shared.closed(&notice, now);
        if incident.pending_until.is_none() {
            return self.outbox.push(notice);
        }
        let last = Notice { status: IncidentStatus::Updated, ..notice };
        self.outbox.extend(incident.pending.add(last));
        self.outbox.extend(incident.pending.take().into_iter().map(without_joined));
        if let Some(last) = self.outbox.last_mut() {
            (last.status, last.severity) = (IncidentStatus::Closed, Severity::Info);
        }
    }

    /// Handles the end of an incident that is not open here. If this agent has acted, another one may have
    /// opened it, alone or for many targets at once.
    fn closed_unknown(&mut self, notice: Notice) {
        if !is_act(notice.kind) {
            return;
        }
        let group = notice.incident.of_service();
        if group != notice.incident && !self.has_any_of(&group) {
            let incident = group;
            self.outbox.push(Notice { incident, targets: vec![], quiet: true, ..notice.clone() });
        }
        self.outbox.push(notice);
    }

    /// Whether an incident of the service with the problem of this key is open.
    fn has_any_of(&self, group: &IncidentKey) -> bool {
        self.open.keys().any(|key| key.of_service() == *group)
    }

    /// Sends the notices that waited for others with the same service and problem.
    fn send_fresh(&mut self, key: &IncidentKey) {
        for fresh in self.fresh.take(key) {
            self.outbox.extend(fresh.settle(&mut self.open));
        }
    }

    /// Whether nothing in this run has confirmed some incident yet.
    pub(super) fn has_inherited(&self) -> bool {
        self.open.values().any(|incident| incident.is_inherited)
    }

    /// Makes the notices about new incidents that have waited long enough. `others` are the agents that
    /// have come to see the same since.
    pub(super) fn settle(&mut self, now: Moment, others: impl Fn(&Notice) -> OtherAgents) {
        for fresh in self.fresh.take_due(Some(now)) {
            self.is_changed = true;
            fresh.review(&mut self.open, &others);
            let due = fresh.settle(&mut self.open);
            self.outbox.extend(due);
        }
        self.send_pending(Some(now));
    }

    /// Makes the notices that wait for others, if they have waited long enough by `now`.
    fn send_pending(&mut self, now: Option<Moment>) {
        for incident in self.open.values_mut() {
            if incident.pending_until.is_some_and(|until| now.is_none_or(|now| until <= now)) {
                incident.pending_until = None;
                self.outbox.extend(incident.pending.take().into_iter().map(without_joined));
            }
        }
    }

    /// Removes and returns the notices to send, which are sent `now`.
    pub(super) fn take_outbox(&mut self, now: Moment) -> Vec<Notice> {
        for notice in &self.outbox {
            if let Some(incident) = self.open.get_mut(&notice.incident)
                && incident.telling == Telling::Waits
                && !matches!(notice.status, IncidentStatus::Standing | IncidentStatus::Left)
            {
                incident.telling = Telling::SentAt(now);
            }
        }
        std::mem::take(&mut self.outbox)
    }

    /// Removes and returns all notices, also those that wait for others.
    pub(super) fn take_all(&mut self, now: Moment) -> Vec<Notice> {
        for fresh in self.fresh.take_due(None) {
            let due = fresh.settle(&mut self.open);
            self.outbox.extend(due);
        }
        self.send_pending(None);
        self.take_outbox(now)
    }

    /// Returns whether the open incidents changed since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Returns the open incidents as the status shows them.
    pub(super) fn shown(&self) -> Vec<ShownIncident> {
        let shown = self.open.iter().map(|(key, incident)| ShownIncident {
            key: key.to_string(),
            severity: incident.worst,
            since: incident.since,
            targets: incident.members.len(),
            is_ours: incident.is_ours(),
        });
        shown.collect()
    }
}

/// Whether a key is that of one agent alone.
fn is_of_agent(key: &IncidentKey) -> bool {
    key.zone == NO_PART
}

/// Whether each agent has this trouble by itself, so that its name is in the key.
pub(super) fn is_each_agents(problem: IncidentProblem) -> bool {
    matches!(
        problem,
        IncidentProblem::Provider
            | IncidentProblem::ZoneInactive
            | IncidentProblem::NameFailing
            | IncidentProblem::Unknown
    )
}

/// Whether an incident is over as a whole, with all of its targets at once.
fn is_whole(problem: IncidentProblem) -> bool {
    matches!(
        problem,
        IncidentProblem::Alike | IncidentProblem::Provider | IncidentProblem::NoneLeft
    )
}

/// Whether a notice opens an incident of one target.
fn is_single(notice: &Notice) -> bool {
    notice.targets.len() == 1 && !notice.incident.is_of_many()
}

/// Whether a notice about an incident concerns some of many targets.
fn is_of_many(key: &IncidentKey, notice: &Notice) -> bool {
    key.is_of_many()
        && key.service != NO_PART
        && !is_whole(key.problem)
        && !notice.targets.is_empty()
}

/// Whether a notice of this kind reports an act of this agent, which no other agent reports.
fn is_act(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Restored | NoticeKind::Withdrawn)
}

fn without_joined(mut notice: Notice) -> Notice {
    notice.joined.clear();
    notice
}

#[cfg(test)]
mod tests;
