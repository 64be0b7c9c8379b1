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
        Judged { seq: self.seq, sent: self.sent, quick: self.quick, outcome, reported: None }
    }
}

/// A probe that has been judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The number of the probe.
    pub seq: ProbeSeq,
    /// The time at which it was sent.
    pub sent: Moment,
    /// Whether it rehearsed the retry pace. Its loss then says nothing about the target's health.
    pub quick: bool,
    /// The outcome of the probe.
    pub outcome: Outcome,
    /// The reason of its loss in words, if it has reported one before it timed out.
    pub reported: Option<String>,
}

/// The outstanding probes of one endpoint, in the order of sending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outstanding {
    probes: VecDeque<OutstandingProbe>,
    /// The number of losses in a row since the current flow began.
    lost_on_flow: u8,
    /// The reasons that probes which have not been judged have reported for their end.
    reports: Vec<(ProbeSeq, String)>,
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
        for judged in &mut expired {
            self.count_on_flow(judged.outcome);
            judged.reported = self.take_report(judged.seq);
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
        let reported = self.take_report(seq);
        Some(Judged { reported, ..judged })
    }

    /// Records why the probe numbered `seq` will be a loss once it has timed out.
    pub(crate) fn report(&mut self, seq: ProbeSeq, reason: String) {
        let is_open = self.find(seq).is_some_and(|found| self.probes[found].outcome.is_none());
        if is_open {
            self.reports.retain(|(reported, _)| *reported != seq);
            self.reports.push((seq, reason));
        }
    }

    fn take_report(&mut self, seq: ProbeSeq) -> Option<String> {
        let found = self.reports.iter().position(|(reported, _)| *reported == seq)?;
        Some(self.reports.swap_remove(found).1)
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
        let judged = Judged { seq: 7.into(), sent: at(0), quick: false, outcome, reported: None };
        assert_eq!(lost, [judged]);
        assert_eq!(outstanding.take_judged(), [Outcome::Loss, Outcome::Reply]);
        assert_eq!(outstanding.take_judged(), []);
        assert_eq!(outstanding.judge(8.into(), Outcome::Reply), None, "gone");
    }

    #[test]
    fn a_loss_has_the_report_of_its_own_probe_only() {
        let mut outstanding = Outstanding::default();
        for seq in [1_u64, 2, 3] {
            outstanding.add(seq.into(), at(seq), false);
        }
        for (seq, reason) in [(2_u64, "no first byte"), (3, "no end"), (4, "never sent")] {
            outstanding.report(seq.into(), reason.to_owned());
        }
        let replied = outstanding.judge(3.into(), Outcome::Reply).unwrap();
        assert_eq!(replied.reported.as_deref(), Some("no end"));
        outstanding.report(3.into(), "too late".to_owned());
        let lost = outstanding.expire(at(600), TIMEOUT, Outcome::Loss);
        let reported: Vec<_> = lost.iter().map(|judged| judged.reported.as_deref()).collect();
        assert_eq!(reported, [None, Some("no first byte")]);
        assert!(outstanding.reports.is_empty(), "nothing is kept");
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
