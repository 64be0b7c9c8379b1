//! Where the engine's actions go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigErrors};
use crate::dns::Listing;
use crate::dns::chosen::Chosen;
use crate::dns::memory::Memory;
use crate::dns::worker::{Desk, Worker};
use crate::driver::{Effects, Input, journal, settings};
use crate::engine::event::{Drain, DrainRefusal, Event, Fact, Order, Settings};
use crate::engine::{Engine, Moment};
use crate::probe::tcp;

/// Reads the configuration again.
pub(super) type Load = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// How many reports of the DNS worker may wait.
const REPORTS: usize = 64;

/// What every effect needs of the program around it.
pub(super) struct Outside {
    /// The driver's queue.
    pub(super) outbox: mpsc::Sender<Input>,
    /// Where what talks to others runs.
    pub(super) talk: Handle,
    /// Reads the configuration again.
    pub(super) load: Load,
}

/// The real effects.
pub(super) struct Monitor {
    outside: Outside,
    config: Config,
    desk: watch::Sender<Desk>,
    worker: JoinHandle<Memory>,
}

impl Monitor {
    pub(super) fn start(
        config: &Config,
        outside: Outside,
        provider: Chosen,
        listing: Option<Listing>,
    ) -> Self {
        let (desk, orders) = watch::channel(Desk::default());
        let reading = listing.map(|listing| (crate::dns::worker::now(), listing));
        let memory = Memory::default();
        let worker = Worker {
            provider,
            names: settings::names(config).to_vec(),
            desk: orders,
            reports: reports(&outside),
            memory,
            remember: |_: &Memory| {},
            reading,
        };
        let worker = outside.talk.spawn(worker.run());
        Self { outside, config: config.clone(), desk, worker }
    }

    /// The drains that are remembered.
    pub(super) fn drains(&self) -> BTreeMap<IpAddr, Drain> {
        BTreeMap::new()
    }

    /// Ends in order: the change in hand may finish.
    pub(super) async fn finish(self, patience: Duration) {
        self.desk.send_modify(|desk| desk.stop = true);
        if tokio::time::timeout(patience, self.worker).await.is_err() {
            tracing::warn!("the change in hand did not finish in time; it may be in force or not");
        }
    }

    /// Another worker takes over, with another provider, once the change in hand is finished.
    fn replace_worker(&mut self, config: &Config) {
        let (desk, orders) = watch::channel(Desk::default());
        let before = std::mem::replace(&mut self.desk, desk);
        before.send_modify(|desk| desk.stop = true);
        let reports = reports(&self.outside);
        let config = config.clone();
        let start = async move |memory: Memory| {
            let provider = match Chosen::build(&config).await {
                Ok(provider) => provider,
                Err(error) => panic!("{}", crate::chain(&error)),
            };
            let names = settings::names(&config).to_vec();
            let remember = |_: &Memory| {};
            Worker { provider, names, desk: orders, reports, memory, remember, reading: None }
                .run()
                .await
        };
        // A placeholder until the line below puts the new one in.
        let last = std::mem::replace(
            &mut self.worker,
            self.outside.talk.spawn(async { Memory::default() }),
        );
        self.worker = self.outside.talk.spawn(async move {
            let memory = last.await.unwrap_or_default();
            start(memory).await
        });
    }
}

/// Where a worker's reports go: into the driver's queue.
fn reports(outside: &Outside) -> mpsc::Sender<crate::engine::event::DnsReport> {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let outbox = outside.outbox.clone();
    outside.talk.spawn(async move {
        while let Some(report) = reported.recv().await {
            if outbox.send(Input::Event(Event::Dns(report))).await.is_err() {
                return;
            }
        }
    });
    reports
}

impl Effects for Monitor {
    fn tell(&mut self, _: &Engine, fact: &Fact, _: Moment) {
        journal::write(fact, self.config.dry_run);
    }

    fn prepare(&mut self) {
        self.desk.send_modify(|desk| desk.readings += 1);
    }

    fn reconcile(&mut self, order: Order) {
        self.desk.send_modify(|desk| {
            desk.order = order;
            desk.number += 1;
        });
    }

    fn announce(&mut self, _: BTreeMap<IpAddr, bool>) {}

    fn answer(&mut self, _: u64, _: Result<(), DrainRefusal>) {}

    fn remember(&mut self, _: BTreeMap<IpAddr, Drain>, _: Moment) {}

    fn reload(&mut self) {
        tracing::info!(file = %self.config.path.display(), "reading the configuration again");
        let (load, outbox) = (Arc::clone(&self.outside.load), self.outside.outbox.clone());
        self.outside.talk.spawn_blocking(move || {
            let loaded = Input::Loaded(Box::new(load()));
            // After the end nobody waits for it.
            let _ = outbox.blocking_send(loaded);
        });
    }

    fn take_over(&mut self, loaded: Result<Config, ConfigErrors>) -> Option<Settings> {
        let config = match loaded {
            Ok(config) => config,
            Err(errors) => {
                for line in errors.to_string().lines() {
                    tracing::error!("configuration refused: {line}");
                }
                tracing::error!("all of the old configuration stays in force");
                return None;
            }
        };
        super::say_what_is_off(&config);
        self.replace_worker(&config);
        tracing::info!(targets = config.targets.len(), "configuration in force");
        let settings = settings::settings(&config, tcp::room());
        self.config = config;
        Some(settings)
    }

    fn turned(&mut self, _: &Engine, _: Moment) {}
}
