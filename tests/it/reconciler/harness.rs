//! A reconciler with its mailbox and its reports.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use goavail::engine::event::{DnsProblem, DnsProblemKind, DnsReport, Order};
use goavail::engine::ids::{ServiceId, TargetRef};
use goavail::engine::plan::SetKey;
use goavail::testing::dns::{
    DnsProvider, EffectSender, Handover, Mailbox, Reconciler, ReconcilerSetup, RecordMemory,
    RecordStore, ServiceNames, ZoneKnowledge,
};
use goavail::testing::heart::Heart;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{WWW, desired, s, short};

/// Returns the (virtual) time.
#[expect(clippy::disallowed_methods, reason = "tests look at the paused clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A running reconciler, as the event loop sees it.
pub(super) struct Harness {
    pub(super) mailbox: watch::Sender<Mailbox>,
    reports: mpsc::Receiver<DnsReport>,
    task: JoinHandle<Handover>,
    /// The saved memories in their order.
    pub(super) saved: Arc<Mutex<Vec<RecordMemory>>>,
    orders: AtomicU64,
}

/// A store that keeps every saved memory.
#[derive(Debug)]
struct Saved(Arc<Mutex<Vec<RecordMemory>>>);

impl RecordStore for Saved {
    fn load(&self) -> RecordMemory {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }

    fn save<'a>(
        &'a self,
        memory: &'a RecordMemory,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async { self.0.lock().unwrap().push(memory.clone()) })
    }
}

/// The state in which a reconciler starts.
pub(super) struct Start {
    pub(super) names: ServiceNames,
    pub(super) memory: RecordMemory,
    pub(super) knowledge: ZoneKnowledge,
    pub(super) shared: bool,
}

/// Returns these names as those of the service `default`.
pub(super) fn of_default(names: &[&str]) -> ServiceNames {
    [(ServiceId::DEFAULT, names.iter().map(|&name| name.to_owned()).collect())].into()
}

impl Default for Start {
    fn default() -> Self {
        let (memory, knowledge) = (RecordMemory::default(), ZoneKnowledge::default());
        Self { names: of_default(&[WWW]), memory, knowledge, shared: false }
    }
}

impl Harness {
    /// Starts a reconciler for `www` without any knowledge.
    pub(super) fn open(provider: impl DnsProvider) -> Self {
        Self::start(provider, Start::default())
    }

    /// Starts a reconciler for these names without any knowledge.
    pub(super) fn at(provider: impl DnsProvider, names: &[&str]) -> Self {
        Self::start(provider, Start { names: of_default(names), ..Start::default() })
    }

    pub(super) fn start(provider: impl DnsProvider, start: Start) -> Self {
        let (mailbox, instructions) = watch::channel(Mailbox::default());
        let (outbox, reports) = mpsc::channel(64);
        let saved = Arc::new(Mutex::new(Vec::new()));
        let store: Arc<dyn RecordStore> = Arc::new(Saved(Arc::clone(&saved)));
        let reconciler = Reconciler::new(ReconcilerSetup {
            provider: Box::new(provider),
            names: start.names,
            mailbox: instructions,
            reports: outbox,
            memory: start.memory,
            store: Some(store),
            knowledge: start.knowledge,
            shared: start.shared,
            effects: EffectSender::default(),
        });
        Self {
            mailbox,
            reports,
            task: tokio::spawn(reconciler.run()),
            saved,
            orders: AtomicU64::new(0),
        }
    }

    /// Places an order, in the words of [`desired`].
    pub(super) fn order(&self, words: &str, floor: usize) {
        self.place(Order { desired: desired(words), floor, ..Order::default() });
    }

    /// Places an order that requires a new listing.
    pub(super) fn order_with_listing(&self, words: &str, floor: usize) {
        self.place(Order { desired: desired(words), floor, read_again: true, ..Order::default() });
    }

    /// Places an order in a service with one standby.
    pub(super) fn order_of_standby(&self, words: &str, floor: usize, standby: IpAddr) {
        let (desired, standbys) = (desired(words), [standby].into());
        self.place(Order { desired, floor, standbys, ..Order::default() });
    }

    /// Places the same with a new listing.
    pub(super) fn order_of_standby_with_listing(&self, words: &str, floor: usize, of: IpAddr) {
        let (desired, standbys) = (desired(words), [of].into());
        self.place(Order { desired, floor, standbys, read_again: true, ..Order::default() });
    }

    fn place(&self, order: Order) {
        let number = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        let order = Order { number: number.into(), ..order };
        self.mailbox.send_modify(|mailbox| mailbox.place(order));
    }

    /// Recalls the order about `192.0.2.<last>`.
    pub(super) fn recall(&self, last: u8) {
        self.mailbox.send_modify(|mailbox| mailbox.recall(TargetRef::of_default(super::ip(last))));
    }

    /// Replaces the mailbox by an empty one for a loop with this heartbeat.
    pub(super) fn use_heart(&self, heart: &Arc<Heart>) {
        self.mailbox.send_modify(|mailbox| *mailbox = Mailbox::new(Arc::clone(heart)));
    }

    /// Requests a listing of the zone.
    pub(super) fn request_listing(&self) {
        self.mailbox.send_modify(Mailbox::request_listing);
    }

    /// Tells the reconciler to stop.
    pub(super) fn stop(&self) {
        self.mailbox.send_modify(Mailbox::end);
    }

    /// Tells the reconciler to hand over.
    pub(super) fn hand_over(&self) {
        self.mailbox.send_modify(Mailbox::hand_over);
    }

    /// Returns the memory at the end of the reconciler, which has to end by itself.
    pub(super) async fn ended(self) -> RecordMemory {
        self.handover().await.memory
    }

    /// Returns the handover at the end of the reconciler.
    pub(super) async fn handover(self) -> Handover {
        // The event loop receives reports until the end.
        let mut reports = self.reports;
        tokio::spawn(async move { while reports.recv().await.is_some() {} });
        tokio::time::timeout(s(3600), self.task).await.expect("it does not end").unwrap()
    }

    /// Returns the next report.
    pub(super) async fn report(&mut self) -> DnsReport {
        let report = tokio::time::timeout(s(3600), self.reports.recv()).await;
        report.expect("an hour without a report").expect("the reconciler is gone")
    }

    /// Returns the next report in words, without successful listings.
    pub(super) async fn next_words(&mut self) -> String {
        loop {
            let report = self.report().await;
            let is_open = matches!(&report, DnsReport::Confirmed { open, .. } if !open.is_empty());
            if !is_open && !matches!(report, DnsReport::Listed(_) | DnsReport::Uncertain(_)) {
                return in_words(&report);
            }
        }
    }

    /// Returns all reports until the order is confirmed, without successful listings.
    pub(super) async fn reports_until_confirmed(&mut self) -> Vec<String> {
        let mut reports = Vec::new();
        while !reports.last().is_some_and(|last: &String| last.starts_with("confirmed")) {
            reports.push(self.next_words().await);
        }
        reports
    }

    /// Waits for a report with these words.
    pub(super) async fn reports_until(&mut self, words: &str) {
        while self.next_words().await != words {}
    }

    /// Waits for a successful listing.
    pub(super) async fn read(&mut self) {
        while !matches!(self.report().await, DnsReport::Listed(_)) {}
    }

    /// Returns the next failure, and skips all reports before it.
    pub(super) async fn failure(&mut self) -> DnsProblem {
        loop {
            if let DnsReport::Failing(problem) = self.report().await {
                return problem;
            }
        }
    }

    /// Waits for a report for which `is_it` returns true. A failure before it fails the test.
    pub(super) async fn until_without_failure(&mut self, is_it: impl Fn(DnsReport) -> bool) {
        loop {
            let report = self.report().await;
            assert!(!matches!(report, DnsReport::Failing(_)), "{report:?}");
            if is_it(report) {
                return;
            }
        }
    }

    /// Returns the waiting reports in words.
    pub(super) fn reported(&mut self) -> Vec<String> {
        let mut reports = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            reports.push(in_words(&report));
        }
        reports
    }

    /// Whether the reconciler is still running.
    pub(super) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

fn entries(entries: &[(SetKey, IpAddr)]) -> String {
    let mut words: Vec<_> = entries.iter().map(|(set, ip)| short(&set.name, *ip)).collect();
    words.sort();
    words.join(" ")
}

/// Returns a report in words: `withdrew 10@www`, `restored …`, `confirmed`, `confirmed but for 10@www`,
/// `failing: unavailable`, `listed`.
pub(super) fn in_words(report: &DnsReport) -> String {
    match report {
        DnsReport::Listed(_) => "listed".to_owned(),
        DnsReport::Applied { withdrawn, restored, created, .. } => {
            let parts = [("withdrew", withdrawn), ("restored", restored), ("created", created)];
            let parts = parts.iter().filter(|(_, list)| !list.is_empty());
            let parts: Vec<_> =
                parts.map(|(verb, list)| format!("{verb} {}", entries(list))).collect();
            parts.join(", ")
        }
        DnsReport::Confirmed { open, .. } if !open.is_empty() => {
            let open: Vec<_> = open.iter().map(ToString::to_string).collect();
            format!("still working on {}", open.join(" "))
        }
        DnsReport::Confirmed { held, .. } if held.is_empty() => "confirmed".to_owned(),
        DnsReport::Confirmed { held, .. } => {
            let at = held.iter().flat_map(|(ip, names)| names.iter().map(|name| short(name, *ip)));
            let mut at: Vec<_> = at.collect();
            at.sort();
            format!("confirmed but for {}", at.join(" "))
        }
        DnsReport::Contradicted(places) => format!("contradicted {}", entries(places)),
        DnsReport::FailingSets(sets) if sets.is_empty() => "no set fails".to_owned(),
        DnsReport::FailingSets(sets) => {
            let names: Vec<_> =
                sets.keys().map(|set| set.name.split('.').next().unwrap()).collect();
            format!("set fails: {}", names.join(" "))
        }
        DnsReport::Uncertain(uncertain) => format!("{} uncertain", uncertain.len()),
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
