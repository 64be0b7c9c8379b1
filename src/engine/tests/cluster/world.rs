//! A world of several engines that share a zone: one clock, one queue of events.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::agent::{Agent, Input, address};
use super::chance::Chance;
use super::net::Net;
use super::peers::{PeerView, VoteSender};
use super::services::{Naming, probed};
use super::trace::Trace;
use super::zone::{Kind, Reading, Zone};
use crate::engine::event::{Action, DnsReport, Event, Fact, ProbeRequest, Reason};
use crate::engine::ids::TargetRef;
use crate::engine::moment::Moment;
use crate::engine::plan::Desired;
use crate::engine::settings::{ClusterSettings, Settings};
use crate::engine::tests::upcoming::Upcoming;
use crate::engine::tests::world::{ip, last, ms};
use crate::engine::types::{Answer, Health, WrongAnswer};

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) agents: Vec<Agent>,
    pub(super) zone: Zone,
    /// The zones of the services after `default`, one each.
    pub(super) named_zones: Vec<Zone>,
    pub(super) net: Net,
    pub(super) chance: Chance,
    pub(super) senders: Vec<Vec<VoteSender>>,
    pub(super) peer_views: Vec<Vec<PeerView>>,
    upcoming: Upcoming<Happening>,
    /// The number of tokens that were given out. Each is used once.
    pub(super) count: u64,
    /// The time at which any agent last changed its vote on a target.
    pub(super) mind_changed: Duration,
    /// Claims that did not hold.
    pub(super) broken: Vec<String>,
    /// The log of events, if one is kept.
    pub(super) story: Option<Vec<String>>,
    /// Every action of every engine, if a trace is kept.
    pub(super) trace: Option<Trace>,
}

/// An event that is to happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// An input arrives at a process, if that is still the same.
    In { agent: usize, life: u32, input: Input },
    /// A sender's turn, unless it had a later one.
    Post { from: usize, to: usize, token: u64 },
    /// Gossip reaches a finding, unless it has changed since.
    Gossip { agent: usize, peer: usize, token: u64 },
    /// A request about a service arrives at the provider.
    Asked { agent: usize, life: u32, service: usize, ask: Ask },
    /// A suspended process resumes.
    Resume { agent: usize, life: u32 },
}

#[derive(Debug)]
pub(super) enum Ask {
    List,
    Write { reading: Reading, create: Vec<IpAddr>, delete: Vec<IpAddr> },
}

/// Returns the settings of one of `agents`; the others are its peers.
pub(super) fn member(number: usize, agents: usize, needed: usize, alike: &Settings) -> Settings {
    let peers: BTreeSet<_> = (0..agents).filter(|other| *other != number).map(address).collect();
    let own = address(number);
    let cluster = Some(ClusterSettings { own, peers, min_peers_agree: needed });
    Settings { cluster, ..alike.clone() }
}

impl World {
    /// Creates `agents` that are about to start; all targets live and are in the zone.
    pub(super) fn new(
        agents: usize,
        needed: usize,
        alike: &Settings,
        kind: Kind,
        seed: u64,
    ) -> Self {
        let zone = Zone::new(kind, alike.default_service().targets.iter().copied());
        let named = alike.services.len() - 1;
        let mut world = Self {
            now: Duration::ZERO,
            agents: vec![],
            named_zones: vec![zone.clone(); named],
            zone,
            net: Net::default(),
            chance: Chance::new(seed),
            senders: vec![],
            peer_views: vec![],
            upcoming: Upcoming::default(),
            count: 0,
            mind_changed: Duration::ZERO,
            broken: vec![],
            story: None,
            trace: None,
        };
        for number in 0..agents {
            let settings = member(number, agents, needed, alike);
            world.agents.push(Agent::new(settings, Naming::of(number, named + 1)));
            world.senders.push((0..agents).map(|_| VoteSender::default()).collect());
            world.peer_views.push(vec![PeerView::default(); agents]);
        }
        for number in 0..agents {
            world.start(number);
        }
        world
    }

    /// Adds a line to the log of events, if one is kept.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now.as_secs_f64();
        if let Some(story) = &mut self.story {
            story.push(format!("{now:9.3}  {}", line()));
        }
    }

    pub(super) fn later(&mut self, at: Duration, what: Happening) {
        self.upcoming.add(at, what);
    }

    pub(super) fn send_in(&mut self, at: Duration, agent: usize, input: Input) {
        let life = self.agents[agent].life;
        self.later(at, Happening::In { agent, life, input });
    }

    /// Runs until `end`, with all events in order.
    pub(super) fn run_until(&mut self, end: Duration) {
        let mut standing = 0;
        loop {
            let coming = self.upcoming.next_at();
            let wakes = self.agents.iter().enumerate();
            let wake = wakes.filter_map(|(number, agent)| Some((agent.next_wake()?, number))).min();
            let next = [coming, wake.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            standing = if next > self.now { 0 } else { standing + 1 };
            assert!(standing < 20_000, "time stands still at {:?}", self.now);
            self.now = self.now.max(next);
            match (coming == Some(next), wake) {
                (false, Some((_, agent))) => self.tick(agent),
                _ => {
                    if let Some(what) = self.upcoming.pop() {
                        self.happen(what);
                    }
                }
            }
        }
        self.now = end;
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(super) fn tick(&mut self, agent: usize) {
        self.agents[agent].ticked = self.now;
        self.send(agent, Event::Tick);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::In { agent, life, input } if self.agents[agent].life == life => {
                match &mut self.agents[agent].suspended {
                    Some(waiting) => waiting.push(input),
                    None => self.take_in(agent, input),
                }
            }
            Happening::Post { from, to, token } => {
                if self.senders[from][to].token == token {
                    self.post(from, to);
                }
            }
            Happening::Gossip { agent, peer, token } => self.gossip(agent, peer, token),
            Happening::Asked { agent, life, service, ask } => {
                self.asked((agent, life), service, ask);
            }
            Happening::Resume { agent, life } if self.agents[agent].life == life => {
                self.resume(agent);
            }
            Happening::In { .. } | Happening::Resume { .. } => {}
        }
    }

    pub(super) fn take_in(&mut self, agent: usize, input: Input) {
        match input {
            Input::Event(event) => self.send(agent, event),
            Input::Votes { from, said, votes, retracted } => {
                let (peer, now, naming) = (address(from), self.now, self.naming(agent));
                for (target, (vote, seen)) in votes {
                    let age = said.saturating_sub(seen);
                    self.agents[agent].note_vote(peer, target, (vote, seen, now));
                    let TargetRef { service, address: target } = naming.inner(target);
                    self.send(agent, Event::Vote { peer, service, target, vote, age });
                }
                for target in retracted {
                    self.agents[agent].note_taken_back(peer, target);
                    let TargetRef { service, address: target } = naming.inner(target);
                    self.send(agent, Event::Abstained { peer, service, target });
                }
            }
            Input::Worker(service, input) => {
                let worker = &mut self.agents[agent].workers[service];
                let doing = worker.receive(self.now, input, &mut self.chance);
                self.work(agent, service, doing);
            }
            Input::Reload(settings) => self.reload(agent, *settings),
        }
    }

    /// Passes an event to an engine, and performs the actions that it requests.
    pub(super) fn send(&mut self, agent: usize, event: Event) {
        let (now, naming) = (self.now, self.naming(agent));
        let state = &mut self.agents[agent];
        match &event {
            Event::Peer { peer, state: its } => state.note_peer(*peer, its.is_alive()),
            Event::Dns(_, DnsReport::Confirmed { service, desired, .. }) => {
                let done = naming.outer_desired(*service, desired);
                state.standing.retain(|address, state| done.get(address) != Some(state));
            }
            _ => {}
        }
        let Some(engine) = &mut state.engine else { return };
        let at = Moment::after_start(now);
        let actions = engine.handle(at, event);
        state.tap.handled(engine, at);
        for wrong in state.ordered.contradictions(engine, &actions) {
            self.broken.push(format!("{now:?}, agent {agent}: {wrong}"));
        }
        for action in actions {
            if let Some(trace) = &mut self.trace {
                trace.add(now, agent, &action);
            }
            self.act(agent, action);
        }
    }

    fn act(&mut self, agent: usize, action: Action) {
        match action {
            Action::Probe(request) => self.probe(agent, request),
            Action::Prepare(zone) => {
                let service = self.naming(agent).number(zone);
                let doing = self.agents[agent].workers[service].prepare(self.now);
                self.work(agent, service, doing);
            }
            Action::Reconcile { order, .. } => self.order(agent, order),
            Action::Recall { service, target, .. } => {
                let service = self.naming(agent).number(service);
                self.agents[agent].workers[service].recall(target);
            }
            Action::Announce { service, announcement } => {
                self.announce(agent, service, &announcement);
            }
            Action::Report(Fact::Judged { .. })
            | Action::DrainAnswered { .. }
            | Action::StoreDrains { .. } => {}
            Action::Report(fact) => {
                self.note(|| format!("{agent}: {fact:?}"));
                // Its vote changes with the same decision, after its orders.
                if matches!(fact, Fact::Flipped { .. }) {
                    self.mind_changed = self.now;
                }
                let fact = self.naming(agent).outer_fact(fact);
                self.agents[agent].facts.push((self.now, fact));
            }
        }
    }

    fn probe(&mut self, agent: usize, request: ProbeRequest) {
        let rtt = ms(10 + u64::try_from(agent).unwrap());
        let address = probed(request.endpoint);
        let (after, answer) = if self.net.faulty.contains(&(agent, address)) {
            (ms(0), Answer::Fault("no route".into()))
        } else if let Some(kind) = self.net.wrong.get(&(agent, address)) {
            (rtt, Answer::Failed(WrongAnswer { kind: (*kind).into(), reason: (*kind).into() }))
        } else if self.net.answers(address, agent) {
            (rtt, Answer::Reply(rtt))
        } else {
            (request.listen_for, Answer::Silence)
        };
        let event = Event::Answered { probe: request.id, answer };
        self.send_in(self.now + after, agent, Input::Event(event));
    }

    /// Returns the agents, the first to act on `target` at the front if all of them agree.
    pub(super) fn ranked(&self, target: IpAddr) -> Vec<usize> {
        let mut agents: Vec<usize> = (0..self.agents.len()).collect();
        agents.sort_by_key(|agent| Reverse(self.weight(target, address(*agent))));
        agents
    }

    /// Runs in small steps until `done`; returns the time.
    pub(super) fn run_until_it_is(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Duration {
        let patience = self.now + ms(60_000);
        while !done(self) {
            assert!(self.now < patience, "not within a minute: {what}");
            self.run_for(ms(10));
        }
        self.now
    }

    pub(super) fn reason(&self, agent: usize, last: u8) -> Option<Reason> {
        self.agents[agent].view(ip(last)).and_then(|view| view.reason)
    }

    pub(super) fn health(&self, agent: usize, last: u8) -> Option<Health> {
        self.agents[agent].view(ip(last)).map(|view| view.health)
    }

    /// Returns the last bytes of the addresses in the zone.
    pub(super) fn in_zone(&self) -> Vec<u8> {
        (0..=255).filter(|last| self.zone.holds(ip(*last))).collect()
    }

    /// Returns the writes that took effect: the agent, `-` or `+`, the last byte.
    pub(super) fn writes(&self) -> Vec<String> {
        let mut writes = Vec::new();
        for write in &self.zone.writes {
            let sign = if write.came { '+' } else { '-' };
            writes.push(format!("{}{sign}{}", write.by, last(&write.address)));
        }
        writes
    }

    pub(super) fn desired(&self, agent: usize, target: IpAddr) -> Option<Desired> {
        let TargetRef { address, .. } = self.naming(agent).inner(target);
        self.agents[agent].workers[self.service_of(target)].desired(address)
    }
}
