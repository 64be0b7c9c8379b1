//! Queue of votes to send to one peer. It uses no sockets and no clock.
//!
//! A vote is *due* from the moment it changes. A changed vote is urgent: it precedes all votes that
//! are sent for the first time or repeated, of which there may be tens of thousands. A delivered
//! vote is due again after [`REPEAT`] if the peer is known to run this program and newer evidence
//! has been announced since. It is not repeated to a possible Go agent, because each vote makes one
//! of those call its DNS provider. A newer vote on a target replaces the older one. A vote that is
//! no longer announced is retracted; to a possible Go agent it is just not sent any more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::engine::types::Vote;

/// Time after a delivery before the vote is sent again.
pub(crate) const REPEAT: Duration = Duration::from_secs(10);

/// Wait after the first failure to reach a peer. It doubles with each failure, up to [`REPEAT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// All votes of one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    /// The votes by target.
    pub votes: BTreeMap<IpAddr, AnnouncedVote>,
    /// Time after its evidence for which a vote counts. Older votes are not sent.
    pub term: Duration,
}

/// A vote of this agent on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnnouncedVote {
    /// The agent's view of the target.
    pub vote: Vote,
    /// The time of the evidence for the vote.
    pub evidence: Duration,
}

/// A statement about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// The target is seen as the vote says.
    Sees(Vote),
    /// There is no view of the target any more; the vote is the last one sent.
    Retracts(Vote),
}

/// A statement that is to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DueVote {
    /// The target of the statement.
    pub target: IpAddr,
    /// The statement to send.
    pub statement: Statement,
    /// The time of the evidence for it.
    pub evidence: Duration,
}

/// Progress of a vote on its way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waiting to be sent, not before this time.
    Due { at: Duration, priority: Priority },
    /// Sent and not answered yet.
    InFlight,
    /// Accepted by the peer at this time.
    Delivered(Duration),
    /// Not sent because its evidence was too old. It becomes due with newer evidence.
    Parked,
}

/// The place of a due vote among all that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Priority {
    /// The vote precedes all others.
    Urgent,
    /// The vote is sent for the first time or repeated.
    Routine,
}

impl Priority {
    /// Returns the priority of a vote that the peer may not have.
    fn of(vote: Vote) -> Self {
        match vote {
            Vote::Down => Self::Urgent,
            Vote::Up => Self::Routine,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct PendingVote {
    statement: Statement,
    /// The time of the newest evidence announced.
    evidence: Duration,
    /// The time of the evidence with which the vote was last sent.
    sent: Option<Duration>,
    stage: Stage,
}

/// The votes pending for one peer.
///
/// Invariant: `queue` holds exactly the pending votes that are due.
#[derive(Debug)]
pub(crate) struct Outbox {
    repeats: bool,
    term: Duration,
    pending: BTreeMap<IpAddr, PendingVote>,
    /// The due votes in the order in which they are sent, by priority and due time.
    queue: BTreeSet<(Priority, Duration, IpAddr)>,
    /// Nothing is sent before this time, because the peer could not be reached.
    closed_until: Duration,
    backoff: Backoff,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            repeats: false,
            term: Duration::ZERO,
            pending: BTreeMap::new(),
            queue: BTreeSet::new(),
            closed_until: Duration::ZERO,
            backoff: Backoff::new(FIRST_WAIT, REPEAT),
        }
    }
}

impl Outbox {
    /// Replaces this agent's votes by the current ones.
    pub(crate) fn announce(&mut self, now: Duration, all: &Votes) {
        self.term = all.term;
        let mut gone = Vec::new();
        for (&target, &pending) in &self.pending {
            if !all.votes.contains_key(&target) {
                gone.push((target, pending));
            }
        }
        for (target, pending) in gone {
            match pending.statement {
                Statement::Retracts(_) => {}
                Statement::Sees(vote) if self.repeats && pending.sent.is_some() => {
                    let statement = Statement::Retracts(vote);
                    let stage = Stage::Due { at: now, priority: Priority::Urgent };
                    self.put(target, PendingVote { statement, stage, ..pending });
                }
                Statement::Sees(_) => self.remove(target),
            }
        }
        for (&target, vote) in &all.votes {
            self.announced(now, target, *vote);
        }
    }

    fn announced(
        &mut self,
        now: Duration,
        target: IpAddr,
        AnnouncedVote { vote, evidence }: AnnouncedVote,
    ) {
        let statement = Statement::Sees(vote);
        let Some(before) = self.pending.get(&target).copied() else {
            let stage = Stage::Due { at: now, priority: Priority::of(vote) };
            self.put(target, PendingVote { statement, evidence, sent: None, stage });
            return;
        };
        let fresh = before.sent.is_none_or(|sent| evidence > sent);
        let priority = match before.statement {
            Statement::Sees(last) if last != vote => Priority::Urgent,
            _ => Priority::of(vote),
        };
        let stage = match before.stage {
            _ if before.statement != statement => Stage::Due { at: now, priority },
            Stage::Parked if fresh => Stage::Due { at: now, priority },
            Stage::Delivered(at) if self.repeats && fresh => {
                Stage::Due { at: now.max(at + REPEAT), priority: Priority::Routine }
            }
            stage => stage,
        };
        if stage == before.stage {
            // The common case: nearly all votes, at each announcement.
            if let Some(vote) = self.pending.get_mut(&target) {
                *vote = PendingVote { statement, evidence, ..before };
            }
        } else {
            self.put(target, PendingVote { statement, evidence, sent: before.sent, stage });
        }
    }

    /// Sets whether delivered votes are repeated. They are not repeated to a possible Go agent.
    pub(crate) fn set_repeats(&mut self, now: Duration, repeats: bool) {
        self.repeats = repeats;
        for (target, vote) in self.pending.clone() {
            let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
            match vote.stage {
                Stage::Delivered(_) if repeats && newer => {
                    let stage = Stage::Due { at: now + REPEAT, priority: Priority::Routine };
                    self.put(target, PendingVote { stage, ..vote });
                }
                _ if !repeats && matches!(vote.statement, Statement::Retracts(_)) => {
                    self.remove(target);
                }
                _ => {}
            }
        }
    }

    /// Makes all votes due at once, because the peer restarted and has none of them.
    pub(crate) fn rejoined(&mut self, now: Duration) {
        self.reopen();
        for (target, vote) in self.pending.clone() {
            let priority = match vote.statement {
                Statement::Sees(vote) => Priority::of(vote),
                Statement::Retracts(_) => Priority::Urgent,
            };
            self.put(target, PendingVote { stage: Stage::Due { at: now, priority }, ..vote });
        }
    }

    /// Returns the next vote to send at `now` and marks it as in flight. While other votes are
    /// `held` back, only urgent ones are returned. A vote with evidence no newer than `since`, or
    /// older than its term, is parked until newer evidence is announced.
    pub(crate) fn next(
        &mut self,
        now: Duration,
        held: bool,
        since: Option<Duration>,
    ) -> Option<DueVote> {
        if now < self.closed_until {
            return None;
        }
        loop {
            let target = self.first_due(now, held)?;
            let vote = *self.pending.get(&target)?;
            let PendingVote { statement, evidence, .. } = vote;
            let old = evidence.saturating_add(self.term) <= now;
            match statement {
                // The peer's copy has expired by itself.
                Statement::Retracts(_) if old => self.remove(target),
                Statement::Sees(_) if old || since.is_some_and(|since| evidence <= since) => {
                    self.put(target, PendingVote { stage: Stage::Parked, ..vote });
                }
                _ => {
                    let sent = Some(evidence);
                    self.put(target, PendingVote { sent, stage: Stage::InFlight, ..vote });
                    return Some(DueVote { target, statement, evidence });
                }
            }
        }
    }

    /// Returns the earliest times at which there may be an urgent vote and any other vote to send.
    /// `None` means that no such vote is due at all.
    pub(crate) fn wake(&self) -> [Option<Duration>; 2] {
        [Priority::Urgent, Priority::Routine].map(|priority| {
            let (at, _) = self.earliest(priority)?;
            Some(at.max(self.closed_until))
        })
    }

    /// Returns the target of the first vote to send at `now`. While other votes are `held` back, it
    /// is an urgent one.
    fn first_due(&self, now: Duration, held: bool) -> Option<IpAddr> {
        for priority in [Priority::Urgent, Priority::Routine] {
            if held && priority == Priority::Routine {
                continue;
            }
            match self.earliest(priority) {
                Some((at, target)) if at <= now => return Some(target),
                _ => {}
            }
        }
        None
    }

    /// Returns the due time and the target of the earliest vote of this priority.
    fn earliest(&self, priority: Priority) -> Option<(Duration, IpAddr)> {
        let &(its, at, target) = self.queue.range((priority, Duration::ZERO, LEAST)..).next()?;
        (its == priority).then_some((at, target))
    }

    /// Records that the peer accepted the vote.
    pub(crate) fn delivered(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        if let Statement::Retracts(_) = statement {
            if self.in_flight(target, statement).is_some() {
                self.remove(target);
            }
            return;
        }
        let Some(vote) = self.in_flight(target, statement) else { return };
        let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
        let again = Stage::Due { at: now + REPEAT, priority: Priority::Routine };
        let stage = if self.repeats && newer { again } else { Stage::Delivered(now) };
        self.put(target, PendingVote { stage, ..vote });
    }

    /// Records that the peer rejected the vote. This may change: the peer may not know the target
    /// yet, or its clock or key may differ.
    pub(crate) fn declined(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        self.requeue(
            target,
            statement,
            Stage::Due { at: now + REPEAT, priority: Priority::Routine },
        );
    }

    /// Records that the peer cannot accept the vote at the moment.
    pub(crate) fn postponed(&mut self, now: Duration, target: IpAddr, statement: Statement) {
        self.reopen();
        self.requeue(
            target,
            statement,
            Stage::Due { at: now + FIRST_WAIT, priority: Priority::Urgent },
        );
    }

    /// Records that the peer could not be reached or closed the connection. All votes in flight are
    /// due again after a wait, which is multiplied by the random factor `jitter`.
    pub(crate) fn failed(&mut self, now: Duration, jitter: f64) {
        self.closed_until = now + self.backoff.next_wait().mul_f64(jitter);
        for (target, vote) in self.pending.clone() {
            if vote.stage == Stage::InFlight {
                self.put(
                    target,
                    PendingVote {
                        stage: Stage::Due { at: now, priority: Priority::Urgent },
                        ..vote
                    },
                );
            }
        }
    }

    /// Whether the last attempt to reach the peer failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.backoff.is_active()
    }

    fn reopen(&mut self) {
        self.closed_until = Duration::ZERO;
        self.backoff.reset();
    }

    /// Returns the vote in flight with this statement, unless a newer statement has replaced it.
    fn in_flight(&self, target: IpAddr, statement: Statement) -> Option<PendingVote> {
        let vote = *self.pending.get(&target)?;
        (vote.stage == Stage::InFlight && vote.statement == statement).then_some(vote)
    }

    /// Moves a vote that was in flight to `stage`.
    fn requeue(&mut self, target: IpAddr, statement: Statement, stage: Stage) {
        if let Some(vote) = self.in_flight(target, statement) {
            self.put(target, PendingVote { stage, ..vote });
        }
    }

    fn put(&mut self, target: IpAddr, vote: PendingVote) {
        self.unqueue(target);
        if let Stage::Due { at, priority } = vote.stage {
            self.queue.insert((priority, at, target));
        }
        self.pending.insert(target, vote);
    }

    fn remove(&mut self, target: IpAddr) {
        self.unqueue(target);
        self.pending.remove(&target);
    }

    fn unqueue(&mut self, target: IpAddr) {
        if let Some(&PendingVote { stage: Stage::Due { at, priority }, .. }) =
            self.pending.get(&target)
        {
            self.queue.remove(&(priority, at, target));
        }
    }
}

/// The address that sorts before all others.
const LEAST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests;
