//! Queue of votes to send to one peer. It uses no sockets and no clock.
//!
//! A vote is *due* from the moment it changes. A changed vote is urgent: it precedes all votes that
//! are sent for the first time or repeated, of which there may be tens of thousands. A delivered
//! vote is due again after [`REPEAT`] if the peer is known to run this program and newer evidence
//! has been announced since. It is not repeated to a possible Go agent, because each vote makes one
//! of those call its DNS provider. A newer vote on a target replaces the older one. A vote that is
//! no longer announced is retracted; to a possible Go agent it is just not sent any more. A
//! possible Go agent receives votes on the service `default` only.

mod queue;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::votes::{AnnouncedVote, AnnouncedVotes, Votes};
use crate::backoff::Backoff;
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::types::Vote;
use queue::{DueQueue, Priority, Turn};

/// Time after a delivery before the vote is sent again.
pub(crate) const REPEAT: Duration = Duration::from_secs(10);

/// Wait after the first failure to reach a peer. It doubles with each failure, up to [`REPEAT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);

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
    pub target: TargetRef,
    /// The statement to send.
    pub statement: Statement,
    /// The time of the evidence for it.
    pub evidence: Duration,
}

/// Progress of a vote on its way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waiting to be sent.
    Due(Turn),
    /// Sent and not answered yet.
    InFlight,
    /// Accepted by the peer at this time.
    Delivered(Duration),
    /// Not sent because its evidence was too old. It becomes due with newer evidence.
    Parked,
}

#[derive(Debug, Clone, Copy)]
struct PendingVote {
    statement: Statement,
    /// The time of the newest evidence announced.
    evidence: Duration,
    /// Time after its evidence for which the vote counts.
    term: Duration,
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
    /// The last announcement of each service.
    announced: BTreeMap<ServiceId, Arc<AnnouncedVotes>>,
    pending: BTreeMap<TargetRef, PendingVote>,
    queue: DueQueue,
    /// Nothing is sent before this time, because the peer could not be reached.
    closed_until: Duration,
    backoff: Backoff,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            repeats: false,
            announced: BTreeMap::new(),
            pending: BTreeMap::new(),
            queue: DueQueue::default(),
            closed_until: Duration::ZERO,
            backoff: Backoff::new(FIRST_WAIT, REPEAT),
        }
    }
}

impl Outbox {
    /// Replaces this agent's votes by the current ones. Services with the same votes as before cost
    /// nothing.
    pub(crate) fn announce(&mut self, now: Duration, all: &Votes) {
        let before = std::mem::take(&mut self.announced);
        for &service in before.keys() {
            if !self.receives(service, all) {
                self.announce_service(now, service, &AnnouncedVotes::default());
            }
        }
        for (&service, votes) in &all.services {
            if !self.receives(service, all) {
                continue;
            }
            if !before.get(&service).is_some_and(|last| Arc::ptr_eq(last, votes)) {
                self.announce_service(now, service, votes);
            }
            self.announced.insert(service, Arc::clone(votes));
        }
    }

    /// Whether the peer receives the votes on a service.
    fn receives(&self, service: ServiceId, all: &Votes) -> bool {
        let known = self.repeats || service == ServiceId::DEFAULT;
        known && all.services.contains_key(&service)
    }

    /// Replaces this agent's votes on one service.
    fn announce_service(&mut self, now: Duration, service: ServiceId, all: &AnnouncedVotes) {
        let mut gone = Vec::new();
        for (&target, &pending) in self.pending.range(all_of(service)) {
            if !all.votes.contains_key(&target.address) {
                gone.push((target, pending));
            }
        }
        for (target, pending) in gone {
            match pending.statement {
                Statement::Retracts(_) => {}
                Statement::Sees(vote) if self.repeats && pending.sent.is_some() => {
                    let statement = Statement::Retracts(vote);
                    let stage = Stage::Due(Turn { at: now, priority: Priority::Urgent });
                    self.put(target, PendingVote { statement, stage, ..pending });
                }
                Statement::Sees(_) => self.remove(target),
            }
        }
        for (&address, &AnnouncedVote { vote, evidence }) in &all.votes {
            let stage = Stage::Due(Turn { at: now, priority: Priority::of(vote) });
            let statement = Statement::Sees(vote);
            let new = PendingVote { statement, evidence, term: all.term, sent: None, stage };
            self.announced(now, TargetRef { service, address }, new);
        }
    }

    /// Takes over a vote that is announced, first or again.
    fn announced(&mut self, now: Duration, target: TargetRef, new: PendingVote) {
        let Some(before) = self.pending.get(&target).copied() else {
            self.put(target, new);
            return;
        };
        let PendingVote { statement, evidence, term, .. } = new;
        let (Statement::Sees(vote) | Statement::Retracts(vote)) = statement;
        let fresh = before.sent.is_none_or(|sent| evidence > sent);
        let priority = match before.statement {
            Statement::Sees(last) if last != vote => Priority::Urgent,
            _ => Priority::of(vote),
        };
        let stage = match before.stage {
            _ if before.statement != statement => Stage::Due(Turn { at: now, priority }),
            Stage::Parked if fresh => Stage::Due(Turn { at: now, priority }),
            Stage::Delivered(at) if self.repeats && fresh => {
                Stage::Due(Turn { at: now.max(at + REPEAT), priority: Priority::Routine })
            }
            stage => stage,
        };
        let after = PendingVote { statement, evidence, term, sent: before.sent, stage };
        if stage == before.stage {
            // The common case: nearly all votes, at each announcement.
            self.pending.insert(target, after);
        } else {
            self.put(target, after);
        }
    }

    /// Sets whether delivered votes are repeated. They are not repeated to a possible Go agent.
    pub(crate) fn set_repeats(&mut self, now: Duration, repeats: bool) {
        self.repeats = repeats;
        for (target, vote) in self.pending.clone() {
            let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
            match vote.stage {
                Stage::Delivered(_) if repeats && newer => {
                    let stage = Stage::Due(Turn { at: now + REPEAT, priority: Priority::Routine });
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
            self.put(target, PendingVote { stage: Stage::Due(Turn { at: now, priority }), ..vote });
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
            let target = self.queue.first_due(now, held)?;
            let vote = *self.pending.get(&target)?;
            let PendingVote { statement, evidence, term, .. } = vote;
            let old = evidence.saturating_add(term) <= now;
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
        [Priority::Urgent, Priority::Routine]
            .map(|priority| Some(self.queue.earliest(priority)?.max(self.closed_until)))
    }

    /// Records that the peer accepted the vote.
    pub(crate) fn delivered(&mut self, now: Duration, target: TargetRef, statement: Statement) {
        self.reopen();
        if let Statement::Retracts(_) = statement {
            if self.in_flight(target, statement).is_some() {
                self.remove(target);
            }
            return;
        }
        let Some(vote) = self.in_flight(target, statement) else { return };
        let newer = vote.sent.is_some_and(|sent| vote.evidence > sent);
        let again = Stage::Due(Turn { at: now + REPEAT, priority: Priority::Routine });
        let stage = if self.repeats && newer { again } else { Stage::Delivered(now) };
        self.put(target, PendingVote { stage, ..vote });
    }

    /// Whether the peer would count this statement: it is the last one about the target, and no
    /// retraction.
    pub(crate) fn stands(&self, target: TargetRef, statement: Statement) -> bool {
        matches!(statement, Statement::Sees(_)) && self.in_flight(target, statement).is_some()
    }

    /// Records that the peer rejected the vote. This may change: the peer may not know the target
    /// yet, or its clock or key may differ.
    pub(crate) fn declined(&mut self, now: Duration, target: TargetRef, statement: Statement) {
        self.reopen();
        self.requeue(
            target,
            statement,
            Stage::Due(Turn { at: now + REPEAT, priority: Priority::Routine }),
        );
    }

    /// Records that the peer cannot accept the vote at the moment.
    pub(crate) fn postponed(&mut self, now: Duration, target: TargetRef, statement: Statement) {
        self.reopen();
        self.requeue(
            target,
            statement,
            Stage::Due(Turn { at: now + FIRST_WAIT, priority: Priority::Urgent }),
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
                        stage: Stage::Due(Turn { at: now, priority: Priority::Urgent }),
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
    fn in_flight(&self, target: TargetRef, statement: Statement) -> Option<PendingVote> {
        let vote = *self.pending.get(&target)?;
        (vote.stage == Stage::InFlight && vote.statement == statement).then_some(vote)
    }

    /// Moves a vote that was in flight to `stage`.
    fn requeue(&mut self, target: TargetRef, statement: Statement, stage: Stage) {
        if let Some(vote) = self.in_flight(target, statement) {
            self.put(target, PendingVote { stage, ..vote });
        }
    }

    fn put(&mut self, target: TargetRef, vote: PendingVote) {
        self.unqueue(target);
        if let Stage::Due(due) = vote.stage {
            self.queue.insert(due, target);
        }
        self.pending.insert(target, vote);
    }

    fn remove(&mut self, target: TargetRef) {
        self.unqueue(target);
        self.pending.remove(&target);
    }

    fn unqueue(&mut self, target: TargetRef) {
        if let Some(&PendingVote { stage: Stage::Due(due), .. }) = self.pending.get(&target) {
            self.queue.remove(due, target);
        }
    }
}

/// Returns the range of all targets of a service.
fn all_of(service: ServiceId) -> RangeInclusive<TargetRef> {
    let (first, last) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::from(u128::MAX).into());
    TargetRef { service, address: first }..=TargetRef { service, address: last }
}

#[cfg(test)]
mod tests;
