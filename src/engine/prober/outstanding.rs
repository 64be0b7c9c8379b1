//! The outstanding probes of one endpoint, and the outcome of each: reply, loss or fault.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ids::ProbeSeq;
use crate::engine::moment::Moment;
use crate::engine::types::Outcome;

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
    /// Whether the probe has not been judged, and will count.
    fn is_missed(&self) -> bool {
        self.outcome.is_none() && !self.quick
    }

    fn judge(&mut self, outcome: Outcome) -> Judged {
        self.outcome = Some(outcome);
        Judged { seq: self.seq, sent: self.sent, quick: self.quick, outcome }
    }
}

/// A probe that has been judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The number of the probe.
    pub seq: ProbeSeq,
    /// The time at which it was sent.
    pub sent: Moment,
    /// Whether it rehearsed the retry pace. Its loss then says nothing about the target's health.
    pub quick: bool,
    /// The outcome of the probe.
    pub outcome: Outcome,
}

/// The outstanding probes of one endpoint, in the order of sending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outstanding {
    probes: VecDeque<OutstandingProbe>,
    /// The number of losses in a row since the current flow began.
    lost_on_flow: u8,
}

impl Outstanding {
    /// Adds a probe that is sent at `now`. `quick` means that it rehearses the retry pace.
    pub(crate) fn add(&mut self, seq: ProbeSeq, now: Moment, quick: bool) {
        self.probes.push_back(OutstandingProbe { seq, sent: now, quick, outcome: None });
    }

    /// Returns the number of losses in a row since the current flow began.
    pub(crate) fn lost_on_flow(&self) -> u8 {
        self.lost_on_flow
    }

    /// Starts the count of losses over, since another flow begins.
    pub(crate) fn begin_flow(&mut self) {
        self.lost_on_flow = 0;
    }

    /// Whether every probe that was sent has been judged.
    pub(crate) fn all_judged(&self) -> bool {
        self.probes.iter().all(|probe| probe.outcome.is_some())
    }

    /// Returns the time at which the oldest probe without an outcome was sent.
    pub(crate) fn oldest(&self) -> Option<Moment> {
        self.probes.iter().find(|probe| probe.outcome.is_none()).map(|probe| probe.sent)
    }

    /// Returns the time at which the oldest probe without an outcome that will count was sent.
    pub(crate) fn oldest_missed(&self) -> Option<Moment> {
        self.probes.iter().find(|probe| probe.is_missed()).map(|probe| probe.sent)
    }

    /// Judges the probes that were sent `timeout` ago or earlier, and returns them.
    pub(crate) fn expire(
        &mut self,
        now: Moment,
        timeout: Duration,
        outcome: Outcome,
    ) -> Vec<Judged> {
        let mut expired = Vec::new();
        for probe in &mut self.probes {
            if probe.outcome.is_none() && probe.sent + timeout <= now {
                expired.push(probe.judge(outcome));
            }
        }
        for judged in &expired {
            self.count_on_flow(judged.outcome);
        }
        expired
    }

    /// Judges the probe numbered `seq`; returns `None` if it was judged before.
    pub(crate) fn judge(&mut self, seq: ProbeSeq, outcome: Outcome) -> Option<Judged> {
        let found = self.find(seq)?;
        let probe = &mut self.probes[found];
        if probe.outcome.is_some() {
            return None;
        }
        let judged = probe.judge(outcome);
        self.count_on_flow(outcome);
        Some(judged)
    }

    /// Whether the probe numbered `seq` was sent and has not been counted yet.
    pub(crate) fn contains(&self, seq: ProbeSeq) -> bool {
        self.find(seq).is_some()
    }

    /// Whether the probe numbered `seq` has not been judged, and will count.
    pub(crate) fn is_missed(&self, seq: ProbeSeq) -> bool {
        self.find(seq).is_some_and(|found| self.probes[found].is_missed())
    }

    /// Removes the judged probes before the oldest one without an outcome. Returns the outcomes to
    /// count, which are thus counted in the order of sending. A quick probe that was lost does not
    /// count, like a fault.
    pub(crate) fn take_judged(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(OutstandingProbe { quick, outcome: Some(outcome), .. }) = self.probes.front()
        {
            let void = *quick && *outcome == Outcome::Loss;
            outcomes.push(if void { Outcome::Fault } else { *outcome });
            self.probes.pop_front();
        }
        outcomes
    }

    fn find(&self, seq: ProbeSeq) -> Option<usize> {
        self.probes.binary_search_by_key(&seq, |probe| probe.seq).ok()
    }

    fn count_on_flow(&mut self, outcome: Outcome) {
        self.lost_on_flow = match outcome {
            Outcome::Reply => 0,
            Outcome::Loss => self.lost_on_flow.saturating_add(1),
            Outcome::Fault => self.lost_on_flow,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(500);

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_probe_is_judged_once_and_counted_in_order() {
        let mut outstanding = Outstanding::default();
        outstanding.add(7.into(), at(0), false);
        outstanding.add(8.into(), at(200), false);
        assert!(outstanding.judge(8.into(), Outcome::Reply).is_some());
        assert_eq!(outstanding.judge(8.into(), Outcome::Loss), None);
        assert_eq!(outstanding.take_judged(), [], "the earlier one is still out");
        let outcome = Outcome::Loss;
        let lost = outstanding.expire(at(500), TIMEOUT, outcome);
        assert_eq!(lost, [Judged { seq: 7.into(), sent: at(0), quick: false, outcome }]);
        assert_eq!(outstanding.take_judged(), [Outcome::Loss, Outcome::Reply]);
        assert_eq!(outstanding.take_judged(), []);
        assert_eq!(outstanding.judge(8.into(), Outcome::Reply), None, "gone");
    }

    #[test]
    fn a_lost_quick_probe_is_not_missed_and_does_not_count() {
        let mut outstanding = Outstanding::default();
        outstanding.add(1.into(), at(0), true);
        assert_eq!((outstanding.oldest(), outstanding.oldest_missed()), (Some(at(0)), None));
        assert!(outstanding.contains(1.into()) && !outstanding.is_missed(1.into()));
        outstanding.expire(at(500), TIMEOUT, Outcome::Loss);
        assert!(outstanding.all_judged());
        assert_eq!(outstanding.take_judged(), [Outcome::Fault]);
    }
}
