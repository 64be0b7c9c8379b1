//! What others may see: the board behind the status service, kept from facts and views.

mod conversions;
mod readers;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::log::brief;
use crate::agent::event_loop::{Clock, Input};
use crate::agent::state_store::wall;
use crate::cluster::{ClusterEvent, Counts};
use crate::config::Config;
use crate::dns::metered::ProviderCounters;
use crate::engine::Engine;
use crate::engine::event::{Fact, Gone};
use crate::engine::prober::watch::Outcome;
use crate::engine::service::evidence::unseen;
use crate::notify;
use crate::serve::{Limits, serve};
use crate::status::{self, Board, Command, Moment, PeerSeen, SocketFile, Time, VoteHeard, model};
use conversions::{facts, setup};
use readers::Readers;

/// How often what the board shows of every target is taken over from the engine.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// How many orders may wait for the driver.
const ORDERS: usize = 16;

/// What the provider failed to do, as long as it does.
const PROVIDER: &str = "keep DNS in step";

/// What it is called that changes to the zone are of use.
const ZONE: &str = "serve the zone";

/// The board and its services.
pub(in crate::agent) struct Showing {
    board: Board,
    clock: Clock,
    refreshed: Instant,
    peers: BTreeMap<SocketAddr, PeerSeen>,
    names: BTreeMap<SocketAddr, Arc<str>>,
    provider: &'static str,
    /// What was wrong with the zone as a whole when it was last read.
    caution: Option<String>,
    /// The channels that did not take the last notice, and why.
    mute: BTreeMap<&'static str, String>,
    /// Removes the control socket at the end.
    _socket: Option<SocketFile>,
    _readers: Readers,
}

/// Both clocks, now.
fn moment(clock: &Clock) -> Moment {
    Moment { clock: clock.started().into_std() + clock.now(), wall: wall() }
}

impl Showing {
    /// Opens what the configuration names; `None` if it names nothing.
    pub(in crate::agent) fn start(
        config: &Config,
        clock: Clock,
        outbox: &mpsc::Sender<Input>,
    ) -> anyhow::Result<Option<Self>> {
        if config.status.listen.is_none() && config.status.socket.is_none() {
            return Ok(None);
        }
        let now = moment(&clock);
        let board = Board::new(setup(config, Time::new(now.wall)), now);
        let readers = Readers::start().context("cannot set up the serving of readers")?;
        // Listeners belong to the runtime in which they are served.
        let inside = readers.enter();
        if let Some(address) = config.status.listen {
            let (listener, router) = (status::listen(address)?, status::read_only(board.reader()));
            readers.spawn(serve(listener, router, Limits::default(), std::future::pending()));
        }
        let mut socket = None;
        if let Some(path) = &config.status.socket {
            let (listener, file) = status::open_control(path)?;
            let (orders, mut ordered) = mpsc::channel::<Command>(ORDERS);
            let router = status::control(board.reader(), orders);
            readers.spawn(serve(listener, router, Limits::default(), std::future::pending()));
            let outbox = outbox.clone();
            readers.spawn(async move {
                while let Some(command) = ordered.recv().await {
                    if outbox.send(Input::Command(command)).await.is_err() {
                        return;
                    }
                }
            });
            socket = Some(file);
        }
        drop(inside);
        let mut showing = Self {
            board,
            clock,
            refreshed: now.clock,
            peers: BTreeMap::new(),
            names: BTreeMap::new(),
            provider: config.provider.word(),
            caution: None,
            mute: BTreeMap::new(),
            _socket: socket,
            _readers: readers,
        };
        showing.list_peers(config);
        showing.list_canaries(config);
        Ok(Some(showing))
    }

    fn at(&self) -> Instant {
        self.clock.started().into_std() + self.clock.now()
    }

    /// Shows the peers that the configuration lists.
    fn list_peers(&mut self, config: &Config) {
        let listed = config.cluster.iter().flat_map(|cluster| cluster.peers.iter());
        let mut before = std::mem::take(&mut self.peers);
        for peer in listed {
            let unknown = PeerSeen {
                address: peer.to_string(),
                alive: false,
                signed: false,
                last_heard: None,
            };
            self.peers.insert(*peer, before.remove(peer).unwrap_or(unknown));
            self.names.entry(*peer).or_insert_with(|| peer.to_string().into());
        }
        self.board.set_peers(self.peers.values().cloned().collect());
    }

    /// Shows the canaries that the configuration lists.
    fn list_canaries(&mut self, config: &Config) {
        self.board.set_canaries(config.canaries.iter().map(ToString::to_string));
    }

    /// A new configuration is in force.
    pub(in crate::agent) fn reload(&mut self, config: &Config) {
        self.provider = config.provider.word();
        let now = moment(&self.clock);
        self.board.reload(setup(config, Time::new(now.wall)), now);
        self.list_peers(config);
        self.list_canaries(config);
        self.board.ledger().reload("ok");
    }

    /// A new configuration was refused.
    pub(in crate::agent) fn reload_refused(&mut self, why: &str) {
        let at = self.at();
        self.board.ledger().reload("refused");
        self.board.failed(at, "read the configuration again", why);
        self.board.recovered("read the configuration again");
    }

    /// Something was heard from or about a peer.
    pub(in crate::agent) fn heard(&mut self, event: &ClusterEvent) {
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
            ClusterEvent::Peer { alive, .. } => seen.alive = *alive,
        }
    }

    /// Something happened.
    pub(in crate::agent) fn tell(&mut self, engine: &Engine, fact: &Fact) {
        let at = self.at();
        match fact {
            Fact::Judged { slot, outcome, rtt } => {
                let Some(target) = engine.target_in(*slot) else { return };
                match (outcome, rtt) {
                    (Outcome::Reply, Some(rtt)) => self.board.reply(target, at, *rtt),
                    (Outcome::Fault, _) => self.board.fault(target),
                    _ => self.board.loss(target, at),
                }
            }
            Fact::Limits { endpoint, noticed_after } => {
                if engine.is_canary(*endpoint) {
                    self.board.canary_limits(&endpoint.to_string(), *noticed_after);
                } else {
                    self.board.limits(endpoint.address, *noticed_after);
                }
            }
            Fact::Late { endpoint, .. } => self.board.late(endpoint.address),
            Fact::Flipped { target, .. }
            | Fact::Verdict { target, .. }
            | Fact::Refused { target, .. }
            | Fact::RefusalOver { target, .. }
            | Fact::Drained { target, .. }
            | Fact::Undrained { target, .. } => self.show(engine, *target),
            Fact::EvidenceLost { .. } | Fact::EvidenceBack { .. } => {
                for target in unseen(fact) {
                    self.show(engine, *target);
                }
            }
            Fact::Isolated { cause, .. } => self.board.set_isolation(Some(*cause)),
            Fact::IsolationOver { .. } => self.board.set_isolation(None),
            Fact::Applied { withdrawn, restored, created, took, dry_run } => {
                for (target, gone) in withdrawn {
                    self.withdrew(at, *target, gone, *took, *dry_run);
                }
                for (target, names) in restored {
                    self.restored(
                        at,
                        *target,
                        names,
                        *took,
                        *dry_run,
                        ["restore", "restored", "to"],
                    );
                }
                for (target, names) in created {
                    self.restored(at, *target, names, *took, *dry_run, ["create", "created", "at"]);
                }
            }
            Fact::Failing(problem) => {
                self.board.failed(at, PROVIDER, &problem.what);
                if problem.retry_in.is_none() {
                    // Nothing is due: it is not tried again, so nothing goes on failing.
                    self.board.recovered(PROVIDER);
                }
            }
            Fact::NameFailing { name, what } => {
                self.board.failed(at, &of_name(name), what);
                self.board.ledger().name_failing(name, true);
            }
            Fact::NameFailingOver { name } => {
                self.board.recovered(&of_name(name));
                self.board.ledger().name_failing(name, false);
            }
            Fact::FailingOver => self.board.recovered(PROVIDER),
            _ => {}
        }
    }

    fn withdrew(&mut self, at: Instant, target: IpAddr, gone: &Gone, took: Duration, dry: bool) {
        let verb = if dry { "would withdraw" } else { "withdrew" };
        let outcome = if dry { "dry_run" } else { "ok" };
        let what = format!("{verb} {target} from {}", gone.names.join(", "));
        let mut evidence = if gone.by_hand {
            vec!["drained by hand".to_owned()]
        } else {
            vec![format!("{} losses in a row", gone.losses)]
        };
        if let Some(silent) = gone.silent_for.filter(|_| !gone.by_hand) {
            evidence.push(format!("last reply {} before", brief(silent)));
            if !dry {
                self.board.ledger().failover(silent);
            }
        }
        if !gone.agreeing.is_empty() {
            let peers: Vec<_> = gone.agreeing.iter().map(ToString::to_string).collect();
            evidence.push(format!("agreed by {}", peers.join(", ")));
        }
        evidence.push(format!("took {}", brief(took)));
        self.board.changed(at, &what, &evidence.join("; "), Some(target));
        for _ in &gone.names {
            self.board.ledger().dns_change(self.provider, "withdraw", outcome);
        }
    }

    fn restored(
        &mut self,
        at: Instant,
        target: IpAddr,
        names: &[String],
        took: Duration,
        dry: bool,
        [action, past, preposition]: [&'static str; 3],
    ) {
        let verb = if dry { format!("would {action}") } else { past.to_owned() };
        let outcome = if dry { "dry_run" } else { "ok" };
        let what = format!("{verb} {target} {preposition} {}", names.join(", "));
        self.board.changed(at, &what, &format!("took {}", brief(took)), Some(target));
        for _ in names {
            self.board.ledger().dns_change(self.provider, action, outcome);
        }
    }

    fn show(&mut self, engine: &Engine, target: IpAddr) {
        if let Some(view) = engine.target_view(target) {
            let at = self.at();
            self.board.decided(target, at, &facts(&view, moment(&self.clock), &self.clock));
        }
    }

    /// Publishes what holds now. Whoever gave an order and was told of it sees it.
    pub(in crate::agent) fn publish(&mut self) {
        self.board.publish(moment(&self.clock));
    }

    /// A round of the driver's loop is over.
    pub(in crate::agent) fn turned(
        &mut self,
        engine: &Engine,
        requests: &ProviderCounters,
        notices: &notify::NoticeCounters,
        votes: impl FnOnce() -> Counts,
    ) {
        let now = moment(&self.clock);
        if now.clock.saturating_duration_since(self.refreshed) >= REFRESH_EVERY {
            self.refreshed = now.clock;
            self.refresh(engine, now);
            for (outcome, total) in requests.counts() {
                self.board.ledger().dns_requests_in_all(self.provider, outcome, total);
            }
            self.notices(now.clock, notices);
            self.board.ledger().panics_in_all(crate::panics::counts());
            for ((peer, outcome), total) in votes() {
                if let Some(peer) = peer.and_then(|peer| self.names.get(&peer)) {
                    self.board.ledger().votes_in_all(peer, outcome, total);
                }
            }
        }
        self.board.tick(now);
    }

    /// Takes over what became of the notices.
    fn notices(&mut self, at: Instant, notices: &notify::NoticeCounters) {
        for (labels, total) in notices.counts() {
            self.board.ledger().notices_in_all(labels, total);
        }
        let failing = notices.failing();
        for channel in self.mute.keys().filter(|channel| !failing.contains_key(*channel)) {
            self.board.recovered(&of_channel(channel));
        }
        for (channel, why) in &failing {
            if self.mute.get(channel) != Some(why) {
                self.board.failed(at, &of_channel(channel), why);
            }
        }
        self.mute = failing;
    }

    /// Takes over what changes with every probe.
    fn refresh(&mut self, engine: &Engine, now: Moment) {
        let alone = self.peers.is_empty();
        for view in engine.targets() {
            self.board.decided(view.address, now.clock, &facts(&view, now, &self.clock));
            if !alone {
                let votes = engine.votes_on(view.address).filter_map(|ballot| {
                    let health = if ballot.up { model::Health::Up } else { model::Health::Down };
                    let heard = now.clock.checked_sub(ballot.age)?;
                    Some(VoteHeard {
                        peer: Arc::clone(self.names.get(&ballot.peer)?),
                        health,
                        heard,
                    })
                });
                let votes = votes.collect();
                self.board.set_votes(view.address, votes);
            }
        }
        if !alone {
            self.board.set_peers(self.peers.values().cloned().collect());
        }
    }

    /// The zone was read, or may be other than it was read.
    pub(in crate::agent) fn observed(&mut self, engine: &Engine) {
        let observed = engine.observed();
        if self.caution != observed.caution {
            let at = self.at();
            match &observed.caution {
                Some(caution) => self.board.failed(at, ZONE, caution),
                None => self.board.recovered(ZONE),
            }
            self.caution.clone_from(&observed.caution);
        }
        self.board.set_observed(Some(observed));
    }
}

/// What fails when a channel does not take notices.
fn of_channel(channel: &str) -> String {
    format!("deliver notices to {channel}")
}

/// What fails when one name has trouble of its own.
fn of_name(name: &str) -> String {
    format!("look after the records of {name}")
}
