//! Telling one peer this agent's votes, for as long as they stand.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use super::clock::{BEAT, unix_millis};
use super::connection::{ANSWER_WITHIN, Answer, PipelinedConnection};
use super::outbox::{Due, Outbox, Statement};
use super::shared::Shared;
use super::signature::Form;
use super::wire::{self, Extension};

/// How many votes are sent ahead of their answers to a peer that takes them.
const WINDOW: usize = 128;

/// How long a connection is kept with nothing to say; well under the 5 s after which a listener of
/// ours hangs up, so that no vote is sent into a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(3);

/// How far the time in a signature may run ahead of the wall clock, in milliseconds. It runs ahead
/// by a millisecond for each vote that is signed within the same one; further than this means that
/// the wall clock was set back.
const PLAUSIBLE_LEAD: u64 = 10_000;

/// How far it may run ahead before votes that are no news wait, in milliseconds. So a peer is told a
/// thousand signed votes a second for as long as one likes, and some thousands at once.
const MAX_LEAD: u64 = 4_000;

/// The same for news, which may have to be told while the others wait.
const MAX_URGENT_LEAD: u64 = 8_000;

/// How long a wait lasts at least, so that votes go out by the hundred and not one by one.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// What membership knows about a peer that its sender must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether it is known to run this program, rather than perhaps to be a Go agent.
    pub ours: bool,
    /// How often it has (re)joined.
    pub joins: u64,
}

/// The standing of each peer.
pub type Standings = BTreeMap<SocketAddr, Standing>;

/// A vote that was sent and is not answered yet.
#[derive(Debug, Clone, Copy)]
struct SentVote {
    target: IpAddr,
    statement: Statement,
    form: Form,
    answer_by: Duration,
}

/// Tells one peer.
#[derive(Debug)]
pub struct VoteSender {
    peer: SocketAddr,
    shared: Shared,
    standing: Standing,
    outbox: Outbox,
    connection: Option<PipelinedConnection>,
    /// Sent on `connection`, in this order.
    in_flight: VecDeque<SentVote>,
    /// How many may be in flight: 1 to a peer not known to take more.
    window: usize,
    /// When the connection was last used.
    used: Duration,
    last_signed: u64,
    /// How its votes are signed: in the second form, unless the peer shows that it does not know it.
    form: Form,
    /// The status with which the last vote was declined, if it was.
    declined: Option<u16>,
}

impl VoteSender {
    /// A sender to `peer`, which is assumed to know nothing.
    pub fn new(peer: SocketAddr, shared: Shared) -> Self {
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
        }
    }

    /// Runs until the votes or the standings come no more.
    pub async fn run(mut self) {
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
        if standing.ours != self.standing.ours {
            self.outbox.set_repeats(now, standing.ours);
        }
        if standing.joins != self.standing.joins {
            self.outbox.rejoined(now);
        }
        self.standing = standing;
    }

    /// How many votes may be in flight now. A Go agent answers only once its own DNS calls are over.
    fn room(&self) -> usize {
        if self.standing.ours { self.window } else { 1 }
    }

    /// How far the time of the last signature is ahead of the clock, in milliseconds.
    fn lead(&self) -> u64 {
        // Without a key nothing is signed.
        self.shared.seal.as_ref().map_or(0, |_| lead(self.last_signed, unix_millis()))
    }

    /// When something is to be done though nothing was heard.
    fn wake(&self) -> Option<Duration> {
        let due = paced(self.shared.clock.now(), self.lead(), self.outbox.wake());
        let due = due.filter(|_| self.in_flight.len() < self.room());
        // A loop that stands still is looked at again.
        let is_stalled = self.shared.clock.loop_is_stalled();
        let due =
            due.map(|due| if is_stalled { due.max(self.shared.clock.now() + BEAT) } else { due });
        let silent = self.in_flight.front().map(|sent| sent.answer_by);
        let idle = self.connection.as_ref().map(|_| self.used + IDLE);
        [due, silent.or(idle)].into_iter().flatten().min()
    }

    async fn send_due(&mut self) {
        while self.in_flight.len() < self.room() {
            let lead = self.lead();
            if lead >= MAX_URGENT_LEAD {
                return;
            }
            // What a loop said that does not turn any more may be untrue by now.
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

    async fn post(&mut self, due: Due) -> io::Result<()> {
        let Due { target, statement, evidence } = due;
        if self.connection.is_none() {
            self.connection = Some(PipelinedConnection::open(self.peer).await?);
        }
        let Some(connection) = &mut self.connection else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let seal = self.shared.seal.as_deref();
        let age = self.shared.clock.now().saturating_sub(evidence);
        let (up, extension) = match statement {
            Statement::Sees(up) => (up, Extension::Age(age)),
            Statement::Retracts(up) => (up, Extension::Abstains),
        };
        // To a peer that may be a Go agent a vote is a Go agent's to the byte.
        let extension = Some(extension).filter(|_| self.standing.ours);
        let body = wire::encode_extended(seal, self.shared.local, target, up, extension)?;
        self.last_signed = next_time(self.last_signed, unix_millis());
        let form = self.form;
        let signature = seal.map(|seal| seal.sign(form, self.peer, self.last_signed, &body));
        connection.post(&body, signature.as_deref()).await?;
        self.used = self.shared.clock.now();
        let answer_by = self.used + ANSWER_WITHIN;
        self.in_flight.push_back(SentVote { target, statement, form, answer_by });
        Ok(())
    }

    fn answered(&mut self, answer: io::Result<Answer>) {
        let sent = self.in_flight.pop_front();
        match (answer, sent) {
            // Nothing was asked: it hung up, or speaks out of turn.
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

    fn record_answer(&mut self, sent: SentVote, answer: Answer) {
        let (now, peer) = (self.shared.clock.now(), self.peer);
        let (SentVote { target, statement, form, .. }, Answer { status, knows_v2, .. }) =
            (sent, answer);
        if self.outbox.is_failing() {
            info!(%peer, "this peer takes votes again");
        }
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
        let declined = (outcome == "declined").then_some(status);
        if declined.is_some() && declined != self.declined {
            warn!(%peer, %target, status, reason = answer.meaning(), "this peer does not take our vote");
        }
        self.declined = declined;
        debug!(%peer, %target, ?statement, status, "vote answered");
    }

    /// Nothing was heard for as long as [`wake`](Self::wake) said.
    fn expire(&mut self) {
        let now = self.shared.clock.now();
        let Some(&sent) = self.in_flight.front() else {
            if now >= self.used + IDLE {
                self.connection = None;
            }
            return;
        };
        if now < sent.answer_by {
            return;
        }
        if self.standing.ours {
            self.fail(&io::ErrorKind::TimedOut.into());
        } else {
            // It may be a Go agent that took the vote and is busy with its DNS calls; to send it
            // again would make it call again.
            self.shared.counters.add(Some(self.peer), "unanswered");
            self.outbox.delivered(now, sent.target, sent.statement);
            self.disconnect();
        }
    }

    fn fail(&mut self, cause: &io::Error) {
        self.shared.counters.add(Some(self.peer), "failed");
        let peer = self.peer;
        if self.outbox.is_failing() {
            debug!(%peer, %cause, "cannot tell this peer our votes");
        } else {
            warn!(%peer, %cause, "cannot tell this peer our votes, trying again until it works");
        }
        self.outbox.failed(self.shared.clock.now(), rand::random_range(0.5..1.5));
        self.disconnect();
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.in_flight.clear();
        self.window = 1;
    }
}

/// When the next vote may be sent, by when news and the others are `due` and by how far signatures
/// are ahead of the clock.
fn paced(now: Duration, lead: u64, due: [Option<Duration>; 2]) -> Option<Duration> {
    let held = |due: Option<Duration>, most: u64| match lead.checked_sub(most) {
        None => due,
        Some(over) => due.map(|due| due.max(now + Duration::from_millis(over) + MIN_WAIT)),
    };
    let [urgent, others] = due;
    [held(urgent, MAX_URGENT_LEAD), held(others, MAX_LEAD)].into_iter().flatten().min()
}

/// How far ahead of `now` the `last` signature is; not at all if the clock was set back.
fn lead(last: u64, now: u64) -> u64 {
    Some(last.saturating_sub(now)).filter(|lead| *lead <= PLAUSIBLE_LEAD).unwrap_or_default()
}

/// The time to sign the next vote with: now, but later than the last.
fn next_time(last: u64, now: u64) -> u64 {
    if last.saturating_sub(now) > PLAUSIBLE_LEAD { now } else { now.max(last + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vote_is_signed_later_than_the_one_before() {
        let cases = [
            ("the first", 0, 5000, 5000),
            ("time went on", 5000, 6000, 6000),
            ("within the same millisecond", 5000, 5000, 5001),
            ("the clock was set back a little", 5000, 4000, 5001),
            ("the clock was wrong by an hour", 3_605_000, 5000, 5000),
        ];
        for (name, last, now, want) in cases {
            assert_eq!(next_time(last, now), want, "{name}");
        }
    }

    #[test]
    fn while_signatures_run_ahead_news_waits_less_than_the_rest() {
        let ms = Duration::from_millis;
        let now = ms(1_000_000);
        let (at_once, in_a_second) = (Some(now), Some(now + ms(1_000)));
        let cases = [
            ("nothing is due", 9_000, [None, None], None),
            ("signatures keep up", 0, [None, at_once], Some(0)),
            ("a little ahead", 3_999, [None, at_once], Some(0)),
            ("at the limit", 4_000, [None, at_once], Some(100)),
            ("beyond it, as news took them", 7_900, [None, at_once], Some(4_000)),
            ("news goes all the same", 7_900, [at_once, at_once], Some(0)),
            ("news that is not yet due", 7_900, [in_a_second, at_once], Some(1_000)),
            ("too much news", 8_000, [at_once, at_once], Some(100)),
            ("the clock was set back", 9_900, [at_once, None], Some(2_000)),
        ];
        for (name, lead, due, want) in cases {
            assert_eq!(paced(now, lead, due), want.map(|want| now + ms(want)), "{name}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let cases = [
            ("the first", 0, 5000, 0),
            ("time went on", 5000, 6000, 0),
            ("some were signed within one millisecond", 5003, 5000, 3),
            ("as many as are ever signed ahead", 15_000, 5000, 10_000),
            ("the clock was wrong by an hour", 3_605_000, 5000, 0),
        ];
        for (name, last, now, want) in cases {
            assert_eq!(lead(last, now), want, "{name}");
        }
    }
}
