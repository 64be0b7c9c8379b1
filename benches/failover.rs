//! From the last reply that an address can have sent to the provider's word that it is out.
//!
//! Several agents watch the same addresses, each with a provider of its own and at a phase of its
//! own, so that one cut is as many kills at as many phases.

mod story;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::Scope;
use crate::agent::{Agent, PATIENT, Setup, Within};
use crate::fake_cloudflare::TOKEN;
use crate::kit::capture::Capture;
use crate::kit::provider::{Cloudflare, Provider};
use crate::kit::{configuration, table};
use crate::lab::{self, Lab, Place};
use story::Witness;

pub(crate) use story::Story;

/// The target that dies, and the place of its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many addresses die at once.
    addresses: u32,
    /// At how many names they are published.
    names: usize,
    /// How many agents watch.
    agents: u8,
    /// How often they die.
    rounds: u32,
}

impl Shape {
    pub(crate) const fn new(addresses: u32, names: usize, agents: u8, rounds: u32) -> Self {
        Self { addresses, names, agents, rounds }
    }

    fn name(self) -> String {
        format!("{} x {}", self.addresses, self.names)
    }
}

/// One address at one name is killed 50 times or more, the other shapes less often.
const SHORT: [Shape; 4] = [
    Shape::new(1, 1, 10, 5),
    Shape::new(1, 50, 10, 1),
    Shape::new(10, 1, 10, 1),
    Shape::new(100, 1, 10, 1),
];

/// Every shape is killed 50 times or more.
const LONG: [Shape; 6] = [
    Shape::new(1, 1, 10, 20),
    Shape::new(1, 50, 10, 5),
    Shape::new(10, 1, 10, 5),
    Shape::new(10, 50, 10, 5),
    Shape::new(100, 1, 10, 5),
    Shape::new(100, 50, 5, 10),
];

pub(crate) fn run(scope: Scope) {
    let pace = configuration::PACE;
    table::heading(&format!(
        "failover: interval {}, timeout {}, retry_interval {}, threshold {}",
        pace.interval, pace.timeout, pace.retry, pace.threshold
    ));
    let shapes: &[Shape] = scope.pick(&SHORT, &LONG);
    let rows: Vec<_> =
        shapes.iter().map(|shape| in_words(shape.name(), &measure(*shape, watch))).collect();
    table::print(&columns("addresses x names"), &rows);
    println!(
        "\n   targets: to the first write at most 1.5 s in the median, 2.0 s at worst.\n   \
         From the last reply that the address can have sent (packet time stamps). \"floor\": the\n   \
         least that these settings allow: from there to the next probe, two retries and the timeout.\n   \
         Requests: \"ahead\" of the flip (median), for the \"verdict\" up to the first write (the most\n   \
         it ever took; 1 is the write itself), \"writes\" in all (median)."
    );
}

/// The names of the columns; the first one is for the rows' names.
pub(crate) fn columns(rows: &'static str) -> [&'static str; 15] {
    [
        rows,
        "kills",
        "to 1st write",
        "worst",
        "floor",
        "worst",
        "over it",
        "worst",
        "flip to write",
        "answered",
        "to all out",
        "worst",
        "ahead",
        "verdict",
        "writes",
    ]
}

/// The figures of a row, with the name of the row.
pub(crate) fn in_words(name: String, stories: &[Story]) -> Vec<String> {
    let part = |part: f64, pick: fn(&Story) -> Duration| {
        table::quantile(&stories.iter().map(pick).collect::<Vec<_>>(), part)
    };
    let count = |part: f64, pick: fn(&Story) -> usize| {
        table::quantile(&stories.iter().map(pick).collect::<Vec<_>>(), part).to_string()
    };
    let over: fn(&Story) -> Duration = |story| story.write.saturating_sub(story.floor);
    vec![
        name,
        stories.len().to_string(),
        table::s(part(0.5, |story| story.write)),
        table::s(part(1.0, |story| story.write)),
        table::s(part(0.5, |story| story.floor)),
        table::s(part(1.0, |story| story.floor)),
        table::ms(part(0.5, over)),
        table::ms(part(1.0, over)),
        table::ms(part(0.5, |story| story.write.saturating_sub(story.flip))),
        table::ms(part(0.5, |story| story.answered.saturating_sub(story.write))),
        table::s(part(0.5, |story| story.all_out)),
        table::s(part(1.0, |story| story.all_out)),
        count(0.5, |story| story.ahead),
        count(1.0, |story| story.verdict),
        count(0.5, |story| story.writes),
    ]
}

/// An agent and its provider.
pub(crate) struct Watcher {
    address: IpAddr,
    agent: Agent,
    provider: Box<dyn Provider>,
    /// The providers of other zones.
    others: Vec<Cloudflare>,
}

impl Watcher {
    pub(crate) fn new(address: IpAddr, agent: Agent, provider: Box<dyn Provider>) -> Self {
        Self { address, agent, provider, others: Vec::new() }
    }

    /// Keeps the provider of another zone, so that it goes on.
    pub(crate) fn keeping(mut self, other: Cloudflare) -> Self {
        self.others.push(other);
        self
    }
}

/// Kills as `shape` says, and has `watch` start each agent.
pub(crate) fn measure(
    shape: Shape,
    watch: impl Fn(&Lab, usize, &[IpAddr], &[String]) -> Watcher,
) -> Vec<Story> {
    let lab = Lab::with_agents(shape.agents.into());
    // One more, which lives on, so that the floor is not in the way.
    let addresses: Vec<_> = (1..=shape.addresses + 1).map(lab::v4).collect();
    let doomed = &addresses[1..];
    lab.add(&addresses);
    let names = configuration::names(shape.names);
    let mut watchers: Vec<_> = (0..shape.agents)
        .map(|index| {
            let watcher = watch(&lab, index.into(), &addresses, &names);
            // So that each has a phase of its own.
            std::thread::sleep(Duration::from_secs(1) / u32::from(shape.agents));
            watcher
        })
        .collect();
    for watcher in &mut watchers {
        for _ in &addresses {
            watcher.agent.wait_for(|line| line.has(&["target confirmed up"]), PATIENT);
        }
    }
    let published = addresses.len() * names.len();
    let dead = doomed.len() * names.len();
    let mut stories = Vec::new();
    for _ in 0..shape.rounds {
        std::thread::sleep(Duration::from_secs_f64(rand::rng().random_range(1.0..2.0)));
        let capture = Capture::start(lab.world());
        let cut = lab.remove(doomed);
        wait_until_held(&watchers, published - dead);
        // The last request's answer is on its way.
        std::thread::sleep(Duration::from_millis(200));
        let seen = capture.stop();
        let tell = |watcher: &mut Watcher| {
            let requests = watcher.provider.requests();
            let down = watcher.agent.lines_with(&["target down"]);
            Witness { cut, seen: &seen, requests: &requests, down: &down }
                .tell(watcher.address, doomed)
        };
        stories.extend(watchers.iter_mut().map(tell));
        lab.add(doomed);
        wait_until_held(&watchers, published);
    }
    stories
}

/// The guards of each agent: a canary, and a floor.
pub(crate) fn guards() -> String {
    format!("canaries = [\"{}\"]\nmin_in_service = 1\n", lab::link_v4(Place::World))
}

fn watch(lab: &Lab, index: usize, addresses: &[IpAddr], names: &[String]) -> Watcher {
    watched(lab, index, addresses, (names, &guards()))
}

/// Starts an agent with these lines at the top of its file, and a provider of its own.
pub(crate) fn watched(
    lab: &Lab,
    index: usize,
    addresses: &[IpAddr],
    (names, top): (&[String], &str),
) -> Watcher {
    let provider = Cloudflare::start(lab.agent(index), names, addresses);
    let config = configuration::toml(addresses, names, &provider.url(), top);
    let agent = Setup::new(&config, Within::Lab(lab.agent(index)))
        .args(["--no-dry-run", "monitor"])
        .env("CF_API_TOKEN", TOKEN)
        .start();
    Watcher::new(lab::link_v4(Place::Agent(index)), agent, Box::new(provider))
}

/// Waits until every provider holds so many records.
fn wait_until_held(watchers: &[Watcher], records: usize) {
    let deadline = Instant::now() + PATIENT;
    for watcher in watchers {
        while watcher.provider.held() != records {
            assert!(Instant::now() < deadline, "{}: the records stay", watcher.address);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
