//! The probes of all endpoints: when each is sent, and its outcome.
//!
//! The consequences of a reply or a loss are decided elsewhere: the prober returns the judged
//! probes. It knows of a target only whether a missing reply would be news (`Prober::expect`).
//!
//! One file a concept: [`watch`] the schedule of one endpoint and its outstanding probes, [`rtt`]
//! when a reply is overdue, [`rate_check`] whether an endpoint answers at the retry pace,
//! [`retries`] the budget shared by all retries, `faults` the local faults that prevent sending,
//! `endpoint` one watched endpoint.

mod endpoint;
mod faults;
pub mod rate_check;
pub mod retries;
pub mod rtt;
pub mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use super::action::{Action, ProbeRequest};
use super::context::Context;
use super::fact::Fact;
use super::ids::{EndpointId, ProbeId, ProbeSeq};
use super::moment::Moment;
use super::schedule::Item;
use super::slab::Slab;
use super::types::{Answer, Endpoint, Outcome};
pub(super) use endpoint::Role;
use endpoint::Watched;
use faults::FaultLogLimiter;
use retries::Retries;
use watch::{Judged, Watch};

/// Upper bound on the time beyond the timeout during which the prober listens for a late reply.
const LATE_WINDOW: Duration = Duration::from_secs(5);

/// The probes of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Prober {
    endpoints: Slab<Watched, EndpointId>,
    /// The number of the next probe. No number is used twice.
    next_seq: ProbeSeq,
    /// The number of probes that have not ended.
    in_flight: u32,
    /// Endpoints with a due probe that waits for room.
    waiting: VecDeque<EndpointId>,
    /// The budget shared by all retries.
    retries: Retries,
    /// The limiter for log lines about faults.
    fault_log: FaultLogLimiter,
    /// The number of endpoints that rehearse the retry pace.
    rehearsing: usize,
    /// The endpoint with ignored replies, if a rehearsal requires one.
    ignored: Option<EndpointId>,
    canaries: Vec<EndpointId>,
    /// The number of suspect targets. Canaries are probed faster while there is one.
    suspects: usize,
    /// The number of targets to which this machine could not send `failure_threshold` times in a
    /// row.
    unreachable: usize,
}

/// The result of a judged probe.
#[derive(Debug)]
pub(super) struct ProbeResult {
    pub(super) judged: Judged,
    /// The round-trip time of a reply.
    pub(super) rtt: Option<Duration>,
}

impl Prober {
    /// Reserves room for `count` endpoints in all.
    pub(super) fn reserve(&mut self, count: usize) {
        self.endpoints.reserve(count);
    }

    /// Starts watching `endpoint`, with a first probe at `first`.
    pub(super) fn watch(
        &mut self,
        endpoint: Endpoint,
        first: Moment,
        role: Role,
        context: &mut Context,
    ) -> EndpointId {
        let id = self.endpoints.insert(Watched::new(endpoint, first, self.next_seq, role));
        context.schedule.add(first, Item::Watch(id));
        id
    }

    /// Continues to watch an endpoint with another schedule or port.
    pub(super) fn move_watch(
        &mut self,
        id: EndpointId,
        endpoint: Endpoint,
        first: Moment,
        context: &mut Context,
    ) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.watch.endpoint = endpoint;
            watched.watch.reschedule(first, context.now, context.settings.pace);
            watched.armed = None;
        }
        self.arm(id, context);
    }

    /// Stops watching an endpoint.
    pub(super) fn unwatch(&mut self, id: EndpointId) {
        self.endpoints.remove(id);
    }

    /// Returns the address and port of an endpoint, if it is watched.
    pub(super) fn endpoint(&self, id: EndpointId) -> Option<Endpoint> {
        Some(self.endpoints.get(id)?.watch.endpoint)
    }

    /// Returns the purpose of an endpoint, if it is watched.
    pub(super) fn role(&self, id: EndpointId) -> Option<Role> {
        Some(self.endpoints.get(id)?.role)
    }

    /// Returns the probe state of an endpoint, if it is watched.
    pub(super) fn state(&self, id: EndpointId) -> Option<&Watch> {
        Some(&self.endpoints.get(id)?.watch)
    }

    /// Whether this machine cannot send probes to an endpoint.
    pub(super) fn is_faulty(&self, id: EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(|watched| watched.faults.present.is_some())
    }

    /// Sets the canaries, and recomputes the counts that depend on the endpoints.
    pub(super) fn enrolled(&mut self, canaries: Vec<EndpointId>, context: &Context) {
        self.canaries = canaries;
        let targets = self.endpoints.iter().filter(|watched| watched.is_target());
        self.suspects = targets.filter(|watched| watched.watch.is_suspect()).count();
        self.count_unreachable(context);
        self.count_rehearsing();
    }

    /// Sets whether a missing reply of a target is news: false once the target is down.
    pub(super) fn expect(&mut self, id: EndpointId, expected: bool) {
        if let Some(watched) = self.endpoints.get_mut(id) {
            watched.expected = expected;
        }
    }

    /// Sets the endpoint with ignored replies; `None` ignores none.
    pub(super) fn ignore(&mut self, id: Option<EndpointId>) {
        self.ignored = id;
    }

    /// Whether a schedule entry for `moment` is still valid.
    pub(super) fn is_armed_for(&self, id: EndpointId, moment: Moment) -> bool {
        self.endpoints.get(id).is_some_and(|watched| watched.armed == Some(moment))
    }

    /// Judges the probes of an endpoint that have timed out. Returns `None` if the entry for
    /// `moment` is stale; otherwise the caller must call [`Self::resume`]. `stalled` means that
    /// this process did not run, so the probes are faults.
    pub(super) fn expire(
        &mut self,
        id: EndpointId,
        moment: Moment,
        stalled: bool,
        context: &Context,
    ) -> Option<Vec<Judged>> {
        let watched = self.endpoints.get_mut(id)?;
        if watched.armed != Some(moment) {
            return None;
        }
        watched.armed = None;
        Some(watched.watch.expire(context.now, context.settings.pace, stalled))
    }

    /// Sends the next probe of an endpoint if it is due, and schedules the next look at it.
    pub(super) fn resume(&mut self, id: EndpointId, context: &mut Context) {
        if self.is_overdue(id, context) {
            self.suspect(id, true, context);
        }
        self.send_if_due(id, context);
        self.arm(id, context);
    }

    /// Schedules an endpoint for its next moment, unless that is scheduled already. This
    /// invalidates an entry for an earlier moment.
    pub(super) fn arm(&mut self, id: EndpointId, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if watched.armed.is_some_and(|armed| armed <= now) {
            // The next tick processes the entry. Its lateness shows whether this process ran.
            return;
        }
        // Nothing is scheduled for the past: being late for it would look like a stall.
        let wake = watched.watch.wake(pace, watched.is_watchful()).max(now);
        if watched.armed != Some(wake) {
            watched.armed = Some(wake);
            context.schedule.add(wake, Item::Watch(id));
        }
    }

    /// Whether a target that is not down misses a reply by its own round-trip times.
    fn is_overdue(&self, id: EndpointId, context: &Context) -> bool {
        let watchful = self.endpoints.get(id).filter(|watched| watched.is_watchful());
        watchful.is_some_and(|it| it.watch.is_overdue(context.now, context.settings.pace))
    }

    /// Sends the probe of an endpoint if it is due and there is room.
    fn send_if_due(&mut self, id: EndpointId, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let most = context.settings.most_in_flight;
        let room = most.is_none_or(|most| self.in_flight < most.get());
        let due = self.endpoints.get(id).is_some_and(|watched| watched.watch.is_due(now));
        if !due || !self.may_retry(id, context) {
            return;
        }
        if room {
            self.rehearse_if_due(id, context);
        }
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if !room {
            // The end of another probe starts it sooner than that.
            watched.watch.put_off(now + pace.interval);
            if !std::mem::replace(&mut watched.waits, true) {
                self.waiting.push_back(id);
            }
            return;
        }
        let seq = self.next_seq;
        self.next_seq = seq.next();
        self.in_flight += 1;
        let nth = watched.watch.send(seq, now, pace);
        // A TCP connection holds a descriptor, so the prober does not wait for a late one.
        let connects = watched.watch.endpoint.port.is_some();
        let late = if connects { Duration::ZERO } else { LATE_WINDOW };
        context.act(Action::Probe(ProbeRequest {
            id: ProbeId { endpoint: id, seq },
            endpoint: watched.watch.endpoint,
            nth,
            flow: watched.watch.flow(),
            timeout: pace.timeout,
            listen_for: pace.timeout + pace.timeout.min(late),
        }));
    }

    /// Gives the room of an ended probe to the endpoint that has waited longest.
    fn start_next_waiting(&mut self, context: &mut Context) {
        while let Some(id) = self.waiting.pop_front() {
            if let Some(watched) = self.endpoints.get_mut(id)
                && std::mem::replace(&mut watched.waits, false)
            {
                watched.watch.put_off(context.now);
                self.send_if_due(id, context);
                self.arm(id, context);
                return;
            }
        }
    }

    /// Handles the end of a probe. Returns the result if that judges the probe; the caller must
    /// then call [`Self::arm`].
    pub(super) fn answered(
        &mut self,
        probe: ProbeId,
        answer: Answer,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let ProbeId { endpoint: id, seq } = probe;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.start_next_waiting(context);
        if self.ignored == Some(id) && !matches!(answer, Answer::Fault(_)) {
            return None;
        }
        let timeout = context.settings.pace.timeout;
        let watched = self.endpoints.get_mut(id)?;
        if seq < watched.first_seq {
            return None;
        }
        let watch = &mut watched.watch;
        match answer {
            Answer::Reply(rtt) => match watch.sent(seq) {
                Some(_) if rtt <= timeout => self.replied(probe, rtt, context),
                _ => {
                    let endpoint = watch.endpoint;
                    // The probe has timed out. The next tick judges it, since a tick shows whether
                    // this process ran.
                    context.report(Fact::Late { endpoint, rtt });
                    self.unanswered(probe, context);
                    None
                }
            },
            Answer::Unreachable(what) => {
                let judged = watch.judge(seq, Outcome::Loss)?;
                watch.last_error = Some(what);
                self.unanswered(probe, context);
                Some(ProbeResult { judged, rtt: None })
            }
            // The probe has timed out. The next tick judges it, since a tick shows whether this
            // process ran.
            Answer::Silence => {
                self.unanswered(probe, context);
                None
            }
            Answer::Fault(what) => {
                self.set_fault(id, Some(what), context);
                let judged = self.endpoints.get_mut(id)?.watch.judge(seq, Outcome::Fault)?;
                Some(ProbeResult { judged, rtt: None })
            }
        }
    }

    /// Records a reply in time.
    fn replied(
        &mut self,
        ProbeId { endpoint: id, seq }: ProbeId,
        rtt: Duration,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let watch = &mut self.endpoints.get_mut(id)?.watch;
        let judged = watch.judge(seq, Outcome::Reply)?;
        watch.rtt.measure(rtt);
        watch.last_rtt = Some(rtt);
        watch.last_error = None;
        self.set_fault(id, None, context);
        self.suspect(id, false, context);
        Some(ProbeResult { judged, rtt: Some(rtt) })
    }

    /// Handles a report that a probe may not have been delivered. Its reply may still come, so
    /// nothing is judged, but the next probe need not wait any longer.
    pub(super) fn undelivered(&mut self, probe: ProbeId, report: String, context: &mut Context) {
        let ProbeId { endpoint: id, seq } = probe;
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if !watched.watch.is_missed(seq) {
            return;
        }
        watched.watch.last_error = Some(report);
        if watched.is_watchful() {
            self.suspect(id, true, context);
        }
    }

    /// Records the outcome of a probe for the rehearsal of the retry pace, if it belongs to one.
    pub(super) fn count_rehearsal(
        &mut self,
        id: EndpointId,
        judged: &Judged,
        context: &mut Context,
    ) {
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        let finding = watched.rate().judged(judged.seq, judged.quick, judged.outcome);
        if let Some(finding) = finding {
            self.end_rehearsal(id, finding, context);
        }
    }

    /// Removes the oldest probe of an endpoint if it has been judged; see [`Watch::pop_judged`].
    pub(super) fn pop_judged(&mut self, id: EndpointId) -> Option<Outcome> {
        self.endpoints.get_mut(id)?.watch.pop_judged()
    }

    /// Marks a target as suspect or clears it. The pace of the canaries follows.
    pub(super) fn suspect(&mut self, id: EndpointId, suspect: bool, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        if !watched.is_target() || !watched.watch.set_suspect(suspect, now, pace) {
            return;
        }
        self.suspects = if suspect { self.suspects + 1 } else { self.suspects.saturating_sub(1) };
        self.arm(id, context);
        self.pace_canaries(context);
    }

    /// Probes the canaries at the retry interval while any target is suspect.
    pub(super) fn pace_canaries(&mut self, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let suspect = self.suspects > 0;
        for id in self.canaries.clone() {
            if let Some(watched) = self.endpoints.get_mut(id)
                && watched.watch.set_suspect(suspect, now, pace)
            {
                self.arm(id, context);
            }
        }
    }
}

#[cfg(test)]
mod tests;
