//! What one peer is still to be told, and when. No sockets and no clock in it.
//!
//! A vote is *due* from the moment it changes, and goes before all that is merely told for the first
//! time or again: those may be tens of thousands. Once a peer has taken it, it is due again after
//! [`REPEAT`] if that peer is known to run this program, and if newer evidence for it was announced
//! since; and not at all if it may be a Go agent, as each vote makes one of those call its DNS
//! provider. A newer vote on a target replaces the older. One that is announced no more is taken
//! back, and to a peer that may be a Go agent simply not told any more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// How long after a peer took a vote it is told again.
pub const REPEAT: Duration = Duration::from_secs(10);

/// The first wait after a peer could not be reached; doubled each time up to [`REPEAT`].
const BACKOFF: Duration = Duration::from_secs(1);

/// The votes of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Votes {
    /// By target.
    pub votes: BTreeMap<IpAddr, Vote>,
    /// For how long a vote counts from its evidence: older ones are not told.
    pub term: Duration,
}

/// One vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// `true` is up.
    pub up: bool,
    /// When that was seen.
    pub evidence: Duration,
}

/// What is said of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// How it is seen; `true` is up.
    Sees(bool),
    /// Nothing any more; before, it was seen so.
    TakesBack(bool),
}

/// Something to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// About whom.
    pub target: IpAddr,
    /// What.
    pub word: Word,
    /// When the evidence for it was seen.
    pub evidence: Duration,
}

/// Where a vote is on its way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be sent, not before this time. News goes before what is told again.
    Due { at: Duration, news: bool },
    /// Sent, not answered.
    Flying,
    /// Taken at this time.
    Told(Duration),
    /// Not sent, as its evidence was too old by then.
    Stale,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    word: Word,
    /// The newest evidence that was announced.
    evidence: Duration,
    /// The evidence with which it was last sent.
    sent: Option<Duration>,
    stage: Stage,
}

/// The votes that one peer is to be told.
///
/// Invariant: `queue` holds exactly the letters that are due.
#[derive(Debug, Default)]
pub struct Outbox {
    repeats: bool,
    term: Duration,
    letters: BTreeMap<IpAddr, Letter>,
    /// `(not news, due, target)`, so that news comes first.
    queue: BTreeSet<(bool, Duration, IpAddr)>,
    /// Nothing is sent before this time, as the peer could not be reached.
    closed_until: Duration,
    failures: u32,
}

impl Outbox {
    /// Takes the whole of this agent's votes as they are now.
    pub fn announce(&mut self, now: Duration, all: &Votes) {
        self.term = all.term;
        let missing = |(target, _): &(&IpAddr, &Letter)| !all.votes.contains_key(*target);
        let gone: Vec<_> = self.letters.iter().filter(missing).map(|(t, l)| (*t, *l)).collect();
        for (target, letter) in gone {
            match letter.word {
                Word::TakesBack(_) => {}
                Word::Sees(up) if self.repeats && letter.sent.is_some() => {
                    let stage = Stage::Due { at: now, news: true };
                    self.put(target, Letter { word: Word::TakesBack(up), stage, ..letter });
                }
                Word::Sees(_) => self.remove(target),
            }
        }
        for (&target, vote) in &all.votes {
            self.announced(now, target, *vote);
        }
    }

    fn announced(&mut self, now: Duration, target: IpAddr, Vote { up, evidence }: Vote) {
        let word = Word::Sees(up);
        let Some(before) = self.letters.get(&target).copied() else {
            let stage = Stage::Due { at: now, news: !up };
            self.put(target, Letter { word, evidence, sent: None, stage });
            return;
        };
        let fresh = before.sent.is_none_or(|sent| evidence > sent);
        let news = !up || before.word == Word::Sees(!up);
        let stage = match before.stage {
            _ if before.word != word => Stage::Due { at: now, news },
            Stage::Stale if fresh => Stage::Due { at: now, news },
            Stage::Told(at) if self.repeats && fresh => {
                Stage::Due { at: now.max(at + REPEAT), news: false }
            }
            stage => stage,
        };
        if stage == before.stage {
            // Nearly all of them, at each announcement.
            if let Some(letter) = self.letters.get_mut(&target) {
                *letter = Letter { word, evidence, ..before };
            }
        } else {
            self.put(target, Letter { word, evidence, sent: before.sent, stage });
        }
    }

    /// Whether what was told is told again; not to one that may be a Go agent.
    pub fn set_repeats(&mut self, now: Duration, repeats: bool) {
        self.repeats = repeats;
        for (target, letter) in self.letters.clone() {
            let newer = letter.sent.is_some_and(|sent| letter.evidence > sent);
            match letter.stage {
                Stage::Told(_) if repeats && newer => {
                    let stage = Stage::Due { at: now + REPEAT, news: false };
                    self.put(target, Letter { stage, ..letter });
                }
                _ if !repeats && matches!(letter.word, Word::TakesBack(_)) => self.remove(target),
                _ => {}
            }
        }
    }

    /// The peer is back, and knows nothing: all is due at once.
    pub fn rejoined(&mut self, now: Duration) {
        self.reopen();
        for (target, letter) in self.letters.clone() {
            let news = letter.word != Word::Sees(true);
            self.put(target, Letter { stage: Stage::Due { at: now, news }, ..letter });
        }
    }

    /// The next vote to send at `now`, which is in flight from then on; while the others are `held`
    /// back, news only. What rests on evidence of no more than `since`, or on such that is older than
    /// a vote counts, is laid aside: it is told once newer evidence was announced.
    pub fn next(&mut self, now: Duration, held: bool, since: Option<Duration>) -> Option<Due> {
        if now < self.closed_until {
            return None;
        }
        loop {
            let class = |old| self.queue.range((old, Duration::ZERO, LEAST)..).next();
            let first = [class(false), class(true)];
            let may_go = |(old, at, _): &&(bool, _, _)| *at <= now && !(*old && held);
            let &(_, _, target) = first.into_iter().flatten().find(may_go)?;
            let letter = *self.letters.get(&target)?;
            let Letter { word, evidence, .. } = letter;
            let old = evidence.saturating_add(self.term) <= now;
            match word {
                // It has aged there by itself.
                Word::TakesBack(_) if old => self.remove(target),
                Word::Sees(_) if old || since.is_some_and(|since| evidence <= since) => {
                    self.put(target, Letter { stage: Stage::Stale, ..letter });
                }
                _ => {
                    let sent = Some(evidence);
                    self.put(target, Letter { sent, stage: Stage::Flying, ..letter });
                    return Some(Due { target, word, evidence });
                }
            }
        }
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
    pub fn delivered(&mut self, now: Duration, target: IpAddr, word: Word) {
        self.reopen();
        if let Word::TakesBack(_) = word {
            if self.flies(target, word).is_some() {
                self.remove(target);
            }
            return;
        }
        let Some(letter) = self.flies(target, word) else { return };
        let newer = letter.sent.is_some_and(|sent| letter.evidence > sent);
        let again = Stage::Due { at: now + REPEAT, news: false };
        let stage = if self.repeats && newer { again } else { Stage::Told(now) };
        self.put(target, Letter { stage, ..letter });
    }

    /// The peer answered that it does not take the vote, which may change: it does not know the
    /// target yet, or its clock or key is another.
    pub fn declined(&mut self, now: Duration, target: IpAddr, word: Word) {
        self.reopen();
        self.land(target, word, Stage::Due { at: now + REPEAT, news: false });
    }

    /// The peer answered that it cannot take the vote just now.
    pub fn postponed(&mut self, now: Duration, target: IpAddr, word: Word) {
        self.reopen();
        self.land(target, word, Stage::Due { at: now + BACKOFF, news: true });
    }

    /// The peer could not be reached, or hung up: all that was in flight is due again, after a
    /// while. `jitter` stretches that by a random factor.
    pub fn failed(&mut self, now: Duration, jitter: f64) {
        let wait = BACKOFF.saturating_mul(1 << self.failures.min(10)).min(REPEAT);
        self.closed_until = now + wait.mul_f64(jitter);
        self.failures += 1;
        for (target, letter) in self.letters.clone() {
            if letter.stage == Stage::Flying {
                self.put(target, Letter { stage: Stage::Due { at: now, news: true }, ..letter });
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

    /// The letter in flight that says so, unless a newer vote took off meanwhile.
    fn flies(&self, target: IpAddr, word: Word) -> Option<Letter> {
        let flying = |letter: &Letter| letter.stage == Stage::Flying && letter.word == word;
        self.letters.get(&target).copied().filter(flying)
    }

    /// Ends a flight.
    fn land(&mut self, target: IpAddr, word: Word, stage: Stage) {
        if let Some(letter) = self.flies(target, word) {
            self.put(target, Letter { stage, ..letter });
        }
    }

    fn put(&mut self, target: IpAddr, letter: Letter) {
        self.unqueue(target);
        if let Stage::Due { at, news } = letter.stage {
            self.queue.insert((!news, at, target));
        }
        self.letters.insert(target, letter);
    }

    fn remove(&mut self, target: IpAddr) {
        self.unqueue(target);
        self.letters.remove(&target);
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
mod tests;
