//! Publishes facts and views on the board behind the status service.

mod changes;
mod conversions;
mod readers;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::Observer;
use crate::agent::clock::{Clock, wall};
use crate::agent::input::Input;
use crate::agent::peers::VoteCounters;
use crate::cluster::ClusterEvent;
use crate::dns::metered::ProviderCounters;
use crate::engine::Engine;
use crate::engine::event::Fact;
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::types::{Endpoint, Outcome, Vote};
use crate::notify::NoticeCounters;
use crate::serve::{ServeLimits, serve};
use crate::settings::Config;
use crate::status::{
    self, Board, ClockReading, OperatorCommand, PeerStatus, ReceivedVote, SocketFile, Time, model,
};
use changes::ChangeContext;
use conversions::{setup, target_state};
use readers::Readers;

/// Time between refreshes of the board from the engine's views of all targets.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of commands that wait for the event loop.
const COMMANDS: usize = 16;

/// Publishes facts and views on the board, and serves it.
pub(in crate::agent) struct StatusObserver {
    board: Board,
    clock: Clock,
    refreshed: Instant,
    peers: BTreeMap<SocketAddr, PeerStatus>,
    names: BTreeMap<SocketAddr, Arc<str>>,
    provider: &'static str,
    /// The zones with a provider that fails.
    failing_zones: BTreeSet<ZoneId>,
    /// The problem with each whole zone in its last listing.
    cautions: BTreeMap<ZoneId, String>,
    /// The channels that rejected the last notice, and the error of each.
    failing_channels: BTreeMap<&'static str, String>,
    sources: CounterSources,
    /// Removes the control socket at the end.
    _socket: Option<SocketFile>,
    _readers: Readers,
}

/// The counters of other parts.
#[derive(Debug, Default)]
pub(in crate::agent) struct CounterSources {
    pub(in crate::agent) requests: ProviderCounters,
    pub(in crate::agent) votes: VoteCounters,
    pub(in crate::agent) notices: NoticeCounters,
}

/// Reads both clocks.
fn read_clocks(clock: &Clock) -> ClockReading {
    ClockReading { clock: clock.started().into_std() + clock.now().since_start(), wall: wall() }
}

impl StatusObserver {
    /// Opens the listener and the socket that the configuration names. `None` if it names neither.
    pub(in crate::agent) fn start(
        config: &Config,
        clock: Clock,
        outbox: &mpsc::Sender<Input>,
    ) -> anyhow::Result<Option<Self>> {
        if config.sections.status.listen.is_none() && config.sections.status.socket.is_none() {
            return Ok(None);
        }
        let now = read_clocks(&clock);
        let board = Board::new(setup(config, Time::new(now.wall)), now);
        let readers = Readers::start().context("cannot start the thread that serves readers")?;
        // Listeners belong to the runtime in which they are served.
        let inside = readers.enter();
        if let Some(address) = config.sections.status.listen {
            let (listener, router) = (status::listen(address)?, status::read_only(board.reader()));
            readers.spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
        }
        let mut socket = None;
        if let Some(path) = &config.sections.status.socket {
            let (listener, file) = status::open_control(path)?;
            let (commands, mut received) = mpsc::channel::<OperatorCommand>(COMMANDS);
            let router = status::control(board.reader(), commands);
            readers.spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
            let outbox = outbox.clone();
            readers.spawn(async move {
                while let Some(command) = received.recv().await {
                    if outbox.send(Input::Command(command)).await.is_err() {
                        return;
                    }
                }
            });
            socket = Some(file);
        }
        drop(inside);
        let mut observer = Self {
            board,
            clock,
            refreshed: now.clock,
            peers: BTreeMap::new(),
            names: BTreeMap::new(),
            provider: config.default_zone().provider.word(),
            failing_zones: BTreeSet::new(),
            cautions: BTreeMap::new(),
            failing_channels: BTreeMap::new(),
            sources: CounterSources::default(),
            _socket: socket,
            _readers: readers,
        };
        observer.list_peers(config);
        observer.list_canaries(config);
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
            self.names.entry(*peer).or_insert_with(|| peer.to_string().into());
        }
        self.board.set_peers(self.peers.values().cloned().collect());
    }

    /// Publishes the canaries that the configuration lists.
    fn list_canaries(&mut self, config: &Config) {
        self.board.set_canaries(config.canaries.iter().map(ToString::to_string));
    }

    fn show(&mut self, engine: &Engine, service: ServiceId, address: IpAddr) {
        if let Some(view) = engine.target_view(TargetRef { service, address }) {
            let state = target_state(&view, read_clocks(&self.clock), &self.clock);
            self.board.update(address, self.at(), &state);
        }
    }

    fn judged(&mut self, target: IpAddr, outcome: Outcome, rtt: Option<Duration>) {
        let at = self.at();
        match (outcome, rtt) {
            (Outcome::Reply, Some(rtt)) => self.board.reply(target, at, rtt),
            (Outcome::Fault, _) => self.board.fault(target),
            _ => self.board.loss(target, at),
        }
    }

    fn limits(&mut self, engine: &Engine, endpoint: Endpoint, noticed_after: Option<Duration>) {
        if engine.is_canary(endpoint) {
            self.board.set_canary_limits(&endpoint.to_string(), noticed_after);
        } else {
            self.board.set_limits(endpoint.address, noticed_after);
        }
    }

    fn name_failing(&mut self, name: &str, problem: Option<&str>) {
        let work = format!("look after the records of {name}");
        match problem {
            Some(problem) => self.board.failed(self.at(), &work, problem),
            None => self.board.recovered(&work),
        }
        self.board.counters().set_name_failing(name, problem.is_some());
    }

    /// Publishes the counters of notices, and the channels that fail.
    fn publish_notices(&mut self, at: Instant) {
        for (labels, total) in self.sources.notices.counts() {
            self.board.counters().set_notices(labels, total);
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

    /// Publishes the counters of other parts.
    fn publish_counters(&mut self, at: Instant) {
        for (outcome, total) in self.sources.requests.counts() {
            self.board.counters().set_dns_requests(self.provider, outcome, total);
        }
        self.publish_notices(at);
        self.board.counters().set_panics(crate::panics::counts());
        for ((peer, outcome), total) in self.sources.votes.get() {
            if let Some(peer) = peer.and_then(|peer| self.names.get(&peer)) {
                self.board.counters().set_votes(peer, outcome, total);
            }
        }
    }

    /// Publishes the parts of the views that change with every probe.
    fn refresh(&mut self, engine: &Engine, now: ClockReading) {
        let is_alone = self.peers.is_empty();
        for view in engine.targets() {
            self.board.update(view.address, now.clock, &target_state(&view, now, &self.clock));
            if !is_alone {
                let target = TargetRef { service: view.service, address: view.address };
                let votes = self.votes(engine, target, now);
                self.board.set_votes(view.address, votes);
            }
        }
        if !is_alone {
            let mut missing = self.sources.votes.missing_votes();
            for (peer, seen) in &mut self.peers {
                seen.no_vote_on = missing.remove(peer).unwrap_or_default();
            }
            self.board.set_peers(self.peers.values().cloned().collect());
        }
    }

    fn votes(&self, engine: &Engine, target: TargetRef, now: ClockReading) -> Vec<ReceivedVote> {
        let mut votes = Vec::new();
        for ballot in engine.votes_on(target) {
            let health = match ballot.vote {
                Vote::Up => model::Health::Up,
                Vote::Down => model::Health::Down,
            };
            let heard = now.clock.checked_sub(ballot.age);
            if let (Some(peer), Some(heard)) = (self.names.get(&ballot.peer), heard) {
                votes.push(ReceivedVote { peer: Arc::clone(peer), health, heard });
            }
        }
        votes
    }
}

impl Observer for StatusObserver {
    fn fact(&mut self, engine: &Engine, fact: &Fact) {
        match fact {
            Fact::Judged { endpoint, outcome, rtt } => {
                // The board has one row for each address.
                if let Some(target) = engine.targets_at(*endpoint).next() {
                    self.judged(target.address, *outcome, *rtt);
                }
            }
            Fact::Limits { endpoint, noticed_after } => {
                self.limits(engine, *endpoint, *noticed_after);
            }
            Fact::Late { endpoint, .. } => self.board.late(endpoint.address),
            Fact::Flipped { service, target, .. }
            | Fact::Verdict { service, target, .. }
            | Fact::Refused { service, target, .. }
            | Fact::RefusalOver { service, target, .. }
            | Fact::EvidenceBack { service, target, .. }
            | Fact::Drained { service, target, .. }
            | Fact::Undrained { service, target, .. } => self.show(engine, *service, *target),
            Fact::EvidenceLost { service, targets } => {
                for target in targets {
                    self.show(engine, *service, *target);
                }
            }
            Fact::Isolated { cause, .. } => self.board.set_isolation(Some(*cause)),
            Fact::IsolationOver { .. } => self.board.set_isolation(None),
            Fact::Applied { withdrawn, restored, created, took, dry_run, .. } => {
                let change = ChangeContext { at: self.at(), took: *took, dry_run: *dry_run };
                for (target, gone) in withdrawn {
                    self.record(&change, *target, &changes::withdrawal(gone));
                }
                for (target, names) in restored {
                    self.record(&change, *target, &changes::restoration(names));
                }
                for (target, names) in created {
                    self.record(&change, *target, &changes::creation(names));
                }
            }
            Fact::Failing { zone, problem } => self.failing(*zone, problem),
            Fact::FailingOver { zone } => self.recovered(*zone),
            Fact::NameFailing { name, what, .. } => self.name_failing(name, Some(what)),
            Fact::NameFailingOver { name, .. } => self.name_failing(name, None),
            _ => {}
        }
    }

    fn zone_listed(&mut self, engine: &Engine, zone: ZoneId) {
        self.publish_listing(engine, zone);
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
    }

    fn reloaded(&mut self, config: &Config) {
        self.provider = config.default_zone().provider.word();
        let now = read_clocks(&self.clock);
        self.board.reload(setup(config, Time::new(now.wall)), now);
        self.list_peers(config);
        self.list_canaries(config);
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
    fn command_done(&mut self) {
        self.board.publish(read_clocks(&self.clock));
    }

    fn iteration(&mut self, engine: &Engine) {
        let now = read_clocks(&self.clock);
        if now.clock.saturating_duration_since(self.refreshed) >= REFRESH_EVERY {
            self.refreshed = now.clock;
            self.refresh(engine, now);
            self.publish_counters(now.clock);
        }
        self.board.tick(now);
    }
}

/// Returns the name of the work that fails while a channel rejects notices.
fn delivery_to(channel: &str) -> String {
    format!("deliver notices to {channel}")
}
