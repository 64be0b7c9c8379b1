//! An engine that is given the notes of a journal in the place of probes.
//!
//! It probes nothing. As recorded, it looks at things by time when the journal says that this was done,
//! and so decides exactly as the agent did. With other settings, it looks at things when they are due,
//! and the player brings the outcomes of the probes in the order in which it would have learned them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use super::action::Action;
use super::context::Context;
use super::drain::Drain;
use super::event::Event;
use super::health::Subject;
use super::ids::{EndpointId, TargetRef};
use super::journal::{NotedProbe, Replay, RunEnd};
use super::moment::Moment;
use super::prober::Role;
use super::quorum::PeerVote;
use super::schedule::Item;
use super::service::Service;
use super::settings::Settings;
use super::types::{Health, Outcome};

/// A step of a replay.
#[derive(Debug, Clone)]
pub(crate) enum ReplayStep {
    /// A probe was judged.
    Probe(NotedProbe),
    /// A probe was judged, and these outcomes count now, in the order of sending.
    ProbeInOrder(NotedProbe, Vec<Outcome>),
    /// This machine could send to none of its targets, or to one again.
    Faults(bool),
    /// The same, as the reload that follows found it.
    FaultsAtReload(bool),
    /// The process was suspended.
    Suspended,
    /// The next entry of the schedule was due.
    Due,
    /// The age of the evidence was looked at.
    Swept,
    /// A run of probes that changed nothing ends.
    RunEnd(EndpointId, RunEnd),
    /// A vote that changed nothing came at an earlier time.
    Earlier(Moment, Box<Event>),
    /// The decision pass had work.
    Looked,
    /// An event came.
    Event(Box<Event>),
    /// All entries of the schedule that are due are looked at.
    Tick,
}

impl Engine {
    /// Creates an agent that is given recorded outcomes.
    pub(crate) fn replaying(
        settings: Settings,
        drains: BTreeMap<TargetRef, Drain>,
        now: Moment,
    ) -> Self {
        let mut context = Context::new(settings, now);
        context.replay = Some(Replay::default());
        context.schedule.replay();
        Self::start(context, drains)
    }

    /// Takes the steps that belong to one event. Returns the actions that it requests.
    pub(crate) fn replay(
        &mut self,
        now: Moment,
        steps: impl IntoIterator<Item = ReplayStep>,
    ) -> Vec<Action> {
        self.context.now = now;
        for step in steps {
            self.take_step(step);
        }
        self.decide();
        let mut actions = self.context.take_actions();
        self.services.complete(&mut actions);
        actions
    }

    fn take_step(&mut self, step: ReplayStep) {
        match step {
            ReplayStep::Probe(probe) => {
                if let Some(result) = self.prober.replayed(probe, None) {
                    self.judged(result);
                }
            }
            ReplayStep::ProbeInOrder(probe, in_order) => {
                if let Some(result) = self.prober.replayed(probe, Some(in_order)) {
                    self.judged(result);
                }
            }
            ReplayStep::Faults(none) => {
                self.set_reaches_none(none);
                self.isolate(self.canaries.weigh_faults(none));
            }
            ReplayStep::FaultsAtReload(none) => self.set_reaches_none(none),
            ReplayStep::Suspended => self.peers.suspended(self.context.now),
            ReplayStep::Due => self.look_at_next(),
            ReplayStep::Swept => {
                self.health.sweep_now();
                self.sweep();
            }
            ReplayStep::RunEnd(id, run) => self.end_run(id, &run),
            ReplayStep::Earlier(at, event) => self.recall_vote(at, &event),
            ReplayStep::Looked => {}
            ReplayStep::Event(event) => self.dispatch(*event),
            ReplayStep::Tick => self.look_at_due(),
        }
    }

    /// Records a vote that came earlier, and that no decision was made about.
    fn recall_vote(&mut self, at: Moment, event: &Event) {
        if let Event::Vote { peer, service, target: address, vote, age } = *event {
            let target = TargetRef { service, address };
            if self.services.get(service).is_some_and(|it| it.id(address).is_some()) {
                self.peers.vote(at, PeerVote { peer, target, vote, age });
            }
        }
    }

    fn set_reaches_none(&mut self, none: bool) {
        if let Some(replay) = &mut self.context.replay {
            replay.set_reaches_none(none);
        }
    }

    /// Looks at the next due entry of the schedule.
    fn look_at_next(&mut self) {
        while let Some((_, item)) = self.context.schedule.take_due(self.context.now) {
            match item {
                Item::Verdict(_) | Item::Held(_) | Item::Resync(_) => {
                    return self.look_by_time(item);
                }
                Item::Rehearsal(service) => {
                    return self.look_at(service, Service::begin_rehearsals);
                }
                _ => {}
            }
        }
    }

    /// Looks at every due entry of the schedule.
    fn look_at_due(&mut self) {
        while let Some((_, item)) = self.context.schedule.take_due(self.context.now) {
            match item {
                Item::Evidence => self.sweep(),
                Item::Verdict(_) | Item::Held(_) | Item::Resync(_) => self.look_by_time(item),
                _ => {}
            }
        }
    }

    /// Whether a probe sent at `sent` with this outcome would change nothing but counts and the age of
    /// the evidence.
    pub(crate) fn is_quiet(&self, id: EndpointId, outcome: Outcome, sent: Moment) -> bool {
        self.would_be_calm(id, outcome, sent)
    }

    /// Regards the evidence about an endpoint as renewed until [`Self::end_run`].
    pub(crate) fn begin_run(&mut self, id: EndpointId) {
        self.health.set_renewed(id, true);
    }

    /// No longer regards the evidence about an endpoint as renewed.
    pub(crate) fn end_renewal(&mut self, id: EndpointId) {
        self.health.set_renewed(id, false);
    }

    /// Whether any service compares the answers of its targets now.
    pub(crate) fn compares_any_answers(&self) -> bool {
        self.services.iter().any(Service::awaits_answers)
    }

    /// Ends a run of probes of an endpoint that changed nothing.
    pub(crate) fn end_run(&mut self, id: EndpointId, run: &RunEnd) {
        match self.prober.role(id) {
            Some(Role::Canary) if run.outcome == Outcome::Reply => {
                self.canaries.answered(id, run.sent);
            }
            Some(Role::Target) => self.health.end_run(id, run, &mut self.context),
            _ => {}
        }
    }

    /// Counts the probes of a run that began at `since` and goes on, as far as the interval says how many
    /// there were.
    pub(crate) fn count_run(&mut self, id: EndpointId, outcome: Outcome, since: Moment) {
        let now = self.context.now;
        let Some(interval) = self.health.get(id).map(Subject::interval) else { return };
        let count = now.since(since).as_nanos() / interval.as_nanos().max(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count > 0 {
            let last = since + interval.saturating_mul(count);
            let rtt = Duration::ZERO;
            self.end_run(id, &RunEnd { outcome, count, sent: last, judged: last, rtt });
        }
    }

    /// Returns the health of an endpoint that is no canary.
    pub(crate) fn health_at(&self, id: EndpointId) -> Option<Health> {
        Some(self.health.get(id)?.streaks.health())
    }

    /// Whether a target that is not down misses replies now.
    pub(crate) fn has_missing(&self) -> bool {
        self.health.has_missing()
    }
}
