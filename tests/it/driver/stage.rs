//! Probes that go as a test says, and effects that write down what is asked of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goavail::agent::event_loop::{Clock, Driver, Effects, Input, Loaded, QUEUE};
use goavail::cluster::ClusterEvent;
use goavail::engine::event::{
    Answer, Drain, DrainRefusal, Event, Fact, Order, ProbeRequest, Settings,
};
use goavail::engine::prober::watch::Pace;
use goavail::engine::service::health::{Health, Thresholds};
use goavail::engine::{Engine, Moment};
use goavail::probe::Probe;
use goavail::status::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The address of the `nth` target.
pub(super) fn ip(nth: usize) -> IpAddr {
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    Ipv4Addr::from(base + u32::try_from(nth).unwrap()).into()
}

/// The first `count` targets, probed once a second, with half a second to answer.
pub(super) fn settings(count: usize) -> Settings {
    let three = NonZeroU32::new(3).unwrap();
    Settings {
        targets: (0..count).map(ip).collect(),
        port: None,
        canaries: vec![],
        thresholds: Thresholds { failure: three, recovery: three },
        pace: Pace { interval: ms(1000), timeout: ms(500), retry_interval: ms(200) },
        zone: "example.com".to_owned(),
        names: vec!["www.example.com".to_owned()],
        floor: 0,
        resync_interval: None,
        burst: NonZeroUsize::MIN,
        most_in_flight: None,
        cluster: None,
        dry_run: false,
    }
}

/// What becomes of the probes of one address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// A reply after this long.
    Answers(Duration),
    /// Nothing, until the prober gives up.
    Silent,
    /// The prober itself never comes to an end.
    NeverEnds,
}

/// All that happened.
#[derive(Debug, Default)]
struct Book {
    sent: Vec<(ProbeRequest, Moment)>,
    facts: Vec<Fact>,
    orders: Vec<Order>,
    reloads: usize,
    next: Option<Settings>,
    last_turn: Moment,
    longest_pause: Duration,
}

#[derive(Debug)]
struct Script {
    ways: Mutex<BTreeMap<IpAddr, Way>>,
    rest: Mutex<Way>,
    book: Arc<Mutex<Book>>,
    clock: Clock,
}

impl Probe for Script {
    async fn probe(&self, request: ProbeRequest) -> Answer {
        self.book.lock().unwrap().sent.push((request, self.clock.now()));
        let way = self.ways.lock().unwrap().get(&request.endpoint.address).copied();
        match way.unwrap_or_else(|| *self.rest.lock().unwrap()) {
            Way::Answers(rtt) => {
                tokio::time::sleep(rtt).await;
                Answer::Reply(rtt)
            }
            Way::Silent => {
                tokio::time::sleep(request.patience).await;
                Answer::Silence
            }
            Way::NeverEnds => std::future::pending().await,
        }
    }
}

/// Writes down what is asked of it.
#[derive(Debug)]
struct Recorder {
    book: Arc<Mutex<Book>>,
    count: watch::Sender<usize>,
}

impl Effects for Recorder {
    fn tell(&mut self, _: &Engine, fact: &Fact, _: Moment) {
        self.book.lock().unwrap().facts.push(fact.clone());
        self.count.send_modify(|count| *count += 1);
    }

    fn prepare(&mut self) {}

    fn reconcile(&mut self, order: Order) {
        self.book.lock().unwrap().orders.push(order);
    }

    fn recall(&mut self, _: IpAddr) {}

    fn announce(&mut self, _: goavail::engine::event::Announcement) {}

    fn answer(&mut self, _: u64, _: Result<(), DrainRefusal>) {}

    fn remember(&mut self, _: BTreeMap<IpAddr, Drain>, _: Moment) {}

    fn reload(&mut self) {
        self.book.lock().unwrap().reloads += 1;
    }

    fn observed(&mut self, _: &Engine) {}

    fn heard(&mut self, _: &ClusterEvent, _: Moment) {}

    fn ordered(&mut self, _: Command) -> Event {
        unreachable!("nobody orders anything on this stage")
    }

    fn take_over(&mut self, _: Loaded) -> Option<Settings> {
        self.book.lock().unwrap().next.take()
    }

    fn turned(&mut self, _: &Engine, now: Moment) {
        let mut book = self.book.lock().unwrap();
        let pause = now.saturating_sub(book.last_turn);
        book.longest_pause = book.longest_pause.max(pause);
        book.last_turn = now;
    }
}

/// Everything, before it runs. All targets answer after 10 ms.
pub(super) struct Stage {
    settings: Settings,
    script: Arc<Script>,
}

impl Stage {
    pub(super) fn new(settings: Settings) -> Self {
        let (ways, rest) = (Mutex::default(), Mutex::new(Way::Answers(ms(10))));
        let script = Script { ways, rest, book: Arc::default(), clock: Clock::start() };
        Self { settings, script: Arc::new(script) }
    }

    /// How one address behaves.
    pub(super) fn set(&self, address: IpAddr, way: Way) {
        self.script.ways.lock().unwrap().insert(address, way);
    }

    /// How all others behave.
    pub(super) fn set_all(&self, way: Way) {
        *self.script.rest.lock().unwrap() = way;
    }

    pub(super) fn start(self) -> Run {
        let clock = self.script.clock;
        let (outbox, inbox) = mpsc::channel(QUEUE);
        let book = Arc::clone(&self.script.book);
        let (count, told) = watch::channel(0);
        let effects = Recorder { book: Arc::clone(&book), count };
        let engine = Engine::new(self.settings, BTreeMap::new(), clock.now());
        let (probe, sender) = (Arc::clone(&self.script), outbox.clone());
        let driver = Driver { engine, clock, probe, effects, inbox, outbox };
        let driver = tokio::spawn(async move { (driver.run().await.0.engine, clock.now()) });
        Run { driver, sender, book, clock, told }
    }
}

/// The driver, running.
pub(super) struct Run {
    driver: JoinHandle<(Engine, Moment)>,
    sender: mpsc::Sender<Input>,
    book: Arc<Mutex<Book>>,
    clock: Clock,
    told: watch::Receiver<usize>,
}

impl Run {
    pub(super) async fn send(&self, input: Input) {
        self.sender.send(input).await.unwrap();
    }

    /// Puts `input` into the queue without letting anybody else run.
    pub(super) fn try_send(&self, input: Input) {
        self.sender.try_send(input).unwrap();
    }

    /// How many inputs wait in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// The probes that were sent, and when.
    pub(super) fn sent(&self) -> Vec<(ProbeRequest, Moment)> {
        self.book.lock().unwrap().sent.clone()
    }

    pub(super) fn since_start(&self) -> Moment {
        self.clock.now()
    }

    /// What the effects will make of the next configuration.
    pub(super) fn will_take_over(&self, settings: Option<Settings>) {
        self.book.lock().unwrap().next = settings;
    }

    /// Waits until as many facts of this kind were told.
    pub(super) async fn until(&self, is_it: impl Fn(&Fact) -> bool, count: usize) {
        let reached = |_: &usize| {
            self.book.lock().unwrap().facts.iter().filter(|f| is_it(f)).count() >= count
        };
        let mut told = self.told.clone();
        tokio::time::timeout(ms(3_600_000), told.wait_for(reached)).await.unwrap().unwrap();
    }

    /// How often the effects were asked to read the configuration so far.
    pub(super) fn reloads(&self) -> usize {
        self.book.lock().unwrap().reloads
    }

    /// Stops it, which it must do by itself.
    pub(super) async fn stop(self) -> End {
        self.sender.send(Input::Stop).await.unwrap();
        let ended = tokio::time::timeout(ms(3_600_000), self.driver).await;
        let (engine, at) = ended.expect("it goes on").unwrap();
        End { engine, at, book: self.book }
    }
}

/// What is left.
pub(super) struct End {
    engine: Engine,
    at: Moment,
    book: Arc<Mutex<Book>>,
}

impl End {
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn ended_at(&self) -> Moment {
        self.at
    }

    pub(super) fn health(&self, address: IpAddr) -> Health {
        self.engine.targets().find(|target| target.address == address).unwrap().health
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        self.book.lock().unwrap().facts.clone()
    }

    pub(super) fn orders(&self) -> Vec<Order> {
        self.book.lock().unwrap().orders.clone()
    }

    pub(super) fn reloads(&self) -> usize {
        self.book.lock().unwrap().reloads
    }

    /// How often it found itself late.
    pub(super) fn stalls(&self) -> usize {
        self.facts().iter().filter(|fact| matches!(fact, Fact::Stalled { .. })).count()
    }

    /// The longest time between two rounds of the loop.
    pub(super) fn longest_pause(&self) -> Duration {
        self.book.lock().unwrap().longest_pause
    }
}
