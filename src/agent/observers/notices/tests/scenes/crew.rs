//! Several agents of one cluster, in virtual time: each has an engine of its own, and all of them share the
//! records of one zone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{SERVICE, Scene, ZONE, address, settings};
use crate::engine::Moment;
use crate::engine::event::{Action, Announcement, DnsReport, Event, Fact, Order, OwnVote};
use crate::engine::ids::ServiceId;
use crate::engine::plan::{self, Family, Observed, SetKey};
use crate::engine::settings::{ClusterSettings, Settings};
use crate::engine::types::{Answer, Endpoint, Method, PeerKind, PeerState, WrongAnswer};
use crate::notify::{IncidentProblem, Notice};

/// The last byte of the address that tells an agent whether its own network works.
pub(in super::super) const CANARY: u8 = 200;

/// The agents of a cluster.
pub(in super::super) struct Crew {
    agents: Vec<Scene>,
    /// The last bytes of the addresses that each agent reaches.
    reached: Vec<Vec<u8>>,
    /// The agents that are dead.
    dead: BTreeSet<usize>,
    zone: Observed,
    /// The service that the agents have.
    service: ServiceId,
    /// Whether an agent sees in a listing that its change is made: the answer of the provider was lost.
    is_listed_first: bool,
    /// The answers of the addresses that answer in another way than asked for.
    answers: BTreeMap<u8, Answer>,
    /// The notices so far, each with the number of its agent in front.
    told: Vec<(usize, Notice)>,
}

/// Returns the vote address of an agent.
pub(in super::super) fn agent(nth: usize) -> SocketAddr {
    let last = u8::try_from(nth + 1).unwrap();
    SocketAddr::from((Ipv4Addr::new(198, 51, 100, last), 7946))
}

/// Returns the settings of an agent of so many.
fn of_cluster(base: &Settings, nth: usize, peers: impl IntoIterator<Item = usize>) -> Settings {
    let peers: BTreeSet<_> = peers.into_iter().filter(|other| *other != nth).map(agent).collect();
    let own = agent(nth);
    let cluster = base.cluster.as_ref().map(|its| ClusterSettings { own, peers, ..its.clone() });
    Settings { cluster, ..base.clone() }
}

/// Returns the settings of a service with two primaries and a standby, and a canary. So many peers have
/// to agree.
pub(in super::super) fn guarded(min_peers_agree: usize) -> Settings {
    let mut settings = settings();
    settings.canaries = vec![Endpoint { address: address(CANARY), method: Method::Echo }];
    let own = agent(0);
    settings.cluster = Some(ClusterSettings { own, peers: BTreeSet::new(), min_peers_agree });
    settings
}

impl Crew {
    /// Starts agents that see everything but the standby, with the primaries in the zone.
    pub(in super::super) async fn start(count: usize, base: &Settings) -> Self {
        let mut agents = Vec::new();
        for nth in 0..count {
            agents.push(Scene::named(&format!("agent-{nth}"), of_cluster(base, nth, 0..count)));
        }
        let mut zone = Observed::default();
        for name in &base.services[&SERVICE].names {
            let key = SetKey { name: name.clone(), family: Family::of(address(1)) };
            zone.sets.insert(key, [address(1), address(2)].into());
        }
        let reached = vec![vec![1, 2, 3, CANARY]; count];
        let dead = BTreeSet::new();
        let (service, is_listed_first, told) = (SERVICE, false, vec![]);
        let answers = BTreeMap::new();
        let mut crew =
            Self { agents, reached, dead, zone, service, is_listed_first, answers, told };
        for nth in 0..count {
            crew.meet(nth);
        }
        crew.run(45).await;
        crew.told();
        crew
    }

    /// Sets the addresses that some agents reach, by their last bytes.
    pub(in super::super) fn reach(&mut self, agents: &[usize], reached: &[u8]) {
        for nth in agents {
            self.reached[*nth] = reached.to_vec();
        }
    }

    /// Sets the service that votes are about.
    pub(in super::super) fn serve(&mut self, service: ServiceId) {
        self.service = service;
    }

    /// Sets the addresses that ask to be taken out.
    pub(in super::super) fn ask(&mut self, asking: &[u8]) {
        let answer = Answer::Asked("in maintenance".to_owned());
        self.answers = asking.iter().map(|last| (*last, answer.clone())).collect();
    }

    /// Sets the addresses that give the same wrong answer.
    pub(in super::super) fn fail(&mut self, failing: &[u8]) {
        let wrong = WrongAnswer { kind: "status 503".to_owned(), reason: "503".to_owned() };
        let answer = Answer::Failed(wrong);
        self.answers = failing.iter().map(|last| (*last, answer.clone())).collect();
    }

    /// Loses the answers of the provider: changes are seen in the next listing.
    pub(in super::super) fn lose_answers(&mut self) {
        self.is_listed_first = true;
    }

    /// Lets time go by.
    pub(in super::super) async fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 20 {
            self.step().await;
        }
    }

    /// Lets a twentieth of a second go by.
    pub(in super::super) async fn step(&mut self) {
        tokio::time::advance(Duration::from_millis(50)).await;
        for nth in 0..self.agents.len() {
            if self.dead.contains(&nth) {
                continue;
            }
            self.act(nth, Event::Tick);
            let scene = &mut self.agents[nth];
            scene.reporter.look(&scene.engine);
            self.collect(nth);
        }
    }

    /// Lets time go by until an agent has an open incident with a problem. Returns its number.
    pub(in super::super) async fn until_open(
        &mut self,
        problem: IncidentProblem,
        ours: bool,
    ) -> usize {
        for _ in 0..20 * 120 {
            self.step().await;
            for nth in 0..self.agents.len() {
                let saved = self.agents[nth].reporter.saved();
                let mut its = saved.all().iter().filter(|it| it.key.problem == problem);
                if !self.dead.contains(&nth) && its.any(|it| it.left_to.is_empty() == ours) {
                    return nth;
                }
            }
        }
        panic!("nobody has {problem}: {:?}", self.told());
    }

    /// Returns the keys of the incidents that an agent knows, without zone and service.
    pub(in super::super) fn known(&self, nth: usize) -> Vec<String> {
        let saved = self.agents[nth].reporter.saved();
        let keys = saved.all().iter().map(|it| &it.key);
        keys.map(|key| format!("{}/{}", key.place, key.problem)).collect()
    }

    /// Ends an agent at once: it says no more.
    pub(in super::super) fn kill(&mut self, nth: usize) {
        self.dead.insert(nth);
    }

    /// Lets the others notice that an agent is dead.
    pub(in super::super) fn miss(&mut self, gone: usize) {
        for nth in 0..self.agents.len() {
            if !self.dead.contains(&nth) {
                self.act(nth, Event::Peer { peer: agent(gone), state: PeerState::Gone });
            }
        }
    }

    /// Takes an agent out of the files of the others.
    pub(in super::super) fn remove(&mut self, gone: usize, base: &Settings) {
        let left: Vec<_> = (0..self.agents.len()).filter(|nth| *nth != gone).collect();
        for nth in left.clone() {
            let settings = of_cluster(base, nth, left.iter().copied());
            self.act(nth, Event::Reloaded(Box::new(settings)));
            self.agents[nth].reporter.reloaded();
        }
    }

    /// Lets all agents follow other settings.
    pub(in super::super) fn reload(&mut self, base: &Settings) {
        for nth in 0..self.agents.len() {
            let settings = of_cluster(base, nth, 0..self.agents.len());
            self.act(nth, Event::Reloaded(Box::new(settings)));
            self.agents[nth].reporter.reloaded();
            self.lists(nth);
        }
    }

    /// Starts an agent again without a state file.
    pub(in super::super) fn forget(&mut self, nth: usize, base: &Settings) {
        let settings = of_cluster(base, nth, 0..self.agents.len());
        self.agents[nth] = Scene::named(&format!("agent-{nth}"), settings);
        self.meet(nth);
    }

    /// Starts an agent again with the incidents in its state file, while others are dead.
    pub(in super::super) fn restart(&mut self, nth: usize, base: &Settings) {
        let reporter = &mut self.agents[nth].reporter;
        let last = reporter.take_all().into_iter();
        reporter.delivered_but(&[]);
        let saved = reporter.saved();
        self.told.extend(last.map(|notice| (nth, notice)));
        self.dead.remove(&nth);
        let settings = of_cluster(base, nth, 0..self.agents.len());
        let mut scene = Scene::named(&format!("agent-{nth}"), settings);
        scene.reporter.inherit(&saved);
        self.agents[nth] = scene;
        self.meet(nth);
    }

    /// Lets a new agent list the zone and hear of its peers.
    fn meet(&mut self, nth: usize) {
        self.lists(nth);
        for peer in 0..self.agents.len() {
            if peer != nth && !self.dead.contains(&peer) {
                let state = PeerState::Alive(PeerKind::Native);
                self.act(nth, Event::Peer { peer: agent(peer), state });
            }
        }
    }

    /// Lets a fact happen at an agent.
    pub(in super::super) fn happens(&mut self, nth: usize, fact: &Fact) {
        let scene = &mut self.agents[nth];
        scene.reporter.fact(&scene.engine, fact);
    }

    /// Lets all agents list the zone, with a caution about it.
    pub(in super::super) fn caution(&mut self, caution: Option<&str>) {
        self.zone.caution = caution.map(str::to_owned);
        (0..self.agents.len()).for_each(|nth| self.lists(nth));
    }

    /// Puts an address into the zone, or takes it out, by another hand.
    pub(in super::super) fn edit(&mut self, last: u8, is_in: bool) {
        for addresses in self.zone.sets.values_mut() {
            if is_in {
                addresses.insert(address(last));
            } else {
                addresses.remove(&address(last));
            }
        }
    }

    /// Removes and returns the notices so far: agent, status, kind, place and problem.
    pub(in super::super) fn told(&mut self) -> Vec<String> {
        let told = self.notices().into_iter().map(|(nth, notice)| {
            let (status, kind, key) = (notice.status.word(), notice.kind.word(), notice.incident);
            let quiet = if notice.quiet { " quietly" } else { "" };
            let (place, problem) = (key.place, key.problem);
            format!("{nth}: {status} {kind} {place}/{problem}{quiet}")
        });
        told.collect()
    }

    /// Removes and returns the notices so far, each with its agent.
    pub(in super::super) fn notices(&mut self) -> Vec<(usize, Notice)> {
        std::mem::take(&mut self.told)
    }

    fn collect(&mut self, nth: usize) {
        let scene = &mut self.agents[nth];
        scene.sent.extend(scene.reporter.take_due());
        self.told.extend(scene.sent.drain(..).map(|notice| (nth, notice)));
    }

    /// Lists the zone for an agent.
    pub(in super::super) fn lists(&mut self, nth: usize) {
        self.act(nth, Event::Dns(ZONE, DnsReport::Listed(self.zone.clone())));
        let scene = &mut self.agents[nth];
        scene.reporter.zone_listed(&scene.engine, ZONE);
        self.collect(nth);
    }

    /// Lets an agent handle an event, with all consequences at it and at the others.
    fn act(&mut self, nth: usize, event: Event) {
        let mut events = VecDeque::from([(nth, event)]);
        while let Some((nth, event)) = events.pop_front() {
            let is_listing = matches!(event, Event::Dns(_, DnsReport::Listed(_)));
            let scene = &mut self.agents[nth];
            let now = scene.clock.now();
            let actions = scene.engine.handle(now, event);
            if is_listing {
                scene.reporter.zone_listed(&scene.engine, ZONE);
            }
            for action in actions {
                match action {
                    Action::Probe(request) => {
                        let its = request.endpoint.address;
                        if self.reached[nth].iter().any(|last| address(*last) == its) {
                            let mut others = self.answers.iter();
                            let other = others.find(|(last, _)| address(**last) == its);
                            let good = Answer::Reply(Duration::from_millis(1));
                            let answer = other.map_or(good, |(_, answer)| answer.clone());
                            events.push_back((nth, Event::Answered { probe: request.id, answer }));
                        }
                    }
                    Action::Announce { announcement, .. } => {
                        events.extend(self.votes(nth, &announcement, now));
                    }
                    Action::Reconcile { order, .. } => {
                        for report in self.carry_out(order) {
                            events.push_back((nth, Event::Dns(ZONE, report)));
                        }
                    }
                    Action::Report(fact) => {
                        let scene = &mut self.agents[nth];
                        scene.reporter.fact(&scene.engine, &fact);
                    }
                    _ => {}
                }
            }
            self.collect(nth);
        }
    }

    /// Returns the events at the other agents that an agent's votes are.
    fn votes(&self, nth: usize, own: &Announcement, now: Moment) -> Vec<(usize, Event)> {
        let (mut heard, peer, service) = (Vec::new(), agent(nth), self.service);
        let others = (0..self.agents.len()).filter(|it| *it != nth && !self.dead.contains(it));
        for other in others {
            for target in (1..=3).map(address) {
                let event = match own.votes.get(&target) {
                    Some(OwnVote { vote, evidence }) => {
                        let (vote, age) = (*vote, now.since(*evidence));
                        Event::Vote { peer, service, target, vote, age }
                    }
                    None => Event::Abstained { peer, service, target },
                };
                heard.push((other, event));
            }
        }
        heard
    }

    /// Makes the zone as an order asks. Returns the reports of that.
    fn carry_out(&mut self, order: Order) -> Vec<DnsReport> {
        let names: Vec<String> = self.zone.sets.keys().map(|key| key.name.clone()).collect();
        let plan = plan::plan(&names, &self.zone, &order.desired, order.floor);
        for (key, address) in &plan.delete {
            self.zone.sets.get_mut(key).unwrap().remove(address);
        }
        for (key, address) in &plan.create {
            self.zone.sets.get_mut(key).unwrap().insert(*address);
        }
        let mut reports = Vec::new();
        if self.is_listed_first {
            reports.push(DnsReport::Listed(self.zone.clone()));
        }
        if !plan.is_empty() {
            reports.push(DnsReport::Applied {
                withdrawn: plan.delete,
                restored: plan.create,
                created: vec![],
                took: Duration::from_millis(30),
                is_part: false,
            });
        }
        reports.push(DnsReport::Listed(self.zone.clone()));
        let held = plan.held.into_iter().map(|(key, address)| (address, vec![key.name])).collect();
        let (service, number, desired) = (order.service, order.number, order.desired);
        let open = BTreeSet::new();
        reports.push(DnsReport::Confirmed { service, number, desired, held, open });
        reports
    }
}
