//! `goavail monitor`: builds everything, hands it to the driver, and ends in order.
//!
//! Two runtimes: the main thread's drives the engine and the probes and does nothing else, so that
//! a TLS handshake never holds up an echo reply; the other talks to providers and people.

mod calendar;
mod effects;
pub mod event_loop;
mod fixed;
pub mod observers;
mod operator;
mod peers;
pub mod settings;
mod state_store;
mod timer;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use crate::config::{Config, ConfigErrors, Endpoint};
use crate::dns::metered::{Metered, ProviderCounters};
use crate::dns::providers::{self, BuildError};
use crate::dns::reconciler::handle::{FirstListing, ReconcilerHandle, Surroundings};
use crate::dns::{DnsProvider, ProviderError};
use crate::engine::Engine;
use crate::engine::event::{Action, DnsReport, Drain, Event};
use crate::file;
use crate::panics::caught;
use crate::probe::checks::CheckKind;
use crate::probe::icmp::{HintSender, Icmp};
use crate::probe::{NetworkProber, Opens, tcp};
use crate::systemd;
use crate::text::visible;
use effects::{Monitor, Watchdog};
use event_loop::{Clock, Driver, Input, QUEUE};
use observers::log as journal;
use observers::notices::Teller;
use observers::status::Showing;
use operator::Operator;
use peers::Peers;
use state_store::{Keeper, Records};

/// How long after the start a rehearsal begins.
const REHEARSE_AFTER: Duration = Duration::from_secs(5);

/// How long the last reports may take on their way here.
const LAST_REPORTS: Duration = Duration::from_millis(50);

/// The number of drains that are named one by one at the start.
const MOST_NAMED: usize = 3;

/// How long the state file may take at the start: what reading it may, and a little to find it.
const STATE_MAY_TAKE: Duration = file::MAY_TAKE.saturating_add(Duration::from_secs(1));

/// How long the change in hand may take to finish at the end.
const LAST_CHANGE: Duration = Duration::from_secs(5);

/// Why monitoring ended otherwise than as asked.
#[derive(Debug)]
pub enum Ended {
    /// The provider refused what the configuration says.
    Refused(ProviderError),
    /// A failure while starting or running.
    Stopped(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Stopped(error.into())
    }
}

/// Keeps SIGHUP from ending the process from now on. To be called before the configuration is read
/// for the first time; what comes back tells [`run`] whether to read it again.
///
/// # Errors
///
/// If the signal cannot be registered for.
pub fn hold_sighup() -> std::io::Result<Arc<AtomicBool>> {
    let came = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&came))?;
    Ok(came)
}

/// Watches until SIGTERM or SIGINT. `load` reads the configuration again, which is done at once if
/// `sighup` came before.
///
/// # Errors
///
/// [`Ended::Refused`] if the provider refuses credentials or zone at the start;
/// [`Ended::Stopped`] if a socket or a listener cannot be opened.
pub fn run(
    config: Config,
    rehearse: Option<IpAddr>,
    load: impl Fn() -> Result<Config, ConfigErrors> + Send + Sync + 'static,
    sighup: &AtomicBool,
) -> Result<(), Ended> {
    let (main, talk) = runtimes().context("cannot set up waiting for replies and answers")?;
    let ended = main.block_on(watch(config, rehearse, Arc::new(load), &talk, sighup));
    // Whatever still waits for somebody has had its time.
    talk.shutdown_background();
    ended
}

/// The one for probes and decisions, and the one for requests.
fn runtimes() -> std::io::Result<(Runtime, Runtime)> {
    file::room_for_a_runtime()?;
    let main = Builder::new_current_thread().enable_all().build()?;
    file::room_for_a_runtime()?;
    let talk = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    Ok((main, talk))
}

async fn watch(
    config: Config,
    rehearse: Option<IpAddr>,
    load: effects::Load,
    talk: &Runtime,
    sighup: &AtomicBool,
) -> Result<(), Ended> {
    // First of all: a signal that nobody has registered for would end the process.
    let signals = Signals::new([SIGHUP, SIGTERM, SIGINT]).context("cannot wait for signals")?;
    say_what_is_off(&config);
    let (outbox, inbox) = mpsc::channel(QUEUE);
    let icmp = Icmp::new(&hints(outbox.clone()));
    icmp.open_for(&on_shared_sockets(&config))?;
    let (stops, mut stopped) = watch::channel(0);
    if sighup.load(Ordering::SeqCst) {
        outbox.send(Input::Reload).await?;
    }
    tokio::spawn(forward(signals, outbox.clone(), stops));
    let clock = Clock::start_real();
    let settings = settings::settings(&config, tcp::room());
    let effects = tokio::select! {
        started = start(config, load, clock, talk, &outbox) => started?,
        () = times(&mut stopped, 1) => return Ok(()),
    };
    let drains = effects.keeper.drains(clock.now());
    say_what_is_drained(&drains);
    let mut engine = Engine::new(settings, drains, clock.now());
    if let Some(target) = rehearse {
        engine = engine.rehearsing(target, clock.now() + REHEARSE_AFTER);
    }
    say_hello(&effects.config, &icmp);
    systemd::ready();
    let probe = Arc::new(NetworkProber::new(icmp));
    let driver = Driver { engine, clock, probe, effects, inbox, outbox };
    // A task of its own: each waking of the future that a runtime blocks on is a system call.
    let (driver, ended) = tokio::spawn(driver.run()).await?;
    let Driver { mut engine, effects, mut inbox, .. } = driver;

    match &ended {
        Ok(()) => tracing::info!("stopping; records stay as they are"),
        Err(error) => tracing::error!("stopping, for a part has failed: {error:#}"),
    }
    let failure = ended.as_ref().err().map(|error| format!("{error:#}"));
    let dry_run = effects.config.dry_run;
    tokio::select! {
        () = effects.finish(LAST_CHANGE, failure) => {}
        () = times(&mut stopped, 2) => tracing::warn!("stopped at once"),
        () = tell_the_rest(&mut engine, &mut inbox, clock, dry_run) => {}
    }
    // What was reported last may still be on its way here.
    let rest = tell_the_rest(&mut engine, &mut inbox, clock, dry_run);
    let _ = tokio::time::timeout(LAST_REPORTS, rest).await;
    Ok(ended?)
}

/// Writes down what the DNS worker still reports while the agent ends; nothing new is begun.
async fn tell_the_rest(
    engine: &mut Engine,
    inbox: &mut mpsc::Receiver<Input>,
    clock: Clock,
    dry_run: bool,
) {
    while let Some(input) = inbox.recv().await {
        let Input::Event(event @ Event::Dns(_)) = input else { continue };
        for action in engine.handle(clock.now(), event) {
            if let Action::Tell(fact) = action {
                journal::write(engine, &fact, dry_run);
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Opens everything, reads the zone once, and starts what runs beside the loop.
async fn start(
    config: Config,
    load: effects::Load,
    clock: Clock,
    talk: &Runtime,
    outbox: &mpsc::Sender<Input>,
) -> Result<Monitor, Ended> {
    let handle = talk.handle().clone();
    let state_file = config.state_file.clone();
    let keeper = Keeper::open_within(STATE_MAY_TAKE, state_file, &handle, Keeper::open);
    let keeper = Arc::new(keeper.await?);
    let showing = Showing::start(&config, clock, outbox)?;
    let peers = Peers::start(&config, &handle, outbox.clone(), clock).await?;
    let first = talk.spawn(first_reading(config.clone())).await??;
    let surroundings = Surroundings {
        runtime: handle.clone(),
        reports: reports(&handle, outbox.clone()),
        store: Arc::new(Records { keeper: Arc::clone(&keeper) }),
    };
    let reconciler = ReconcilerHandle::start(&config, surroundings, first);
    let _inside = talk.enter();
    Ok(Monitor {
        teller: Teller::start(&config),
        started: state_store::wall() - clock.now(),
        talk: handle,
        outbox: outbox.clone(),
        load,
        reconciler,
        peers,
        showing,
        keeper,
        operator: Operator::default(),
        settled: vec![],
        // Shows at the start, and not when it is needed, whether the state file can be written.
        unwritten: true,
        watchdog: Watchdog::new(),
        write_again: Duration::ZERO,
        config,
    })
}

/// Waits until it was asked to stop so many times.
async fn times(stopped: &mut watch::Receiver<u32>, count: u32) {
    if stopped.wait_for(|stops| *stops >= count).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The number of reports of the reconciler that may wait.
const REPORTS: usize = 64;

/// Returns the channel for the reports of the reconciler, which go into the driver's queue.
fn reports(talk: &tokio::runtime::Handle, outbox: mpsc::Sender<Input>) -> mpsc::Sender<DnsReport> {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    talk.spawn(async move {
        while let Some(report) = reported.recv().await {
            if outbox.send(Input::Event(Event::Dns(report))).await.is_err() {
                return;
            }
        }
    });
    reports
}

/// Reads the zone once. A refusal is final where something is to be written; a provider that cannot
/// be reached is not, nor is a defect of it.
async fn first_reading(config: Config) -> Result<FirstListing, Ended> {
    let unread = |why: &dyn std::fmt::Display| {
        tracing::warn!("goes on without having read the zone: {why}");
    };
    let reading = async {
        let built = match providers::build_in_time(&config).await {
            Err(error @ BuildError::TimedOut) => {
                unread(&error);
                return Ok(FirstListing::default());
            }
            built => built?,
        };
        let counters = ProviderCounters::default();
        let provider: Box<dyn DnsProvider> = Box::new(Metered::new(built, counters.clone()));
        let listing = match provider.list().await {
            Ok(listing) => Some(listing),
            Err(error @ ProviderError::Refused { .. }) => return Err(Ended::Refused(error)),
            Err(error) => {
                unread(&crate::chain(&error));
                None
            }
        };
        Ok(FirstListing { provider: Some(provider), listing, counters })
    };
    caught("the DNS provider", reading).await.unwrap_or_else(|panicked| {
        tracing::error!("goes on without having read the zone: {panicked}");
        Ok(FirstListing::default())
    })
}

/// Passes on what the prober hears while a probe is on its way. Where the queue is full it is left
/// out: it hurries, and decides nothing.
fn hints(outbox: mpsc::Sender<Input>) -> HintSender {
    Arc::new(move |event| _ = outbox.try_send(Input::Event(event)))
}

/// Returns the addresses that are probed on shared sockets: canaries first.
fn on_shared_sockets(config: &Config) -> Vec<IpAddr> {
    let canaries = config.canaries.iter().copied();
    let port = config.tcp_port;
    let targets = config.targets.iter().map(|address| Endpoint { address: *address, port });
    let mut addresses = Vec::new();
    for endpoint in canaries.chain(targets) {
        if CheckKind::of(endpoint).opens() == Opens::SharedSocket {
            addresses.push(endpoint.address);
        }
    }
    addresses
}

fn say_what_is_off(config: &Config) {
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if let Some(network) = &config.network {
        tracing::info!("{network}");
    }
    if let Some(line) = config.guards_off_in_words() {
        tracing::warn!("guards off: {line}");
    }
}

/// Names the drains that outlived the restart: each of a few, of many the first ones.
fn say_what_is_drained(drains: &BTreeMap<IpAddr, Drain>) {
    for (target, drain) in drains.iter().take(MOST_NAMED) {
        let why = &*visible(drain.reason.as_deref().unwrap_or("no reason given"));
        tracing::warn!(%target, why, "still drained by hand, as before the restart");
    }
    match drains.len().saturating_sub(MOST_NAMED) {
        0 => {}
        more => tracing::warn!("and {more} more are still drained by hand, as before the restart"),
    }
}

fn say_hello(config: &Config, icmp: &Icmp) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        name = config.name,
        targets = config.targets.len(),
        provider = config.provider.name(),
        dry_run = config.dry_run,
        socket = icmp.kind().unwrap_or("none"),
        "watching"
    );
}

/// Passes signals on.
async fn forward(mut signals: Signals, outbox: mpsc::Sender<Input>, stops: watch::Sender<u32>) {
    while let Some(signal) = signals.next().await {
        let input = if signal == SIGHUP { Input::Reload } else { Input::Stop };
        if signal != SIGHUP {
            stops.send_modify(|stops| *stops += 1);
        }
        if outbox.send(input).await.is_err() {
            return;
        }
    }
}
