//! `goavail monitor`: the agent, from its parts to an orderly end.
//!
//! - `event_loop`: owns the engine, and carries out its actions
//! - `input`: everything that the event loop receives; `clock`, `timer`: time
//! - `zones`: the first listing of each zone, and the reconcilers
//! - `confirming`: the proof of effect, and its news
//! - `observers`: the log, notices and status
//! - `peers`: the cluster's task
//! - `operator`: the operator's commands
//! - `state_store`, `state_saver`, `calendar`: the memory across restarts, and the dates of drains
//! - `reload`, `fixed`, `settings`: the configuration, and its changes; `ids`: the ids of services
//!   and zones by name
//! - `history`: the grounds of the decisions, in a file
//! - `startup`: the first log lines, and the rehearsal
//! - `signals`, `tasks`: the process
//!
//! There are two runtimes. The main thread's drives the engine and the probes alone, so that a TLS
//! handshake never delays an echo reply; the other one talks to providers, peers and people.

mod calendar;
mod clock;
mod confirming;
mod event_loop;
mod fixed;
mod history;
mod ids;
mod input;
mod observers;
mod operator;
mod peers;
pub(crate) mod questions;
mod reload;
mod settings;
mod signals;
mod startup;
mod state_saver;
mod state_store;
mod tasks;
mod timer;
mod zones;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config::ConfigErrors;
use crate::dns::ProviderError;
use crate::engine::event::{Action, DnsProblem, DnsProblemKind, Event};
use crate::engine::{Engine, Moment};
use crate::file;
use crate::probe::details::Details;
use crate::probe::icmp::Icmp;
use crate::probe::{NetworkProber, Tools, tcp};
use crate::settings::Config;
use crate::status::CommandTarget;
use crate::systemd::{self, Watchdog};
use crate::text::error_chain;
use clock::Clock;
use event_loop::EventLoop;
use event_loop::departures::Departures;
use history::HistoryKeeper;
use ids::Ids;
use input::{Input, QUEUE};
use observers::heartbeat::HeartbeatObserver;
use observers::log::LogObserver;
use observers::notices::NoticeObserver;
use observers::status::{CounterSources, StatusObserver};
use observers::warnings::WarningObserver;
use observers::{Observer, Observers};
use operator::PendingCommands;
use peers::{ClusterLink, VoteCounters};
use reload::{Load, Reloader};
use signals::StopRequests;
use state_saver::StateSaver;
use state_store::StateStore;
use tasks::Runtimes;
use zones::{Reconcilers, ZoneCounters, ZoneSurroundings, first_listings};

pub(crate) use signals::hold_sighup;

/// Time from the start to the beginning of a rehearsal.
const REHEARSE_AFTER: Duration = Duration::from_secs(5);

/// Maximum time for the last reports to arrive.
const LAST_REPORTS: Duration = Duration::from_millis(50);

/// Maximum time to read the state file at the start: to find it, and to read it.
const STATE_FILE_LIMIT: Duration = file::MAY_TAKE.saturating_add(Duration::from_secs(1));

/// The reason why monitoring ended without a request to stop.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The provider refused the credentials or the zone at the start.
    Refused(ProviderError),
    /// A failure while starting or running.
    Stopped(anyhow::Error),
}

impl Ended {
    /// Returns the reason as a problem of one zone, while the agent continues with others.
    fn into_problem(self) -> DnsProblem {
        let (kind, what) = match self {
            Self::Refused(error) => (DnsProblemKind::Refused, error_chain(&error)),
            Self::Stopped(error) => (DnsProblemKind::Defect, error_chain(error.as_ref())),
        };
        DnsProblem { kind, what, retry_in: None }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Stopped(error.into())
    }
}

/// The event loop of an agent.
type AgentLoop = EventLoop<NetworkProber, Observers>;

/// Monitors until SIGTERM or SIGINT. `load` reads the configuration again, which happens at once if
/// `sighup` is set.
///
/// # Errors
///
/// [`Ended::Refused`] if the provider refuses the credentials or the zone at the start;
/// [`Ended::Stopped`] if a socket or a listener cannot be opened, or a part fails.
pub(crate) fn run(
    config: Config,
    rehearse: Option<CommandTarget>,
    load: impl Fn() -> Result<Config, ConfigErrors> + Send + Sync + 'static,
    sighup: &AtomicBool,
) -> Result<(), Ended> {
    let Runtimes { main, talk } = Runtimes::start().context("cannot start the runtimes")?;
    let ended = main.block_on(monitor(config, rehearse, Arc::new(load), talk.handle(), sighup));
    // The tasks that still run have had their time.
    talk.shutdown_background();
    ended
}

/// Monitors in the runtime of probes and decisions; `talk` is the other one.
async fn monitor(
    config: Config,
    rehearse: Option<CommandTarget>,
    load: Load,
    talk: &Handle,
    sighup: &AtomicBool,
) -> Result<(), Ended> {
    let (outbox, inbox) = mpsc::channel(QUEUE);
    // First of all, since a signal without a handler would end the process.
    let mut stop = signals::forward(outbox.clone()).context("cannot wait for signals")?;
    startup::log_notes(&config);
    let icmp = Icmp::new();
    let ids = Ids::default();
    icmp.open_for(&startup::on_shared_sockets(&config, &ids))?;
    if sighup.load(Ordering::SeqCst) {
        outbox.send(Input::Reload).await?;
    }
    let reloader = Reloader::new(load, talk.clone(), outbox.clone(), ids.clone());
    let start = AgentStart { rehearse, icmp, ids, reloader, talk: talk.clone(), inbox, outbox };
    let agent = tokio::select! {
        started = start.agent(config) => started?,
        () = stop.reach(1) => return Ok(()),
    };
    // A task of its own: each wake-up of the future that a runtime blocks on is a system call.
    let (agent, ended) = tokio::spawn(Box::new(agent).run()).await?;
    Box::pin(end(*agent, ended.as_ref().err(), &mut stop)).await;
    Ok(ended?)
}

/// The parts from which an agent starts.
struct AgentStart {
    rehearse: Option<CommandTarget>,
    icmp: Icmp,
    ids: Ids,
    reloader: Reloader,
    talk: Handle,
    inbox: mpsc::Receiver<Input>,
    outbox: mpsc::Sender<Input>,
}

impl AgentStart {
    /// Opens sockets and files, lists each zone once, and starts the tasks beside the event loop.
    async fn agent(self, config: Config) -> Result<AgentLoop, Ended> {
        let Self { rehearse, icmp, ids, reloader, talk, inbox, outbox } = self;
        let clock = Clock::start_real();
        let settings = settings::settings(&config, &ids, tcp::room());
        let path = config.sections.state_file.clone();
        let store = StateStore::open_within(STATE_FILE_LIMIT, path, &talk, StateStore::open).await;
        let store = Arc::new(store?);
        let details = Arc::<Details>::default();
        let mut status =
            StatusObserver::start(&config, &ids, clock, &outbox, Arc::clone(&details))?;
        let services = settings::watched_services(&config, &ids);
        let peers = ClusterLink::start(&config, services, &talk, outbox.clone(), clock).await?;
        let (zones, counters) = (settings::zones(&config, &ids), ZoneCounters::default());
        let first = talk.spawn(first_listings(zones.clone(), counters.clone())).await??;
        let surroundings = ZoneSurroundings {
            talk: talk.clone(),
            outbox: outbox.clone(),
            store: Arc::clone(&store),
            counters,
            confirmer: confirming::start(&talk, &zones, outbox.clone()),
        };
        let reconcilers = Reconcilers::start(&zones, first, surroundings);
        let notices = NoticeObserver::start(&config, &talk, clock, Arc::clone(&store));
        let drains = store.drains(&settings, &ids, clock.now());
        let mut engine = Engine::new(settings, drains, clock.now());
        startup::log_drains(&engine);
        startup::log_start(&config, engine.settings(), &icmp);
        // A rehearsal is no past to learn from.
        let recorded = config.sections.history.clone().filter(|_| rehearse.is_none());
        engine = rehearsing(engine, rehearse, clock.now() + REHEARSE_AFTER);
        let history = HistoryKeeper::start_if(recorded, &mut engine, clock.now())?;
        if let Some(status) = &mut status {
            status.follow(counter_sources(&reconcilers, peers.as_ref(), &notices));
            status.follow_history(history.as_ref().map(HistoryKeeper::state));
        }
        let warnings = WarningObserver::new(Arc::clone(&details), ids.clone());
        let heartbeat = HeartbeatObserver::start(&config, clock, &talk, notices.counters());
        systemd::ready();
        Ok(EventLoop {
            engine,
            clock,
            probe: Arc::new(prober(icmp, &ids, details)),
            observers: Observers { log: LogObserver, notices, warnings, heartbeat, status },
            reconcilers,
            peers,
            state: StateSaver::new(store, talk, outbox.clone(), clock.now()),
            history,
            commands: PendingCommands::default(),
            questions: Vec::new(),
            reloader,
            ids,
            config,
            watchdog: Watchdog::new(),
            inbox,
            unhandled: vec![],
            outbox,
            departures: Departures::default(),
        })
    }
}

/// Returns the counters of these parts.
fn counter_sources(
    reconcilers: &Reconcilers,
    peers: Option<&ClusterLink>,
    notices: &NoticeObserver,
) -> CounterSources {
    let votes = peers.map_or_else(VoteCounters::default, ClusterLink::counters);
    CounterSources::of(reconcilers.counters().clone(), votes, notices.counters().clone())
}

/// Returns the agent with a rehearsal of these targets, if there is one.
fn rehearsing(engine: Engine, wanted: Option<CommandTarget>, begin: Moment) -> Engine {
    let Some(wanted) = wanted else { return engine };
    let targets = startup::rehearsed(&wanted, engine.settings());
    engine.rehearsing(&targets, begin)
}

/// Returns the sender of all probes of this process.
fn prober(icmp: Icmp, ids: &Ids, details: Arc<Details>) -> NetworkProber {
    NetworkProber::new(Tools::new(icmp, Arc::clone(ids.requests()), details).of_this_process())
}

/// Ends in order: the current change to DNS may finish, the peers are notified, notices are sent. A
/// second request to stop ends it at once.
async fn end(agent: AgentLoop, failure: Option<&anyhow::Error>, stop: &mut StopRequests) {
    let failure = failure.map(|error| format!("{error:#}"));
    match &failure {
        None => tracing::info!("stopping; records stay as they are"),
        Some(error) => tracing::error!("stopping because a part failed: {error}"),
    }
    let EventLoop { engine, clock, observers, reconcilers, peers, state, history, .. } = agent;
    if let Some(history) = history {
        history.close(clock.now());
    }
    let EventLoop { config, inbox, unhandled, .. } = agent;
    let Observers { log, mut notices, .. } = observers;
    let closing = async {
        systemd::stopping();
        if let Some(reason) = &failure {
            notices.stopped(reason);
        }
        let leave = async {
            if let Some(peers) = peers {
                peers.leave().await;
            }
        };
        let mut last = LastFacts { engine, clock, log, notices, unhandled, inbox };
        tokio::select! {
            _ = async { tokio::join!(reconcilers.finish(), leave) } => {}
            () = last.observe() => {}
        }
        // The last reports may still be on their way.
        let _ = tokio::time::timeout(LAST_REPORTS, last.observe()).await;
        last.notices.close().await;
        state.close(config.dry_run).await;
    };
    tokio::select! {
        () = closing => {}
        () = stop.reach(2) => tracing::warn!("stopped at once by a second signal"),
    }
}

/// Logs the reports of the reconcilers while the agent ends, and sends notices about them. No new
/// action is carried out.
struct LastFacts {
    engine: Engine,
    clock: Clock,
    log: LogObserver,
    notices: NoticeObserver,
    /// The inputs received together with the request to stop.
    unhandled: Vec<Input>,
    inbox: mpsc::Receiver<Input>,
}

impl LastFacts {
    /// Observes reports for as long as it is polled.
    async fn observe(&mut self) {
        for input in std::mem::take(&mut self.unhandled) {
            self.observe_report(input);
        }
        while let Some(input) = self.inbox.recv().await {
            self.observe_report(input);
        }
        std::future::pending::<()>().await;
    }

    /// Observes the facts of a report of a reconciler.
    fn observe_report(&mut self, input: Input) {
        let Input::Event(event @ Event::Dns(..)) = input else { return };
        for action in self.engine.handle(self.clock.now(), event) {
            if let Action::Report(fact) = action {
                self.log.fact(&self.engine, &fact);
                self.notices.fact(&self.engine, &fact);
            }
        }
    }
}
