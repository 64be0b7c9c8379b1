//! Pasts that are generated: an engine and a recorder in virtual time, with targets that answer as they are
//! told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::engine::event::{Action, Event, ProbeRequest};
use crate::engine::ids::ZoneId;
use crate::engine::plan::{Family, Observed, SetKey};
use crate::engine::settings::{CheckSettings, ServiceSettings, Settings};
use crate::engine::types::{Answer, Pace, Thresholds};
use crate::engine::{Engine, Moment};
use crate::history::block::{Block, HEAD};
use crate::history::reader::HistoryFiles;
use crate::history::recorder::Recorder;
use crate::replay::provider::{SwiftProvider, TAKES};

const NAME: &str = "www.example.com";

/// The address with this number.
pub(super) fn address(number: usize) -> IpAddr {
    let [a, b] = u16::try_from(number).unwrap().to_be_bytes();
    IpAddr::from([10, 1, a, b])
}

/// Settings of one service with this number of targets.
pub(super) fn settings(
    targets: usize,
    [interval, timeout, retry]: [u64; 3],
    failure: u32,
) -> Settings {
    let addresses = (0..targets).map(address).collect();
    let [interval, timeout, retry_interval] = [interval, timeout, retry].map(Duration::from_millis);
    let pace = Pace { interval, timeout, retry_interval };
    let failure = NonZeroU32::new(failure).unwrap();
    let thresholds = Thresholds { failure, recovery: failure };
    let mut service = ServiceSettings::new(addresses, NAME);
    service.set_check(CheckSettings { pace, thresholds, ..CheckSettings::default() });
    Settings::new(service)
}

/// Things that are to happen.
enum Coming {
    Event(Event),
    Order(ZoneId, Box<crate::engine::event::Order>),
    List(ZoneId),
}

/// A past that is being made.
pub(super) struct Past {
    engine: Engine,
    recorder: Recorder,
    pub(super) file: Vec<u8>,
    last: usize,
    now: Duration,
    marked: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    coming: BTreeMap<u64, Coming>,
    count: u64,
    provider: SwiftProvider,
    /// Whether the wall clock is set back by an hour every minute.
    pub(super) is_wall_clock_wrong: bool,
    /// The time of the wall clock at the start.
    began: Duration,
}

impl Past {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut observed = Observed::default();
        for target in settings.default_service().targets.iter() {
            let key = SetKey { name: NAME.into(), family: Family::of(*target) };
            observed.sets.entry(key).or_default().insert(*target);
        }
        let mut engine = Engine::new(settings.clone(), BTreeMap::new(), Moment::START);
        let recorder = Recorder::start(&mut engine, Moment::START, 0);
        let mut provider = SwiftProvider::default();
        provider.listed(ZoneId::DEFAULT, &observed, settings);
        let mut past = Self {
            engine,
            recorder,
            file: HEAD.to_vec(),
            last: 0,
            now: Duration::ZERO,
            marked: Duration::ZERO,
            queue: BinaryHeap::new(),
            coming: BTreeMap::new(),
            count: 0,
            provider,
            is_wall_clock_wrong: false,
            began: Duration::ZERO,
        };
        past.add(Duration::ZERO, Coming::List(ZoneId::DEFAULT));
        past
    }

    /// Has the wall clock show this time at the start, before anything happened.
    pub(super) fn began(&mut self, at: Duration) {
        let nanos = u64::try_from(at.as_nanos()).unwrap();
        self.recorder = Recorder::start(&mut self.engine, Moment::START, nanos);
        self.began = at;
    }

    /// Creates a past that keeps no journal.
    pub(super) fn unrecorded(settings: &Settings) -> Self {
        let engine = Engine::new(settings.clone(), BTreeMap::new(), Moment::START);
        Self { engine, ..Self::new(settings) }
    }

    fn add(&mut self, after: Duration, what: Coming) {
        self.count += 1;
        self.coming.insert(self.count, what);
        self.queue.push(Reverse((self.now + after, self.count)));
    }

    fn keep(&mut self, block: &Block) {
        if block.replaces {
            self.file.truncate(self.last);
        }
        self.last = self.file.len();
        self.file.extend(block.bytes());
    }

    /// Runs until `end`. `answers` returns the round trip of a probe sent at a time, if it is answered.
    pub(super) fn run(
        &mut self,
        end: Duration,
        answers: &mut impl FnMut(IpAddr, Duration) -> Option<Duration>,
    ) {
        loop {
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let wake = self.engine.next_wake().map(Moment::since_start);
            let Some(at) = [next, wake].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            // Whole microseconds, as the clock of the agent.
            let micros = u64::try_from(at.as_nanos().div_ceil(1000)).unwrap();
            self.now = self.now.max(Duration::from_micros(micros));
            if next == Some(at) {
                let Some(Reverse((_, number))) = self.queue.pop() else { break };
                match self.coming.remove(&number) {
                    Some(Coming::Event(event)) => self.send(event, answers),
                    Some(Coming::Order(zone, order)) => {
                        let settings = self.engine.settings().clone();
                        for report in self.provider.carry_out(zone, &order, &settings) {
                            self.send(report, answers);
                        }
                    }
                    Some(Coming::List(zone)) => {
                        let listed = self.provider.listing(zone);
                        if let Some(event) = listed {
                            self.send(event, answers);
                        }
                    }
                    None => {}
                }
            } else {
                self.send(Event::Tick, answers);
            }
            self.mark();
        }
        self.now = end;
    }

    fn mark(&mut self) {
        if self.now.saturating_sub(self.marked) < Duration::from_mins(1) {
            return;
        }
        self.marked = self.now;
        let now = Moment::after_start(self.now);
        let wall = if self.is_wall_clock_wrong { Duration::ZERO } else { self.began + self.now };
        let wall = u64::try_from(wall.as_nanos()).unwrap();
        if self.recorder.is_begin_due(now) {
            for block in self.recorder.begin_anew(&self.engine, now, wall) {
                self.keep(&block);
            }
        } else {
            let block = self.recorder.mark(now, wall);
            self.keep(&block);
        }
    }

    fn send(
        &mut self,
        event: Event,
        answers: &mut impl FnMut(IpAddr, Duration) -> Option<Duration>,
    ) {
        let actions = self.engine.handle(Moment::after_start(self.now), event);
        if let Some(block) = self.recorder.record(&mut self.engine) {
            self.keep(&block);
        }
        for action in actions {
            match action {
                Action::Probe(request) => self.probe(&request, answers),
                Action::Prepare(zone) => self.add(TAKES / 4, Coming::List(zone)),
                Action::Reconcile { zone, order } => {
                    self.add(TAKES, Coming::Order(zone, Box::new(order)));
                }
                _ => {}
            }
        }
    }

    fn probe(
        &mut self,
        request: &ProbeRequest,
        answers: &mut impl FnMut(IpAddr, Duration) -> Option<Duration>,
    ) {
        let rtt = answers(request.endpoint.address, self.now);
        let (after, answer) = match rtt.filter(|rtt| *rtt <= request.listen_for) {
            Some(rtt) => (rtt, Answer::Reply(rtt)),
            None => (request.listen_for, Answer::Silence),
        };
        self.add(after, Coming::Event(Event::Answered { probe: request.id, answer }));
    }

    /// Returns the history.
    pub(super) fn files(mut self) -> HistoryFiles {
        let now = Moment::after_start(self.now);
        let wall = self.began + self.now;
        let block = self.recorder.mark(now, u64::try_from(wall.as_nanos()).unwrap());
        self.keep(&block);
        HistoryFiles { files: vec![self.file] }
    }
}

/// A number that looks random, of a number.
pub(super) fn scrambled(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
