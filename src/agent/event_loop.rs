//! Owns the engine: one queue, one clock, signals and reload.
//!
//! Time enters here and nowhere else. Whatever is slow runs beside the loop and reports back as an
//! event; the loop awaits nothing but its inputs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::timer::Alarm;
use crate::cluster::ClusterEvent;
use crate::config::{Config, ConfigErrors};
use crate::dns::DnsProvider;
use crate::engine::event::{
    Action, Announcement, Answer, DnsReport, Drain, DrainRefusal, Event, Fact, Order, ProbeRequest,
    Settings,
};
use crate::engine::{Engine, Moment};
use crate::probe::Probe;
use crate::status::Command;

/// How many inputs may wait for the engine before those who send them are made to wait.
pub const QUEUE: usize = 4096;

/// From so many targets on, what is due within [`GRAIN`] is done at once.
const CROWD: usize = 100;

/// How long something due may wait in a crowd for what is due next. Waking up costs several times
/// what a probe does, and a few milliseconds more or less are nothing to a probe.
const GRAIN: Duration = Duration::from_millis(5);

/// The agent's own clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    /// Whether the kernel may be asked to wake the loop up: it knows real time only.
    real: bool,
}

impl Clock {
    /// A clock that starts now, on Tokio's time: a test may pause it.
    #[expect(clippy::disallowed_methods, reason = "the driver is where time enters")]
    pub fn start() -> Self {
        Self { started: Instant::now(), real: false }
    }

    /// A clock that starts now and never pauses: for less than half the wake-ups.
    pub fn start_real() -> Self {
        Self { real: true, ..Self::start() }
    }

    /// When it started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The time since the start.
    pub fn now(&self) -> Moment {
        self.started.elapsed()
    }
}

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// Something for the engine.
    Event(Event),
    /// Read the configuration again (SIGHUP).
    Reload,
    /// It was read again, or cannot be used.
    Loaded(Box<Loaded>),
    /// Something was heard from or about a peer.
    Cluster(ClusterEvent),
    /// The operator orders something.
    Command(Command),
    /// Come to an end (SIGTERM, SIGINT).
    Stop,
    /// A part without which the agent is not whole has ended, and why.
    Failed(anyhow::Error),
}

/// A configuration that was read again, and the provider that it names; or why not.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Result<Config, ConfigErrors>,
    /// The provider; none if the configuration is bad.
    pub provider: Result<Option<Box<dyn DnsProvider>>, anyhow::Error>,
}

/// What goes out, beside probes. Nothing here waits: what is slow is done elsewhere.
pub trait Effects {
    /// Something happened that somebody may want to know.
    fn tell(&mut self, engine: &Engine, fact: &Fact, now: Moment);
    /// Read the zone before it is needed.
    fn prepare(&mut self);
    /// Make the record sets serve this.
    fn reconcile(&mut self, order: Order);
    /// Do nothing about this target until the next order.
    fn recall(&mut self, target: IpAddr);
    /// Tell the peers how this agent sees the targets.
    fn announce(&mut self, votes: Announcement);
    /// Answer the operator.
    fn answer(&mut self, ticket: u64, answer: Result<(), DrainRefusal>);
    /// Keep the drains across restarts.
    fn remember(&mut self, drains: BTreeMap<IpAddr, Drain>, now: Moment);
    /// Read the configuration again, and send it in as [`Input::Loaded`].
    fn reload(&mut self);
    /// Take a configuration over; returns what the engine is to work by from now on.
    fn take_over(&mut self, loaded: Loaded) -> Option<Settings>;
    /// The zone was read; the engine knows.
    fn observed(&mut self, engine: &Engine);
    /// Something was heard from or about a peer; the engine is told next.
    fn heard(&mut self, event: &ClusterEvent, now: Moment);
    /// The operator orders something; returns what to tell the engine. It will be answered.
    fn ordered(&mut self, command: Command) -> Event;
    /// A round of the loop is over.
    fn turned(&mut self, engine: &Engine, now: Moment);
}

/// Everything that the driver works with; handed to it, so that a test can hand it something else.
#[derive(Debug)]
pub struct Driver<P, E> {
    /// The decisions.
    pub engine: Engine,
    /// The time.
    pub clock: Clock,
    /// Who sends probes.
    pub probe: Arc<P>,
    /// All else that goes out.
    pub effects: E,
    /// The one queue.
    pub inbox: mpsc::Receiver<Input>,
    /// The other end of the queue, for the answers of probes.
    pub outbox: mpsc::Sender<Input>,
}

/// How long the loop rests at most, so that its heart is heard to beat.
const BEAT: Duration = Duration::from_secs(1);

/// The least time from one reading of the configuration to the next: each costs the DNS worker what it
/// is about to read, and somebody may ask for a hundred a second.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// Whether the configuration is being read. One reading at a time: of two, the later one must
/// count, however long the earlier one takes.
#[derive(Debug, Default)]
struct Reading {
    under_way: bool,
    /// It was asked for since the last reading began; the file may have changed.
    once_more: bool,
    /// Before that none begins.
    not_before: Moment,
}

impl Reading {
    /// When the next one begins, if it was asked for and none is under way.
    fn due(&self) -> Option<Moment> {
        (self.once_more && !self.under_way).then_some(self.not_before)
    }
}

impl<P: Probe, E: Effects> Driver<P, E> {
    /// Runs until it is told to stop; then hands back what it was given, and what failed if that is
    /// why.
    pub async fn run(mut self) -> (Self, Result<(), anyhow::Error>) {
        let mut batch = Vec::new();
        let mut reading = Reading::default();
        // Without a descriptor to spare, Tokio's own timer does as well.
        let mut alarm = self.clock.real.then(Alarm::new).and_then(Result::ok);
        loop {
            // All that has come in is taken before time is told to have passed: an answer that
            // waited in the queue while this process did not run must not be found missing.
            for input in batch.drain(..) {
                if let Some(ended) = self.take(input, &mut reading) {
                    return (self, ended);
                }
            }
            self.handle(Event::Tick);
            self.reload(&mut reading);
            self.effects.turned(&self.engine, self.clock.now());
            self.inputs_or_wake(&mut batch, reading.due(), alarm.as_mut()).await;
        }
    }

    async fn inputs_or_wake(
        &mut self,
        batch: &mut Vec<Input>,
        reload: Option<Moment>,
        alarm: Option<&mut Alarm>,
    ) {
        let beat = self.clock.now() + BEAT;
        let beat = reload.map_or(beat, |reload| reload.min(beat));
        let wake = self.engine.next_wake().map_or(beat, |wake| self.coalesced(wake).min(beat));
        let inputs = self.inbox.recv_many(batch, QUEUE);
        let time_is_up = async {
            match alarm {
                Some(alarm) => alarm.ring(wake, wake.saturating_sub(self.clock.now())).await,
                None => tokio::time::sleep_until(self.clock.started + wake).await,
            }
        };
        tokio::select! {
            biased;
            _ = inputs => {}
            () = time_is_up => {}
        }
    }

    /// When to wake up for what is due at `wake`: in a crowd at the next whole grain.
    fn coalesced(&self, wake: Moment) -> Moment {
        if self.engine.settings().targets.len() < CROWD {
            return wake;
        }
        let grain = GRAIN.as_nanos();
        let wake = wake.as_nanos().div_ceil(grain) * grain;
        Duration::from_nanos(u64::try_from(wake).unwrap_or(u64::MAX))
    }

    /// Takes one input in; says whether that was the end.
    fn take(&mut self, input: Input, reading: &mut Reading) -> Option<Result<(), anyhow::Error>> {
        match input {
            Input::Event(event) => {
                let listed =
                    matches!(event, Event::Dns(DnsReport::Listed(_) | DnsReport::Doubted(_)));
                self.handle(event);
                if listed {
                    self.effects.observed(&self.engine);
                }
            }
            Input::Reload => reading.once_more = true,
            Input::Loaded(loaded) => {
                reading.under_way = false;
                if let Some(settings) = self.effects.take_over(*loaded) {
                    self.handle(Event::Reloaded(Box::new(settings)));
                }
            }
            Input::Cluster(event) => {
                self.effects.heard(&event, self.clock.now());
                self.handle(match event {
                    ClusterEvent::Vote { peer, target, up, age, .. } => {
                        Event::Vote { peer, target, up, age }
                    }
                    ClusterEvent::Abstained { peer, target, .. } => {
                        Event::Abstained { peer, target }
                    }
                    ClusterEvent::Peer { peer, alive, legacy } => {
                        Event::Peer { peer, alive, go: legacy }
                    }
                });
            }
            Input::Command(command) => {
                let event = self.effects.ordered(command);
                self.handle(event);
            }
            Input::Stop => return Some(Ok(())),
            Input::Failed(error) => return Some(Err(error)),
        }
        None
    }

    /// Begins to read the configuration again, if that was asked for and it is time.
    fn reload(&mut self, reading: &mut Reading) {
        let now = self.clock.now();
        if reading.due().is_some_and(|due| now >= due) {
            *reading =
                Reading { under_way: true, once_more: false, not_before: now + RELOAD_EVERY };
            self.effects.reload();
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.clock.now();
        for action in self.engine.handle(now, event) {
            match action {
                Action::Probe(request) => self.send(request),
                Action::Prepare => self.effects.prepare(),
                Action::Reconcile(order) => self.effects.reconcile(order),
                Action::Recall(target) => self.effects.recall(target),
                Action::Announce(votes) => self.effects.announce(votes),
                Action::DrainAnswered { ticket, answer } => self.effects.answer(ticket, answer),
                Action::Remember(drains) => self.effects.remember(drains, now),
                Action::Tell(fact) => self.effects.tell(&self.engine, &fact, now),
            }
        }
    }

    /// Sends a probe; its answer comes in through the queue.
    fn send(&self, request: ProbeRequest) {
        let (probe, outbox) = (Arc::clone(&self.probe), self.outbox.clone());
        tokio::spawn(async move {
            let answer: Answer = probe.probe(request).await;
            let event = Event::Answered { slot: request.slot, seq: request.seq, answer };
            // After the end nobody waits for answers.
            let _ = outbox.send(Input::Event(event)).await;
        });
    }
}
