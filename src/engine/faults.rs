//! Which faults are worth a line: each change once, but not fifty a second.

use std::collections::BTreeSet;
use std::time::Duration;

use super::event::{Fact, Slot};
use super::watch::{Endpoint, Outcome};
use super::{Engine, Item, Moment};

/// The time that one summary is about.
const MINUTE: Duration = Duration::from_mins(1);

/// How many faults get a line of their own in that time.
const LINES: u32 = 3;

/// The lines about faults of all endpoints together.
#[derive(Debug, Default)]
pub(super) struct FaultLines {
    /// When the present minute ends.
    ends: Option<Moment>,
    told: u32,
    /// Faults without a line of their own in this minute.
    more: u32,
    where_else: BTreeSet<Endpoint>,
    newest: String,
}

impl FaultLines {
    /// A fault begins; returns whether it gets a line, and when the minute that began with it ends.
    pub(super) fn begins(
        &mut self,
        endpoint: Endpoint,
        what: &str,
        now: Moment,
    ) -> (bool, Option<Moment>) {
        let ends = self.ends.is_none().then_some(now + MINUTE);
        self.ends = self.ends.or(ends);
        if self.told < LINES {
            self.told += 1;
            return (true, ends);
        }
        self.more += 1;
        self.where_else.insert(endpoint);
        what.clone_into(&mut self.newest);
        (false, ends)
    }

    /// The minute is over: the summary, if there is anything to sum up, and when the next one ends.
    /// A minute after one with a summary has a summary only.
    pub(super) fn sum_up(&mut self, now: Moment) -> Option<(Fact, Moment)> {
        if self.ends.is_none_or(|ends| now < ends) {
            return None;
        }
        let summary = (self.more > 0).then(|| {
            let fact = Fact::Faults {
                count: self.more,
                endpoints: self.where_else.len(),
                first: self.where_else.iter().take(3).copied().collect(),
                newest: std::mem::take(&mut self.newest),
            };
            (fact, now + MINUTE)
        });
        let told = if summary.is_some() { LINES } else { 0 };
        *self = Self { ends: summary.as_ref().map(|(_, ends)| *ends), told, ..Self::default() };
        summary
    }
}

impl Engine {
    pub(super) fn faulted(&mut self, slot: Slot, seq: u64, what: String) {
        self.set_fault(slot, Some(what));
        let next = self.prober.next_seq();
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        subject.asked_again_from = next;
        if let Some(judged) = subject.watch.judge(seq, Outcome::Fault) {
            self.judged(slot, judged, None);
        }
    }

    /// Probe `seq` was not answered, and nothing kept it from leaving. That says that this machine can
    /// ask again only if it was sent after the last fault was known: the kernel tells of some faults
    /// seconds late, and until then what they hold up looks like silence.
    pub(super) fn left(&mut self, slot: Slot, seq: u64) {
        if self.endpoints.get(slot).is_some_and(|subject| seq >= subject.asked_again_from) {
            self.set_fault(slot, None);
        }
    }

    /// Says that this machine cannot ask, and that it can again, if it is worth a line.
    pub(super) fn set_fault(&mut self, slot: Slot, fault: Option<String>) {
        let now = self.context.now;
        self.count_fault(slot, fault.is_some());
        let Some(subject) = self.endpoints.get_mut(slot) else { return };
        if subject.fault == fault {
            return;
        }
        let endpoint = subject.watch.endpoint;
        subject.fault.clone_from(&fault);
        let Some(what) = fault else {
            let told = std::mem::take(&mut subject.fault_told);
            self.context.report(Fact::FaultOver { endpoint, told });
            return;
        };
        let (told, ends) = self.prober.fault_lines.begins(endpoint, &what, now);
        subject.fault_told |= told;
        if let Some(ends) = ends {
            self.context.schedule.note(ends, Item::Faults);
        }
        self.context.report(Fact::Faulty { endpoint, what, told });
    }

    /// Sums up the faults of the last minute that got no line.
    pub(super) fn sum_faults_up(&mut self) {
        let now = self.context.now;
        if let Some((fact, next)) = self.prober.fault_lines.sum_up(now) {
            self.context.schedule.note(next, Item::Faults);
            self.context.report(fact);
        }
    }
}
