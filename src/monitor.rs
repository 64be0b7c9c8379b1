//! `goavail monitor`: builds everything, hands it to the driver, and ends in order.
//!
//! Two runtimes: the main thread's drives the engine and the probes and does nothing else, so that
//! a TLS handshake never holds up an echo reply; the other talks to providers and people.

mod effects;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::config::{Config, ConfigErrors};
use crate::dns::chosen::Chosen;
use crate::dns::{DnsProvider, Listing, ProviderError};
use crate::driver::{Clock, Driver, Input, QUEUE, settings};
use crate::engine::Engine;
use crate::probe::{Prober, icmp::Icmp, tcp};
use effects::{Monitor, Outside};

/// How long after the start a rehearsal begins.
const REHEARSE_AFTER: Duration = Duration::from_secs(5);

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

/// Watches until SIGTERM or SIGINT. `load` reads the configuration again.
///
/// # Errors
///
/// [`Ended::Refused`] if the provider refuses credentials or zone at the start;
/// [`Ended::Stopped`] if a socket or a listener cannot be opened.
pub fn run(
    config: Config,
    rehearse: Option<IpAddr>,
    load: impl Fn() -> Result<Config, ConfigErrors> + Send + Sync + 'static,
) -> Result<(), Ended> {
    let main = Builder::new_current_thread().enable_all().build()?;
    let talk = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ended = main.block_on(watch(config, rehearse, Arc::new(load), &talk));
    // Whatever still waits for somebody has had its time.
    talk.shutdown_background();
    ended
}

async fn watch(
    config: Config,
    rehearse: Option<IpAddr>,
    load: effects::Load,
    talk: &Runtime,
) -> Result<(), Ended> {
    // First of all: a signal that nobody has registered for would end the process.
    let signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
    end_on_panic();
    say_what_is_off(&config);
    let icmp = Icmp::new();
    icmp.open_for(pinged(&config))?;
    let (provider, listing) = talk.spawn(first_reading(config.clone())).await??;

    let (outbox, inbox) = mpsc::channel(QUEUE);
    let clock = Clock::start_real();
    let settings = settings::settings(&config, tcp::room());
    let outside = Outside { outbox: outbox.clone(), talk: talk.handle().clone(), load };
    let effects = Monitor::start(&config, outside, provider, listing);
    let mut engine = Engine::new(settings, effects.drains(), clock.now());
    if let Some(target) = rehearse {
        engine = engine.rehearsing(target, REHEARSE_AFTER);
    }
    say_hello(&config, &icmp);
    let signals = tokio::spawn(forward(signals, outbox.clone()));
    let probe = Arc::new(Prober::new(icmp));
    let driver = Driver { engine, clock, probe, effects, inbox, outbox };
    let Driver { effects, mut inbox, .. } = driver.run().await;

    tracing::info!("stopping; records stay as they are");
    tokio::select! {
        () = effects.finish(LAST_CHANGE) => {}
        () = asked_again(&mut inbox) => tracing::warn!("stopped at once"),
    }
    signals.abort();
    Ok(())
}

/// A second signal to stop.
async fn asked_again(inbox: &mut mpsc::Receiver<Input>) {
    while let Some(input) = inbox.recv().await {
        if matches!(input, Input::Stop) {
            return;
        }
    }
    std::future::pending().await
}

/// Reads the zone once. A refusal is final where something is to be written; a provider that cannot
/// be reached is not.
async fn first_reading(config: Config) -> Result<(Chosen, Option<Listing>), Ended> {
    let provider = Chosen::build(&config).await?;
    match provider.list().await {
        Ok(listing) => Ok((provider, Some(listing))),
        Err(error @ ProviderError::Refused { .. }) => Err(Ended::Refused(error)),
        Err(error) => {
            tracing::warn!("goes on without having read the zone: {}", crate::chain(&error));
            Ok((provider, None))
        }
    }
}

/// The addresses that are asked by echo request.
fn pinged(config: &Config) -> Vec<IpAddr> {
    let canaries = config.canaries.iter().filter(|canary| canary.port.is_none());
    let mut addresses: Vec<_> = canaries.map(|canary| canary.address).collect();
    if config.tcp_port.is_none() {
        addresses.extend(&config.targets);
    }
    addresses
}

fn say_what_is_off(config: &Config) {
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if let Some(line) = config.guards_off_in_words() {
        tracing::warn!("{line}");
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
async fn forward(mut signals: Signals, outbox: mpsc::Sender<Input>) {
    while let Some(signal) = signals.next().await {
        let input = if signal == SIGHUP { Input::Reload } else { Input::Stop };
        if outbox.send(input).await.is_err() {
            return;
        }
    }
}

/// A task that dies takes the program down with its reason, so that the supervisor restarts it:
/// nothing dies in silence.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        #[expect(clippy::print_stderr, reason = "the last word, printed once")]
        {
            eprintln!("goavail: stopped by a defect: {panic}");
        }
        std::process::exit(1);
    }));
}
