//! Publishes facts and views on the board behind the status service.

mod changes;
mod checks;
mod conversions;
mod days;
mod effects;
mod incidents;
mod readers;
mod targets;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::Observer;
use crate::agent::clock::{Clock, wall};
use crate::agent::ids::Ids;
use crate::agent::input::Input;
use crate::agent::peers::VoteCounters;
use crate::agent::zones::ZoneCounters;
use crate::cluster::ClusterEvent;
use crate::dns::confirm::change::ChangeId;
use crate::dns::confirm::effect::ZoneNews;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::{TargetRef, ZoneId};
use crate::history::writer::WriterState;
use crate::notify::NoticeCounters;
use crate::probe::details::Details;
use crate::serve::{ServeLimits, serve};
use crate::settings::Config;
use crate::status::{self, Board, ClockReading, PeerStatus, SocketFile, Time};
use checks::PublishedChecks;
use conversions::setup;
use days::RecordedDays;
use readers::Readers;
use targets::{Freshness, TargetsByEndpoint};

/// Time between refreshes of the board from the engine's views of targets.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of commands that wait for the event loop.
const COMMANDS: usize = 16;

/// Maximum number of questions about targets that wait for the event loop.
const QUESTIONS: usize = 16;

/// Publishes facts and views on the board, and serves it.
pub(in crate::agent) struct StatusObserver {
    board: Board,
    clock: Clock,
    ids: Ids,
    refreshed: Instant,
    freshness: Freshness,
    /// A target of each endpoint.
    by_endpoint: TargetsByEndpoint,
    /// The checks that are published one by one.
    checks: PublishedChecks,
    peers: BTreeMap<SocketAddr, PeerStatus>,
    names: BTreeMap<SocketAddr, Arc<str>>,
    /// The problem with each whole zone in its last listing.
    cautions: BTreeMap<ZoneId, String>,
    /// The changes that a name server does not show for too long, as kinds of work.
    hidden: BTreeMap<(ZoneId, ChangeId), String>,
    /// The zones with name servers that cannot be found, as kinds of work.
    unfound: BTreeMap<ZoneId, String>,
    /// The channels that rejected the last notice, and the error of each.
    failing_channels: BTreeMap<Arc<str>, String>,
    sources: CounterSources,
    /// Removes the control socket at the end.
    _socket: Option<SocketFile>,
    _readers: Readers,
}

/// The counters of other parts.
#[derive(Debug, Default)]
pub(in crate::agent) struct CounterSources {
    pub(in crate::agent) requests: ZoneCounters,
    pub(in crate::agent) votes: VoteCounters,
    pub(in crate::agent) notices: NoticeCounters,
    /// The state of the history, if one is kept.
    pub(in crate::agent) history: Option<Arc<WriterState>>,
    /// The reason why the history is not kept, as it was published last.
    failing_history: Option<String>,
}

impl CounterSources {
    /// Returns these counters, without a history.
    pub(in crate::agent) fn of(
        requests: ZoneCounters,
        votes: VoteCounters,
        notices: NoticeCounters,
    ) -> Self {
        Self { requests, votes, notices, history: None, failing_history: None }
    }
}

/// Reads both clocks.
fn read_clocks(clock: &Clock) -> ClockReading {
    ClockReading { clock: clock.started().into_std() + clock.now().since_start(), wall: wall() }
}

/// Returns a sender of requests to the event loop. At most so many of them wait.
fn forwarded<T: Send + 'static>(
    readers: &Readers,
    outbox: &mpsc::Sender<Input>,
    most: usize,
    input: fn(T) -> Input,
) -> mpsc::Sender<T> {
    let (requests, mut received) = mpsc::channel::<T>(most);
    let outbox = outbox.clone();
    readers.spawn(async move {
        while let Some(request) = received.recv().await {
            if outbox.send(input(request)).await.is_err() {
                return;
            }
        }
    });
    requests
}

impl StatusObserver {
    /// Opens the listener and the socket that the configuration names. `None` if it names neither.
    pub(in crate::agent) fn start(
        config: &Config,
        ids: &Ids,
        clock: Clock,
        outbox: &mpsc::Sender<Input>,
        details: Arc<Details>,
    ) -> anyhow::Result<Option<Self>> {
        if config.sections.status.listen.is_none() && config.sections.status.socket.is_none() {
            return Ok(None);
        }
        let now = read_clocks(&clock);
        let board = Board::new(setup(config, ids, Time::new(now.wall)), now);
        let readers = Readers::start().context("cannot start the thread that serves readers")?;
        // Listeners belong to the runtime in which they are served.
        let inside = readers.enter();
        let mut reading =
            status::explaining(forwarded(&readers, outbox, QUESTIONS, Input::Question));
        let mut reader = board.reader();
        if let Some(history) = &config.sections.history {
            reading = reading.merge(status::drawing_days(RecordedDays::of(history)));
            reader = reader.with_days();
        }
        if let Some(address) = config.sections.status.listen {
            let router = status::read_only(reader.clone()).merge(reading.clone());
            let listener = status::listen(address)?;
            readers.spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
        }
        let mut socket = None;
        if let Some(path) = &config.sections.status.socket {
            let (listener, file) = status::open_control(path)?;
            let commands = forwarded(&readers, outbox, COMMANDS, Input::Command);
            let router = status::control(reader, commands).merge(reading);
            readers.spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
            socket = Some(file);
        }
        drop(inside);
        let mut observer = Self {
            board,
            clock,
            ids: ids.clone(),
            refreshed: now.clock,
            freshness: Freshness::default(),
            by_endpoint: targets::by_endpoint(config, ids),
            checks: PublishedChecks::new(config, ids, details),
            peers: BTreeMap::new(),
            names: BTreeMap::new(),
            cautions: BTreeMap::new(),
            hidden: BTreeMap::new(),
            unfound: BTreeMap::new(),
            failing_channels: BTreeMap::new(),
            sources: CounterSources::default(),
            _socket: socket,
            _readers: readers,
        };
        observer.list_peers(config);
        observer.list_canaries(config);
        observer.follow_effects(config);
        Ok(Some(observer))
    }

    /// Publishes the counters of other parts from now on.
    pub(in crate::agent) fn follow(&mut self, sources: CounterSources) {
        self.sources = sources;
    }

    /// Publishes these counters of notices from now on.
    pub(super) fn follow_notices(&mut self, notices: &NoticeCounters) {
        self.sources.notices = notices.clone();
    }

    fn at(&self) -> Instant {
        self.clock.started().into_std() + self.clock.now().since_start()
    }

    /// Publishes the peers that the configuration lists.
    fn list_peers(&mut self, config: &Config) {
        let listed = config.sections.cluster.iter().flat_map(|cluster| cluster.peers.iter());
        let mut before = std::mem::take(&mut self.peers);
        for peer in listed {
            let unknown = PeerStatus {
                address: peer.to_string(),
                alive: false,
                signed: false,
                last_heard: None,
                no_vote_on: vec![],
            };
            self.peers.insert(*peer, before.remove(peer).unwrap_or(unknown));
            let name = self.names.entry(*peer).or_insert_with(|| peer.to_string().into());
            self.board.counters().expect_votes(name);
        }
        self.board.set_peers(self.peers.values().cloned().collect());
    }

    /// Publishes the canaries that the configuration lists.
    fn list_canaries(&mut self, config: &Config) {
        self.board.set_canaries(config.canaries.iter().map(ToString::to_string));
    }

    /// Publishes the counters of notices, and the channels that fail.
    fn publish_notices(&mut self, at: Instant) {
        for ((channel, outcome), total) in self.sources.notices.counts() {
            self.board.counters().set_notices(&channel, outcome, total);
        }
        let failing = self.sources.notices.failing();
        for channel in self.failing_channels.keys() {
            if !failing.contains_key(channel) {
                self.board.recovered(&delivery_to(channel));
            }
        }
        for (channel, error) in &failing {
            if self.failing_channels.get(channel) != Some(error) {
                self.board.failed(at, &delivery_to(channel), error);
            }
        }
        self.failing_channels = failing;
    }

    /// Publishes the state of the history from now on.
    pub(in crate::agent) fn follow_history(&mut self, state: Option<&Arc<WriterState>>) {
        self.sources.history = state.cloned();
    }

    /// Publishes whether the history is kept.
    fn publish_history(&mut self, at: Instant) {
        let Some(state) = &self.sources.history else { return };
        self.board.counters().set_history(state.written(), state.lost());
        let failing = state.failing();
        match &failing {
            Some(reason) if self.sources.failing_history != failing => {
                self.board.failed(at, KEEP_HISTORY, reason);
            }
            None if self.sources.failing_history.is_some() => self.board.recovered(KEEP_HISTORY),
            _ => {}
        }
        self.sources.failing_history = failing;
    }

    /// Publishes the counters of other parts.
    fn publish_counters(&mut self, at: Instant) {
        for ((zone, outcome), total) in self.sources.requests.counts() {
            self.board.counters().set_dns_requests(zone, outcome, total);
        }
        self.publish_notices(at);
        self.publish_history(at);
        self.board.counters().set_panics(crate::panics::counts());
        for ((peer, outcome), total) in self.sources.votes.get() {
            if let Some(peer) = peer.and_then(|peer| self.names.get(&peer)) {
                self.board.counters().set_votes(peer, outcome, total);
            }
        }
    }
}

impl Observer for StatusObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        match fact {
            Fact::Judged { endpoint, outcome, rtt } => {
                self.judged_at(engine, *endpoint, *outcome, *rtt);
            }
            Fact::Limits { endpoint, noticed_after } => {
                self.limits(engine, *endpoint, *noticed_after);
            }
            Fact::Late { endpoint, .. } => self.late(*endpoint),
            Fact::Flipped { service, target: address, .. }
            | Fact::CheckFlipped { service, target: address, .. }
            | Fact::Asked { service, target: address, .. }
            | Fact::Verdict { service, target: address, .. }
            | Fact::Refused { service, target: address, .. }
            | Fact::RefusalOver { service, target: address, .. }
            | Fact::EvidenceBack { service, target: address, .. }
            | Fact::Drained { service, target: address, .. }
            | Fact::Undrained { service, target: address, .. } => {
                self.show(engine, TargetRef { service: *service, address: *address });
            }
            Fact::EvidenceLost { service, targets } => {
                for address in targets {
                    self.show(engine, TargetRef { service: *service, address: *address });
                }
            }
            Fact::Isolated { cause, .. } => self.board.set_isolation(Some(*cause)),
            Fact::IsolationOver { .. } => self.board.set_isolation(None),
            Fact::Applied { .. } => self.applied(engine, fact),
            Fact::Failing { zone, problem } => self.failing(engine, *zone, problem),
            Fact::FailingOver { zone } => self.recovered(engine, *zone),
            Fact::NameFailing { zone, name, what } => {
                self.name_failing(engine, (*zone, name), Some(what));
            }
            Fact::NameFailingOver { zone, name } => self.name_failing(engine, (*zone, name), None),
            _ => {}
        }
    }

    fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        self.publish_caution(engine, zone);
        self.freshness.listed(zone);
    }

    fn peer_event(&mut self, event: &ClusterEvent) {
        let at = self.at();
        let (ClusterEvent::Vote { peer, .. }
        | ClusterEvent::Abstained { peer, .. }
        | ClusterEvent::Peer { peer, .. }) = *event;
        let Some(seen) = self.peers.get_mut(&peer) else { return };
        match event {
            ClusterEvent::Vote { signed, .. } | ClusterEvent::Abstained { signed, .. } => {
                seen.signed = *signed;
                seen.last_heard = Some(at);
            }
            ClusterEvent::Peer { state, .. } => seen.alive = state.is_alive(),
        }
        self.freshness.voted(event);
    }

    fn effect(&mut self, engine: &Engine, news: &ZoneNews) {
        self.publish_effect(engine, news);
    }

    fn reloaded(&mut self, config: &Config) {
        let now = read_clocks(&self.clock);
        self.board.reload(setup(config, &self.ids, Time::new(now.wall)), now);
        self.by_endpoint = targets::by_endpoint(config, &self.ids);
        self.checks = self.checks.successor(config, &self.ids);
        self.freshness.forget();
        let zones: BTreeSet<ZoneId> = config.zones.iter().map(|zone| self.ids.zone(zone)).collect();
        self.cautions.retain(|zone, _| zones.contains(zone));
        self.list_peers(config);
        self.list_canaries(config);
        self.follow_effects(config);
        self.board.counters().reload("ok");
    }

    fn reload_refused(&mut self, reason: &str) {
        const RELOAD: &str = "read the configuration again";
        let at = self.at();
        self.board.counters().reload("refused");
        self.board.failed(at, RELOAD, reason);
        self.board.recovered(RELOAD);
    }

    /// Publishes now, so that the operator sees the effect with the answer.
    fn command_done(&mut self, engine: &Engine) {
        self.publish_waiting_drains(engine);
        self.board.publish(read_clocks(&self.clock));
    }

    fn iteration(&mut self, engine: &Engine) {
        let now = read_clocks(&self.clock);
        self.publish_listings(engine);
        if now.clock.saturating_duration_since(self.refreshed) >= REFRESH_EVERY {
            self.refreshed = now.clock;
            self.refresh(engine, now);
            self.publish_waiting_drains(engine);
            self.publish_counters(now.clock);
        }
        self.board.tick(now);
    }
}

/// The name of the work that fails while the history cannot be written.
const KEEP_HISTORY: &str = "keep the history";

/// Returns the name of the work that fails while a channel rejects notices.
fn delivery_to(channel: &str) -> String {
    format!("deliver notices to {channel}")
}
