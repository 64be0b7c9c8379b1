//! Owns the engine: one queue of inputs, one clock.
//!
//! Time enters here alone. Slow work runs beside the loop and reports back as an input; the loop waits
//! for inputs and for the next scheduled time, and for nothing else.

pub(in crate::agent) mod departures;
mod reconfigure;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::departures::{Departures, Spacing};
use super::clock::{Clock, wall};
use super::history::HistoryKeeper;
use super::ids::Ids;
use super::input::{Input, QUEUE};
use super::observers::Observer;
use super::operator::{CommandTime, PendingCommands};
use super::peers::ClusterLink;
use super::questions;
use super::reload::Reloader;
use super::state_saver::StateSaver;
use super::timer::Timer;
use super::zones::Reconcilers;
use crate::engine::event::{Action, DnsReport, Event, ProbeRequest};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::engine::types::Method;
use crate::engine::{Engine, Moment};
use crate::probe::Probe;
use crate::settings::Config;
use crate::status::ExplainRequest;
use crate::systemd::Watchdog;

/// Minimum number of targets from which wake-ups are aligned to [`GRAIN`].
const CROWD: usize = 100;

/// Maximum delay of scheduled work in a crowd, so that one wake-up serves all that is due. A wake-up
/// costs several times as much as a probe, and a few milliseconds do not matter to one. It is less if
/// more would be due than may leave at once.
const GRAIN: Duration = Duration::from_millis(5);

/// Upper bound on the time between iterations; keeps the liveness check green while idle.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The event loop, with the parts that carry out the actions of the engine.
pub(super) struct EventLoop<P, O> {
    /// The engine, which decides.
    pub(super) engine: Engine,
    /// The agent's clock.
    pub(super) clock: Clock,
    /// The sender of probes.
    pub(super) probe: Arc<P>,
    /// The observers of facts.
    pub(super) observers: O,
    /// The DNS reconcilers.
    pub(super) reconcilers: Reconcilers,
    /// The cluster; absent in single mode.
    pub(super) peers: Option<ClusterLink>,
    /// The saver of drains.
    pub(super) state: StateSaver,
    /// The keeper of the history; absent without a file for it.
    pub(super) history: Option<HistoryKeeper>,
    /// The operator's commands.
    pub(super) commands: PendingCommands,
    /// The questions about targets that are not answered yet.
    pub(super) questions: Vec<ExplainRequest>,
    /// The reader of new configurations.
    pub(super) reloader: Reloader,
    /// The ids of services and zones.
    pub(super) ids: Ids,
    /// The configuration in force.
    pub(super) config: Config,
    /// The liveness check of systemd.
    pub(super) watchdog: Watchdog,
    /// The queue of inputs.
    pub(super) inbox: mpsc::Receiver<Input>,
    /// The inputs received together with the request to stop, after it.
    pub(super) unhandled: Vec<Input>,
    /// The sender of the queue, for the results of probes.
    pub(super) outbox: mpsc::Sender<Input>,
    /// The echo requests that are due.
    pub(super) departures: Departures,
}

impl<P: Probe, O: Observer> EventLoop<P, O> {
    /// Runs until a request to stop or the failure of a part, which is the error. Returns the loop with
    /// its parts, to be closed in order. It is boxed because each wake-up copies room for the result.
    pub(super) async fn run(mut self: Box<Self>) -> (Box<Self>, Result<(), anyhow::Error>) {
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        // Without a spare descriptor, Tokio's timer serves as well.
        let mut timer = self.clock.is_real().then(Timer::new).and_then(Result::ok);
        loop {
            // All received inputs are handled before the engine learns the time: a probe's answer that
            // waited in the queue while this process was suspended must not count as missing.
            let mut inputs = batch.drain(..);
            while let Some(input) = inputs.next() {
                if let Some(ended) = self.receive(input) {
                    self.unhandled.extend(inputs);
                    return (self, ended);
                }
            }
            drop(inputs);
            self.probe.take_events(&mut answers);
            let now = self.clock.now();
            for event in answers.drain(..) {
                self.handle_at(now, event);
            }
            self.handle(Event::Tick);
            self.depart();
            self.finish_iteration();
            self.inputs_or_wake(&mut batch, timer.as_mut()).await;
        }
    }

    /// Handles one input. Returns the result of the loop if it ends.
    fn receive(&mut self, input: Input) -> Option<Result<(), anyhow::Error>> {
        match input {
            Input::Event(event) => {
                let listed = listed_zone(&event);
                self.handle(event);
                if let Some(zone) = listed {
                    self.observers.zone_listed(&self.engine, zone);
                }
            }
            Input::Reload => self.reloader.request(),
            Input::Reloaded(reloaded) => {
                self.reloader.finished();
                self.reconfigure(*reloaded);
            }
            Input::Cluster(event) => {
                self.observers.peer_event(&event);
                self.handle(event.into());
            }
            Input::Effect(news) => self.observers.effect(&self.engine, &news),
            Input::Command(command) => {
                let now = self.command_time();
                let events = self.commands.accept(command, &self.engine, &self.ids, now);
                for event in events {
                    self.handle(event);
                }
            }
            Input::Question(question) => self.questions.push(question),
            Input::Stop => return Some(Ok(())),
            Input::Failed(error) => return Some(Err(error)),
        }
        None
    }

    /// Has the engine handle an event now, and carries out its actions.
    fn handle(&mut self, event: Event) {
        self.handle_at(self.clock.now(), event);
    }

    /// Has the engine handle an event of this time, and carries out its actions.
    fn handle_at(&mut self, now: Moment, event: Event) {
        let (mut following, mut actions) = (Vec::new(), self.engine.handle(now, event));
        if let Some(history) = &mut self.history {
            history.handled(&mut self.engine);
        }
        for action in actions.drain(..) {
            match action {
                Action::Probe(request) if request.endpoint.method == Method::Echo => {
                    self.departures.hold(request);
                }
                Action::Probe(request) => self.send(request),
                Action::Prepare(zone) => self.reconcilers.request_listing(zone),
                Action::Reconcile { zone, order } => self.reconcilers.place(zone, order),
                Action::Recall { zone, service, target: address } => {
                    self.reconcilers.recall(zone, TargetRef { service, address });
                }
                Action::Announce { service, announcement } => {
                    if let Some(peers) = &self.peers {
                        peers.announce(service, announcement);
                    }
                }
                Action::DrainAnswered { ticket, answer } => {
                    let step = self.commands.resolve(ticket, answer);
                    following.extend(step.events);
                    if let Some(command) = step.resolved {
                        self.state.answer(command, self.config.dry_run);
                    }
                }
                Action::StoreDrains { service, drains } => {
                    self.state.note_drains(service, &drains, now);
                }
                Action::Report(fact) => self.observers.fact(&self.engine, &fact),
            }
        }
        self.engine.reuse(actions);
        for event in following {
            self.handle(event);
        }
    }

    /// Sends the echo requests that may leave now.
    fn depart(&mut self) {
        if self.departures.next().is_none() {
            return;
        }
        let mut departures = std::mem::take(&mut self.departures);
        for request in departures.release(self.clock.now(), self.spacing()) {
            self.send(request);
        }
        self.departures = departures;
        self.probe.flush();
    }

    /// Returns the spacing of echo requests.
    fn spacing(&self) -> Spacing {
        Spacing::of(self.engine.pace(), self.engine.settings().burst.get())
    }

    /// Sends a probe, together with others or in a task of its own; then the answer returns through the queue.
    fn send(&self, request: ProbeRequest) {
        if self.probe.enqueue(&request) {
            return;
        }
        let (probe, outbox) = (Arc::clone(&self.probe), self.outbox.clone());
        tokio::spawn(async move {
            let answer = probe.probe(&request).await;
            // After the end there is no receiver.
            if let Ok(place) = outbox.reserve().await {
                place.send(Input::Event(Event::Answered { probe: request.id, answer }));
            }
        });
    }

    /// Reads both clocks.
    fn command_time(&self) -> CommandTime {
        CommandTime { engine: self.clock.now(), wall: wall() }
    }

    /// Does the periodic work at the end of an iteration.
    fn finish_iteration(&mut self) {
        let now = self.clock.now();
        let resumed = self.commands.resume(&self.engine, &self.ids, self.command_time());
        for event in resumed {
            self.handle(event);
        }
        self.reloader.start_if_due(now, &self.config.path);
        self.watchdog.iteration(now.since_start());
        if self.state.is_wall_clock_set(now) {
            self.state.follow_wall_clock(&self.engine.drains(), now);
        }
        self.reconcilers.beat();
        if let Some(peers) = &self.peers {
            peers.iteration();
        }
        if self.state.has_answers() {
            self.observers.command_done(&self.engine);
        }
        for question in self.questions.drain(..) {
            questions::answer(question, &self.engine, &self.config, &self.clock);
        }
        self.observers.iteration(&self.engine);
        if let Some(history) = &mut self.history {
            history.iteration(&self.engine, now);
        }
        self.state.save_if_due(now, self.config.dry_run);
    }

    /// Waits for inputs, or until the next scheduled time.
    async fn inputs_or_wake(&mut self, batch: &mut Vec<Input>, timer: Option<&mut Timer>) {
        let wake = self.next_wake();
        let inputs = self.inbox.recv_many(batch, QUEUE);
        let time_is_up = async {
            match timer {
                Some(timer) => timer.expire(wake, wake.since(self.clock.now())).await,
                None => tokio::time::sleep_until(self.clock.started() + wake.since_start()).await,
            }
        };
        tokio::select! {
            biased;
            _ = inputs => {}
            () = poll_fn(|context| self.probe.poll_events(context)) => {}
            () = time_is_up => {}
        }
    }

    /// Returns the time of the next iteration without inputs.
    fn next_wake(&self) -> Moment {
        let latest = self.clock.now() + MAX_PAUSE;
        let deadline = self.probe.next_deadline();
        let deadline = deadline.map(|at| Moment::after_start(at - self.clock.started()));
        let scheduled = [self.engine.next_wake(), deadline].into_iter().flatten().min();
        let scheduled = scheduled.map(|wake| self.align(wake));
        let others = [scheduled, self.departures.next(), self.reloader.due()];
        others.into_iter().flatten().fold(latest, Moment::min)
    }

    /// Returns `wake`, or the next whole grain after it if there is a crowd of targets.
    fn align(&self, wake: Moment) -> Moment {
        if self.engine.endpoint_count() < CROWD {
            return wake;
        }
        let grain = GRAIN.min(self.spacing().grain(self.engine.pace())).as_nanos();
        let wake = wake.since_start().as_nanos().div_ceil(grain) * grain;
        Moment::after_start(Duration::from_nanos(u64::try_from(wake).unwrap_or(u64::MAX)))
    }
}

/// Returns the zone that an event lists, or casts doubt on.
fn listed_zone(event: &Event) -> Option<ZoneId> {
    match event {
        Event::Dns(zone, DnsReport::Listed(_) | DnsReport::Uncertain(_)) => Some(*zone),
        _ => None,
    }
}
