//! The judged probes of a target: those that count as replies and losses, and those that are evidence.

use super::{Service, evidence};
use crate::engine::context::Context;
use crate::engine::fact::Fact;
use crate::engine::ids::TargetId;
use crate::engine::prober::ProbeResult;
use crate::engine::types::{Health, Outcome};

/// The consequences of a judged probe for the other parts of the engine.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Observation {
    /// Whether it is a loss that counts, of a target that is not down.
    pub(in crate::engine) missed: bool,
    /// Whether that target is in service, so that it may be about to be withdrawn.
    pub(in crate::engine) endangers: bool,
    /// Whether there is evidence again, which gives this agent a vote.
    pub(in crate::engine) regained: bool,
}

impl Service {
    /// Records a judged probe of a target. `isolated` means that this agent does not trust its own
    /// observations. Returns the consequences.
    pub(in crate::engine) fn observe(
        &mut self,
        id: TargetId,
        result: &ProbeResult,
        isolated: bool,
        context: &mut Context,
    ) -> Observation {
        let (now, judged) = (context.now, result.judged);
        let Some(target) = self.targets.get_mut(id) else { return Observation::default() };
        if let Some(rtt) = result.rtt {
            // The round trip measured by the prober may be a little longer than the time that has
            // passed here.
            target.streaks.receive_reply((judged.sent + rtt).min(now));
            target.last_error = None;
        }
        if let Some(error) = &result.error {
            target.last_error = Some(error.clone());
        }
        let lost = judged.outcome == Outcome::Loss;
        let up = target.streaks.health() != Health::Down;
        if judged.outcome == Outcome::Fault || lost && judged.quick {
            return Observation::default();
        }
        let counts = lost && target.streaks.record_loss(judged.sent);
        let proves = !lost || counts && !isolated;
        let change = target.evidence.record(proves, lost != up, now);
        let missed = counts && up;
        let endangers = missed && target.verdict.is_in_service();
        if let Some((lasted, notified)) = change.back {
            target.since = now;
            let (service, target) = (self.id, target.address);
            context.report(Fact::EvidenceBack { service, target, lasted, notified });
        }
        if change.regained {
            self.mark(id);
        }
        self.schedule_sweep(
            now + evidence::term(context.settings.canary_check.pace.interval),
            context,
        );
        Observation { missed, endangers, regained: change.regained }
    }

    /// Records the last error report about a probe of a target that may not have been delivered.
    pub(in crate::engine) fn set_last_error(&mut self, id: TargetId, report: String) {
        if let Some(target) = self.targets.get_mut(id) {
            target.last_error = Some(report);
        }
    }
}
