//! Limits the log lines about faults: each change is reported once, but not fifty a second.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Prober;
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::ids::{EndpointId, ProbeId, ProbeSeq};
use crate::engine::moment::Moment;
use crate::engine::schedule::Item;
use crate::engine::types::Endpoint;

/// The period that one summary covers.
const MINUTE: Duration = Duration::from_mins(1);

/// The number of faults in that period that get a line of their own.
const MAX_LINES: u32 = 3;

/// The limiter for log lines about faults, for all endpoints together.
#[derive(Debug, Default)]
pub(super) struct FaultLogLimiter {
    /// The end of the current minute.
    ends: Option<Moment>,
    logged: u32,
    /// The number of faults without a line of their own in this minute.
    unlogged: u32,
    other_endpoints: BTreeSet<Endpoint>,
    newest: String,
}

impl FaultLogLimiter {
    /// Counts a new fault. Returns whether it gets a line, and the end of the minute if the fault
    /// begins one.
    pub(super) fn begin(
        &mut self,
        endpoint: Endpoint,
        what: &str,
        now: Moment,
    ) -> (bool, Option<Moment>) {
        let ends = self.ends.is_none().then_some(now + MINUTE);
        self.ends = self.ends.or(ends);
        if self.logged < MAX_LINES {
            self.logged += 1;
            return (true, ends);
        }
        self.unlogged += 1;
        self.other_endpoints.insert(endpoint);
        what.clone_into(&mut self.newest);
        (false, ends)
    }

    /// Ends the minute. Returns the summary, if there is anything to summarise, and the end of the
    /// next minute. A minute that follows one with a summary has only a summary.
    pub(super) fn summarize(&mut self, now: Moment) -> Option<(Fact, Moment)> {
        if self.ends.is_none_or(|ends| now < ends) {
            return None;
        }
        let summary = (self.unlogged > 0).then(|| {
            let fact = Fact::Faults {
                count: self.unlogged,
                endpoints: self.other_endpoints.len(),
                first: self.other_endpoints.iter().take(3).copied().collect(),
                newest: std::mem::take(&mut self.newest),
            };
            (fact, now + MINUTE)
        });
        let logged = if summary.is_some() { MAX_LINES } else { 0 };
        *self = Self { ends: summary.as_ref().map(|(_, ends)| *ends), logged, ..Self::default() };
        summary
    }
}

/// The faults that keep this machine from sending probes to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The current fault, if there is one.
    pub(super) present: Option<String>,
    /// The number of probes in a row that could not be sent.
    in_a_row: u32,
    /// Whether the current fault had a line of its own in the log.
    logged: bool,
    /// The number of the first probe that was sent after the last fault was known.
    known_before: ProbeSeq,
}

impl Faults {
    /// Returns the current fault, and the number of probes in a row that could not be sent.
    pub(super) fn present(&self) -> Option<(&str, u32)> {
        Some((self.present.as_deref()?, self.in_a_row))
    }
}

impl Prober {
    /// Sets or clears the reason why this machine cannot send probes to an endpoint, and reports a
    /// change. Counts faults in a row.
    pub(super) fn set_fault(
        &mut self,
        id: EndpointId,
        fault: Option<String>,
        context: &mut Context,
    ) {
        let next_seq = self.next_seq;
        let Some(watched) = self.endpoints.get_mut(id) else { return };
        let threshold = watched.check.thresholds.failure.get();
        let is_target = watched.is_target();
        let faults = &mut watched.faults;
        let before = faults.in_a_row;
        faults.in_a_row = if fault.is_some() { before.saturating_add(1) } else { 0 };
        if fault.is_some() {
            faults.known_before = next_seq;
        }
        if is_target {
            match (before >= threshold, faults.in_a_row >= threshold) {
                (false, true) => self.unreachable += 1,
                (true, false) => self.unreachable = self.unreachable.saturating_sub(1),
                _ => {}
            }
        }
        if faults.present == fault {
            return;
        }
        let endpoint = watched.watch.endpoint;
        faults.present.clone_from(&fault);
        let Some(what) = fault else {
            let logged = std::mem::take(&mut faults.logged);
            context.report(Fact::FaultOver { endpoint, logged });
            return;
        };
        let (logged, ends) = self.fault_log.begin(endpoint, &what, context.now);
        faults.logged |= logged;
        if let Some(ends) = ends {
            context.schedule.add(ends, Item::Faults);
        }
        context.report(Fact::Faulty { endpoint, what, logged });
    }

    /// Records that probe `seq` was sent without an error but not answered in time. That shows that this
    /// machine can send again only if the probe was sent after the last fault was known: the kernel
    /// reports some faults seconds late, and until then the probes held up by them look like
    /// silence.
    pub(super) fn unanswered(&mut self, probe: ProbeId, context: &mut Context) {
        let ProbeId { endpoint: id, seq } = probe;
        if self.endpoints.get(id).is_some_and(|watched| seq >= watched.faults.known_before) {
            self.set_fault(id, None, context);
        }
    }

    /// Reports the faults of the last minute that got no line.
    pub(in crate::engine) fn report_fault_summary(&mut self, context: &mut Context) {
        if let Some((fact, next)) = self.fault_log.summarize(context.now) {
            context.schedule.add(next, Item::Faults);
            context.report(fact);
        }
    }

    /// Recounts the targets to which this machine cannot send, after they or the thresholds have
    /// changed.
    pub(super) fn count_unreachable(&mut self) {
        let mut unreachable = 0;
        for watched in self.endpoints.iter().filter(|watched| watched.is_target()) {
            let threshold = watched.check.thresholds.failure.get();
            unreachable += usize::from(watched.faults.in_a_row >= threshold);
        }
        self.unreachable = unreachable;
    }

    /// Whether there are targets and this machine could send to none of them `failure_threshold`
    /// times in a row. A single probe that could not be sent is as weak a sign as a single lost one.
    pub(in crate::engine) fn reaches_none(&self) -> bool {
        let targets = self.load.targets();
        targets > 0 && self.unreachable == targets
    }
}
