//! When to probe one endpoint, and what became of each probe: reply, loss or fault.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::rate_check::RateCheck;
use super::rtt::RoundTrip;
use crate::engine::Moment;

/// So many losses in a row are given to one flow before another is tried.
const LOSSES_A_FLOW: u8 = 3;

/// What a probe is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Whom.
    pub address: IpAddr,
    /// The TCP port that is connected to; `None` means an echo request.
    pub port: Option<u16>,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.port) {
            (address, None) => write!(out, "{address}"),
            (IpAddr::V4(address), Some(port)) => write!(out, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(out, "[{address}]:{port}"),
        }
    }
}

/// How fast endpoints are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between probes of one endpoint.
    pub interval: Duration,
    /// After this long without a reply a probe is a loss.
    pub timeout: Duration,
    /// Between probes of an endpoint that is suspect.
    pub retry_interval: Duration,
}

/// What one probe said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// An answer came within the timeout.
    Reply,
    /// None did.
    Loss,
    /// This machine could not ask, or was not there to hear. That is a fact about the vantage
    /// point, not the target, so it moves no counter.
    Fault,
}

/// One probe that is not yet settled.
#[derive(Debug, Clone, Copy)]
struct Flight {
    seq: u64,
    sent: Moment,
    /// A rehearsal of the retry pace: nobody wonders where its reply is.
    quick: bool,
    /// What became of it, if that is known; it stays here until all earlier ones are settled too.
    outcome: Option<Outcome>,
}

impl Flight {
    fn judged(&self, outcome: Outcome) -> Judged {
        Judged { seq: self.seq, sent: self.sent, quick: self.quick, outcome }
    }
}

/// One probe that has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Its number.
    pub seq: u64,
    /// When it was sent.
    pub sent: Moment,
    /// It rehearsed the retry pace; that it was lost says nothing of the target's health.
    pub quick: bool,
    /// What it said.
    pub outcome: Outcome,
}

/// The probes of one endpoint: when the next one is due, which ones are still out.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Whom.
    pub endpoint: Endpoint,
    /// Its measured round trips.
    pub rtt: RoundTrip,
    /// The last round trip in time.
    pub last_rtt: Option<Duration>,
    /// When the next probe goes out.
    due: Moment,
    /// Any one moment of its schedule; the others lie whole intervals before and after it.
    slot: Moment,
    last_sent: Option<Moment>,
    suspect: bool,
    flow: u16,
    /// Losses in a row since the flow is the present one.
    lost_on_flow: u8,
    nth: u16,
    flights: VecDeque<Flight>,
    /// What was last said of a probe that was not answered, since the last reply.
    pub said: Option<String>,
    /// Whether it answers at the retry pace.
    pub rate: RateCheck,
}

impl Watch {
    /// A schedule whose first probe is due at `first`.
    pub fn new(endpoint: Endpoint, first: Moment) -> Self {
        Self {
            endpoint,
            rtt: RoundTrip::default(),
            last_rtt: None,
            due: first,
            slot: first,
            last_sent: None,
            suspect: false,
            flow: 0,
            lost_on_flow: 0,
            nth: 0,
            flights: VecDeque::new(),
            said: None,
            rate: RateCheck::default(),
        }
    }

    /// Whether it is missing a reply and is probed at the retry interval.
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// The flow that the next probe belongs to: another echo identifier when it becomes suspect, and
    /// again after every [`LOSSES_A_FLOW`] losses. A NAT or a firewall that has a wrong entry for one
    /// identifier keeps it for as long as requests with it come in.
    pub fn flow(&self) -> u16 {
        self.flow
    }

    /// When something is next to be done here without an answer coming in. `watchful`: an overdue
    /// reply is something to be done about.
    pub fn wake(&self, pace: Pace, watchful: bool) -> Moment {
        let pending = self.flights.iter().find(|flight| flight.outcome.is_none());
        let deadline = pending.map(|flight| flight.sent + pace.timeout);
        let missed = self.flights.iter().find(|flight| flight.outcome.is_none() && !flight.quick);
        let overdue = match (watchful && !self.suspect, self.rtt.patience(), missed) {
            (true, Some(patience), Some(flight)) if patience < pace.timeout => {
                Some(flight.sent + patience)
            }
            _ => None,
        };
        [deadline, overdue].into_iter().flatten().fold(self.due, Duration::min)
    }

    /// Whether a probe is due.
    pub fn is_due(&self, now: Moment) -> bool {
        self.due <= now
    }

    /// Puts the due probe off: there is no room for it yet. That is no loss.
    pub fn put_off(&mut self, until: Moment) {
        self.due = until;
    }

    /// Sends one probe numbered `seq`, and works out when the next one is due. Returns how many
    /// went before it, modulo 2^16.
    pub fn send(&mut self, seq: u64, now: Moment, pace: Pace) -> u16 {
        if self.lost_on_flow >= LOSSES_A_FLOW {
            self.change_flow();
        }
        let quick = self.rate.sent(seq);
        self.flights.push_back(Flight { seq, sent: now, quick, outcome: None });
        self.last_sent = Some(now);
        self.due = if self.is_quick() || self.rate.goes_on() {
            now + pace.retry_interval
        } else {
            self.slot_after(now, pace)
        };
        let nth = self.nth;
        self.nth = nth.wrapping_add(1);
        nth
    }

    /// Whether it is probed at the retry interval because a reply is missing.
    fn is_quick(&self) -> bool {
        self.suspect && !self.rate.limits
    }

    /// If the due probe is a retry and no ordinary probe: when the next ordinary one is due.
    pub fn retries_before(&self, now: Moment, pace: Pace) -> Option<Moment> {
        let last = self.last_sent.filter(|_| self.is_quick())?;
        // Of the schedule, the first moment after the last probe.
        let interval = pace.interval.as_nanos().max(1);
        let ahead = self.slot.saturating_sub(last).as_nanos().saturating_sub(1) / interval;
        let behind = last.checked_sub(self.slot).map_or(0, |by| by.as_nanos() / interval + 1);
        let times = |count| pace.interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let next = (self.slot + times(behind)).saturating_sub(times(ahead));
        (next > now).then_some(next)
    }

    /// Whether every probe that was sent has been judged.
    pub fn all_judged(&self) -> bool {
        self.flights.iter().all(|flight| flight.outcome.is_some())
    }

    /// The first moment of the schedule after `now`.
    fn slot_after(&mut self, now: Moment, pace: Pace) -> Moment {
        if self.slot <= now {
            let behind = now.saturating_sub(self.slot).as_nanos() / pace.interval.as_nanos().max(1);
            let whole = u32::try_from(behind + 1).unwrap_or(u32::MAX);
            self.slot += pace.interval.saturating_mul(whole);
        }
        self.slot
    }

    /// Makes it suspect or clears it; returns whether that is news.
    pub fn set_suspect(&mut self, suspect: bool, now: Moment, pace: Pace) -> bool {
        if self.suspect == suspect {
            return false;
        }
        self.suspect = suspect;
        if suspect {
            self.change_flow();
            self.rate.break_off();
            if self.rate.limits {
                return true;
            }
            let retry = self.last_sent.map_or(now, |sent| sent + pace.retry_interval);
            self.due = self.due.min(retry.max(now));
        } else {
            self.due = self.slot_after(now, pace);
        }
        true
    }

    fn change_flow(&mut self) {
        self.flow = self.flow.wrapping_add(1);
        self.lost_on_flow = 0;
    }

    fn count_on_flow(&mut self, outcome: Outcome) {
        self.lost_on_flow = match outcome {
            Outcome::Reply => 0,
            Outcome::Loss => self.lost_on_flow.saturating_add(1),
            Outcome::Fault => self.lost_on_flow,
        };
    }

    /// Moves it to another schedule, after a change of pace or of neighbours.
    pub fn reschedule(&mut self, slot: Moment, now: Moment, pace: Pace) {
        self.slot = slot;
        let due = self.slot_after(now, pace);
        if !self.suspect {
            self.due = due;
        }
    }

    /// Whether a reply is overdue by its own measure, or a probe's time is up.
    pub fn is_overdue(&self, now: Moment, pace: Pace) -> bool {
        let patience = self.rtt.patience().unwrap_or(pace.timeout).min(pace.timeout);
        let is_overdue = |flight: &Flight| {
            flight.outcome.is_none() && !flight.quick && flight.sent + patience <= now
        };
        self.flights.iter().any(is_overdue)
    }

    /// Judges the probes whose time is up: losses, or faults where the machine was not there to
    /// hear. Returns them in the order of sending.
    pub fn expire(&mut self, now: Moment, pace: Pace, deaf: bool) -> Vec<Judged> {
        let outcome = if deaf { Outcome::Fault } else { Outcome::Loss };
        let is_up =
            |flight: &&mut Flight| flight.outcome.is_none() && flight.sent + pace.timeout <= now;
        let judge = |flight: &mut Flight| {
            flight.outcome = Some(outcome);
            flight.judged(outcome)
        };
        let expired: Vec<_> = self.flights.iter_mut().filter(is_up).map(judge).collect();
        for judged in &expired {
            self.count_on_flow(judged.outcome);
        }
        expired
    }

    /// Judges the probe numbered `seq`; `None` if it was judged before.
    pub fn judge(&mut self, seq: u64, outcome: Outcome) -> Option<Judged> {
        let found = self.flights.binary_search_by_key(&seq, |flight| flight.seq).ok()?;
        let flight = &mut self.flights[found];
        if flight.outcome.is_some() {
            return None;
        }
        flight.outcome = Some(outcome);
        let judged = flight.judged(outcome);
        self.count_on_flow(outcome);
        Some(judged)
    }

    /// When the probe numbered `seq` was sent, if it is not yet settled.
    pub fn sent(&self, seq: u64) -> Option<Moment> {
        let found = self.flights.binary_search_by_key(&seq, |flight| flight.seq).ok()?;
        Some(self.flights[found].sent)
    }

    /// Whether the probe numbered `seq` has not been judged, and will count.
    pub fn is_missed(&self, seq: u64) -> bool {
        let found = self.flights.binary_search_by_key(&seq, |flight| flight.seq);
        found.is_ok_and(|found| {
            let flight = &self.flights[found];
            flight.outcome.is_none() && !flight.quick
        })
    }

    /// Takes the oldest probe off if it has been judged: what is left to count in the order of
    /// sending. A quick one that was lost counts for nothing, as a fault does.
    pub fn settle(&mut self) -> Option<Outcome> {
        let outcome = self.flights.front()?.outcome?;
        let quick = self.flights.pop_front().is_some_and(|flight| flight.quick);
        Some(if quick && outcome == Outcome::Loss { Outcome::Fault } else { outcome })
    }
}

#[cfg(test)]
mod tests;
