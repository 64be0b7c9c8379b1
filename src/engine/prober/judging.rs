//! Judges the probes: by their answers, or because they have timed out.

use std::time::Duration;

use super::outstanding::Judged;
use super::{ProbeResult, Prober};
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::ids::{EndpointId, ProbeId};
use crate::engine::journal::Noted;
use crate::engine::moment::Moment;
use crate::engine::stall::Tick;
use crate::engine::types::{Answer, OtherAnswer, Outcome, WrongAnswer};

impl Prober {
    /// Judges the probes of an endpoint that have timed out, and returns the results in the order of
    /// sending. Returns `None` if the entry for `moment` is stale; otherwise the caller must call
    /// [`Self::resume`]. They are losses, or faults if `tick` was late by much of the timeout: this
    /// process did not run, so it could not receive replies.
    pub(in crate::engine) fn expire(
        &mut self,
        id: EndpointId,
        moment: Moment,
        tick: Tick,
        context: &Context,
    ) -> Option<Vec<ProbeResult>> {
        let watched = self.endpoints.get_mut(id)?;
        if watched.armed != Some(moment) {
            return None;
        }
        watched.armed = None;
        let timeout = watched.patience();
        let outcome = if tick.is_stall(timeout) { Outcome::Fault } else { Outcome::Loss };
        let mut results = Vec::new();
        let silence = watched.silence();
        for mut judged in watched.watch.outstanding.expire(context.now, timeout, outcome) {
            let reported = judged.reported.take().or_else(|| silence.map(str::to_owned));
            let error = reported.filter(|_| outcome == Outcome::Loss);
            let result = self.result(id, judged, context);
            results.extend(result.map(|result| ProbeResult { error, ..result }));
        }
        Some(results)
    }

    /// Returns the result of a judged probe, with the outcomes that can be counted now.
    fn result(&mut self, id: EndpointId, judged: Judged, context: &Context) -> Option<ProbeResult> {
        let limits = self.count_rehearsal(id, &judged, context);
        let watched = self.endpoints.get_mut(id)?;
        Some(ProbeResult {
            endpoint: id,
            role: watched.role,
            judged,
            rtt: None,
            error: None,
            other: None,
            in_order: watched.watch.outstanding.take_judged(),
            faulty: watched.faults.present.is_some(),
            limits,
        })
    }

    /// Handles the end of a probe. Returns the result if that judges the probe; the caller must
    /// then call [`Self::arm`].
    pub(in crate::engine) fn answered(
        &mut self,
        probe: ProbeId,
        answer: Answer,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let ProbeId { endpoint: id, seq } = probe;
        if let Ok(left) = self.room.leave(seq) {
            self.start_next_waiting(left, context);
        }
        let watched = self.endpoints.get_mut(id)?;
        let ignored = watched.ignored && !matches!(answer, Answer::Fault(_));
        if ignored || seq < watched.first_seq {
            return None;
        }
        let (timeout, watch) = (watched.check.pace.timeout, &mut watched.watch);
        match answer {
            Answer::Reply(rtt) if rtt <= timeout && watch.outstanding.contains(seq) => {
                self.replied(probe, rtt, context)
            }
            Answer::Reply(rtt) => {
                let endpoint = watch.endpoint;
                // The probe has timed out. The next tick judges it, since a tick shows whether this
                // process ran.
                context.note(Noted::Late { endpoint: id, rtt });
                context.report(Fact::Late { endpoint, rtt });
                self.unanswered(probe, context);
                None
            }
            Answer::Unreachable(what) => self.lost(probe, what, None, context),
            Answer::Asked(what) => self.lost(probe, what, Some(OtherAnswer::Asked), context),
            Answer::Failed(WrongAnswer { kind, reason }) => {
                self.lost(probe, reason, Some(OtherAnswer::Wrong(kind)), context)
            }
            // The probe has timed out. The next tick judges it, since a tick shows whether this
            // process ran.
            Answer::Silence => {
                self.unanswered(probe, context);
                None
            }
            Answer::TimedOut(reason) => {
                watch.outstanding.report(seq, reason);
                self.unanswered(probe, context);
                None
            }
            Answer::Unsent => {
                let judged = watch.outstanding.judge(seq, Outcome::Fault)?;
                self.result(id, judged, context)
            }
            Answer::Fault(what) => {
                self.set_fault(id, Some(what), context);
                let outstanding = &mut self.endpoints.get_mut(id)?.watch.outstanding;
                let judged = outstanding.judge(seq, Outcome::Fault)?;
                self.result(id, judged, context)
            }
        }
    }

    /// Records a loss that the target or the network has reported.
    fn lost(
        &mut self,
        probe: ProbeId,
        error: String,
        other: Option<OtherAnswer>,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let watch = &mut self.endpoints.get_mut(probe.endpoint)?.watch;
        let judged = watch.outstanding.judge(probe.seq, Outcome::Loss)?;
        self.unanswered(probe, context);
        let result = self.result(probe.endpoint, judged, context)?;
        Some(ProbeResult { error: Some(error), other, ..result })
    }

    /// Records a reply in time.
    fn replied(
        &mut self,
        ProbeId { endpoint: id, seq }: ProbeId,
        rtt: Duration,
        context: &mut Context,
    ) -> Option<ProbeResult> {
        let watch = &mut self.endpoints.get_mut(id)?.watch;
        let judged = watch.outstanding.judge(seq, Outcome::Reply)?;
        watch.rtt.measure(rtt);
        watch.last_rtt = Some(rtt);
        self.set_fault(id, None, context);
        self.suspect(id, false, context);
        Some(ProbeResult { rtt: Some(rtt), ..self.result(id, judged, context)? })
    }

    /// Handles a report that a probe may not have been delivered. Its reply may still come, so
    /// nothing is judged, but the next probe need not wait any longer. Returns whether the report is
    /// news about a target: that probe was not judged before.
    pub(in crate::engine) fn undelivered(&mut self, probe: ProbeId, context: &mut Context) -> bool {
        let ProbeId { endpoint: id, seq } = probe;
        let missed = self.endpoints.get(id).filter(|it| it.watch.outstanding.is_missed(seq));
        let Some(watched) = missed else { return false };
        let is_target = watched.is_target();
        if watched.is_watchful() {
            self.suspect(id, true, context);
        }
        is_target
    }
}
