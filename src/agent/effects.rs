//! Where the engine's actions go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::event_loop::{Effects, Input, Loaded};
use super::observers::log as journal;
use super::observers::notices::Teller;
use super::observers::status::Showing;
use super::operator::{Operator, Settled};
use super::peers::Peers;
use super::settings;
use super::state_store::{Keeper, Lasting, wall};
use crate::cluster::ClusterEvent;
use crate::config::{Config, ConfigErrors};
use crate::dns::reconciler::handle::ReconcilerHandle;
use crate::dns::{DnsProvider, providers};
use crate::engine::event::{Announcement, Drain, DrainRefusal, Event, Fact, Order, Settings};
use crate::engine::{Engine, Moment};
use crate::panics::{caught, caught_in};
use crate::probe::tcp;
use crate::status::Command;
use crate::systemd;

/// Reads the configuration again.
pub(super) type Load = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// How long notices may take to be sent at the end.
const LAST_NOTICES: Duration = Duration::from_secs(2);

/// How often a state file that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_mins(1);

/// The real effects.
pub(super) struct Monitor {
    pub(super) config: Config,
    pub(super) talk: Handle,
    pub(super) outbox: mpsc::Sender<Input>,
    pub(super) load: Load,
    /// What the wall clock showed when the driver's began, as far as it is known to be right.
    pub(super) started: SystemTime,
    pub(super) reconciler: ReconcilerHandle,
    pub(super) peers: Option<Peers>,
    pub(super) teller: Teller,
    pub(super) showing: Option<Showing>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) operator: Operator,
    /// Orders that were carried out, and are on the disk before their givers are told so.
    pub(super) settled: Vec<Settled>,
    pub(super) watchdog: Watchdog,
    /// What is to be remembered has changed in this round of the loop.
    pub(super) unwritten: bool,
    /// When the state file is written again after it could not be.
    pub(super) write_again: Moment,
}

/// Feeds systemd's watchdog from the loop itself.
pub(super) struct Watchdog {
    every: Option<Duration>,
    fed: Moment,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self { every: systemd::watchdog_every(), fed: Moment::ZERO }
    }

    fn turned(&mut self, now: Moment) {
        if self.every.is_some_and(|every| now >= self.fed + every) {
            self.fed = now;
            systemd::alive();
        }
    }
}

/// By how much the wall clock must have been set to be looked at again. The loop may be late by less.
const CLOCK_SET: Duration = Duration::from_secs(2);

impl Monitor {
    /// Has drains end when they were meant to, if the wall clock was set.
    fn look_at_the_clock(&mut self, engine: &Engine, now: Moment) {
        let started = wall() - now;
        let (by, ahead) = match started.duration_since(self.started) {
            Ok(by) => (by, true),
            Err(before) => (before.duration(), false),
        };
        if by < CLOCK_SET {
            return;
        }
        let drains = engine.drains();
        let moved = self.keeper.clock_set(&drains, now);
        let event = Input::Event(Event::Redated(moved.clone()));
        if !moved.is_empty() && self.outbox.try_send(event).is_err() {
            // There is no room. The next iteration looks again.
            return;
        }
        self.started = started;
        let direction = if ahead { "ahead" } else { "back" };
        tracing::info!(
            ?by,
            direction,
            drains = drains.len(),
            "the clock was set; drains last as ordered"
        );
        if moved.is_empty() && !drains.is_empty() {
            self.keeper.note_drains(&drains, now);
            self.unwritten = true;
        }
    }

    /// Ends in order: the change in hand may finish, the peers hear a farewell, notices go out.
    pub(super) async fn finish(self, last_change: Duration, failure: Option<String>) {
        systemd::stopping();
        if let Some(why) = &failure {
            self.teller.stopped(why);
        }
        let leave = async {
            if let Some(peers) = self.peers {
                peers.leave().await;
            }
        };
        tokio::join!(self.reconciler.finish(last_change), leave);
        self.teller.close(LAST_NOTICES).await;
        // On the other runtime: this one's end would wait for a disk that hangs.
        let _ = self.talk.spawn(self.keeper.write_in_time()).await;
    }

    /// Writes the state file beside the loop, and then tells those who wait for that.
    pub(super) fn write_state(&mut self) {
        let (keeper, settled) = (Arc::clone(&self.keeper), std::mem::take(&mut self.settled));
        let dry_run = self.config.dry_run;
        self.talk.spawn(async move {
            Arc::clone(&keeper).write_in_time().await;
            let lasting = keeper.lasting();
            for order in settled {
                order.tell(lasting, dry_run);
            }
        });
    }

    /// Names the withdrawn records that nobody looks after once `config` is in force.
    fn say_what_stays_away(&self, config: &Config) {
        let names = settings::names(config);
        let mut away: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
        for (set, address, record) in self.keeper.records().records() {
            if record.came_back_as.is_some() {
                continue;
            }
            if !config.targets.contains(&address) || !names.contains(&set.name) {
                away.entry(address).or_default().push(set.name.clone());
            }
        }
        for (target, names) in away {
            tracing::warn!(
                %target,
                names = names.join(","),
                "taken off the list while withdrawn: its record stays away; put it back by hand if \
                 it is wanted"
            );
        }
    }

    fn refuse(&mut self, why: &str) {
        self.teller.reload_refused(why);
        if let Some(showing) = &mut self.showing {
            showing.reload_refused(why);
        }
        systemd::ready();
    }
}

/// The provider that a new configuration names. Neither a defect nor a disk that hangs may be the
/// end of all reloads.
async fn provider_of(config: &Config) -> anyhow::Result<Box<dyn DnsProvider>> {
    Ok(caught("the DNS provider", providers::build_in_time(config)).await??)
}

impl Effects for Monitor {
    fn tell(&mut self, engine: &Engine, fact: &Fact, _: Moment) {
        journal::write(engine, fact, self.config.dry_run);
        self.teller.tell(engine, fact);
        if let Some(showing) = &mut self.showing {
            showing.tell(engine, fact);
        }
    }

    fn observed(&mut self, engine: &Engine) {
        self.teller.observed(engine);
        if let Some(showing) = &mut self.showing {
            showing.observed(engine);
        }
    }

    fn prepare(&mut self) {
        self.reconciler.request_listing();
    }

    fn reconcile(&mut self, order: Order) {
        self.reconciler.place(order);
    }

    fn recall(&mut self, target: IpAddr) {
        self.reconciler.recall(target);
    }

    fn announce(&mut self, votes: Announcement) {
        if let Some(peers) = &self.peers {
            peers.announce(votes);
        }
    }

    fn answer(&mut self, ticket: u64, answer: Result<(), DrainRefusal>) {
        let Some(settled) = self.operator.settle(ticket, answer) else { return };
        if settled.is_done() {
            // Told when this round of the loop has brought what is to be remembered.
            self.settled.push(settled);
        } else {
            settled.tell(Lasting::Kept, self.config.dry_run);
        }
    }

    fn remember(&mut self, drains: BTreeMap<IpAddr, Drain>, now: Moment) {
        self.keeper.note_drains(&drains, now);
        // Written at the end of this round, once for all that changes in it.
        self.unwritten = true;
    }

    fn reload(&mut self) {
        systemd::reloading();
        tracing::info!(file = %self.config.path.display(), "reading the configuration again");
        let (load, outbox) = (Arc::clone(&self.load), self.outbox.clone());
        let talk = self.talk.clone();
        let file = self.config.path.clone();
        self.talk.spawn(async move {
            let reading = talk.spawn_blocking(move || caught_in("the configuration", || load()));
            let loaded = match reading.await {
                Ok(Ok(loaded)) => loaded,
                Ok(Err(panicked)) => Err(ConfigErrors::unread(&file, &panicked.to_string())),
                Err(gone) => Err(ConfigErrors::unread(&file, &gone.to_string())),
            };
            let provider = match &loaded {
                Ok(config) => provider_of(config).await.map(Some),
                Err(_) => Ok(None),
            };
            // After the end nobody waits for it.
            let _ = outbox.send(Input::Loaded(Box::new(Loaded { config: loaded, provider }))).await;
        });
    }

    fn take_over(&mut self, loaded: Loaded) -> Option<Settings> {
        let (config, provider) = match (loaded.config, loaded.provider) {
            (Ok(config), Ok(Some(provider))) => (config, provider),
            (Err(errors), _) => {
                let why = errors.to_string();
                why.lines().for_each(|line| tracing::error!("configuration refused: {line}"));
                tracing::error!("all of the old configuration stays in force");
                self.refuse(why.lines().next().unwrap_or_default());
                return None;
            }
            (Ok(_), Err(error)) => {
                let why = format!("{error:#}");
                tracing::error!("configuration refused: {why}");
                self.refuse(&why);
                return None;
            }
            (Ok(_), Ok(None)) => return None,
        };
        let config = super::fixed::keep(&self.config, config);
        super::say_what_is_off(&config);
        self.say_what_stays_away(&config);
        self.reconciler.hand_over(&config, provider);
        let _inside = self.talk.enter();
        if let Some(before) = self.teller.take_over(&config) {
            self.talk.spawn(before.close(LAST_NOTICES));
        }
        if let Some(peers) = &self.peers {
            peers.reload(&config);
        }
        if let Some(showing) = &mut self.showing {
            showing.reload(&config);
        }
        tracing::info!(targets = config.targets.len(), "configuration in force");
        let settings = settings::settings(&config, tcp::room());
        self.config = config;
        systemd::ready();
        Some(settings)
    }

    fn heard(&mut self, event: &ClusterEvent, _: Moment) {
        if let Some(showing) = &mut self.showing {
            showing.heard(event);
        }
    }

    fn ordered(&mut self, command: Command) -> Event {
        self.operator.take(command, wall())
    }

    fn turned(&mut self, engine: &Engine, now: Moment) {
        self.watchdog.turned(now);
        self.look_at_the_clock(engine, now);
        self.reconciler.beat();
        if let Some(peers) = &self.peers {
            peers.turned();
        }
        let again = now >= self.write_again && {
            self.write_again = now + WRITE_AGAIN;
            self.keeper.is_behind()
        };
        if let Some(showing) = self.showing.as_mut().filter(|_| !self.settled.is_empty()) {
            showing.publish();
        }
        if std::mem::take(&mut self.unwritten) || !self.settled.is_empty() || again {
            self.write_state();
        }
        if let Some(showing) = &mut self.showing {
            let peers = self.peers.as_ref();
            let votes = || peers.map(Peers::counts).unwrap_or_default();
            showing.turned(engine, self.reconciler.counters(), self.teller.tally(), votes);
        }
    }
}
