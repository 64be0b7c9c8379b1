//! Open incidents for the state file, and from it.

use std::time::{Duration, SystemTime};

use super::open::Telling;
use super::{DELIVERED_WITHIN, Incidents, OpenIncident, OtherAgents, is_each_agents};
use crate::engine::Moment;
use crate::notify::{IncidentKey, IncidentStatus, Notice, NoticeTarget};
use crate::state::{SavedEvidence, SavedIncident, SavedIncidents, SavedMember};

impl Incidents {
    /// Follows that notices which were sent long enough before `now` were delivered.
    pub(in crate::agent::observers::notices) fn note_told(&mut self, now: Moment) {
        for incident in self.open.values_mut() {
            if let Telling::SentAt(at) = incident.telling
                && now.since(at) >= DELIVERED_WITHIN
            {
                incident.telling = Telling::Known;
                self.is_changed = true;
            }
        }
    }

    /// Follows that all notices were delivered but for these.
    pub(in crate::agent::observers::notices) fn note_told_but(&mut self, lost: &[Notice]) {
        for incident in self.open.values_mut() {
            if let Telling::SentAt(_) = incident.telling {
                incident.telling = Telling::Known;
            }
        }
        for notice in lost.iter().filter(|it| it.status == IncidentStatus::Opened) {
            for key in notice.joined.iter().chain([&notice.incident]) {
                if let Some(incident) = self.open.get_mut(key) {
                    incident.telling = Telling::Waits;
                }
            }
        }
        self.is_changed = true;
    }

    /// Returns the open incidents for the state file.
    pub(in crate::agent::observers::notices) fn saved(&self) -> SavedIncidents {
        let mut saved = Vec::new();
        for (key, incident) in &self.open {
            let mut targets = Vec::new();
            for (NoticeTarget { service, address }, names) in &incident.members {
                let (service, address, names) = (service.clone(), *address, names.clone());
                targets.push(SavedMember { service, address, names });
            }
            let since = incident.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            saved.push(SavedIncident {
                key: key.clone(),
                severity: incident.worst,
                kind: incident.kind,
                since: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                targets,
                left_to: incident.left_to.any.clone(),
                told: incident.telling == Telling::Known || !incident.is_ours(),
                dry_run: incident.dry_run,
                detail: incident.detail.clone(),
                shown_zone: incident.zone.clone(),
                evidence: SavedEvidence::from(&incident.evidence),
                handed_over: incident.handed_over,
            });
        }
        SavedIncidents::new(saved)
    }

    /// Continues the incidents of an earlier run. `author` is the notice that each is made of.
    pub(in crate::agent::observers::notices) fn inherit(
        &mut self,
        saved: &SavedIncidents,
        author: &Notice,
        now: Moment,
    ) {
        for incident in saved.all() {
            let since = Duration::from_millis(incident.since);
            let mut opened = Notice { targets: vec![], names: vec![], ..author.clone() };
            opened.kind = incident.kind;
            (opened.worst, opened.severity) = (incident.severity, incident.severity);
            let mut open =
                OpenIncident::new(&opened, OtherAgents::before(incident.left_to.clone()), now);
            open.since = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(author.at);
            open.is_inherited = true;
            (open.detail, open.zone) = (incident.detail.clone(), incident.shown_zone.clone());
            open.dry_run = incident.dry_run;
            open.evidence = incident.evidence.clone().into();
            open.handed_over = incident.handed_over;
            if incident.told {
                open.telling = Telling::Known;
            }
            for SavedMember { service, address, names } in &incident.targets {
                let target = NoticeTarget { service: service.clone(), address: *address };
                open.members.insert(target, names.clone());
            }
            // The file may have been edited.
            let IncidentKey { zone, service, place, problem } = &incident.key;
            let agent = place.split_once('@').filter(|_| is_each_agents(*problem));
            let (place, agent) = match agent {
                Some((place, agent)) => (place, Some(agent)),
                None => (place.as_str(), None),
            };
            let mut key = IncidentKey::new(Some(zone), Some(service), Some(place), *problem);
            if let Some(agent) = agent {
                key = key.at_agent(agent);
            }
            self.open.insert(key, open);
        }
        self.say_again(author);
        self.is_changed = true;
    }
}
