//! An event loop with scripted probes, a recording observer, and a zone in memory.

mod ended;
mod memory_zone;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::ended::Ended;
use self::memory_zone::MemoryZone;
use crate::agent::clock::Clock;
use crate::agent::confirming;
use crate::agent::event_loop::EventLoop;
use crate::agent::event_loop::departures::Departures;
use crate::agent::ids::Ids;
use crate::agent::input::{Input, QUEUE};
use crate::agent::observers::Observer;
use crate::agent::operator::PendingCommands;
use crate::agent::reload::Reloader;
use crate::agent::state_saver::StateSaver;
use crate::agent::state_store::StateStore;
use crate::agent::zones::{FirstListings, Reconcilers, ZoneCounters, ZoneSurroundings, Zones};
use crate::config::ConfigErrors;
use crate::dns::providers::PublishedService;
use crate::dns::reconciler::handle::FirstListing;
use crate::engine::event::{Fact, ProbeRequest};
use crate::engine::ids::{ServiceId, ZoneId};
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::types::Answer;
use crate::engine::{Engine, Moment};
use crate::probe::Probe;
use crate::settings::{self, Asked, Config};
use crate::systemd::Watchdog;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the address of the `nth` target.
pub(super) fn ip(nth: usize) -> IpAddr {
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    Ipv4Addr::from(base + u32::try_from(nth).unwrap()).into()
}

/// Returns the settings for `count` targets, probed once a second, with half a second to answer.
pub(super) fn settings(count: usize) -> Settings {
    Settings::new(ServiceSettings::new((0..count).map(ip).collect(), "www.example.com"))
}

/// The outcome of the probes of one address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    /// A reply after this time.
    Answers(Duration),
    /// Silence until the prober gives up.
    Silent,
    /// The prober itself never returns.
    NeverEnds,
}

/// A record of everything that happened.
#[derive(Debug, Default)]
struct Recorded {
    sent: Vec<(ProbeRequest, Moment)>,
    facts: Vec<Fact>,
    loads: usize,
    refused_reloads: usize,
    last_iteration: Moment,
    longest_pause: Duration,
}

#[derive(Debug)]
struct ScriptedProbe {
    behaviours: Mutex<BTreeMap<IpAddr, Behaviour>>,
    default: Mutex<Behaviour>,
    recorded: Arc<Mutex<Recorded>>,
    clock: Clock,
}

impl Probe for ScriptedProbe {
    async fn probe(&self, request: &ProbeRequest) -> Answer {
        self.recorded.lock().unwrap().sent.push((*request, self.clock.now()));
        let behaviour = self.behaviours.lock().unwrap().get(&request.endpoint.address).copied();
        match behaviour.unwrap_or_else(|| *self.default.lock().unwrap()) {
            Behaviour::Answers(rtt) => {
                tokio::time::sleep(rtt).await;
                Answer::Reply(rtt)
            }
            Behaviour::Silent => {
                tokio::time::sleep(request.listen_for).await;
                Answer::Silence
            }
            Behaviour::NeverEnds => std::future::pending().await,
        }
    }
}

/// Records facts, refused reloads and iterations.
#[derive(Debug)]
struct Recorder {
    recorded: Arc<Mutex<Recorded>>,
    count: watch::Sender<usize>,
    clock: Clock,
}

impl Observer for Recorder {
    fn fact(&mut self, _: &Engine, fact: &Fact) {
        self.recorded.lock().unwrap().facts.push(fact.clone());
        self.count.send_modify(|count| *count += 1);
    }

    fn reload_refused(&mut self, _: &str) {
        self.recorded.lock().unwrap().refused_reloads += 1;
    }

    fn iteration(&mut self, _: &Engine) {
        let now = self.clock.now();
        let mut recorded = self.recorded.lock().unwrap();
        let pause = now.since(recorded.last_iteration);
        recorded.longest_pause = recorded.longest_pause.max(pause);
        recorded.last_iteration = now;
    }
}

/// Returns a valid configuration. The engine has settings of its own.
fn config() -> Config {
    let text = "[Cloudflare]\ndns_domain = \"example.com\"\nhostnames = [\"www\"]\n\
                ip_addresses = [\"192.0.2.10\"]\n";
    let asked = Asked { tcp: None, provider: None, dry_run: true };
    settings::parse(text, Path::new("goavail.toml"), &asked, &|_| None).unwrap()
}

/// Returns the zones of the settings, all with the provider of `config`.
fn zones(settings: &Settings, config: &Config) -> Zones {
    let mut zones = Zones::new();
    for (id, service) in settings.services() {
        let ServiceSettings { zone, names, targets, .. } = service.clone();
        let mut its = config.zone(0, |_| ServiceId::DEFAULT);
        its.services =
            [(id, PublishedService { names, targets: targets.to_vec(), standbys: vec![] })].into();
        zones.insert(zone, its);
    }
    zones
}

/// An event loop before it runs. All targets answer after 10 ms.
pub(super) struct Harness {
    settings: Settings,
    probe: Arc<ScriptedProbe>,
    /// The zones by their ids. One that is not here does not answer.
    zones: BTreeMap<ZoneId, MemoryZone>,
}

impl Harness {
    pub(super) fn new(settings: Settings) -> Self {
        let default = Mutex::new(Behaviour::Answers(ms(10)));
        let (behaviours, clock) = (Mutex::default(), Clock::start());
        let probe = ScriptedProbe { behaviours, default, recorded: Arc::default(), clock };
        Self { settings, probe: Arc::new(probe), zones: BTreeMap::new() }
    }

    /// Puts records of these addresses into a zone, which does not answer otherwise.
    pub(super) fn publish(&mut self, zone: ZoneId, addresses: &[IpAddr]) {
        self.zones.insert(zone, MemoryZone::with(addresses));
    }

    /// Sets the behaviour of one address.
    pub(super) fn set(&self, address: IpAddr, behaviour: Behaviour) {
        self.probe.behaviours.lock().unwrap().insert(address, behaviour);
    }

    /// Sets the behaviour of all other addresses.
    pub(super) fn set_default(&self, behaviour: Behaviour) {
        *self.probe.default.lock().unwrap() = behaviour;
    }

    /// Starts the loop. Each attempt to read the configuration is recorded, and fails.
    pub(super) fn start(self) -> Running {
        let clock = self.probe.clock;
        let (outbox, inbox) = mpsc::channel(QUEUE);
        let recorded = Arc::clone(&self.probe.recorded);
        let (count, facts) = watch::channel(0);
        let runtime = Handle::current();
        let load = {
            let recorded = Arc::clone(&recorded);
            move || {
                recorded.lock().unwrap().loads += 1;
                Err(ConfigErrors::unread(Path::new("goavail.toml"), "it is gone"))
            }
        };
        let store = Arc::new(StateStore::open(None));
        let config = config();
        let zones = zones(&self.settings, &config);
        let counters = ZoneCounters::default();
        let mut first = FirstListings::default();
        for id in zones.keys() {
            let zone = self.zones.get(id).cloned().unwrap_or_default();
            let (provider, counters) = (Some(Box::new(zone) as _), counters.of(*id));
            first.insert(*id, FirstListing { provider, listed: None, counters });
        }
        let surroundings = ZoneSurroundings {
            talk: runtime.clone(),
            outbox: outbox.clone(),
            store: Arc::clone(&store),
            counters,
            confirmer: confirming::start(&runtime, &zones, outbox.clone()),
        };
        let reconcilers = Reconcilers::start(&zones, first, surroundings);
        let sender = outbox.clone();
        let event_loop = EventLoop {
            engine: Engine::new(self.settings, BTreeMap::new(), clock.now()),
            clock,
            probe: Arc::clone(&self.probe),
            observers: Recorder { recorded: Arc::clone(&recorded), count, clock },
            reconcilers,
            peers: None,
            state: StateSaver::new(store, runtime.clone(), outbox.clone(), clock.now()),
            history: None,
            commands: PendingCommands::default(),
            questions: Vec::new(),
            reloader: Reloader::new(Arc::new(load), runtime, outbox.clone(), Ids::default()),
            ids: Ids::default(),
            config,
            watchdog: Watchdog::default(),
            inbox,
            unhandled: vec![],
            outbox,
            departures: Departures::default(),
        };
        let task = tokio::spawn(async move {
            let event_loop = Box::new(event_loop).run().await.0;
            (event_loop.engine, event_loop.unhandled, clock.now())
        });
        Running { task, sender, recorded, clock, facts, zones: self.zones }
    }
}

/// A running event loop.
pub(super) struct Running {
    task: JoinHandle<(Engine, Vec<Input>, Moment)>,
    sender: mpsc::Sender<Input>,
    recorded: Arc<Mutex<Recorded>>,
    clock: Clock,
    facts: watch::Receiver<usize>,
    zones: BTreeMap<ZoneId, MemoryZone>,
}

impl Running {
    pub(super) async fn send(&self, input: Input) {
        self.sender.send(input).await.unwrap();
    }

    /// Puts `input` into the queue without yielding.
    pub(super) fn try_send(&self, input: Input) {
        self.sender.try_send(input).unwrap();
    }

    /// Returns the number of inputs in the queue.
    pub(super) fn queued(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Returns the probes that were sent, and their times.
    pub(super) fn sent(&self) -> Vec<(ProbeRequest, Moment)> {
        self.recorded.lock().unwrap().sent.clone()
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Waits for `count` facts of one kind.
    pub(super) async fn until(&self, is_it: impl Fn(&Fact) -> bool, count: usize) {
        let mut facts = self.facts.clone();
        let reached = facts.wait_for(|_| {
            let recorded = self.recorded.lock().unwrap();
            recorded.facts.iter().filter(|fact| is_it(fact)).count() >= count
        });
        tokio::time::timeout(ms(3_600_000), reached).await.unwrap().unwrap();
    }

    /// Returns how often the configuration was read.
    pub(super) fn loads(&self) -> usize {
        self.recorded.lock().unwrap().loads
    }

    /// Stops the loop, which must end by itself.
    pub(super) async fn stop(self) -> Ended {
        self.sender.send(Input::Stop).await.unwrap();
        let ended = tokio::time::timeout(ms(3_600_000), self.task).await;
        let (engine, unhandled, at) = ended.expect("the loop ends").unwrap();
        Ended { engine, unhandled, at, zones: self.zones, recorded: self.recorded }
    }
}
