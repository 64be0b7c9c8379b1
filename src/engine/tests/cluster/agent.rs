//! One agent: a process that runs, is dead, or is suspended.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::services::Naming;
use super::worker::{self, Worker};
use crate::engine::event::{Event, Fact, Order};
use crate::engine::moment::Moment;
use crate::engine::plan::Desired;
use crate::engine::quorum::VOTE_TTL;
use crate::engine::settings::Settings;
use crate::engine::tests::explaining::Ordered;
use crate::engine::tests::recording::Tap;
use crate::engine::types::{Health, Vote};
use crate::engine::{Engine, TargetView};

/// The time by which a vote may exceed its term when it is acted on: it was in transit for a while,
/// and this process may have been slow for a while.
const SLACK: Duration = Duration::from_secs(7);

/// Returns the vote address of the agent with this number.
pub(super) fn address(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(number + 1).unwrap()], 8081))
}

/// An input of a process.
#[derive(Debug)]
pub(super) enum Input {
    Event(Event),
    /// The votes of another agent, as they were when it sent them.
    Votes {
        from: usize,
        said: Duration,
        /// The vote on each target, and the time of its evidence.
        votes: BTreeMap<IpAddr, (Vote, Duration)>,
        retracted: BTreeSet<IpAddr>,
    },
    /// An input of the worker of a service.
    Worker(usize, worker::Input),
    /// SIGHUP, with the settings that the file then has.
    Reload(Box<Settings>),
}

/// A vote that one agent received from another, kept apart from the engine to check its actions.
#[derive(Debug, Clone, Copy)]
struct NotedVote {
    vote: Vote,
    seen: Duration,
    received_at: Duration,
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) settings: Settings,
    /// The engine; `None` while the process is dead.
    pub(super) engine: Option<Engine>,
    /// The number of starts. Inputs in transit to an earlier process are dropped.
    pub(super) life: u32,
    /// The inputs that are queued while the process is suspended.
    pub(super) suspended: Option<Vec<Input>>,
    /// The time at which it was started or resumed.
    pub(super) began: Duration,
    pub(super) ticked: Duration,
    /// The reconciler of each service.
    pub(super) workers: Vec<Worker>,
    naming: Naming,
    /// The votes that it announces.
    pub(super) votes: BTreeMap<IpAddr, Vote>,
    /// The time of the evidence for each vote.
    pub(super) evidence: BTreeMap<IpAddr, Duration>,
    /// The last states that it ordered.
    pub(super) ordered: Ordered,
    /// The time since which it has had a vote without a break.
    pub(super) votes_since: BTreeMap<IpAddr, Duration>,
    /// The targets of votes that it announced once and has retracted.
    pub(super) retracted: BTreeSet<IpAddr>,
    pub(super) facts: Vec<(Duration, Fact)>,
    pub(super) orders: Vec<(Duration, Order)>,
    /// The last desired state of each address that is not confirmed.
    pub(super) standing: BTreeMap<IpAddr, Desired>,
    received: BTreeMap<(SocketAddr, IpAddr), NotedVote>,
    alive: BTreeMap<SocketAddr, bool>,
    /// The recording, if the scene is recorded.
    pub(super) tap: Tap,
}

impl Agent {
    pub(super) fn new(settings: Settings, naming: Naming) -> Self {
        let workers = settings.services().map(|_| Worker::default()).collect();
        Self {
            settings,
            naming,
            engine: None,
            life: 0,
            suspended: None,
            began: Duration::ZERO,
            ticked: Duration::ZERO,
            workers,
            votes: BTreeMap::new(),
            ordered: Ordered::default(),
            evidence: BTreeMap::new(),
            votes_since: BTreeMap::new(),
            retracted: BTreeSet::new(),
            facts: vec![],
            orders: vec![],
            standing: BTreeMap::new(),
            received: BTreeMap::new(),
            alive: BTreeMap::new(),
            tap: Tap::new(),
        }
    }

    /// Starts a new process without any state.
    pub(super) fn start(&mut self, now: Duration) {
        self.die();
        self.life += 1;
        (self.began, self.ticked) = (now, now);
        let settings = self.naming.inner_settings(&self.settings);
        let mut engine = Engine::new(settings, BTreeMap::new(), Moment::after_start(now));
        self.tap.started(&mut engine, Moment::after_start(now));
        self.engine = Some(engine);
    }

    pub(super) fn die(&mut self) {
        self.engine = None;
        self.suspended = None;
        self.workers.fill_with(Worker::default);
        self.votes.clear();
        self.votes_since.clear();
        self.retracted.clear();
        self.standing.clear();
        self.ordered = Ordered::default();
        self.received.clear();
        self.alive.clear();
    }

    pub(super) fn runs(&self) -> bool {
        self.engine.is_some() && self.suspended.is_none()
    }

    /// Returns the time of its next action by itself: the event loop iterates at least once a
    /// second.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let engine = self.engine.as_ref().filter(|_| self.suspended.is_none())?;
        let beat = self.ticked + Duration::from_secs(1);
        Some(engine.next_wake().map_or(beat, |wake| wake.since_start().min(beat)))
    }

    pub(super) fn view(&self, target: IpAddr) -> Option<TargetView> {
        let view = self.engine.as_ref()?.target_view(self.naming.inner(target))?;
        Some(self.naming.outer_view(view))
    }

    pub(super) fn needed(&self) -> usize {
        self.settings.cluster.as_ref().map_or(0, |cluster| cluster.min_peers_agree)
    }

    pub(super) fn has_peer(&self, peer: SocketAddr) -> bool {
        self.settings.cluster.as_ref().is_some_and(|cluster| cluster.peers.contains(&peer))
    }

    /// Records a change of a peer's liveness.
    pub(super) fn note_peer(&mut self, peer: SocketAddr, alive: bool) {
        self.alive.insert(peer, alive);
        if !alive {
            self.received.retain(|(of, _), _| *of != peer);
        }
    }

    pub(super) fn note_vote(
        &mut self,
        peer: SocketAddr,
        target: IpAddr,
        vote: (Vote, Duration, Duration),
    ) {
        let (vote, seen, received_at) = vote;
        self.received.insert((peer, target), NotedVote { vote, seen, received_at });
    }

    pub(super) fn note_taken_back(&mut self, peer: SocketAddr, target: IpAddr) {
        self.received.remove(&(peer, target));
    }

    pub(super) fn note_settings(&mut self, settings: Settings) {
        self.settings = settings;
        let peers = self.settings.cluster.as_ref().map(|cluster| cluster.peers.clone());
        let peers = peers.unwrap_or_default();
        let services = self.settings.services();
        let targets: BTreeSet<_> = services.flat_map(|(_, its)| its.targets.to_vec()).collect();
        self.received.retain(|(peer, target), _| peers.contains(peer) && targets.contains(target));
        self.alive.retain(|peer, _| peers.contains(peer));
    }

    fn counts(&self, target: IpAddr, vote: Vote) -> impl Iterator<Item = &NotedVote> {
        self.received.iter().filter_map(move |((peer, of), noted)| {
            let alive = self.alive.get(peer).copied().unwrap_or_default();
            (*of == target && noted.vote == vote && alive && self.has_peer(*peer)).then_some(noted)
        })
    }

    /// Returns the objection to acting in this direction now, if there is one.
    pub(super) fn objection(&self, target: IpAddr, up: bool, now: Duration) -> Option<String> {
        let Some(view) = self.view(target) else { return Some("it is no target".into()) };
        if (view.health == Health::Down) == up {
            return Some(format!("this agent itself sees it {:?}", view.health));
        }
        if !view.proven {
            return Some("this agent has no evidence".into());
        }
        if !up && self.engine.as_ref().is_some_and(|engine| engine.canaries.is_isolated()) {
            return Some("no canary answers this agent".into());
        }
        let needed = self.needed();
        let (own, opposite) = if up { (Vote::Up, Vote::Down) } else { (Vote::Down, Vote::Up) };
        let agree =
            self.counts(target, own).filter(|vote| now < vote.seen + VOTE_TTL + SLACK).count();
        if agree < needed {
            return Some(format!("{agree} fresh votes of live peers, {needed} needed"));
        }
        // A vote received just after a suspension may have been discarded, and rightly.
        let contrary = self.counts(target, opposite).filter(|vote| {
            now + Duration::from_secs(1) < vote.seen + VOTE_TTL
                && vote.received_at > self.began + Duration::from_secs(2)
        });
        let contrary = contrary.count();
        if needed > 0 && contrary > needed {
            return Some(format!("{contrary} fresh votes to the contrary, {needed} needed"));
        }
        None
    }
}
