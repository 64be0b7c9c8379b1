//! The judged probes of a subject: those that count as replies and losses, and those that are
//! evidence.

use std::time::Duration;

use super::{HealthTracker, Subject, evidence};
use crate::engine::context::Context;
use crate::engine::ids::EndpointId;
use crate::engine::moment::Moment;
use crate::engine::prober::ProbeResult;
use crate::engine::types::{Health, Method, OtherAnswer, Outcome};

/// The consequences of a judged probe for the other parts of the engine.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Observation {
    /// Whether it is a loss that counts, of a subject that is not down.
    pub(in crate::engine) missed: bool,
    /// Whether there is evidence again, which gives this agent a vote.
    pub(in crate::engine) regained: bool,
    /// Present if the health was unknown: for how long, and whether people were notified.
    pub(in crate::engine) back: Option<(Duration, bool)>,
}

impl Observation {
    /// Whether it concerns the targets that watch the subject.
    pub(in crate::engine) fn is_news(&self) -> bool {
        self.missed || self.regained || self.back.is_some()
    }
}

impl HealthTracker {
    /// Records a judged probe of a subject. `isolated` means that this agent does not trust its own
    /// observations. Returns the consequences.
    pub(in crate::engine) fn observe(
        &mut self,
        result: &ProbeResult,
        isolated: bool,
        context: &mut Context,
    ) -> Observation {
        let (now, judged) = (context.now, &result.judged);
        let Some(subject) = self.get_mut(result.endpoint) else { return Observation::default() };
        if let Some(rtt) = result.rtt {
            // The round trip measured by the prober may be a little longer than the time that has
            // passed here.
            subject.streaks.receive_reply((judged.sent + rtt).min(now));
            subject.last_error = None;
            subject.answered_well(judged.sent);
        }
        let lost = judged.outcome == Outcome::Loss;
        let up = subject.streaks.health() != Health::Down;
        if judged.outcome == Outcome::Fault || lost && judged.quick {
            return Observation::default();
        }
        if let Some(error) = &result.error {
            subject.last_error = Some(error.clone());
        } else if lost && matches!(subject.check.method, Method::Connect(_)) {
            // An earlier one may have been refused, and this one has met silence.
            subject.last_error = None;
        }
        let counts = lost && subject.streaks.record_loss(judged.sent);
        if let Some(other) = &result.other {
            subject.answered_otherwise(other, judged.sent, now);
        }
        let proves = !lost || counts && !isolated;
        let change = subject.evidence.record(proves, lost != up, now);
        let look_at = now + evidence::term(subject.check.pace.interval);
        self.track(result.endpoint);
        self.schedule_sweep(look_at, context);
        Observation { missed: counts && up, regained: change.regained, back: change.back }
    }

    /// Records the last error report about a probe that may not have been delivered.
    pub(in crate::engine) fn set_last_error(&mut self, id: EndpointId, report: String) {
        if let Some(subject) = self.get_mut(id) {
            subject.last_error = Some(report);
        }
    }
}

impl Subject {
    /// Records that a probe sent at `sent` was answered well, if requests are compared.
    fn answered_well(&mut self, sent: Moment) {
        if matches!(self.check.method, Method::Request(_)) {
            self.answers.get_or_insert_default().right(sent);
        }
    }

    /// Records another answer than the one asked for, to a probe sent at `sent`.
    fn answered_otherwise(&mut self, other: &OtherAnswer, sent: Moment, now: Moment) {
        let began = self.streaks.run_began().unwrap_or(sent);
        let answers = self.answers.get_or_insert_default();
        match other {
            OtherAnswer::Wrong(kind) => answers.wrong(kind, [began, sent, now]),
            OtherAnswer::Asked => {
                answers.asked = true;
                answers.asked_at = Some(sent);
            }
        }
    }
}
