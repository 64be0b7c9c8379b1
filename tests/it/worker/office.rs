//! A worker, its desk and its reports.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use goavail::dns::DnsProvider;
use goavail::dns::memory::Memory;
use goavail::dns::worker::{Desk, Estate, Known, Remember, Worker};
use goavail::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use goavail::engine::plan::SetKey;
use goavail::heart::Heart;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Remote, WWW, s, short, wishes};

/// The (virtual) time.
#[expect(clippy::disallowed_methods, reason = "tests look at the paused clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A worker that runs, and all that the driver has of it.
pub(super) struct Office<P = Remote> {
    pub(super) desk: watch::Sender<Desk>,
    reports: mpsc::Receiver<DnsReport>,
    worker: JoinHandle<Estate<P>>,
    /// What it asked to have remembered, in its order.
    pub(super) told: Arc<Mutex<Vec<Memory>>>,
}

/// Where the worker's memory goes.
struct Told(Arc<Mutex<Vec<Memory>>>);

impl Remember for Told {
    async fn remember(&mut self, memory: &Memory) {
        self.0.lock().unwrap().push(memory.clone());
    }
}

/// How a worker starts.
pub(super) struct Start {
    pub(super) names: Vec<String>,
    pub(super) memory: Memory,
    pub(super) known: Known,
    pub(super) shared: bool,
}

impl Default for Start {
    fn default() -> Self {
        let (memory, known) = (Memory::default(), Known::default());
        Self { names: vec![WWW.to_owned()], memory, known, shared: false }
    }
}

impl<P: DnsProvider> Office<P> {
    /// A worker for `www` that knows nothing.
    pub(super) fn open(provider: P) -> Self {
        Self::start(provider, Start::default())
    }

    /// A worker for these names that knows nothing.
    pub(super) fn at(provider: P, names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self::start(provider, Start { names, ..Start::default() })
    }

    pub(super) fn start(provider: P, start: Start) -> Self {
        let (desk, orders) = watch::channel(Desk::default());
        let (outbox, reports) = mpsc::channel(64);
        let told = Arc::new(Mutex::new(Vec::new()));
        let memories = Arc::clone(&told);
        let worker = Worker {
            provider,
            names: start.names,
            desk: orders,
            reports: outbox,
            memory: start.memory,
            remember: Told(memories),
            known: start.known,
            shared: start.shared,
        };
        Self { desk, reports, worker: tokio::spawn(worker.run()), told }
    }

    /// Places an order, in the words of [`wishes`].
    pub(super) fn order(&self, words: &str, floor: usize) {
        self.place(Order { wishes: wishes(words), floor, ..Order::default() });
    }

    /// The same, and the zone must be read anew for it.
    pub(super) fn order_anew(&self, words: &str, floor: usize) {
        self.place(Order { wishes: wishes(words), floor, read_again: true, ..Order::default() });
    }

    fn place(&self, order: Order) {
        self.desk.send_modify(|desk| desk.place(order));
    }

    /// Takes back what was ordered about `192.0.2.<last>`.
    pub(super) fn recall(&self, last: u8) {
        self.desk.send_modify(|desk| desk.recall(super::ip(last)));
    }

    /// Whoever orders is alive while this beats.
    pub(super) fn beats_with(&self, heart: &Arc<Heart>) {
        self.desk.send_modify(|desk| desk.heart = Some(Arc::clone(heart)));
    }

    /// Asks for the zone to be read.
    pub(super) fn read_in_advance(&self) {
        self.desk.send_modify(|desk| desk.readings += 1);
    }

    /// Tells it to stop.
    pub(super) fn stop(&self) {
        self.desk.send_modify(Desk::end);
    }

    /// Tells it to hand over.
    pub(super) fn hand_over(&self) {
        self.desk.send_modify(Desk::hand_over);
    }

    /// What it remembers at its end, which it must come to by itself.
    pub(super) async fn ended(self) -> Memory {
        self.estate().await.memory
    }

    /// All that it hands on at its end.
    pub(super) async fn estate(self) -> Estate<P> {
        // The driver goes on taking reports until the end.
        let mut reports = self.reports;
        tokio::spawn(async move { while reports.recv().await.is_some() {} });
        tokio::time::timeout(s(3600), self.worker).await.expect("it goes on").unwrap()
    }

    /// Its next report.
    pub(super) async fn report(&mut self) -> DnsReport {
        let report = tokio::time::timeout(s(3600), self.reports.recv()).await;
        report.expect("an hour without a word").expect("the worker is gone")
    }

    /// Its next report in words, readings that worked left out.
    pub(super) async fn says(&mut self) -> String {
        loop {
            let report = self.report().await;
            let goes_on = matches!(&report, DnsReport::Settled { open, .. } if !open.is_empty());
            if !goes_on && !matches!(report, DnsReport::Listed(_) | DnsReport::Doubted(_)) {
                return in_words(&report);
            }
        }
    }

    /// All it says until it is done, readings that worked left out.
    pub(super) async fn says_until_settled(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while !said.last().is_some_and(|last: &String| last.starts_with("settled")) {
            said.push(self.says().await);
        }
        said
    }

    /// Waits until it says this.
    pub(super) async fn says_until(&mut self, words: &str) {
        while self.says().await != words {}
    }

    /// Waits until it has read the zone.
    pub(super) async fn read(&mut self) {
        while !matches!(self.report().await, DnsReport::Listed(_)) {}
    }

    /// Its next failure, whatever else it says before.
    pub(super) async fn failure(&mut self) -> DnsProblem {
        loop {
            if let DnsReport::Failing(problem) = self.report().await {
                return problem;
            }
        }
    }

    /// Waits for a report of which `is_it` is true; a failure before it fails the test.
    pub(super) async fn failure_free(&mut self, is_it: impl Fn(DnsReport) -> bool) {
        loop {
            let report = self.report().await;
            assert!(!matches!(report, DnsReport::Failing(_)), "{report:?}");
            if is_it(report) {
                return;
            }
        }
    }

    /// What has been said and not been heard yet, without waiting.
    pub(super) fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            said.push(in_words(&report));
        }
        said
    }

    /// Whether it still runs.
    pub(super) fn is_at_work(&self) -> bool {
        !self.worker.is_finished()
    }
}

fn entries(entries: &[(SetKey, IpAddr)]) -> String {
    let mut words: Vec<_> = entries.iter().map(|(set, ip)| short(&set.name, *ip)).collect();
    words.sort();
    words.join(" ")
}

/// `withdrew 10@www`, `restored …`, `settled`, `settled but for 10@www`, `failing: unavailable`,
/// `read`.
pub(super) fn in_words(report: &DnsReport) -> String {
    match report {
        DnsReport::Listed(_) => "read".to_owned(),
        DnsReport::Applied { withdrawn, restored, created, .. } if !created.is_empty() => {
            let parts = [("withdrew", withdrawn), ("restored", restored), ("created", created)];
            let parts = parts.iter().filter(|(_, list)| !list.is_empty());
            let parts: Vec<_> =
                parts.map(|(verb, list)| format!("{verb} {}", entries(list))).collect();
            parts.join(", ")
        }
        DnsReport::Applied { withdrawn, restored, .. } if restored.is_empty() => {
            format!("withdrew {}", entries(withdrawn))
        }
        DnsReport::Applied { withdrawn, restored, .. } if withdrawn.is_empty() => {
            format!("restored {}", entries(restored))
        }
        DnsReport::Applied { withdrawn, restored, .. } => {
            format!("withdrew {}, restored {}", entries(withdrawn), entries(restored))
        }
        DnsReport::Settled { open, .. } if !open.is_empty() => {
            let open: Vec<_> = open.iter().map(ToString::to_string).collect();
            format!("goes on with {}", open.join(" "))
        }
        DnsReport::Settled { held, .. } if held.is_empty() => "settled".to_owned(),
        DnsReport::Settled { held, .. } => {
            let at = held.iter().flat_map(|(ip, names)| names.iter().map(|name| short(name, *ip)));
            let mut at: Vec<_> = at.collect();
            at.sort();
            format!("settled but for {}", at.join(" "))
        }
        DnsReport::Apart(sets) if sets.is_empty() => "nothing apart".to_owned(),
        DnsReport::Apart(sets) => {
            let names: Vec<_> =
                sets.keys().map(|set| set.name.split('.').next().unwrap()).collect();
            format!("apart: {}", names.join(" "))
        }
        DnsReport::Doubted(doubted) => format!("doubts {}", doubted.len()),
        DnsReport::Failing(DnsProblem { kind, .. }) => {
            let kind = match kind {
                DnsProblemKind::Refused => "refused",
                DnsProblemKind::Unavailable => "unavailable",
                DnsProblemKind::Unconfirmed => "unconfirmed",
                DnsProblemKind::Changed => "changed",
                DnsProblemKind::Defect => "defect",
            };
            format!("failing: {kind}")
        }
    }
}
