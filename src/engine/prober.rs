//! The probes of all endpoints: when each is sent, and what became of it.
//!
//! What it means that a probe was answered or lost is decided elsewhere: the prober returns what was
//! judged. It knows of a target only whether a missing reply would be news ([`Prober::expect`]).
//!
//! One file a concept: [`watch`] the schedule of one endpoint and its probes under way, [`rtt`] when a
//! reply is overdue, [`rate_check`] whether it answers at the retry pace, [`retries`] the budget that
//! all retries share, `faults` what keeps this machine from sending, `endpoint` one endpoint.

mod endpoint;
mod faults;
pub mod rate_check;
pub mod retries;
pub mod rtt;
pub mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use super::Moment;
use super::context::Context;
use super::event::{Action, Answer, Fact, ProbeRequest, Slot};
use super::places::Places;
use super::schedule::Item;
pub(super) use endpoint::Role;
use endpoint::Watched;
use faults::FaultLines;
use retries::Retries;
use watch::{Endpoint, Judged, Outcome, Watch};

/// How much longer than the timeout the prober listens for a late reply, at most.
const LATE_WINDOW: Duration = Duration::from_secs(5);

/// The probes of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Prober {
    endpoints: Places<Watched>,
    /// The number of the next probe. None is used twice.
    next_seq: u64,
    /// The number of probes that have not come to their end.
    in_flight: u32,
    /// Endpoints whose due probe waits for room.
    waiting: VecDeque<Slot>,
    /// The budget that all retries share.
    retries: Retries,
    /// The faults that are worth a line.
    fault_lines: FaultLines,
    /// The number of endpoints that rehearse the retry pace.
    rehearsing: usize,
    /// The endpoint whose replies are ignored, as a rehearsal asks for.
    ignored: Option<Slot>,
    canaries: Vec<Slot>,
    /// The number of targets that are suspect. Canaries keep step with them.
    suspects: usize,
    /// The number of targets that could not be asked `failure_threshold` times in a row.
    unreachable: usize,
}

/// A probe that was judged.
#[derive(Debug)]
pub(super) struct ProbeResult {
    pub(super) judged: Judged,
    /// The round trip of a reply.
    pub(super) rtt: Option<Duration>,
}

impl Prober {
    /// Makes room for `count` endpoints in all.
    pub(super) fn reserve(&mut self, count: usize) {
        self.endpoints.reserve(count);
    }

    /// Begins to watch `endpoint`, with a first probe at `first`.
    pub(super) fn watch(
        &mut self,
        endpoint: Endpoint,
        first: Moment,
        role: Role,
        context: &mut Context,
    ) -> Slot {
        let slot = self.endpoints.insert(Watched::new(endpoint, first, role));
        context.schedule.note(first, Item::Watch(slot));
        slot
    }

    /// Goes on watching, with another schedule or port.
    pub(super) fn move_watch(
        &mut self,
        slot: Slot,
        endpoint: Endpoint,
        first: Moment,
        context: &mut Context,
    ) {
        if let Some(watched) = self.endpoints.get_mut(slot) {
            watched.watch.endpoint = endpoint;
            watched.watch.reschedule(first, context.now, context.settings.pace);
            watched.armed = None;
        }
        self.arm(slot, context);
    }

    /// Ends watching.
    pub(super) fn unwatch(&mut self, slot: Slot) {
        self.endpoints.remove(slot);
    }

    /// The address and port in a place, if there is one.
    pub(super) fn endpoint(&self, slot: Slot) -> Option<Endpoint> {
        Some(self.endpoints.get(slot)?.watch.endpoint)
    }

    /// The purpose of the endpoint in a place.
    pub(super) fn role(&self, slot: Slot) -> Option<Role> {
        Some(self.endpoints.get(slot)?.role)
    }

    /// What is known of the endpoint in a place.
    pub(super) fn seen(&self, slot: Slot) -> Option<&Watch> {
        Some(&self.endpoints.get(slot)?.watch)
    }

    /// Whether this machine cannot send probes to an endpoint.
    pub(super) fn is_faulty(&self, slot: Slot) -> bool {
        self.endpoints.get(slot).is_some_and(|watched| watched.faults.present.is_some())
    }

    /// Takes these endpoints for the canaries, and counts again what depends on the endpoints.
    pub(super) fn enrolled(&mut self, canaries: Vec<Slot>, context: &Context) {
        self.canaries = canaries;
        let targets = self.endpoints.iter().filter(|watched| watched.is_target());
        self.suspects = targets.filter(|watched| watched.watch.is_suspect()).count();
        self.count_unreachable(context);
        self.count_rehearsing();
    }

    /// Whether a missing reply of a target is news: false once the target is down.
    pub(super) fn expect(&mut self, slot: Slot, expected: bool) {
        if let Some(watched) = self.endpoints.get_mut(slot) {
            watched.expected = expected;
        }
    }

    /// Ignores the replies of one endpoint, or of none.
    pub(super) fn ignore(&mut self, slot: Option<Slot>) {
        self.ignored = slot;
    }

    /// Whether an entry on the schedule, made for `moment`, is still valid.
    pub(super) fn is_armed_for(&self, slot: Slot, moment: Moment) -> bool {
        self.endpoints.get(slot).is_some_and(|watched| watched.armed == Some(moment))
    }

    /// The moment of an endpoint has come: judges the probes whose time is up. `None` if the entry for
    /// `moment` is stale; otherwise [`Self::resume`] has to follow. `deaf`: this process did not run, so
    /// they are faults.
    pub(super) fn expire(
        &mut self,
        slot: Slot,
        moment: Moment,
        deaf: bool,
        context: &Context,
    ) -> Option<Vec<Judged>> {
        let watched = self.endpoints.get_mut(slot)?;
        if watched.armed != Some(moment) {
            return None;
        }
        watched.armed = None;
        Some(watched.watch.expire(context.now, context.settings.pace, deaf))
    }

    /// Sends the next probe of an endpoint if it is due, and schedules what comes after.
    pub(super) fn resume(&mut self, slot: Slot, context: &mut Context) {
        if self.is_overdue(slot, context) {
            self.suspect(slot, true, context);
        }
        self.send_if_due(slot, context);
        self.arm(slot, context);
    }

    /// Puts an endpoint on the schedule for its next moment, unless it stands there already. An entry
    /// for an earlier moment is stale from then on.
    pub(super) fn arm(&mut self, slot: Slot, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        if watched.armed.is_some_and(|armed| armed <= now) {
            // The next tick looks at it, and by its moment sees whether this process ran.
            return;
        }
        // Nothing is noted for the past: being late for it would look like a stall.
        let wake = watched.watch.wake(pace, watched.is_watchful()).max(now);
        if watched.armed != Some(wake) {
            watched.armed = Some(wake);
            context.schedule.note(wake, Item::Watch(slot));
        }
    }

    /// Whether a target that is not down misses a reply by its own measure.
    fn is_overdue(&self, slot: Slot, context: &Context) -> bool {
        let watchful = self.endpoints.get(slot).filter(|watched| watched.is_watchful());
        watchful.is_some_and(|it| it.watch.is_overdue(context.now, context.settings.pace))
    }

    /// Sends the probe of an endpoint if it is due and there is room.
    fn send_if_due(&mut self, slot: Slot, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let most = context.settings.most_in_flight;
        let room = most.is_none_or(|most| self.in_flight < most.get());
        let due = self.endpoints.get(slot).is_some_and(|watched| watched.watch.is_due(now));
        if !due || !self.may_retry(slot, context) {
            return;
        }
        if room {
            self.rehearse_if_due(slot, context);
        }
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        if !room {
            // An answer calls it sooner than that.
            watched.watch.put_off(now + pace.interval);
            if !std::mem::replace(&mut watched.waits, true) {
                self.waiting.push_back(slot);
            }
            return;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.in_flight += 1;
        let nth = watched.watch.send(seq, now, pace);
        // A connect holds a descriptor, so nobody listens for a late one.
        let late = if context.settings.port.is_some() { Duration::ZERO } else { LATE_WINDOW };
        context.act(Action::Probe(ProbeRequest {
            slot,
            seq,
            endpoint: watched.watch.endpoint,
            nth,
            flow: watched.watch.flow(),
            timeout: pace.timeout,
            patience: pace.timeout + pace.timeout.min(late),
        }));
    }

    /// Gives the room of an answered probe to the endpoint that waits longest.
    fn start_next_waiting(&mut self, context: &mut Context) {
        while let Some(slot) = self.waiting.pop_front() {
            if let Some(watched) = self.endpoints.get_mut(slot)
                && std::mem::replace(&mut watched.waits, false)
            {
                watched.watch.put_off(context.now);
                self.send_if_due(slot, context);
                self.arm(slot, context);
                return;
            }
        }
    }

    /// A probe came to its end. Returns it if that judges it; [`Self::arm`] has to follow.
    pub(super) fn answered(
        &mut self,
        slot: Slot,
        seq: u64,
        answer: Answer,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.start_next_waiting(context);
        if self.ignored == Some(slot) && !matches!(answer, Answer::Fault(_)) {
            return None;
        }
        let timeout = context.settings.pace.timeout;
        let watch = &mut self.endpoints.get_mut(slot)?.watch;
        match answer {
            Answer::Reply(rtt) => match watch.sent(seq) {
                Some(_) if rtt <= timeout => self.replied(slot, seq, rtt, context),
                _ => {
                    let endpoint = watch.endpoint;
                    // Its time was up before; the tick that says so knows whether this process ran.
                    context.report(Fact::Late { endpoint, rtt });
                    None
                }
            },
            Answer::Unreachable(what) => {
                let judged = watch.judge(seq, Outcome::Loss)?;
                watch.said = Some(what);
                self.left(slot, seq, context);
                Some(ProbeResult { judged, rtt: None })
            }
            // Its time was up before; the tick that says so knows whether this process ran.
            Answer::Silence => {
                self.left(slot, seq, context);
                None
            }
            Answer::Fault(what) => {
                self.set_fault(slot, Some(what), context);
                let judged = self.endpoints.get_mut(slot)?.watch.judge(seq, Outcome::Fault)?;
                Some(ProbeResult { judged, rtt: None })
            }
        }
    }

    /// A reply in time.
    fn replied(
        &mut self,
        slot: Slot,
        seq: u64,
        rtt: Duration,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let watch = &mut self.endpoints.get_mut(slot)?.watch;
        let judged = watch.judge(seq, Outcome::Reply)?;
        watch.rtt.measure(rtt);
        watch.last_rtt = Some(rtt);
        watch.said = None;
        self.set_fault(slot, None, context);
        self.suspect(slot, false, context);
        Some(ProbeResult { judged, rtt: Some(rtt) })
    }

    /// A probe may not have got there. Its reply may still come, so nothing is judged; but there is no
    /// need to wait any longer before the next one.
    pub(super) fn doubted(&mut self, slot: Slot, seq: u64, what: String, context: &mut Context) {
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        if !watched.watch.is_missed(seq) {
            return;
        }
        watched.watch.said = Some(what);
        if watched.is_watchful() {
            self.suspect(slot, true, context);
        }
    }

    /// Records the result of a probe with the rehearsal of the retry pace that it may belong to.
    pub(super) fn count_rate(&mut self, slot: Slot, judged: &Judged, context: &mut Context) {
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        let shown = watched.rate().judged(judged.seq, judged.quick, judged.outcome);
        if let Some(shown) = shown {
            self.rehearsed(slot, shown, context);
        }
    }

    /// Takes the oldest probe of an endpoint off if it has been judged, see [`Watch::settle`].
    pub(super) fn settle(&mut self, slot: Slot) -> Option<Outcome> {
        self.endpoints.get_mut(slot)?.watch.settle()
    }

    /// Makes a target suspect or clears it. The canaries keep step.
    pub(super) fn suspect(&mut self, slot: Slot, suspect: bool, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let Some(watched) = self.endpoints.get_mut(slot) else { return };
        if !watched.is_target() || !watched.watch.set_suspect(suspect, now, pace) {
            return;
        }
        self.suspects = if suspect { self.suspects + 1 } else { self.suspects.saturating_sub(1) };
        self.arm(slot, context);
        self.pace_canaries(context);
    }

    /// Probes the canaries at the retry interval while any target is suspect.
    pub(super) fn pace_canaries(&mut self, context: &mut Context) {
        let (now, pace) = (context.now, context.settings.pace);
        let suspect = self.suspects > 0;
        for slot in self.canaries.clone() {
            if let Some(watched) = self.endpoints.get_mut(slot)
                && watched.watch.set_suspect(suspect, now, pace)
            {
                self.arm(slot, context);
            }
        }
    }
}

#[cfg(test)]
mod tests;
