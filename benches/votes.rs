//! The votes of large clusters, simulated: the requests of one agent to one peer.
//!
//! No sockets and no clock: sizes are those of the wire format, times those of the protocol. A vote
//! is told again 10 s after the peer took it and counts for 30 s; at most 128 are under way to a
//! peer; and each is signed with a time of its own, in whole milliseconds. What is told for the first
//! time or again waits while signatures run 4 s ahead of the clock, news while they run 8 s ahead.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::Scope;
use crate::kit::table;

/// How many targets the agents of a cluster watch.
const SIZES: [u32; 7] = [100, 1000, 10_000, 20_000, 25_000, 100_000, 1_000_000];

/// From one agent to a peer on the same continent and back.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// After this long a vote that was taken is told again.
const REPEAT: Duration = Duration::from_secs(10);

/// A vote counts for so long after it was heard.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// Votes under way to a peer.
const WINDOW: usize = 128;

/// Maximum lead of signatures before repeated votes wait.
const LEAD: Duration = Duration::from_secs(4);

/// The same for news.
const LEAD_OF_NEWS: Duration = Duration::from_secs(8);

/// How long such a wait lasts at least.
const BREATH: Duration = Duration::from_millis(100);

/// How long is simulated, and when a hundredth of the targets dies meanwhile.
const END: Duration = Duration::from_secs(150);
const DEATH: Duration = Duration::from_mins(2);

pub(crate) fn run(_: Scope) {
    table::heading(
        "votes, simulated: one agent to one peer 50 ms away; at 120 s one target in 100 dies",
    );
    println!("   a signed vote and its answer: {} bytes on the wire\n", vote_bytes());
    let rows: Vec<_> = SIZES.iter().map(|targets| in_words(&simulate(*targets))).collect();
    let columns =
        ["targets", "votes/s", "traffic", "oldest vote", "counts", "signed ahead", "news told in"];
    table::print(&columns, &rows);
    println!(
        "\n   \"counts\": the oldest vote is younger than {COUNTS_FOR:?}, after which it has no weight.\n   \
         \"signed ahead\": how far signatures outrun the clock; it adds to what clocks are apart.\n   \
         With n agents multiply votes and bytes by n - 1."
    );
}

/// The result of one simulation.
#[derive(Debug, Default)]
struct Traffic {
    targets: u32,
    /// Votes after the deaths.
    votes: u32,
    /// The longest time between two votes on one target.
    oldest: Duration,
    /// The furthest that signatures ran ahead of the clock.
    ahead: Duration,
    /// From the deaths to the peer's knowing of the last of them.
    news: Duration,
}

fn in_words(traffic: &Traffic) -> Vec<String> {
    let votes = f64::from(traffic.votes) / END.saturating_sub(DEATH).as_secs_f64();
    let bits = votes * f64::from(vote_bytes()) * 8.0;
    vec![
        traffic.targets.to_string(),
        format!("{votes:.0}"),
        format!("{:.2} Mbit/s", bits / 1e6),
        table::s(traffic.oldest),
        if traffic.oldest < COUNTS_FOR { "yes" } else { "no" }.to_owned(),
        table::s(traffic.ahead),
        table::s(traffic.news),
    ]
}

/// One peer receives votes for [`END`]; the ones after the deaths count.
fn simulate(targets: u32) -> Traffic {
    let mut peer = Peer::new(targets);
    let mut now = Duration::ZERO;
    let mut alive = true;
    let mut traffic = Traffic { targets, ..Traffic::default() };
    while now < END {
        peer.land(now);
        if alive && now >= DEATH {
            alive = false;
            (0..dying(targets)).for_each(|target| peer.put(target, Due::News));
        }
        let Some((target, due)) = peer.send(now) else {
            let next = peer.wake(now).unwrap_or(END);
            now = if alive { next.min(DEATH) } else { next };
            continue;
        };
        let arrives = now + ROUND_TRIP / 2;
        let age = arrives.saturating_sub(peer.heard[target as usize]);
        peer.heard[target as usize] = arrives;
        if !alive {
            traffic.votes += 1;
            traffic.oldest = traffic.oldest.max(age);
            if due == Due::News {
                traffic.news = arrives.saturating_sub(DEATH);
            }
        }
        traffic.ahead = traffic.ahead.max(peer.signed.saturating_sub(now));
    }
    let silent = peer.heard.iter().map(|heard| END.saturating_sub(*heard)).max();
    traffic.oldest = traffic.oldest.max(silent.unwrap_or_default());
    traffic
}

/// How many of so many die.
fn dying(targets: u32) -> u32 {
    targets.div_ceil(100)
}

/// When a vote is to be sent; news goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    News,
    Again(Duration),
}

/// The votes that one peer still has to receive.
struct Peer {
    queue: BTreeSet<(Due, u32)>,
    /// For each target when it is due; `None` while its vote is under way.
    due: Vec<Option<Due>>,
    /// When each is answered.
    under_way: VecDeque<(Duration, u32)>,
    /// When each target's vote was last heard there.
    heard: Vec<Duration>,
    /// The time that the last vote was signed with.
    signed: Duration,
}

impl Peer {
    /// A peer that was told nothing yet.
    fn new(targets: u32) -> Self {
        Self {
            queue: (0..targets).map(|target| (Due::Again(Duration::ZERO), target)).collect(),
            due: vec![Some(Due::Again(Duration::ZERO)); targets as usize],
            under_way: VecDeque::new(),
            heard: vec![Duration::ZERO; targets as usize],
            signed: Duration::ZERO,
        }
    }

    fn put(&mut self, target: u32, due: Due) {
        if let Some(before) = self.due[target as usize].replace(due) {
            self.queue.remove(&(before, target));
        }
        self.queue.insert((due, target));
    }

    /// Takes in the answers that came.
    fn land(&mut self, now: Duration) {
        while let Some((at, target)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            // A vote that changed in the meantime stays a change.
            if self.due[target as usize].is_none() {
                self.put(target, Due::Again(at + REPEAT));
            }
        }
    }

    /// Sends the next vote that is due, if there is room.
    fn send(&mut self, now: Duration) -> Option<(u32, Due)> {
        let (due, target) = *self.queue.first()?;
        let lead = if due == Due::News { LEAD_OF_NEWS } else { LEAD };
        let held = self.signed.saturating_sub(now) >= lead;
        if held || self.under_way.len() == WINDOW || due > Due::Again(now) {
            return None;
        }
        self.queue.pop_first();
        self.due[target as usize] = None;
        self.under_way.push_back((now + ROUND_TRIP, target));
        self.signed = self.signed.max(now) + Duration::from_millis(1);
        Some((target, due))
    }

    /// When something can be sent next.
    fn wake(&self, now: Duration) -> Option<Duration> {
        let answer = self.under_way.front().map(|(at, _)| *at);
        let ahead = self.signed.saturating_sub(now);
        let due = match self.queue.first() {
            Some(_) if self.under_way.len() == WINDOW => None,
            Some(_) if ahead >= LEAD => Some(now + ahead.saturating_sub(LEAD) + BREATH),
            Some((Due::Again(at), _)) => Some(*at),
            _ => None,
        };
        [answer, due].into_iter().flatten().min()
    }
}

/// A signed and encrypted vote with its answer: the HTTP text, and the headers of the packets that
/// carry it, its answer, and one acknowledgement for two.
fn vote_bytes() -> u32 {
    // 16 random bytes before the text, in base64 with padding.
    let hidden = |text: &str| (16 + text.len()).div_ceil(3) * 4;
    let body = r#"{"Peer":"","IPAddress":"","Live":false}"#.len()
        + hidden("203.0.113.101:8080")
        + hidden("203.0.113.201");
    let signature = "Goavail-Signature: v1,1700000000000,".len() + 64 + 2;
    let head = "POST / HTTP/1.1\r\nHost: 203.0.113.101:8080\r\nUser-Agent: goavail/0.1.0\r\n\
                Content-Type: application/json\r\nContent-Length: 123\r\n\r\n"
        .len();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\
                  date: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n"
        .len();
    // IPv4 and TCP with time stamps.
    let packets = (20 + 32) * 5 / 2;
    u32::try_from(body + signature + head + answer + packets).expect("small")
}
