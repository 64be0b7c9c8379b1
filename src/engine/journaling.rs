//! The engine's side of the journal: which notes are taken, and which probes change nothing.

use std::collections::BTreeSet;

use super::Engine;
use super::event::Event;
use super::ids::{EndpointId, ServiceId, TargetRef};
use super::journal::{EndpointUse, Note, Noted, SubjectState};
use super::moment::Moment;
use super::prober::{ProbeResult, Role};
use super::service::Service;
use super::types::{Health, Method, Outcome};

impl Engine {
    /// Keeps a journal from now on.
    pub(crate) fn keep_journal(&mut self) {
        self.context.journal = Some(Box::default());
    }

    /// Swaps the notes taken since the last call with an empty list.
    pub(crate) fn swap_notes(&mut self, notes: &mut Vec<Note>) {
        if let Some(journal) = &mut self.context.journal {
            journal.swap(notes);
        }
    }

    /// Returns the uses of all endpoints: the targets of each service in order, and the canaries.
    pub(crate) fn endpoint_uses(&self) -> Vec<(EndpointId, EndpointUse)> {
        let mut uses = Vec::new();
        for service in self.services.iter() {
            for target in service.targets() {
                let (service, address) = (service.id, target.address);
                for (check, endpoint) in target.endpoints.iter().enumerate() {
                    uses.push((endpoint, EndpointUse::Target { service, address, check }));
                }
            }
        }
        for id in self.canaries.endpoints() {
            uses.extend(self.prober.endpoint(id).map(|it| (id, EndpointUse::Canary(it))));
        }
        uses
    }

    /// Begins the notes about an event.
    pub(super) fn begin_notes(&mut self) {
        let now = self.context.now;
        if let Some(journal) = &mut self.context.journal {
            journal.begin(now);
        }
    }

    /// Adds a note about the event itself if a decision may rest on it. Of the answers to probes, the
    /// results are noted.
    pub(super) fn note_event(&mut self, event: &Event) {
        let Some(journal) = &mut self.context.journal else { return };
        match event {
            Event::Tick | Event::Answered { .. } | Event::Undelivered { .. } => {}
            Event::Dns(..)
            | Event::Vote { .. }
            | Event::Abstained { .. }
            | Event::Peer { .. }
            | Event::Drain(_)
            | Event::Undrain { .. }
            | Event::Return { .. }
            | Event::DrainEndsChanged { .. }
            | Event::Reloaded(_) => journal.add_event(event.clone()),
        }
    }

    /// Returns whether this machine can send to none of its targets, as a reload finds it.
    pub(super) fn note_faults_at_reload(&mut self) -> bool {
        if let Some(replay) = &self.context.replay {
            return replay.reaches_none();
        }
        let none = self.prober.reaches_none();
        if let Some(journal) = &mut self.context.journal {
            journal.add_before_event(Noted::FaultsAtReload { none });
        }
        none
    }

    /// Whether a result like this changes nothing but counts and the age of the evidence, as things
    /// stand.
    pub(super) fn is_calm(&self, result: &ProbeResult) -> bool {
        let outcome = result.judged.outcome;
        result.other.is_none()
            && result.in_order.len() == 1
            && !(result.judged.quick && outcome == Outcome::Loss)
            && self.would_be_calm(result.endpoint, outcome, result.judged.sent)
    }

    /// Whether a probe sent at `sent` with this outcome would change nothing but counts and the age of
    /// the evidence.
    pub(super) fn would_be_calm(&self, id: EndpointId, outcome: Outcome, sent: Moment) -> bool {
        if self.canaries.is_isolated() {
            return false;
        }
        if self.prober.role(id) == Some(Role::Canary) {
            let is_reply = outcome == Outcome::Reply;
            return is_reply && !self.health.has_missing() && !self.canaries.has_missed(id);
        }
        let Some(subject) = self.health.get(id) else { return false };
        let (streaks, evidence) = (&subject.streaks, &subject.evidence);
        let is_known = evidence.proof.is_some() && evidence.unknown_since.is_none();
        match outcome {
            Outcome::Fault => true,
            Outcome::Reply => {
                is_known
                    && streaks.health() == Health::Up
                    && streaks.losses() == 0
                    && !self.are_answers_compared(id)
            }
            Outcome::Loss => {
                is_known
                    && streaks.health() == Health::Down
                    && streaks.replies() == 0
                    && streaks.would_count(sent)
                    && !self.are_answers_compared(id)
            }
        }
    }

    /// Whether a service that depends on an endpoint compares the answers of its targets now, or will once
    /// one of them has flipped that answers wrongly.
    fn are_answers_compared(&self, id: EndpointId) -> bool {
        let is_request = self
            .prober
            .endpoint(id)
            .is_some_and(|endpoint| matches!(endpoint.method, Method::Request(_)));
        if !is_request {
            return false;
        }
        let services: BTreeSet<ServiceId> = self.health.watchers(id).map(|it| it.service).collect();
        services.iter().any(|id| self.services.get(*id).is_some_and(Service::awaits_answers))
            || self
                .health
                .wrong()
                .any(|wrong| self.health.watchers(wrong).any(|key| services.contains(&key.service)))
    }
}

impl Engine {
    /// Returns the state of an endpoint of targets.
    pub(crate) fn subject_state(&self, id: EndpointId) -> Option<SubjectState> {
        let subject = self.health.get(id)?;
        Some(subject.streaks.state(&subject.evidence))
    }

    /// Puts an endpoint of targets into the state that it had.
    pub(crate) fn set_subject_state(&mut self, id: EndpointId, state: &SubjectState) {
        self.health.set_state(id, state);
    }

    /// Returns the targets that are out of service.
    pub(crate) fn out_of_service(&self) -> Vec<TargetRef> {
        let mut out = Vec::new();
        for service in self.services.iter() {
            let targets = service.targets().filter(|target| !target.verdict.is_in_service());
            out.extend(targets.map(|target| service.target_ref(target.address)));
        }
        out
    }
}
