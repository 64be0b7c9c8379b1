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
pub enum Statement {
    /// How it is seen; `true` is up.
    Sees(bool),
    /// Nothing any more; before, it was seen so.
    Retracts(bool),
}

/// Something to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// About whom.
    pub target: IpAddr,
    /// What.
    pub statement: Statement,
    /// When the evidence for it was seen.
    pub evidence: Duration,
}

/// Where a vote is on its way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be sent, not before this time. News goes before what is told again.
    Due { at: Duration, urgent: bool },
    /// Sent, not answered.
    InFlight,
    /// Taken at this time.
    Delivered(Duration),
    /// Not sent, as its evidence was too old by then.
    Parked,
}

#[derive(Debug, Clone, Copy)]
struct PendingVote {
    statement: Statement,
    /// The newest evidence that was announced.
    evidence: Duration,
    /// The evidence with which it was last sent.
    sent: Option<Duration>,
    stage: Stage,
}

/// The votes that one peer is to be told.
///
/// Invariant: `queue` holds exactly the pending that are due.
#[derive(Debug, Default)]
pub struct Outbox {
    repeats: bool,
    term: Duration,
    pending: BTreeMap<IpAddr, PendingVote>,
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
        let missing = |(target, _): &(&IpAddr, &PendingVote)| !all.votes.contains_key(*target);
        let gone: Vec<_> = self.pending.iter().filter(missing).map(|(t, l)| (*t, *l)).collect();
        for (target, vote) in gone {
            match vote.statement {
                Statement::Retracts(_) => {}
                Statement::Sees(up) if self.repeats && vote.sent.is_some() => {
                    let stage = Stage::Due { at: now, urgent: true };
                    self.put(
                        target,
                        PendingVote { statement: Statement::Retracts(up), stage, ..vote },
                    );
                }
                Statement::Sees(_) => self.remove(target),
            }
        }
        for (&target, vote) in &all.votes {
            self.announced(now, target, *vote);
        }
    }

    fn announced(&mut self, now: Duration, target: IpAddr, Vote { up, evidence }: Vote) {
        let statement = Statement::Sees(up);
        let Some(before) = self.pending.get(&target).copied() else {
            let stage = Stage::Due { at: now, urgent: !up };
            self.put(target, PendingVote { statement, evidence, sent: None, stage });
            return;
        };
        let fresh = before.sent.is_none_or(|sent| evidence > sent);
        let urgent = !up || before.statement == Statement::Sees(!up);
        let stage = match before.stage {
            _ if before.statement != statement => Stage::Due { at: now, urgent },
            Stage::Parked if fresh => Stage::Due { at: now, urgent },
            Stage::Delivered(at) if self.repeats && fresh => {
                Stage::Due { at: now.max(at + REPEAT), urgent: false }
            }
            stage => stage,
        };
        if stage == before.stage {
            // Nearly all of them, at each announcement.
            if let Some(vote) = self.pending.get_mut(&target) {
                *vote = PendingVote { statement, evidence, ..before };
            }
        } else {
            self.put(target, PendingVote { statement, evidence, sent: before.sent, stage });
        }
    }

    /// Whether what was told is told again; not to one that may be a Go agent.
    pub fn set_repeats(&mut self, now: Duration, repeats: bool) {
        self.repeats = repeats;
        for (target, vote) in self.pending.clone() {
            let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
            match vote.stage {
                Stage::Delivered(_) if repeats && newer => {
                    let stage = Stage::Due { at: now + REPEAT, urgent: false };
                    self.put(target, PendingVote { stage, ..vote });
                }
                _ if !repeats && matches!(vote.statement, Statement::Retracts(_)) => {
                    self.remove(target);
                }
                _ => {}
            }
        }
    }

    /// The peer is back, and knows nothing: all is due at once.
    pub fn rejoined(&mut self, now: Duration) {
        self.reopen();
        for (target, vote) in self.pending.clone() {
            let urgent = vote.statement != Statement::Sees(true);
            self.put(target, PendingVote { stage: Stage::Due { at: now, urgent }, ..vote });
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
            let vote = *self.pending.get(&target)?;
            let PendingVote { statement, evidence, .. } = vote;
            let old = evidence.saturating_add(self.term) <= now;
            match statement {
                // It has aged there by itself.
                Statement::Retracts(_) if old => self.remove(target),
                Statement::Sees(_) if old || since.is_some_and(|since| evidence <= since) => {
                    self.put(target, PendingVote { stage: Stage::Parked, ..vote });
                }
                _ => {
                    let sent = Some(evidence);
                    self.put(target, PendingVote { sent, stage: Stage::InFlight, ..vote });
                    return Some(Due { target, statement, evidence });
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
    pub fn delivered(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        if let Statement::Retracts(_) = statement {
            if self.in_flight(target, statement).is_some() {
                self.remove(target);
            }
            return;
        }
        let Some(vote) = self.in_flight(target, statement) else { return };
        let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
        let again = Stage::Due { at: now + REPEAT, urgent: false };
        let stage = if self.repeats && newer { again } else { Stage::Delivered(now) };
        self.put(target, PendingVote { stage, ..vote });
    }

    /// The peer answered that it does not take the vote, which may change: it does not know the
    /// target yet, or its clock or key is another.
    pub fn declined(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        self.requeue(target, statement, Stage::Due { at: now + REPEAT, urgent: false });
    }

    /// The peer answered that it cannot take the vote just now.
    pub fn postponed(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        self.requeue(target, statement, Stage::Due { at: now + BACKOFF, urgent: true });
    }

    /// The peer could not be reached, or hung up: all that was in flight is due again, after a
    /// while. `jitter` stretches that by a random factor.
    pub fn failed(&mut self, now: Duration, jitter: f64) {
        let wait = BACKOFF.saturating_mul(1 << self.failures.min(10)).min(REPEAT);
        self.closed_until = now + wait.mul_f64(jitter);
        self.failures += 1;
        for (target, vote) in self.pending.clone() {
            if vote.stage == Stage::InFlight {
                self.put(
                    target,
                    PendingVote { stage: Stage::Due { at: now, urgent: true }, ..vote },
                );
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

    /// The vote in flight that says so, unless a newer vote took off meanwhile.
    fn in_flight(&self, target: IpAddr, statement: Statement) -> Option<PendingVote> {
        let is_in_flight =
            |vote: &PendingVote| vote.stage == Stage::InFlight && vote.statement == statement;
        self.pending.get(&target).copied().filter(is_in_flight)
    }

    /// Ends a flight.
    fn requeue(&mut self, target: IpAddr, statement: Statement, stage: Stage) {
        if let Some(vote) = self.in_flight(target, statement) {
            self.put(target, PendingVote { stage, ..vote });
        }
    }

    fn put(&mut self, target: IpAddr, vote: PendingVote) {
        self.unqueue(target);
        if let Stage::Due { at, urgent } = vote.stage {
            self.queue.insert((!urgent, at, target));
        }
        self.pending.insert(target, vote);
    }

    fn remove(&mut self, target: IpAddr) {
        self.unqueue(target);
        self.pending.remove(&target);
    }

    fn unqueue(&mut self, target: IpAddr) {
        if let Some(PendingVote { stage: Stage::Due { at, urgent }, .. }) =
            self.pending.get(&target)
        {
            self.queue.remove(&(!urgent, *at, target));
        }
    }
}

/// The address that sorts before all others.
const LEAST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests;
