//! Many services: the engine alone, in virtual time, with services that share their probes.
//!
//! Every probe is answered. The time is that of the engine's own decisions: no socket, no log, no
//! status.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use goavail::engine::event::{Action, Event};
use goavail::engine::ids::ProbeId;
use goavail::engine::settings::{ServiceSettings, Settings};
use goavail::engine::types::Answer;
use goavail::engine::{Engine, Moment};

use crate::Scope;
use crate::kit::table;

/// The number of machines.
const MACHINES: usize = 200;

/// The number of addresses of each of the many services.
const ADDRESSES: usize = 20;

/// The time until each target is confirmed and has rehearsed the retry pace.
const CALM: Duration = Duration::from_mins(2);

/// The virtual time of one measurement: the age of evidence is checked once in it, at least.
const SPAN: Duration = Duration::from_secs(10);

/// The round-trip time of every probe.
const RTT: Duration = Duration::from_millis(10);

pub(crate) fn run(scope: Scope) {
    table::heading("services: the engine alone, in virtual time, all probes answered");
    let shapes = [(1, MACHINES), (10, ADDRESSES), (100, ADDRESSES), (1_000, ADDRESSES)];
    let mut simulations: Vec<Simulation> =
        shapes.iter().map(|(services, each)| Simulation::new(*services, *each)).collect();
    for simulation in &mut simulations {
        simulation.run(CALM);
    }
    // All of them in turn, and the best of many short spans of each: in most of them the machine does
    // something else, too.
    let mut best: Vec<Option<(Duration, usize)>> = vec![None; simulations.len()];
    for _ in 0..scope.pick(50, 500) {
        for (simulation, best) in simulations.iter_mut().zip(&mut best) {
            let measured = simulation.run(SPAN);
            if best.is_none_or(|(time, _)| measured.0 < time) {
                *best = Some(measured);
            }
        }
    }
    let first = best[0].map_or(f64::NAN, |(time, _)| time.as_secs_f64());
    let mut rows = Vec::new();
    for ((services, each), best) in shapes.iter().zip(&best) {
        let Some((time, probes)) = best else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a count of probes")]
        let each_probe = time.as_secs_f64() * 1e6 / *probes as f64;
        rows.push(vec![
            format!("{services} × {each}"),
            probes.to_string(),
            format!("{each_probe:.2} µs"),
            format!("{:.2}", time.as_secs_f64() / first),
        ]);
    }
    table::print(&["services × addresses", "probes", "a probe", "ratio"], &rows);
    println!("\n   target: 1,000 services at most 1.2 times the probes alone");
}

/// An engine, and the answers to its probes.
struct Simulation {
    engine: Engine,
    now: Duration,
    /// The probes without an answer yet, with the time of each answer, which is the same time after
    /// each probe.
    answers: VecDeque<(Duration, ProbeId)>,
}

impl Simulation {
    /// Creates an engine with so many services that have so many addresses `each` of the machines.
    fn new(services: usize, each: usize) -> Self {
        let mut settings: Option<Settings> = None;
        for number in 0..services {
            let machines = (0..each).map(|nth| machine((number * 7 + nth) % MACHINES));
            let name = format!("s{number}.example.com");
            let service = ServiceSettings::new(machines.collect(), &name);
            match &mut settings {
                None => settings = Some(Settings::new(service)),
                Some(settings) => _ = settings.services.insert(number.into(), service),
            }
        }
        let settings = settings.unwrap_or_else(|| Settings::new(ServiceSettings::new(vec![], "")));
        let engine = Engine::new(settings, BTreeMap::new(), Moment::START);
        Self { engine, now: Duration::ZERO, answers: VecDeque::new() }
    }

    /// Lets so much virtual time pass. Returns the time that the engine took, and the number of
    /// probes.
    fn run(&mut self, span: Duration) -> (Duration, usize) {
        let (end, mut probes) = (self.now + span, 0);
        let mut took = Duration::ZERO;
        loop {
            let answer = self.answers.front().map(|(at, _)| *at);
            let wake = self.engine.next_wake().map(Moment::since_start);
            let Some(next) = [answer, wake].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let due = self.answers.pop_front_if(|(at, _)| *at <= self.now);
            let event = due.map_or(Event::Tick, |(_, probe)| Event::Answered {
                probe,
                answer: Answer::Reply(RTT),
            });
            let began = Instant::now();
            let actions = self.engine.handle(Moment::after_start(self.now), event);
            took += began.elapsed();
            for action in actions {
                if let Action::Probe(request) = action {
                    probes += 1;
                    self.answers.push_back((self.now + RTT, request.id));
                }
            }
        }
        self.now = end;
        (took, probes)
    }
}

/// Returns the address of a machine.
fn machine(number: usize) -> IpAddr {
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    Ipv4Addr::from(base + u32::try_from(number).unwrap_or_default()).into()
}
