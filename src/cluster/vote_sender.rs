//! Sends this agent's votes to one peer for as long as they stand.

mod pacing;
mod report;
mod unwatched;

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use super::clock::{BEAT, unix_millis};
use super::connection::{ANSWER_WITHIN, PipelinedConnection, VoteAnswer};
use super::outbox::{DueVote, Outbox, Statement};
use super::shared::ClusterContext;
use super::signature::Form;
use super::standing::Standing;
use super::wire::{Extension, OutgoingVote};
use crate::engine::ids::{ServiceId, TargetRef};
use pacing::{MAX_LEAD, MAX_URGENT_LEAD, lead, next_time, paced};
use unwatched::UnwatchedServices;

/// Maximum number of unanswered votes sent to a peer that supports pipelining.
const WINDOW: usize = 128;

/// Time after which an idle connection is closed. It is well under the 5 s after which our listener
/// hangs up, so that no vote is sent into a connection that is being closed.
const IDLE: Duration = Duration::from_secs(3);

/// A vote that was sent and is not answered yet.
#[derive(Debug, Clone, Copy)]
struct SentVote {
    target: TargetRef,
    statement: Statement,
    form: Form,
    answer_by: Duration,
}

/// Sends votes to one peer.
#[derive(Debug)]
pub(crate) struct VoteSender {
    peer: SocketAddr,
    shared: ClusterContext,
    standing: Standing,
    outbox: Outbox,
    connection: Option<PipelinedConnection>,
    /// Unanswered votes, in the order they were sent on `connection`.
    in_flight: VecDeque<SentVote>,
    /// Maximum number of unanswered votes; 1 for a peer not known to support more.
    window: usize,
    /// The time the connection was last used.
    used: Duration,
    last_signed: u64,
    /// The form of signature to use: the second form unless the peer shows that it does not know
    /// it.
    form: Form,
    /// The status of the answer if the last vote was declined.
    declined: Option<u16>,
    /// Whether there are votes on other services than `default`.
    has_named: bool,
    unwatched: UnwatchedServices,
    /// The services with an address that the peer does not watch, although it watches the service.
    partly_watched: BTreeSet<ServiceId>,
    /// Whether the peer was reported to be a Go agent, which has no vote on named services.
    legacy_reported: bool,
}

impl VoteSender {
    /// Creates a sender for `peer`, which is assumed to have no votes yet.
    pub(crate) fn new(peer: SocketAddr, shared: ClusterContext) -> Self {
        Self {
            peer,
            shared,
            standing: Standing::default(),
            outbox: Outbox::default(),
            connection: None,
            in_flight: VecDeque::new(),
            window: 1,
            used: Duration::ZERO,
            last_signed: 0,
            form: Form::V2,
            declined: None,
            has_named: false,
            unwatched: UnwatchedServices::default(),
            partly_watched: BTreeSet::new(),
            legacy_reported: false,
        }
    }

    /// Runs until the channel of votes or of standings is closed.
    pub(crate) async fn run(mut self) {
        self.take_updates();
        loop {
            self.send_due().await;
            let clock = Arc::clone(&self.shared.clock);
            let wake = self.wake();
            let alarm = async {
                match wake {
                    Some(at) => sleep_until(clock.instant(at)).await,
                    None => pending().await,
                }
            };
            let answer = async {
                match &mut self.connection {
                    Some(connection) => connection.answer().await,
                    None => pending().await,
                }
            };
            let changed = tokio::select! {
                changed = self.shared.votes.changed() => Some(changed),
                changed = self.shared.standings.changed() => Some(changed),
                answer = answer => {
                    self.answered(answer);
                    None
                }
                () = alarm => {
                    self.expire();
                    None
                }
            };
            match changed {
                Some(Ok(())) => self.take_updates(),
                Some(Err(_)) => return,
                None => {}
            }
        }
    }

    fn take_updates(&mut self) {
        let now = self.shared.clock.now();
        let votes = Arc::clone(&self.shared.votes.borrow_and_update());
        self.outbox.announce(now, &votes);
        let standings = Arc::clone(&self.shared.standings.borrow_and_update());
        let standing = standings.get(&self.peer).copied().unwrap_or_default();
        if standing.native != self.standing.native {
            self.outbox.set_repeats(now, standing.native);
            // Named services are for agents of this program only.
            self.outbox.announce(now, &votes);
        }
        if standing.joins != self.standing.joins {
            self.outbox.rejoined(now);
            self.partly_watched.clear();
        }
        self.standing = standing;
        self.follow_services(&votes);
    }

    /// Returns the maximum number of votes in flight at this time. A Go agent answers only after
    /// its own DNS calls are finished.
    fn room(&self) -> usize {
        if self.standing.native { self.window } else { 1 }
    }

    /// Returns the lead of the last signature's time over the wall clock, in milliseconds.
    fn lead(&self) -> u64 {
        // Without a key nothing is signed.
        self.shared.seal.as_ref().map_or(0, |_| lead(self.last_signed, unix_millis()))
    }

    /// Returns the time of the next action if no input is received before.
    fn wake(&self) -> Option<Duration> {
        let due = paced(self.shared.clock.now(), self.lead(), self.outbox.wake());
        let due = due.filter(|_| self.in_flight.len() < self.room());
        // Checks again later whether a stalled loop has resumed.
        let is_stalled = self.shared.clock.loop_is_stalled();
        let due =
            due.map(|due| if is_stalled { due.max(self.shared.clock.now() + BEAT) } else { due });
        let silent = self.in_flight.front().map(|sent| sent.answer_by);
        let idle = self.connection.as_ref().map(|_| self.used + IDLE);
        [due, silent.or(idle), self.unwatched.report_at()].into_iter().flatten().min()
    }

    async fn send_due(&mut self) {
        while self.in_flight.len() < self.room() {
            let lead = self.lead();
            if lead >= MAX_URGENT_LEAD {
                return;
            }
            // Votes announced by a loop that has stalled may no longer be true.
            if self.shared.clock.loop_is_stalled() {
                return;
            }
            let (now, resumed_at) = (self.shared.clock.now(), self.shared.clock.resumed_at());
            let Some(due) = self.outbox.next(now, lead >= MAX_LEAD, resumed_at) else { return };
            if let Err(cause) = self.post(due).await {
                self.fail(&cause);
                return;
            }
        }
    }

    async fn post(&mut self, due: DueVote) -> io::Result<()> {
        let DueVote { target, statement, evidence } = due;
        if self.connection.is_none() {
            self.connection = Some(PipelinedConnection::open(self.peer).await?);
        }
        let Some(connection) = &mut self.connection else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let seal = self.shared.seal.as_deref();
        let age = self.shared.clock.now().saturating_sub(evidence);
        let (vote, extension) = match statement {
            Statement::Sees(vote) => (vote, Extension::Age(age)),
            Statement::Retracts(vote) => (vote, Extension::Abstains),
        };
        // A vote to a possible Go agent is identical, byte for byte, to one of a Go agent.
        let extension = Some(extension).filter(|_| self.standing.native);
        let name = match target.service {
            ServiceId::DEFAULT => None,
            // Without its name, the vote would be one on `default`.
            named => Some(self.shared.services.name(named).ok_or(io::ErrorKind::NotFound)?),
        };
        let service = name.as_deref();
        let peer = self.shared.local;
        let outgoing = OutgoingVote { peer, service, target: target.address, vote, extension };
        let body = outgoing.encode(seal)?;
        self.last_signed = next_time(self.last_signed, unix_millis());
        // A peer that only knows the first form knows no named services either.
        let form = if service.is_some() { Form::V2 } else { self.form };
        let signature = seal.map(|seal| seal.sign(form, self.peer, self.last_signed, &body));
        connection.post(outgoing.path(), &body, signature.as_deref()).await?;
        self.used = self.shared.clock.now();
        let answer_by = self.used + ANSWER_WITHIN;
        self.in_flight.push_back(SentVote { target, statement, form, answer_by });
        Ok(())
    }

    fn answered(&mut self, answer: io::Result<VoteAnswer>) {
        let sent = self.in_flight.pop_front();
        match (answer, sent) {
            // An answer without a request: the peer closed the connection or broke the protocol.
            (_, None) => self.connection = None,
            (Err(cause), Some(sent)) => {
                self.in_flight.push_front(sent);
                self.fail(&cause);
            }
            (Ok(answer), Some(sent)) => {
                self.record_answer(sent, answer);
                if answer.stays_open {
                    self.window = (self.window * 2).min(WINDOW);
                } else if self.in_flight.is_empty() {
                    self.disconnect();
                } else {
                    self.fail(&io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }

    fn record_answer(&mut self, sent: SentVote, answer: VoteAnswer) {
        let (now, peer) = (self.shared.clock.now(), self.peer);
        let (SentVote { target, statement, form, .. }, VoteAnswer { status, knows_v2, .. }) =
            (sent, answer);
        if self.outbox.is_failing() {
            info!(%peer, "peer accepts votes again");
        }
        let stands = self.outbox.stands(target, statement);
        let outcome = match status {
            _ if self.shared.seal.is_some() && answer.is_of_version_0_1(form) => {
                self.outbox.postponed(now, target, statement);
                self.form = Form::V1;
                "postponed"
            }
            200..300 => {
                self.outbox.delivered(now, target, statement);
                "delivered"
            }
            500.. => {
                self.outbox.postponed(now, target, statement);
                "postponed"
            }
            _ => {
                self.outbox.declined(now, target, statement);
                "declined"
            }
        };
        if knows_v2 {
            self.form = Form::V2;
        }
        self.shared.counters.add(Some(peer), outcome);
        self.report_declined(target, (outcome == "declined").then_some(answer), stands);
        if outcome == "delivered" {
            self.service_accepted(target.service);
        }
        let (address, service) = (target.address, self.service_for_people(target.service));
        debug!(%peer, target = %address, service, ?statement, status, "vote answered");
    }

    /// Handles the timer set by [`wake`](Self::wake): closes an idle connection, or gives up on a
    /// vote that was not answered in time.
    fn expire(&mut self) {
        let now = self.shared.clock.now();
        self.report_unwatched(now);
        let Some(&sent) = self.in_flight.front() else {
            if now >= self.used + IDLE {
                self.connection = None;
            }
            return;
        };
        if now < sent.answer_by {
            return;
        }
        if self.standing.native {
            self.fail(&io::ErrorKind::TimedOut.into());
        } else {
            // The peer may be a Go agent that took the vote and is busy with its DNS calls. Sending
            // the vote again would make it repeat those calls.
            self.shared.counters.add(Some(self.peer), "unanswered");
            self.outbox.delivered(now, sent.target, sent.statement);
            self.disconnect();
        }
    }

    fn fail(&mut self, cause: &io::Error) {
        self.shared.counters.add(Some(self.peer), "failed");
        let peer = self.peer;
        if self.outbox.is_failing() {
            debug!(%peer, %cause, "cannot deliver votes to peer");
        } else {
            warn!(%peer, %cause, "cannot deliver votes to peer; retrying");
        }
        self.outbox.failed(self.shared.clock.now(), crate::backoff::jitter());
        self.disconnect();
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.in_flight.clear();
        self.window = 1;
    }
}
