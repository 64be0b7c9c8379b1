//! The probe schedule of one endpoint: when the next probe is sent, and on which flow.

use std::time::Duration;

use super::outstanding::Outstanding;
use super::rate_check::RateCheck;
use super::rtt::RoundTrip;
use crate::engine::ids::{FlowId, ProbeSeq};
use crate::engine::moment::Moment;
use crate::engine::types::{Endpoint, Pace};

/// The number of losses in a row after which another flow is tried.
const LOSSES_A_FLOW: u8 = 3;

/// The probes of one endpoint: the time of the next one, and the outstanding ones.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
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
    nth: u16,
    /// The probes that have not been counted yet.
    pub outstanding: Outstanding,
    /// The rehearsals that show whether the endpoint answers at the retry pace.
    pub rate: RateCheck,
}

impl Watch {
    /// Creates a schedule with a first probe at `first`.
    pub(crate) fn new(endpoint: Endpoint, first: Moment) -> Self {
        Self {
            endpoint,
            rtt: RoundTrip::default(),
            last_rtt: None,
            due: first,
            anchor: first,
            last_sent: None,
            suspect: false,
            flow: FlowId::default(),
            nth: 0,
            outstanding: Outstanding::default(),
            rate: RateCheck::default(),
        }
    }

    /// Starts the schedule with a first probe at `first`.
    pub(crate) fn begin(&mut self, first: Moment) {
        (self.due, self.anchor) = (first, first);
    }

    /// Whether the endpoint misses a reply and is probed at the retry interval.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Returns the flow of the next probe. It changes the echo identifier when the endpoint becomes
    /// suspect, and again after every `LOSSES_A_FLOW` losses. A NAT or a firewall that has a
    /// wrong entry for one identifier keeps it for as long as requests with it come in.
    pub(crate) fn flow(&self) -> FlowId {
        self.flow
    }

    /// Returns the time of the next action here if no answer comes in. A probe is judged a loss after
    /// the timeout of `pace`. `watchful` means that an
    /// overdue reply requires one.
    pub(crate) fn wake(&self, pace: Pace, watchful: bool) -> Moment {
        let mut wake = self.due;
        if let Some(sent) = self.outstanding.oldest() {
            wake = wake.min(sent + pace.timeout);
        }
        if watchful
            && !self.suspect
            && let Some(overdue_after) = self.rtt.overdue_after()
            && overdue_after < pace.timeout
            && let Some(sent) = self.outstanding.oldest_missed()
        {
            wake = wake.min(sent + overdue_after);
        }
        wake
    }

    /// Whether a probe is due.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.due <= now
    }

    /// Returns the time at which the next probe is sent.
    pub(crate) fn due(&self) -> Moment {
        self.due
    }

    /// Delays the due probe until there is room for it. That is no loss.
    pub(crate) fn put_off(&mut self, until: Moment) {
        self.due = until;
    }

    /// Records one sent probe numbered `seq`, and computes when the next one is due. Returns the
    /// number of probes before it, modulo 2^16.
    pub(crate) fn send(&mut self, seq: ProbeSeq, now: Moment, pace: Pace) -> u16 {
        if self.outstanding.lost_on_flow() >= LOSSES_A_FLOW {
            self.change_flow();
        }
        let quick = self.rate.sent(seq);
        self.outstanding.add(seq, now, quick);
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
    pub(crate) fn retries_before(&self, now: Moment, pace: Pace) -> Option<Moment> {
        let last = self.last_sent.filter(|_| self.is_quick())?;
        // The first moment of the schedule after the last probe.
        let interval = pace.interval.as_nanos().max(1);
        let ahead = self.anchor.since(last).as_nanos().saturating_sub(1) / interval;
        let behind =
            if last < self.anchor { 0 } else { last.since(self.anchor).as_nanos() / interval + 1 };
        let next = (self.anchor + times(pace.interval, behind)).before(times(pace.interval, ahead));
        (next > now).then_some(next)
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
    pub(crate) fn set_suspect(&mut self, suspect: bool, now: Moment, pace: Pace) -> bool {
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
        self.outstanding.begin_flow();
    }

    /// Moves the endpoint to another schedule, after a change of pace or of neighbours.
    pub(crate) fn reschedule(&mut self, anchor: Moment, now: Moment, pace: Pace) {
        self.anchor = anchor;
        let due = self.next_regular(now, pace);
        if !self.suspect {
            self.due = due;
        }
    }

    /// Whether a reply is overdue by the endpoint's own round-trip times, or a probe has timed out.
    pub(crate) fn is_overdue(&self, now: Moment, pace: Pace) -> bool {
        let overdue_after = self.rtt.overdue_after().unwrap_or(pace.timeout).min(pace.timeout);
        self.outstanding.oldest_missed().is_some_and(|sent| sent + overdue_after <= now)
    }
}

/// Returns so many whole intervals.
fn times(interval: Duration, count: u128) -> Duration {
    interval.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
