//! A stateful Cloudflare API v4 on loopback, or wherever a test binds it.
//!
//! It keeps zones and their records, and answers as the real API does where goavail can tell the
//! difference: credentials, filters, paging, batches as one transaction, identical records refused,
//! error envelopes. A test seeds and inspects its zones directly, counts and awaits requests in its
//! log, and scripts what goes wrong.
//!
//! It runs on a thread of its own with a runtime of its own, so it serves tests with any runtime or
//! none, and its clock runs on when a test pauses its own.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod api;
#[cfg(test)]
mod faithful;
mod fault;
mod log;
mod rules;
mod serve;
mod zone;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use goavail::config::{CloudflareConfig, CloudflareCredentials};
use tokio::sync::{oneshot, watch};

pub(crate) use self::fault::Fault;
pub(crate) use self::log::Entry;
pub(crate) use self::rules::Limits;
pub(crate) use self::zone::{Record, Zone};
use crate::contract::Met;

/// The token that is let in.
pub(crate) const TOKEN: &str = "fakefakefakefakefakefakefakefakefake-tok";
/// The global key that is let in, together with [`EMAIL`].
pub(crate) const KEY: &str = "fa4efa4efa4efa4efa4efa4efa4efa4efa4ek";
/// The account that [`KEY`] belongs to.
pub(crate) const EMAIL: &str = "ops@example.com";

/// How the service differs from the real one.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// The most records that one page holds, whatever is asked for.
    pub(crate) largest_page: usize,
    /// The most operations that one batch may hold. The real number for the smallest plan is 200.
    pub(crate) largest_batch: usize,
    /// Whether there are batches at all.
    pub(crate) batches: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, largest_page: 5000, largest_batch: 200, batches: true }
    }
}

/// What the service knows; shared between its thread and the test.
#[derive(Default)]
struct State {
    zones: Vec<Zone>,
    log: Vec<Entry>,
    faults: fault::Script,
    /// Requests that are still to be carried out, though whoever sent them may have given up.
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
    /// With one empty zone of this name, on a free port of loopback.
    pub(crate) fn start(zone: &str) -> Self {
        Self::start_with(zone, Setup::default(), || {})
    }

    /// The same, set up otherwise. `first` runs on the service's own thread before it binds: that
    /// is the place to enter a network namespace.
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `api_url` is to be.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/client/v4", self.address)
    }

    /// A configuration for the first zone, with the token that is let in.
    pub(crate) fn config(&self, names: &[&str]) -> CloudflareConfig {
        CloudflareConfig {
            zone: self.zone(|zone| zone.name.clone()),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            proxied: false,
            ttl: 300,
            api_url: self.url(),
            credentials: Some(CloudflareCredentials::Token(TOKEN.into())),
        }
    }

    /// Looks into the first zone, or changes it behind everyone's back.
    pub(crate) fn zone<T>(&self, look: impl FnOnce(&mut Zone) -> T) -> T {
        look(&mut self.shared.lock().zones[0])
    }

    /// All zones of the account; to add one, or to take the first away.
    pub(crate) fn zones<T>(&self, look: impl FnOnce(&mut Vec<Zone>) -> T) -> T {
        look(&mut self.shared.lock().zones)
    }

    /// Makes the next `times` requests that `which` picks go wrong. Tells when the first one has.
    ///
    /// Of several scripts that pick a request, the oldest counts.
    pub(crate) fn script(
        &self,
        times: usize,
        which: impl Fn(&Entry) -> bool + Send + 'static,
        fault: Fault,
    ) -> Met {
        self.shared.lock().faults.add(times, Box::new(which), fault)
    }

    /// Changes the first zone right before the next request that `which` picks is dealt with.
    pub(crate) fn meddle(
        &self,
        which: impl Fn(&Entry) -> bool + Send + 'static,
        change: impl FnOnce(&mut Zone) + Send + 'static,
    ) -> Met {
        self.script(1, which, Fault::Meddle(Box::new(change)))
    }

    /// Carries out what [`Fault::Late`] kept back, in the order of its arrival, whether or not
    /// anybody still waits for an answer. Returns the statuses that nobody hears of.
    pub(crate) fn carry_out_late(&self) -> Vec<u16> {
        let mut state = self.shared.lock();
        let late = std::mem::take(&mut state.late);
        let carry_out =
            |(caller, entry)| api::answer(&mut state, &self.shared.setup, &caller, &entry).0;
        late.into_iter().map(carry_out).collect()
    }

    /// Makes nothing go wrong any more.
    pub(crate) fn forget_scripts(&self) {
        self.shared.lock().faults = fault::Script::default();
    }

    /// The requests so far, in the order of their arrival.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.shared.lock().log.clone()
    }

    /// How many requests so far `which` picks.
    pub(crate) fn count(&self, which: impl Fn(&Entry) -> bool) -> usize {
        self.shared.lock().log.iter().filter(|entry| which(entry)).count()
    }

    /// Waits until the log is as `enough` wants it. A test bounds this by its own time limit.
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
