//! Keeps the signs of life that heartbeats depend on.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Observer;
use crate::agent::clock::Clock;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::types::Outcome;
use crate::notify::NoticeCounters;
use crate::notify::heartbeat::{self, HeartbeatConfig, LIVENESS_FLOOR, Pulse};
use crate::settings::Config;

/// The number of intervals within which a probe must come to a result.
const INTERVALS: u32 = 3;

/// Keeps the signs of life that heartbeats depend on, and the task that sends these.
pub(in crate::agent) struct HeartbeatObserver {
    clock: Clock,
    /// The runtime in which heartbeats are sent.
    talk: Handle,
    counters: NoticeCounters,
    sender: Option<HeartbeatSender>,
}

/// The task that sends heartbeats.
struct HeartbeatSender {
    pulse: Arc<Pulse>,
    settings: SenderSettings,
    task: AbortHandle,
}

/// Everything that the task depends on.
#[derive(Debug, Clone, PartialEq)]
struct SenderSettings {
    heartbeat: HeartbeatConfig,
    agent: String,
    probes_within: Duration,
}

impl SenderSettings {
    /// Returns the settings; `None` if no heartbeats are sent.
    fn of(config: &Config) -> Option<Self> {
        let heartbeat = config.sections.heartbeat.clone()?;
        let checks = config.services.iter().flat_map(|service| &service.checks);
        let shortest = checks.map(|check| check.probing.interval).min().unwrap_or_default();
        let probes_within = shortest.saturating_mul(INTERVALS).max(LIVENESS_FLOOR);
        Some(Self { heartbeat, agent: config.name.clone(), probes_within })
    }
}

impl HeartbeatObserver {
    /// Starts to send heartbeats, if the configuration has them, in the runtime of `talk`.
    pub(in crate::agent) fn start(
        config: &Config,
        clock: Clock,
        talk: &Handle,
        counters: &NoticeCounters,
    ) -> Self {
        let (talk, counters) = (talk.clone(), counters.clone());
        let mut observer = Self { clock, talk, counters, sender: None };
        observer.follow(config);
        observer
    }

    /// Follows a configuration: the task stays if nothing that it depends on has changed.
    fn follow(&mut self, config: &Config) {
        let settings = SenderSettings::of(config);
        if self.sender.as_ref().map(|sender| &sender.settings) == settings.as_ref() {
            return;
        }
        let before = self.sender.take();
        if let Some(before) = &before {
            before.task.abort();
        }
        let Some(settings) = settings else { return };
        // The signs of life go on, with the isolation in them.
        let pulse = before.map_or_else(|| Arc::new(Pulse::new(self.now())), |before| before.pulse);
        let SenderSettings { heartbeat, agent, probes_within } = settings.clone();
        let sending = heartbeat::run(
            heartbeat,
            agent,
            Arc::clone(&pulse),
            probes_within,
            self.counters.clone(),
        );
        let task = self.talk.spawn(sending).abort_handle();
        self.sender = Some(HeartbeatSender { pulse, settings, task });
    }

    fn now(&self) -> tokio::time::Instant {
        self.clock.started() + self.clock.now().since_start()
    }
}

impl Observer for HeartbeatObserver {
    fn fact(&mut self, _: &Engine, fact: &Fact) {
        let Some(HeartbeatSender { pulse, .. }) = &self.sender else { return };
        if let Fact::Judged { outcome: Outcome::Reply | Outcome::Loss, .. } = fact {
            pulse.judged(self.now());
        }
    }

    fn reloaded(&mut self, config: &Config) {
        self.follow(config);
    }

    fn iteration(&mut self, engine: &Engine) {
        if let Some(HeartbeatSender { pulse, .. }) = &self.sender {
            pulse.set_isolated(engine.is_isolated());
            pulse.iteration(self.now());
        }
    }
}
