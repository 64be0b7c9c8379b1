//! A world for one engine: targets that answer or not, the zone, the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::explaining::Ordered;
use super::story::report;
use super::upcoming::Upcoming;
use crate::engine::event::{
    Action, DnsProblem, DnsProblemKind, DnsReport, Drain, Event, Fact, Order, ProbeRequest,
};
use crate::engine::ids::{ServiceId, TargetRef, Ticket, ZoneId};
use crate::engine::moment::Moment;
use crate::engine::plan::{self, Family, Observed, SetKey};
use crate::engine::settings::{ServiceSettings, Settings};
use crate::engine::types::{Answer, Endpoint};
use crate::engine::{Engine, TargetView};

pub(super) const NAME: &str = "www.example.com";

pub(in crate::engine) fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Returns an IPv6 address of the tests.
pub(in crate::engine) fn ip6(last: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])
}

/// Returns the canary's address.
pub(super) fn canary() -> IpAddr {
    IpAddr::from([198, 51, 100, 1])
}

pub(in crate::engine) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Settings with an interval of one second, a timeout of half a second and a retry interval of a
/// fifth; three losses, three replies; no guards.
pub(in crate::engine) fn settings(targets: &[u8]) -> Settings {
    let targets = targets.iter().map(|last| ip(*last)).collect();
    Settings::new(ServiceSettings::new(targets, NAME))
}

/// The settings with this floor.
pub(in crate::engine) fn with_floor(floor: usize, mut settings: Settings) -> Settings {
    settings.default_service_mut().floor = floor;
    settings
}

/// The settings with a comparison of DNS with all verdicts at this interval.
pub(in crate::engine) fn resyncing(every: Duration, mut settings: Settings) -> Settings {
    settings.default_service_mut().resync_interval = Some(every);
    settings
}

/// Returns the target at an address.
pub(in crate::engine) fn target_ref(address: IpAddr) -> TargetRef {
    TargetRef { service: ServiceId::DEFAULT, address }
}

/// The same settings with a canary.
pub(super) fn guarded(targets: &[u8]) -> Settings {
    let canaries = vec![Endpoint::echo(canary())];
    Settings { canaries, ..settings(targets) }
}

/// The behaviour of an address from some time on.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// It answers after this long.
    Answers(Duration),
    /// It does not answer.
    Silent,
    /// This machine cannot send probes to it.
    Fault(&'static str),
}

/// A firewall on the path with a rate limit; a token bucket.
pub(super) struct Limit {
    /// Time per token.
    pub(super) every: Duration,
    /// The number of tokens in a full bucket.
    pub(super) burst: u32,
    /// The time at which the bucket is full again.
    full_at: Duration,
}

impl Limit {
    pub(super) fn new(every: Duration, burst: u32) -> Self {
        Self { every, burst, full_at: Duration::ZERO }
    }

    fn lets_pass(&mut self, now: Duration) -> bool {
        let full_at = self.full_at.max(now) + self.every;
        let passes = full_at <= now + self.every * self.burst;
        if passes {
            self.full_at = full_at;
        }
        passes
    }
}

/// An engine and its surroundings.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Duration,
    ways: BTreeMap<IpAddr, Behaviour>,
    upcoming: Upcoming<Event>,
    ordered: Ordered,
    pub(super) zone: Observed,
    /// The rate limit on the path to all targets.
    pub(super) limit: Option<Limit>,
    /// The rate limit of the canary itself.
    pub(super) canary_limit: Option<Limit>,
    /// Whether the zone can be listed and changed.
    pub(super) zone_works: bool,
    /// Whether orders wait until [`World::run_order`].
    pub(super) worker_is_slow: bool,
    pub(super) probes: Vec<(Duration, ProbeRequest)>,
    pub(super) facts: Vec<(Duration, Fact)>,
    pub(super) orders: Vec<(Duration, Order)>,
    pub(super) writes: Vec<(Duration, String)>,
    pub(super) prepared: Vec<Duration>,
    pub(super) answers: Vec<(Ticket, String)>,
    /// The drains to be remembered, by service.
    pub(super) stored: BTreeMap<ServiceId, BTreeMap<IpAddr, Drain>>,
}

impl World {
    /// Creates a world in which all targets answer after 10 ms and are in the zone.
    pub(super) fn new(settings: Settings) -> Self {
        Self::with_drains(settings, BTreeMap::new())
    }

    pub(super) fn with_drains(settings: Settings, drains: BTreeMap<IpAddr, Drain>) -> Self {
        let mut zone = Observed::default();
        for address in settings.default_service().targets.iter() {
            let key = SetKey { name: NAME.into(), family: Family::of(*address) };
            zone.sets.entry(key).or_default().insert(*address);
        }
        let drains = drains.into_iter().map(|(address, drain)| (target_ref(address), drain));
        let engine = Engine::new(settings, drains.collect(), Moment::START);
        Self {
            engine,
            now: Duration::ZERO,
            ways: BTreeMap::new(),
            upcoming: Upcoming::default(),
            ordered: Ordered::default(),
            zone,
            limit: None,
            canary_limit: None,
            zone_works: true,
            worker_is_slow: false,
            probes: vec![],
            facts: vec![],
            orders: vec![],
            writes: vec![],
            prepared: vec![],
            answers: vec![],
            stored: BTreeMap::new(),
        }
    }

    pub(super) fn set(&mut self, address: IpAddr, way: Behaviour) {
        self.ways.insert(address, way);
    }

    pub(super) fn dies(&mut self, last: u8) {
        self.set(ip(last), Behaviour::Silent);
    }

    pub(super) fn lives(&mut self, last: u8) {
        self.set(ip(last), Behaviour::Answers(ms(10)));
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.upcoming.add(self.now + after, event);
    }

    /// Passes an event to the engine now.
    pub(super) fn send(&mut self, event: Event) {
        let actions = self.engine.handle(Moment::after_start(self.now), event);
        let wrong = self.ordered.contradictions(&self.engine, &actions);
        assert!(wrong.is_empty(), "{:?}: {wrong:#?}", self.now);
        for action in actions {
            self.act(action);
        }
    }

    /// Runs until `end`, with all events in order.
    pub(super) fn run_until(&mut self, end: Duration) {
        self.send(Event::Tick);
        let mut standing = 0;
        loop {
            let coming = self.upcoming.next_at();
            let wake = self.engine.next_wake().map(Moment::since_start);
            let Some(next) = [coming, wake].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            standing = if next > self.now { 0 } else { standing + 1 };
            assert!(standing < 100_000, "time stands still at {:?}: {:?}", self.now, self.engine);
            self.now = self.now.max(next);
            let event = if coming == Some(next) { self.upcoming.pop() } else { None };
            self.send(event.unwrap_or(Event::Tick));
        }
        self.now = end;
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Suspends the process for `time`; answers that arrive during that time are received
    /// afterwards.
    pub(super) fn stall_for(&mut self, time: Duration) {
        self.now += time;
        self.send(Event::Tick);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Probe(request) => self.probe(request),
            Action::Prepare(_) => {
                self.prepared.push(self.now);
                if !self.worker_is_slow {
                    let report = self.listing();
                    self.later(ms(20), Event::Dns(ZoneId::DEFAULT, report));
                }
            }
            Action::Reconcile { order, .. } => self.reconcile(order),
            Action::Report(fact) => self.facts.push((self.now, fact)),
            Action::DrainAnswered { ticket, answer } => {
                self.answers.push((ticket, format!("{answer:?}")));
            }
            Action::StoreDrains { service, drains } => _ = self.stored.insert(service, drains),
            Action::Announce { .. } | Action::Recall { .. } => {}
        }
    }

    fn probe(&mut self, request: ProbeRequest) {
        self.probes.push((self.now, request));
        let way = self.ways.get(&request.endpoint.address).cloned();
        let exempt = request.endpoint.address == canary();
        let limit = if exempt { &mut self.canary_limit } else { &mut self.limit };
        let passes = limit.as_mut().is_none_or(|limit| limit.lets_pass(self.now));
        let way = if passes { way } else { Some(Behaviour::Silent) };
        let (after, answer) = match way.unwrap_or(Behaviour::Answers(ms(10))) {
            Behaviour::Answers(rtt) => (rtt, Answer::Reply(rtt)),
            Behaviour::Silent => (request.listen_for, Answer::Silence),
            Behaviour::Fault(why) => (Duration::ZERO, Answer::Fault(why.into())),
        };
        self.later(after, Event::Answered { probe: request.id, answer });
    }

    fn listing(&self) -> DnsReport {
        if self.zone_works {
            return DnsReport::Listed(self.zone.clone());
        }
        let (kind, what) = (DnsProblemKind::Unavailable, "no connection".into());
        DnsReport::Failing(DnsProblem { kind, what, retry_in: None })
    }

    /// Does the worker's work in no time: list, plan, apply, report.
    fn reconcile(&mut self, order: Order) {
        self.orders.push((self.now, order));
        if !self.worker_is_slow {
            self.run_order();
        }
    }

    /// Carries out the newest order that waits.
    pub(super) fn run_order(&mut self) {
        let Some((_, order)) = self.orders.last().cloned() else { return };
        let report = self.listing();
        self.later(ms(30), Event::Dns(ZoneId::DEFAULT, report));
        if !self.zone_works {
            return;
        }
        let names = [NAME.to_owned()];
        let plan = plan::plan(&names, &self.zone, &order.desired, order.floor);
        for (key, address) in &plan.delete {
            self.writes.push((self.now, format!("-{address}")));
            self.zone.sets.entry(key.clone()).or_default().remove(address);
        }
        for (key, address) in &plan.create {
            self.writes.push((self.now, format!("+{address}")));
            self.zone.sets.entry(key.clone()).or_default().insert(*address);
        }
        if !plan.is_empty() {
            let (withdrawn, restored, took) = (plan.delete, plan.create, ms(30));
            self.later(
                took,
                Event::Dns(
                    ZoneId::DEFAULT,
                    DnsReport::Applied {
                        withdrawn,
                        restored,
                        created: vec![],
                        took,
                        is_part: false,
                    },
                ),
            );
        }
        let held = plan.held.into_iter().map(|(key, address)| (address, vec![key.name]));
        let (service, number, desired, held) =
            (order.service, order.number, order.desired, held.collect());
        self.later(
            ms(40),
            Event::Dns(
                ZoneId::DEFAULT,
                DnsReport::Confirmed { service, number, desired, held, open: BTreeSet::new() },
            ),
        );
    }

    /// Returns the last bytes of the addresses in the zone.
    pub(super) fn in_zone(&self) -> Vec<u8> {
        let addresses: BTreeSet<IpAddr> = self.zone.sets.values().flatten().copied().collect();
        addresses.iter().map(last).collect()
    }

    pub(super) fn writes(&self) -> Vec<&str> {
        self.writes.iter().map(|(_, write)| write.as_str()).collect()
    }

    pub(super) fn view(&self, number: u8) -> TargetView {
        self.engine.targets().find(|view| view.address == ip(number)).unwrap()
    }

    /// Returns the send times of the probes to one address, in milliseconds.
    pub(super) fn sent(&self, address: IpAddr) -> Vec<u128> {
        let its = self.probes.iter().filter(|(_, probe)| probe.endpoint.address == address);
        its.map(|(moment, _)| moment.as_millis()).collect()
    }

    /// Returns the facts that deserve a line, as words, except for single probes.
    pub(super) fn story(&self) -> Vec<String> {
        self.facts.iter().filter_map(|(_, fact)| report(fact)).collect()
    }

    /// Returns the number of facts with these words.
    pub(super) fn times(&self, wanted: &str) -> usize {
        self.story().iter().filter(|line| *line == wanted).count()
    }

    pub(super) fn when(&self, wanted: &str) -> Duration {
        let found = self.facts.iter().find(|(_, fact)| report(fact).as_deref() == Some(wanted));
        found.unwrap_or_else(|| panic!("no {wanted:?} in {:#?}", self.story())).0
    }
}

pub(in crate::engine) fn last(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    }
}
