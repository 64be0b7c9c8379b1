//! The reaction of one agent to one death, from packets, log lines and requests.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::agent::Line;
use crate::kit::capture::Seen;
use crate::kit::configuration::PACE;
use crate::kit::provider::Request;
use crate::lab::CutOff;

/// All times count from the last reply that the address which was given up first can have sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    /// The least that the settings allow.
    pub(crate) floor: Duration,
    /// The health flipped, by the log's own time.
    pub(crate) flip: Duration,
    /// The first writing request was with the provider.
    pub(crate) write: Duration,
    /// It was answered.
    pub(crate) answered: Duration,
    /// The last writing request was answered.
    pub(crate) all_out: Duration,
    /// Requests from the cut to the flip: reading in advance.
    pub(crate) ahead: usize,
    /// Requests from the flip to the first write, which is the last of them.
    pub(crate) verdict: usize,
    /// The number of writing requests.
    pub(crate) writes: usize,
}

/// Everything that is known of one cut.
pub(super) struct Witness<'a> {
    pub(super) cut: CutOff,
    /// Every request and reply in the world.
    pub(super) seen: &'a [Seen],
    /// The requests of one agent to its provider.
    pub(super) requests: &'a [Request],
    /// Its lines about flips.
    pub(super) down: &'a [Line],
}

impl Witness<'_> {
    /// The story of the agent at `agent` and the addresses that died.
    pub(super) fn tell(&self, agent: IpAddr, doomed: &[IpAddr]) -> Story {
        let since_cut = |at: Instant| at.checked_duration_since(self.cut.before);
        let (first, flip) = self
            .down
            .iter()
            .filter_map(flip)
            .filter(|(_, at)| *at > self.began())
            .min_by_key(|(_, at)| *at)
            .expect("it flipped");
        assert!(doomed.contains(&first), "{first} is alive");
        let last = self.last_reply(agent, first);
        let asked = |request: &&Request| since_cut(request.arrived).is_some();
        let (writes, reads): (Vec<&Request>, Vec<_>) =
            self.requests.iter().filter(asked).partition(|request| request.writes);
        let write = writes.first().expect("it wrote");
        // Times from just before the cut count from the last reply instead.
        let from_last = |at: Instant| {
            since_cut(at).unwrap_or_default().saturating_sub(last.saturating_sub(self.began()))
        };
        let answered = |request: &Request| request.answered.unwrap_or(request.arrived);
        let flip = flip.saturating_sub(last);
        let ahead = reads.iter().filter(|read| from_last(read.arrived) < flip).count();
        Story {
            floor: self.floor(agent, first, last),
            flip,
            write: from_last(write.arrived),
            answered: from_last(answered(write)),
            all_out: writes
                .iter()
                .map(|request| from_last(answered(request)))
                .max()
                .unwrap_or_default(),
            ahead,
            verdict: reads.iter().filter(|read| read.arrived < write.arrived).count() - ahead + 1,
            writes: writes.len(),
        }
    }

    /// Just before the cut was ordered, since 1970.
    fn began(&self) -> Duration {
        let after = self.cut.after_wall.duration_since(UNIX_EPOCH).expect("after 1970");
        after.saturating_sub(self.cut.after - self.cut.before)
    }

    /// The last moment at which the target can have replied: the order to cut it off, or a reply
    /// that left while that was carried out. A packet that an open connection sends again after that
    /// answers nothing.
    fn last_reply(&self, agent: IpAddr, target: IpAddr) -> Duration {
        let after = self.cut.after_wall.duration_since(UNIX_EPOCH).expect("after 1970");
        let replies = self.about(agent, target).filter(|seen| seen.reply && seen.at <= after);
        let replies = replies.map(|seen| seen.at);
        replies.max().unwrap_or_default().max(self.began())
    }

    /// From the last reply to the next request, and from there two retries and the timeout.
    fn floor(&self, agent: IpAddr, target: IpAddr, last: Duration) -> Duration {
        let mut requests = self.about(agent, target).filter(|seen| !seen.reply && seen.at > last);
        let next = requests.next().expect("it was probed").at;
        let retries = f64::from(PACE.threshold - 1) * PACE.retry;
        next.saturating_sub(last) + Duration::from_secs_f64(retries + PACE.timeout)
    }

    fn about(&self, agent: IpAddr, target: IpAddr) -> impl Iterator<Item = &Seen> {
        self.seen
            .iter()
            .filter(move |seen| (agent, target) == (seen.agent.into(), seen.target.into()))
    }
}

/// The target that flipped, and the time stamp of the line.
fn flip(line: &Line) -> Option<(IpAddr, Duration)> {
    let at: SystemTime = humantime::parse_rfc3339(line.text.split(' ').next()?).ok()?;
    let target = line.text.split_once(" target=")?.1.split(' ').next()?;
    Some((target.parse().ok()?, at.duration_since(UNIX_EPOCH).ok()?))
}
