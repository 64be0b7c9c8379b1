//! The probe schedule of one endpoint, and the outcome of each probe: reply, loss or fault.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate_check::RateCheck;
use super::rtt::RoundTrip;
use crate::engine::ids::{FlowId, ProbeSeq};
use crate::engine::moment::Moment;
use crate::engine::types::{Endpoint, Outcome, Pace};

/// The number of losses in a row after which another flow is tried.
const LOSSES_A_FLOW: u8 = 3;

/// A probe that has not been counted yet.
#[derive(Debug, Clone, Copy)]
struct OutstandingProbe {
    seq: ProbeSeq,
    sent: Moment,
    /// Whether it rehearses the retry pace. A missing reply is then no cause for suspicion.
    quick: bool,
    /// The outcome, if known. The probe stays here until all earlier ones are counted.
    outcome: Option<Outcome>,
}

impl OutstandingProbe {
    fn judged(&self, outcome: Outcome) -> Judged {
        Judged { seq: self.seq, sent: self.sent, quick: self.quick, outcome }
    }
}

/// A probe that has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The number of the probe.
    pub seq: ProbeSeq,
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
    anchor: Moment,
    last_sent: Option<Moment>,
    suspect: bool,
    flow: FlowId,
    /// The number of losses in a row since the current flow began.
    lost_on_flow: u8,
    nth: u16,
    outstanding: VecDeque<OutstandingProbe>,
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
            anchor: first,
            last_sent: None,
            suspect: false,
            flow: FlowId::default(),
            lost_on_flow: 0,
            nth: 0,
            outstanding: VecDeque::new(),
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
    pub fn flow(&self) -> FlowId {
        self.flow
    }

    /// Returns the time of the next action here if no answer comes in. `watchful` means that an
    /// overdue reply requires one.
    pub fn wake(&self, pace: Pace, watchful: bool) -> Moment {
        let pending = self.outstanding.iter().find(|probe| probe.outcome.is_none());
        let deadline = pending.map(|probe| probe.sent + pace.timeout);
        let missed = self.outstanding.iter().find(|probe| probe.outcome.is_none() && !probe.quick);
        let overdue = match (watchful && !self.suspect, self.rtt.overdue_after(), missed) {
            (true, Some(overdue_after), Some(probe)) if overdue_after < pace.timeout => {
                Some(probe.sent + overdue_after)
            }
            _ => None,
        };
        [deadline, overdue].into_iter().flatten().fold(self.due, Moment::min)
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
    pub fn send(&mut self, seq: ProbeSeq, now: Moment, pace: Pace) -> u16 {
        if self.lost_on_flow >= LOSSES_A_FLOW {
            self.change_flow();
        }
        let quick = self.rate.sent(seq);
        self.outstanding.push_back(OutstandingProbe { seq, sent: now, quick, outcome: None });
        self.last_sent = Some(now);
        self.due = if self.is_quick() || self.rate.is_next_quick() {
            now + pace.retry_interval
        } else {
            self.next_regular(now, pace)
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
        let ahead = self.anchor.since(last).as_nanos().saturating_sub(1) / interval;
        let behind =
            if last < self.anchor { 0 } else { last.since(self.anchor).as_nanos() / interval + 1 };
        let next = (self.anchor + times(pace.interval, behind)).before(times(pace.interval, ahead));
        (next > now).then_some(next)
    }

    /// Whether every probe that was sent has been judged.
    pub fn all_judged(&self) -> bool {
        self.outstanding.iter().all(|probe| probe.outcome.is_some())
    }

    /// Returns the first moment of the schedule after `now`.
    fn next_regular(&mut self, now: Moment, pace: Pace) -> Moment {
        if self.anchor <= now {
            let behind = now.since(self.anchor).as_nanos() / pace.interval.as_nanos().max(1);
            self.anchor += times(pace.interval, behind + 1);
        }
        self.anchor
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
            self.due = self.next_regular(now, pace);
        }
        true
    }

    fn change_flow(&mut self) {
        self.flow = self.flow.next();
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
    pub fn reschedule(&mut self, anchor: Moment, now: Moment, pace: Pace) {
        self.anchor = anchor;
        let due = self.next_regular(now, pace);
        if !self.suspect {
            self.due = due;
        }
    }

    /// Whether a reply is overdue by the endpoint's own round-trip times, or a probe has timed out.
    pub fn is_overdue(&self, now: Moment, pace: Pace) -> bool {
        let overdue_after = self.rtt.overdue_after().unwrap_or(pace.timeout).min(pace.timeout);
        let is_overdue = |probe: &OutstandingProbe| {
            probe.outcome.is_none() && !probe.quick && probe.sent + overdue_after <= now
        };
        self.outstanding.iter().any(is_overdue)
    }

    /// Judges the probes that have timed out: losses, or faults if `stalled`, since the process
    /// could not receive replies then. Returns them in the order of sending.
    pub fn expire(&mut self, now: Moment, pace: Pace, stalled: bool) -> Vec<Judged> {
        let outcome = if stalled { Outcome::Fault } else { Outcome::Loss };
        let is_up = |probe: &&mut OutstandingProbe| {
            probe.outcome.is_none() && probe.sent + pace.timeout <= now
        };
        let judge = |probe: &mut OutstandingProbe| {
            probe.outcome = Some(outcome);
            probe.judged(outcome)
        };
        let expired: Vec<_> = self.outstanding.iter_mut().filter(is_up).map(judge).collect();
        for judged in &expired {
            self.count_on_flow(judged.outcome);
        }
        expired
    }

    /// Judges the probe numbered `seq`; returns `None` if it was judged before.
    pub fn judge(&mut self, seq: ProbeSeq, outcome: Outcome) -> Option<Judged> {
        let found = self.outstanding.binary_search_by_key(&seq, |probe| probe.seq).ok()?;
        let probe = &mut self.outstanding[found];
        if probe.outcome.is_some() {
            return None;
        }
        probe.outcome = Some(outcome);
        let judged = probe.judged(outcome);
        self.count_on_flow(outcome);
        Some(judged)
    }

    /// Returns the time at which the probe numbered `seq` was sent, if it has not been counted yet.
    pub fn sent(&self, seq: ProbeSeq) -> Option<Moment> {
        let found = self.outstanding.binary_search_by_key(&seq, |probe| probe.seq).ok()?;
        Some(self.outstanding[found].sent)
    }

    /// Whether the probe numbered `seq` has not been judged, and will count.
    pub fn is_missed(&self, seq: ProbeSeq) -> bool {
        let found = self.outstanding.binary_search_by_key(&seq, |probe| probe.seq);
        found.is_ok_and(|found| {
            let probe = &self.outstanding[found];
            probe.outcome.is_none() && !probe.quick
        })
    }

    /// Removes the oldest probe if it has been judged, and returns the outcome to count. Outcomes
    /// are thus counted in the order of sending. A quick probe that was lost does not count, like a
    /// fault.
    pub fn pop_judged(&mut self) -> Option<Outcome> {
        let outcome = self.outstanding.front()?.outcome?;
        let quick = self.outstanding.pop_front().is_some_and(|probe| probe.quick);
        Some(if quick && outcome == Outcome::Loss { Outcome::Fault } else { outcome })
    }
}

/// Returns so many whole intervals.
fn times(interval: Duration, count: u128) -> Duration {
    interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
