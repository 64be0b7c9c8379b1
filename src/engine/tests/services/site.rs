//! One engine with several services and zones, and its surroundings in virtual time.

mod observed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::ledger::Ledger;
use super::zones::{FakeZone, Provider};
use crate::engine::Engine;
use crate::engine::event::{
    Action, DnsReport, Drain, DrainCommand, DrainStep, Event, Fact, Order, ProbeRequest,
};
use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::moment::Moment;
use crate::engine::plan::{Family, SetKey};
use crate::engine::settings::{
    CheckSettings, ServiceCheck, ServiceSettings, Settings, ZoneSettings,
};
use crate::engine::tests::explaining::Ordered;
use crate::engine::tests::recording::Tap;
use crate::engine::tests::upcoming::Upcoming;
use crate::engine::tests::world::{ip, ms, settings};
use crate::engine::types::{Answer, Endpoint, Health, Method};

/// The settings of an agent without services, to add some.
pub(super) fn no_services() -> Settings {
    let mut settings = settings(&[]);
    settings.services.clear();
    settings
}

/// Adds the service of this number with these targets to the settings. It has a name of its own in a
/// zone, which is added.
pub(super) fn with_service(
    mut settings: Settings,
    number: usize,
    zone: usize,
    targets: &[u8],
    check: CheckSettings,
) -> Settings {
    let addresses: Vec<IpAddr> = targets.iter().map(|last| ip(*last)).collect();
    let name = format!("s{number}.example.com");
    let service = ServiceSettings {
        name: format!("s{number}"),
        zone: zone.into(),
        checks: vec![ServiceCheck { check, ..ServiceCheck::default() }],
        require: NonZeroUsize::MIN,
        ..ServiceSettings::new(addresses, &name)
    };
    settings.services.insert(number.into(), service);
    let location = format!("zone {zone}");
    settings.zones.insert(zone.into(), ZoneSettings::new(&format!("zone-{zone}"), &location));
    settings
}

/// Makes `require` of these checks decide about the targets of a service.
pub(super) fn set_checks(its: &mut ServiceSettings, checks: &[CheckSettings], require: usize) {
    its.checks.clear();
    for (place, check) in checks.iter().copied().enumerate() {
        its.checks.push(ServiceCheck { name: format!("c{place}"), check, counts: true });
    }
    its.require = NonZeroUsize::new(require).unwrap();
}

/// Returns the check by echo requests.
pub(super) fn icmp() -> CheckSettings {
    CheckSettings::default()
}

/// Returns the check by connects to this port.
pub(super) fn tcp(port: u16) -> CheckSettings {
    CheckSettings { method: Method::Connect(port), ..icmp() }
}

pub(super) fn service(number: usize) -> ServiceId {
    number.into()
}

/// Returns the name of a target.
pub(super) fn target(number: usize, last: u8) -> TargetRef {
    TargetRef { service: number.into(), address: ip(last) }
}

/// An event that is to happen.
#[derive(Debug)]
pub(super) enum Coming {
    Event(Event),
    /// A slow target decides about its answer to a probe, which was sent at this time.
    Decided(ProbeRequest, Duration),
    /// The reconciler of a zone carries out its orders, as they are then. The generation says
    /// whether a reload has replaced it.
    Work(ZoneId, u32),
}

/// An engine and its surroundings.
pub(super) struct Site {
    pub(super) engine: Engine,
    pub(super) settings: Settings,
    pub(super) now: Duration,
    /// The endpoints that do not answer; without a port, the whole machine.
    pub(super) dead: BTreeSet<Endpoint>,
    /// The addresses to which this machine cannot send.
    pub(super) unreachable: BTreeSet<IpAddr>,
    /// The answers of endpoints that do not answer well.
    pub(super) answers: BTreeMap<Endpoint, Answer>,
    /// The time that slow targets take until they decide about their answer.
    pub(super) slow: BTreeMap<IpAddr, Duration>,
    pub(super) zones: BTreeMap<ZoneId, FakeZone>,
    pub(super) ledger: Ledger,
    upcoming: Upcoming<Coming>,
    ordered: Ordered,
    generation: u32,
    tap: Tap,
}

impl Site {
    /// Creates a site in which every target answers and is in its zone.
    pub(super) fn new(settings: &Settings) -> Self {
        Self::rehearsing(settings, &BTreeSet::new())
    }

    /// Creates a site and lets it run until every target is confirmed.
    pub(super) fn started(settings: &Settings) -> Self {
        let mut site = Self::new(settings);
        site.run_until(ms(8_000));
        site
    }

    /// Creates a site with confirmed targets, of which nothing was written down yet.
    pub(super) fn confirmed(settings: &Settings) -> Self {
        let mut site = Self::new(settings);
        site.run_until(ms(10_000));
        site.ledger.clear();
        site
    }

    /// Creates a site that rehearses the death of targets after five seconds.
    pub(super) fn rehearsing(settings: &Settings, targets: &BTreeSet<TargetRef>) -> Self {
        let engine = Engine::new(settings.clone(), BTreeMap::new(), Moment::START);
        let engine = engine.rehearsing(targets, Moment::after_start(ms(5000)));
        let mut site = Self {
            engine,
            settings: settings.clone(),
            now: Duration::ZERO,
            dead: BTreeSet::new(),
            unreachable: BTreeSet::new(),
            answers: BTreeMap::new(),
            slow: BTreeMap::new(),
            zones: BTreeMap::new(),
            ledger: Ledger::default(),
            upcoming: Upcoming::default(),
            ordered: Ordered::default(),
            generation: 0,
            tap: if targets.is_empty() { Tap::new() } else { Tap::default() },
        };
        site.tap.started(&mut site.engine, Moment::START);
        site.publish_all(settings);
        site
    }

    /// Puts all targets of these settings into their zones.
    pub(super) fn publish_all(&mut self, settings: &Settings) {
        for its in settings.services.values() {
            let zone = self.zones.entry(its.zone).or_default();
            for (name, address) in
                its.names.iter().flat_map(|name| its.targets.iter().map(move |it| (name, it)))
            {
                let key = SetKey { name: name.clone(), family: Family::of(*address) };
                zone.records.sets.entry(key).or_default().insert(*address);
            }
        }
    }

    pub(super) fn later(&mut self, after: Duration, what: Coming) {
        self.upcoming.add(self.now + after, what);
    }

    /// Passes an event to the engine now.
    pub(super) fn send(&mut self, event: Event) {
        let actions = self.engine.handle(Moment::after_start(self.now), event);
        self.tap.handled(&mut self.engine, Moment::after_start(self.now));
        let contradictions = self.ordered.contradictions(&self.engine, &actions);
        self.ledger.broken.extend(contradictions);
        for action in actions {
            self.act(action);
        }
    }

    /// Puts other settings in force. Each zone gets a new reconciler, which has no orders.
    pub(super) fn reload(&mut self, settings: Settings) {
        self.generation += 1;
        for zone in self.zones.values_mut().filter(|zone| zone.provider != Provider::Hangs) {
            zone.orders.clear();
        }
        for zone in settings.zones.keys() {
            self.zones.entry(*zone).or_default();
        }
        for address in settings.services.values().flat_map(|its| its.targets.iter()) {
            self.ledger.changed.insert(*address, self.now);
        }
        self.settings = settings.clone();
        self.send(Event::Reloaded(Box::new(settings)));
    }

    /// Ends the agent, with everything that it has in hand, and starts another one that remembers the
    /// drains.
    pub(super) fn restart(&mut self) {
        self.generation += 1;
        self.upcoming = Upcoming::default();
        self.ordered = Ordered::default();
        self.zones.values_mut().for_each(|zone| zone.orders.clear());
        let mut drains = BTreeMap::new();
        for (service, its) in &self.ledger.stored {
            for (address, drain) in its {
                let target = TargetRef { service: *service, address: *address };
                drains.insert(target, drain.clone());
            }
        }
        let now = Moment::after_start(self.now);
        self.engine = Engine::new(self.settings.clone(), drains, now);
        self.tap.started(&mut self.engine, now);
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
            assert!(standing < 100_000, "time stands still at {:?}", self.now);
            self.now = self.now.max(next);
            let what = if coming == Some(next) { self.upcoming.pop() } else { None };
            match what {
                Some(Coming::Event(event)) => self.send(event),
                Some(Coming::Decided(request, sent)) => self.decided(&request, sent),
                Some(Coming::Work(zone, generation)) => self.work(zone, generation),
                None => self.send(Event::Tick),
            }
        }
        self.now = end;
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Probe(request) => self.probe(request),
            Action::Prepare(zone) => {
                let generation = self.generation;
                self.later(ms(20), Coming::Work(zone, generation));
            }
            Action::Reconcile { zone, order } => self.order(zone, order),
            Action::Recall { zone, service, target } => {
                let zone = self.zones.entry(zone).or_default();
                if let Some((order, _)) = zone.orders.get_mut(&service) {
                    order.desired.remove(&target);
                }
            }
            Action::Report(fact) => self.report(fact),
            Action::DrainAnswered { ticket, answer } => self.ledger.answers.push((ticket, answer)),
            Action::StoreDrains { service, drains } => {
                _ = self.ledger.stored.insert(service, drains);
            }
            Action::Announce { .. } => {}
        }
    }

    fn report(&mut self, fact: Fact) {
        if let Fact::Flipped { service, target, from, to, .. } = &fact {
            let its = self.settings.services.get(service);
            let silent = its.is_some_and(|its| self.is_silent(*target, its));
            // One of several checks is confirmed while the losses of another that was up are no evidence, since this
            // agent is isolated.
            let is_confirmed = *from == Health::AssumedUp && *to == Health::Up;
            let has_several = its.is_some_and(|its| its.checks.len() > 1);
            if is_confirmed && has_several && self.engine.is_isolated() {
                self.ledger.facts.push((self.now, fact));
                return;
            }
            self.ledger.check_flip(self.now, (*service, *target), *to == Health::Down, silent);
        }
        self.ledger.facts.push((self.now, fact));
    }

    fn order(&mut self, id: ZoneId, order: Order) {
        let its = self.settings.services.get(&order.service);
        for address in order.desired.keys() {
            if !its.is_some_and(|its| its.zone == id && its.targets.contains(address)) {
                let line = format!("{address} of {} ordered in zone {id}", order.service);
                self.ledger.broken.push(line);
            }
        }
        self.ledger.orders.push((self.now, order.clone()));
        let names = its.map(|its| its.names.clone()).unwrap_or_default();
        self.zones.entry(id).or_default().orders.insert(order.service, (order, names));
        let generation = self.generation;
        self.later(ms(30), Coming::Work(id, generation));
    }

    /// Lets the reconciler of a zone list it and carry out its orders.
    fn work(&mut self, id: ZoneId, generation: u32) {
        let zone = self.zones.entry(id).or_default();
        match zone.provider {
            Provider::Hangs => self.later(ms(500), Coming::Work(id, generation)),
            Provider::Fails => {
                let report = zone.listing();
                let busy = !zone.orders.is_empty();
                if busy {
                    self.later(ms(1000), Coming::Work(id, generation));
                }
                self.send(Event::Dns(id, report));
            }
            Provider::Works => {
                let mut reports = vec![zone.listing()];
                for (order, names) in std::mem::take(&mut zone.orders).into_values() {
                    reports.extend(zone.carry_out(&order, &names));
                }
                self.reports(id, reports);
            }
        }
    }

    /// Passes reports of a reconciler to the engine.
    pub(super) fn reports(&mut self, zone: ZoneId, reports: Vec<DnsReport>) {
        for report in reports {
            self.send(Event::Dns(zone, report));
        }
    }

    /// Puts the provider of a zone into a state.
    pub(super) fn set_provider(&mut self, zone: usize, provider: Provider) {
        self.zones.entry(zone.into()).or_default().provider = provider;
    }

    /// Commands to take a target out.
    pub(super) fn drain(&mut self, target: TargetRef, lasts: Option<Duration>, force: bool) {
        let TargetRef { service, address: target } = target;
        let (ticket, reason) = (self.ledger.next_ticket(), None);
        let step = DrainStep::Both;
        let command = DrainCommand { ticket, service, target, lasts, reason, force, step };
        self.send(Event::Drain(command));
    }

    /// Commands to give a target back.
    pub(super) fn undrain(&mut self, target: TargetRef) {
        let TargetRef { service, address: target } = target;
        let ticket = self.ledger.next_ticket();
        self.send(Event::Undrain { ticket, service, target });
    }

    /// Commands to put a target back at once; with `undrain`, also to give it back.
    pub(super) fn put_back(&mut self, target: TargetRef, undrain: bool) {
        let TargetRef { service, address: target } = target;
        let ticket = self.ledger.next_ticket();
        self.send(Event::Return { ticket, service, target, undrain });
    }

    /// Returns the drain of a target that is watched.
    pub(super) fn drained(&self, target: TargetRef) -> Option<Drain> {
        self.engine.target_view(target)?.drain
    }
}
