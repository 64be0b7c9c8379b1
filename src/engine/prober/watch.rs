//! The probe schedule of one endpoint, and the outcome of each probe: reply, loss or fault.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::rate_check::RateCheck;
use super::rtt::RoundTrip;
use crate::engine::Moment;

/// The number of losses in a row after which another flow is tried.
const LOSSES_A_FLOW: u8 = 3;

/// The destination of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The IP address to probe.
    pub address: IpAddr,
    /// The TCP port to connect to; `None` means an echo request.
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

/// The pace at which endpoints are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between probes of one endpoint.
    pub interval: Duration,
    /// Time without a reply after which a probe is a loss.
    pub timeout: Duration,
    /// Time between probes of a suspect endpoint.
    pub retry_interval: Duration,
}

/// The outcome of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A reply arrived within the timeout.
    Reply,
    /// No reply arrived within the timeout.
    Loss,
    /// This machine could not send the probe, or could not receive its reply. That is a fact about
    /// the vantage point, not the target, so it moves no counter.
    Fault,
}

/// A probe that has not been counted yet.
#[derive(Debug, Clone, Copy)]
struct Flight {
    seq: u64,
    sent: Moment,
    /// Whether it rehearses the retry pace. A missing reply is then no cause for suspicion.
    quick: bool,
    /// The outcome, if known. The probe stays here until all earlier ones are counted.
    outcome: Option<Outcome>,
}

impl Flight {
    fn judged(&self, outcome: Outcome) -> Judged {
        Judged { seq: self.seq, sent: self.sent, quick: self.quick, outcome }
    }
}

/// A probe that has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The number of the probe.
    pub seq: u64,
    /// The time at which it was sent.
    pub sent: Moment,
    /// Whether it rehearsed the retry pace. Its loss then says nothing about the target's health.
    pub quick: bool,
    /// The outcome of the probe.
    pub outcome: Outcome,
}

/// The probes of one endpoint: the time of the next one, and the outstanding ones.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The watched endpoint.
    pub endpoint: Endpoint,
    /// Its measured round trips.
    pub rtt: RoundTrip,
    /// The last round-trip time within the timeout.
    pub last_rtt: Option<Duration>,
    /// The time at which the next probe is sent.
    due: Moment,
    /// Any one moment of its schedule; the others are whole intervals before and after it.
    slot: Moment,
    last_sent: Option<Moment>,
    suspect: bool,
    flow: u16,
    /// The number of losses in a row since the current flow began.
    lost_on_flow: u8,
    nth: u16,
    flights: VecDeque<Flight>,
    /// The last error report about an unanswered probe, since the last reply.
    pub last_error: Option<String>,
    /// The rehearsals that show whether the endpoint answers at the retry pace.
    pub rate: RateCheck,
}

impl Watch {
    /// Creates a schedule with a first probe at `first`.
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
            last_error: None,
            rate: RateCheck::default(),
        }
    }

    /// Whether the endpoint misses a reply and is probed at the retry interval.
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Returns the flow of the next probe. It changes the echo identifier when the endpoint becomes
    /// suspect, and again after every `LOSSES_A_FLOW` losses. A NAT or a firewall that has a
    /// wrong entry for one identifier keeps it for as long as requests with it come in.
    pub fn flow(&self) -> u16 {
        self.flow
    }

    /// Returns the time of the next action here if no answer comes in. `watchful` means that an
    /// overdue reply requires one.
    pub fn wake(&self, pace: Pace, watchful: bool) -> Moment {
        let pending = self.flights.iter().find(|flight| flight.outcome.is_none());
        let deadline = pending.map(|flight| flight.sent + pace.timeout);
        let missed = self.flights.iter().find(|flight| flight.outcome.is_none() && !flight.quick);
        let overdue = match (watchful && !self.suspect, self.rtt.overdue_after(), missed) {
            (true, Some(overdue_after), Some(flight)) if overdue_after < pace.timeout => {
                Some(flight.sent + overdue_after)
            }
            _ => None,
        };
        [deadline, overdue].into_iter().flatten().fold(self.due, Duration::min)
    }

    /// Whether a probe is due.
    pub fn is_due(&self, now: Moment) -> bool {
        self.due <= now
    }

    /// Delays the due probe until there is room for it. That is no loss.
    pub fn put_off(&mut self, until: Moment) {
        self.due = until;
    }

    /// Records one sent probe numbered `seq`, and computes when the next one is due. Returns the
    /// number of probes before it, modulo 2^16.
    pub fn send(&mut self, seq: u64, now: Moment, pace: Pace) -> u16 {
        if self.lost_on_flow >= LOSSES_A_FLOW {
            self.change_flow();
        }
        let quick = self.rate.sent(seq);
        self.flights.push_back(Flight { seq, sent: now, quick, outcome: None });
        self.last_sent = Some(now);
        self.due = if self.is_quick() || self.rate.is_next_quick() {
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

    /// Returns the time of the next ordinary probe, if the due probe is a retry and not an ordinary
    /// one.
    pub fn retries_before(&self, now: Moment, pace: Pace) -> Option<Moment> {
        let last = self.last_sent.filter(|_| self.is_quick())?;
        // The first moment of the schedule after the last probe.
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

    /// Returns the first moment of the schedule after `now`.
    fn slot_after(&mut self, now: Moment, pace: Pace) -> Moment {
        if self.slot <= now {
            let behind = now.saturating_sub(self.slot).as_nanos() / pace.interval.as_nanos().max(1);
            let whole = u32::try_from(behind + 1).unwrap_or(u32::MAX);
            self.slot += pace.interval.saturating_mul(whole);
        }
        self.slot
    }

    /// Marks the endpoint as suspect or clears it; returns whether that is a change.
    pub fn set_suspect(&mut self, suspect: bool, now: Moment, pace: Pace) -> bool {
        if self.suspect == suspect {
            return false;
        }
        self.suspect = suspect;
        if suspect {
            self.change_flow();
            self.rate.abort();
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

    /// Moves the endpoint to another schedule, after a change of pace or of neighbours.
    pub fn reschedule(&mut self, slot: Moment, now: Moment, pace: Pace) {
        self.slot = slot;
        let due = self.slot_after(now, pace);
        if !self.suspect {
            self.due = due;
        }
    }

    /// Whether a reply is overdue by the endpoint's own round-trip times, or a probe has timed out.
    pub fn is_overdue(&self, now: Moment, pace: Pace) -> bool {
        let overdue_after = self.rtt.overdue_after().unwrap_or(pace.timeout).min(pace.timeout);
        let is_overdue = |flight: &Flight| {
            flight.outcome.is_none() && !flight.quick && flight.sent + overdue_after <= now
        };
        self.flights.iter().any(is_overdue)
    }

    /// Judges the probes that have timed out: losses, or faults if `stalled`, since the process
    /// could not receive replies then. Returns them in the order of sending.
    pub fn expire(&mut self, now: Moment, pace: Pace, stalled: bool) -> Vec<Judged> {
        let outcome = if stalled { Outcome::Fault } else { Outcome::Loss };
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

    /// Judges the probe numbered `seq`; returns `None` if it was judged before.
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

    /// Returns the time at which the probe numbered `seq` was sent, if it has not been counted yet.
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

    /// Removes the oldest probe if it has been judged, and returns the outcome to count. Outcomes
    /// are thus counted in the order of sending. A quick probe that was lost does not count, like a
    /// fault.
    pub fn pop_judged(&mut self) -> Option<Outcome> {
        let outcome = self.flights.front()?.outcome?;
        let quick = self.flights.pop_front().is_some_and(|flight| flight.quick);
        Some(if quick && outcome == Outcome::Loss { Outcome::Fault } else { outcome })
    }
}

#[cfg(test)]
mod tests;
