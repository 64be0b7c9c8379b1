//! A stateful Cloudflare API v4 on loopback, or any other address.
//!
//! It stores zones and their records, and behaves as the real API does where goavail can notice it:
//! credentials, filters, paging, batches as one transaction, identical records refused, error
//! envelopes. A test seeds and inspects its zones directly, counts and awaits requests in its log,
//! and scripts faults.
//!
//! It runs on a thread of its own with a runtime of its own, so it serves tests with any runtime or
//! none, and its clock continues while a test pauses its own.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod api;
#[cfg(test)]
mod faithful;
mod fault;
mod log;
mod rules;
mod serve;
mod zone;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use goavail::testing::dns::{CloudflareConfig, CloudflareCredentials};
use tokio::sync::{oneshot, watch};

pub(crate) use self::fault::{Fault, Gate};
pub(crate) use self::log::Entry;
pub(crate) use self::rules::Limits;
pub(crate) use self::zone::{Record, Zone};
use crate::contract::FaultSignal;

/// The accepted token.
pub(crate) const TOKEN: &str = "fakefakefakefakefakefakefakefakefake-tok";
/// The accepted global key, together with [`EMAIL`].
pub(crate) const KEY: &str = "fa4efa4efa4efa4efa4efa4efa4efa4efa4ek";
/// The account that [`KEY`] belongs to.
pub(crate) const EMAIL: &str = "ops@example.com";

/// Differences from the real service.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// The address to listen on; port 0 selects a free one.
    pub(crate) listen: SocketAddr,
    /// Maximum number of records on one page, even if more are requested.
    pub(crate) largest_page: usize,
    /// Maximum number of operations in one batch. The real number for the smallest plan is 200.
    pub(crate) largest_batch: usize,
    /// Whether batches are supported.
    pub(crate) batches: bool,
    /// The accepted token, as long as [`TOKEN`].
    pub(crate) token: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, largest_page: 5000, largest_batch: 200, batches: true, token: TOKEN }
    }
}

/// The state of the service, shared between its thread and the test.
#[derive(Default)]
struct State {
    zones: Vec<Zone>,
    log: Vec<Entry>,
    faults: fault::Script,
    /// Requests that are still to be carried out, although their clients may have given up.
    late: Vec<(api::Caller, Entry)>,
}

/// The state, and the number of log entries that were written or completed so far.
struct Shared {
    setup: Setup,
    state: Mutex<State>,
    turns: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// The running service. Dropping it closes its port and every connection.
pub(crate) struct FakeCloudflare {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeCloudflare {
    /// Starts a service with one empty zone of this name, on a free port of loopback.
    pub(crate) fn start(zone: &str) -> Self {
        Self::start_with(zone, Setup::default(), || {})
    }

    /// Starts a service with other settings. `first` runs on the service's own thread before it
    /// binds: it may enter a network namespace.
    pub(crate) fn start_with(
        zone: &str,
        setup: Setup,
        first: impl FnOnce() + Send + 'static,
    ) -> Self {
        let state = State { zones: vec![Zone::new(1, zone)], ..State::default() };
        let turns = watch::Sender::new(0);
        let shared = Arc::new(Shared { setup, state: Mutex::new(state), turns });
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            first();
            serve::run(serving, &bound, stopped);
        });
        let address = address.recv().expect("the fake Cloudflare could not bind");
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the address of the service.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the value for `api_url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/client/v4", self.address)
    }

    /// Returns a configuration for the first zone, with the accepted token.
    pub(crate) fn config(&self, names: &[&str]) -> CloudflareConfig {
        CloudflareConfig {
            zone: self.zone(|zone| zone.name.clone()),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            proxied: false,
            ttl: 300,
            own_settings: BTreeMap::new(),
            api_url: self.url(),
            credentials: Some(CloudflareCredentials::Token(TOKEN.into())),
            token_file: None,
        }
    }

    /// Inspects or changes the first zone directly.
    pub(crate) fn zone<T>(&self, look: impl FnOnce(&mut Zone) -> T) -> T {
        look(&mut self.shared.lock().zones[0])
    }

    /// Inspects or changes all zones of the account.
    pub(crate) fn zones<T>(&self, look: impl FnOnce(&mut Vec<Zone>) -> T) -> T {
        look(&mut self.shared.lock().zones)
    }

    /// Makes the next `times` requests that `which` selects fail. The result reports the first of
    /// them.
    ///
    /// If several scripts select a request, the oldest counts.
    pub(crate) fn script(
        &self,
        times: usize,
        which: impl Fn(&Entry) -> bool + Send + 'static,
        fault: Fault,
    ) -> FaultSignal {
        self.shared.lock().faults.add(times, Box::new(which), fault)
    }

    /// Keeps back the next `times` requests that `which` selects, until the gate is opened.
    pub(crate) fn hold(
        &self,
        times: usize,
        which: impl Fn(&Entry) -> bool + Send + 'static,
    ) -> Gate {
        let (gate, held) = Gate::shut();
        self.script(times, which, held);
        gate
    }

    /// Changes the first zone right before the next request that `which` selects is handled.
    pub(crate) fn meddle(
        &self,
        which: impl Fn(&Entry) -> bool + Send + 'static,
        change: impl FnOnce(&mut Zone) + Send + 'static,
    ) -> FaultSignal {
        self.script(1, which, Fault::Meddle(Box::new(change)))
    }

    /// Carries out the requests that [`Fault::Late`] delayed, in the order of their arrival.
    /// Returns the statuses of their answers, which are not sent.
    pub(crate) fn carry_out_late(&self) -> Vec<u16> {
        let mut state = self.shared.lock();
        let late = std::mem::take(&mut state.late);
        let carry_out =
            |(caller, entry)| api::answer(&mut state, &self.shared.setup, &caller, &entry).0;
        late.into_iter().map(carry_out).collect()
    }

    /// Ends all faults.
    pub(crate) fn forget_scripts(&self) {
        self.shared.lock().faults = fault::Script::default();
    }

    /// Returns the requests so far, in the order of their arrival.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.shared.lock().log.clone()
    }

    /// Returns the number of requests so far that `which` selects.
    pub(crate) fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.shared.lock().log.iter().filter(|entry| which(entry)).count()
    }

    /// Waits until `enough` returns true for the log. A test bounds this by its own time limit.
    pub(crate) async fn wait(&self, enough: impl Fn(&[Entry]) -> bool) {
        let mut turns = self.shared.turns.subscribe();
        while !enough(&self.shared.lock().log) {
            turns.changed().await.expect("the fake Cloudflare is gone");
        }
    }
}

impl Drop for FakeCloudflare {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the fake Cloudflare panicked");
        }
    }
}
