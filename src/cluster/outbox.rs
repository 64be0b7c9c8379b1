//! What one peer is still to be told, and when. No sockets and no clock in it.
//!
//! A vote is *due* from the moment it changes, and goes before all that is merely told for the first
//! time or again: those may be tens of thousands. Once a peer has taken it, it is due again after
//! [`REPEAT`] if that peer is known to run this program, and not at all if it may be a Go agent, as
//! each vote makes one of those call its DNS provider. A newer vote on a target replaces the older.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// How long after a peer took a vote it is told again.
pub const REPEAT: Duration = Duration::from_secs(10);

/// The first wait after a peer could not be reached; doubled each time up to [`REPEAT`].
const BACKOFF: Duration = Duration::from_secs(1);

/// The votes of one agent, by target; `true` is up.
pub type Votes = BTreeMap<IpAddr, bool>;

/// Where a vote is on its way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be sent, not before this time. News goes before what is told again.
    Due { at: Duration, news: bool },
    /// Sent, not answered.
    Flying,
    /// Taken, and not to be told again.
    Told,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    up: bool,
    stage: Stage,
}

/// The votes that one peer is to be told.
///
/// Invariant: `queue` holds exactly the letters that are due.
#[derive(Debug, Default)]
pub struct Outbox {
    repeats: bool,
    letters: BTreeMap<IpAddr, Letter>,
    /// `(not news, due, target)`, so that news comes first.
    queue: BTreeSet<(bool, Duration, IpAddr)>,
    /// Nothing is sent before this time, as the peer could not be reached.
    closed_until: Duration,
    failures: u32,
}

impl Outbox {
    /// Takes the whole of this agent's votes as they are now.
    pub fn announce(&mut self, now: Duration, votes: &Votes) {
        let gone: Vec<_> =
            self.letters.keys().filter(|target| !votes.contains_key(target)).copied().collect();
        for target in gone {
            self.unqueue(target);
            self.letters.remove(&target);
        }
        for (&target, &up) in votes {
            let before = self.letters.get(&target).map(|letter| letter.up);
            if before != Some(up) {
                let news = before.is_some() || !up;
                self.put(target, up, Stage::Due { at: now, news });
            }
        }
    }

    /// Whether what was told is told again; not to one that may be a Go agent.
    pub fn set_repeats(&mut self, now: Duration, repeats: bool) {
        self.repeats = repeats;
        if repeats {
            for (target, letter) in self.letters.clone() {
                if letter.stage == Stage::Told {
                    self.put(target, letter.up, Stage::Due { at: now + REPEAT, news: false });
                }
            }
        }
    }

    /// The peer is back, and knows nothing: all is due at once.
    pub fn rejoined(&mut self, now: Duration) {
        self.reopen();
        for (target, letter) in self.letters.clone() {
            self.put(target, letter.up, Stage::Due { at: now, news: !letter.up });
        }
    }

    /// The next vote to send at `now`, which is in flight from then on; while the others are `held`
    /// back, news only.
    pub fn next(&mut self, now: Duration, held: bool) -> Option<(IpAddr, bool)> {
        if now < self.closed_until {
            return None;
        }
        let class = |old| self.queue.range((old, Duration::ZERO, LEAST)..).next();
        let first = [class(false), class(true)];
        let may_go = |(old, at, _): &&(bool, _, _)| *at <= now && !(*old && held);
        let &(_, _, target) = first.into_iter().flatten().find(may_go)?;
        let up = self.letters.get(&target)?.up;
        self.put(target, up, Stage::Flying);
        Some((target, up))
    }

    /// When there may be something to send again: news, and what is told for the first time or
    /// again. `None` if no such thing is due ever.
    pub fn wake(&self) -> [Option<Duration>; 2] {
        [false, true].map(|old| {
            let (class, at, _) = self.queue.range((old, Duration::ZERO, LEAST)..).next()?;
            (*class == old).then(|| (*at).max(self.closed_until))
        })
    }

    /// The peer took the vote.
    pub fn delivered(&mut self, now: Duration, target: IpAddr, up: bool) {
        self.reopen();
        let repeated = Stage::Due { at: now + REPEAT, news: false };
        self.land(target, up, if self.repeats { repeated } else { Stage::Told });
    }

    /// The peer answered that it does not take the vote, which may change: it does not know the
    /// target yet, or its clock or key is another.
    pub fn declined(&mut self, now: Duration, target: IpAddr, up: bool) {
        self.reopen();
        self.land(target, up, Stage::Due { at: now + REPEAT, news: false });
    }

    /// The peer answered that it cannot take the vote just now.
    pub fn postponed(&mut self, now: Duration, target: IpAddr, up: bool) {
        self.reopen();
        self.land(target, up, Stage::Due { at: now + BACKOFF, news: true });
    }

    /// The peer could not be reached, or hung up: all that was in flight is due again, after a
    /// while. `jitter` stretches that by a random factor.
    pub fn failed(&mut self, now: Duration, jitter: f64) {
        let wait = BACKOFF.saturating_mul(1 << self.failures.min(10)).min(REPEAT);
        self.closed_until = now + wait.mul_f64(jitter);
        self.failures += 1;
        for (target, letter) in self.letters.clone() {
            if letter.stage == Stage::Flying {
                self.put(target, letter.up, Stage::Due { at: now, news: true });
            }
        }
    }

    /// Whether the last attempt to reach the peer failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    fn reopen(&mut self) {
        self.closed_until = Duration::ZERO;
        self.failures = 0;
    }

    /// Ends a flight, unless a newer vote took off meanwhile.
    fn land(&mut self, target: IpAddr, up: bool, stage: Stage) {
        let flying = |letter: &Letter| letter.stage == Stage::Flying && letter.up == up;
        if self.letters.get(&target).is_some_and(flying) {
            self.put(target, up, stage);
        }
    }

    fn put(&mut self, target: IpAddr, up: bool, stage: Stage) {
        self.unqueue(target);
        if let Stage::Due { at, news } = stage {
            self.queue.insert((!news, at, target));
        }
        self.letters.insert(target, Letter { up, stage });
    }

    fn unqueue(&mut self, target: IpAddr) {
        if let Some(Letter { stage: Stage::Due { at, news }, .. }) = self.letters.get(&target) {
            self.queue.remove(&(!news, *at, target));
        }
    }
}

/// The address that sorts before all others.
const LEAST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn target(number: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, number])
    }

    fn votes(votes: &[(u8, bool)]) -> Votes {
        votes.iter().map(|&(number, up)| (target(number), up)).collect()
    }

    /// An outbox to a peer of our kind, with these votes due at 0.
    fn outbox(of: &[(u8, bool)]) -> Outbox {
        let mut outbox = Outbox::default();
        outbox.set_repeats(s(0), true);
        outbox.announce(s(0), &votes(of));
        outbox
    }

    /// When there may be something to send again.
    fn soonest(outbox: &Outbox) -> Option<Duration> {
        outbox.wake().into_iter().flatten().min()
    }

    /// Sends all that is due and has it taken.
    fn deliver(outbox: &mut Outbox, now: Duration) -> Vec<(IpAddr, bool)> {
        let sent: Vec<_> = std::iter::from_fn(|| outbox.next(now, false)).collect();
        for &(target, up) in &sent {
            outbox.delivered(now, target, up);
        }
        sent
    }

    #[test]
    fn a_peer_of_our_kind_is_told_again_every_ten_seconds() {
        let mut outbox = outbox(&[(1, false), (2, true)]);
        for round in 0..4 {
            let now = s(10 * round);
            assert_eq!(deliver(&mut outbox, now), [(target(1), false), (target(2), true)]);
            assert_eq!(deliver(&mut outbox, now + s(9)), []);
            assert_eq!(soonest(&outbox), Some(now + s(10)));
        }
    }

    #[test]
    fn news_goes_before_what_is_told_for_the_first_time_or_again_and_alone_while_those_are_held() {
        let mut outbox = outbox(&[(1, true), (2, true), (3, false)]);
        assert_eq!(outbox.next(s(0), true), Some((target(3), false)), "a first no is news");
        assert_eq!(outbox.next(s(0), true), None);
        assert_eq!(outbox.next(s(0), false), Some((target(1), true)));
        outbox.delivered(s(0), target(1), true);
        outbox.announce(s(1), &votes(&[(1, false), (2, true), (3, false)]));
        assert_eq!(outbox.next(s(1), true), Some((target(1), false)), "it changed");
        outbox.rejoined(s(2));
        assert_eq!(outbox.next(s(2), true), Some((target(1), false)));
        assert_eq!(outbox.next(s(2), true), Some((target(3), false)));
        assert_eq!(outbox.next(s(2), true), None);
        assert_eq!(outbox.next(s(2), false), Some((target(2), true)));
    }

    #[test]
    fn one_that_may_be_a_go_agent_is_told_of_changes_only() {
        let mut outbox = outbox(&[(1, false)]);
        outbox.set_repeats(s(0), false);
        assert_eq!(deliver(&mut outbox, s(0)).len(), 1);
        assert_eq!(soonest(&outbox), None);
        outbox.announce(s(100), &votes(&[(1, false)]));
        assert_eq!(deliver(&mut outbox, s(100)), [], "announced again, nothing new");
        outbox.announce(s(101), &votes(&[(1, true)]));
        assert_eq!(deliver(&mut outbox, s(101)), [(target(1), true)]);
        outbox.set_repeats(s(200), true);
        assert_eq!(soonest(&outbox), Some(s(210)), "it turned out to be one of ours");
    }

    #[test]
    fn one_that_is_back_is_told_everything_at_once() {
        for repeats in [true, false] {
            let mut outbox = outbox(&[(1, false), (2, true)]);
            outbox.set_repeats(s(0), repeats);
            deliver(&mut outbox, s(0));
            outbox.failed(s(1), 1.0);
            outbox.rejoined(s(1));
            assert_eq!(deliver(&mut outbox, s(1)).len(), 2, "repeats {repeats}");
        }
    }

    #[test]
    fn one_that_cannot_be_reached_is_tried_ever_more_seldom_until_it_can() {
        let mut outbox = outbox(&[(1, false)]);
        let mut now = s(0);
        for wait in [1, 2, 4, 8, 10, 10] {
            assert!(outbox.next(now, false).is_some());
            outbox.failed(now, 1.0);
            assert_eq!(soonest(&outbox), Some(now + s(wait)));
            assert_eq!(outbox.next(now + Duration::from_millis(1000 * wait - 1), false), None);
            now += s(wait);
        }
        for _ in 0..100 {
            outbox.failed(now, 1.5);
        }
        assert_eq!(soonest(&outbox), Some(now + s(15)), "jittered, and never without end");
        assert_eq!(deliver(&mut outbox, now + s(15)).len(), 1);
        assert!(!outbox.is_failing());
    }

    #[test]
    fn news_goes_before_what_is_told_again_and_replaces_what_is_older() {
        let mut outbox = outbox(&[(1, false), (2, false), (3, false)]);
        deliver(&mut outbox, s(0));
        outbox.announce(s(20), &votes(&[(1, false), (2, false), (3, true)]));
        let order = deliver(&mut outbox, s(20));
        assert_eq!(order, [(target(3), true), (target(1), false), (target(2), false)]);
        // Changed while the older word is on its way.
        outbox.announce(s(21), &votes(&[(1, true)]));
        assert_eq!(outbox.next(s(21), false), Some((target(1), true)));
        outbox.announce(s(21), &votes(&[(1, false)]));
        outbox.delivered(s(22), target(1), true);
        assert_eq!(
            outbox.next(s(22), false),
            Some((target(1), false)),
            "the newer word is still due"
        );
        assert_eq!(soonest(&outbox), None, "what is no vote any more is not told");
    }

    #[test]
    fn what_was_not_taken_is_offered_again() {
        let mut outbox = outbox(&[(1, false)]);
        outbox.set_repeats(s(0), false);
        for (name, at, due) in [("declined", 0, 10), ("postponed", 10, 11)] {
            assert!(outbox.next(s(at), false).is_some(), "{name}");
            match name {
                "declined" => outbox.declined(s(at), target(1), false),
                _ => outbox.postponed(s(at), target(1), false),
            }
            assert_eq!(soonest(&outbox), Some(s(due)), "{name}");
        }
    }

    #[test]
    fn a_thousand_targets_take_turns_quickly() {
        let all: Votes =
            (0..1000_u32).map(|n| (IpAddr::from((0xCB00_7100 + n).to_be_bytes()), true)).collect();
        let mut outbox = Outbox::default();
        outbox.set_repeats(s(0), true);
        outbox.announce(s(0), &all);
        for round in 0..20 {
            assert_eq!(deliver(&mut outbox, s(10 * round)).len(), 1000);
        }
    }
}
