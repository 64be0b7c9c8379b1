//! The health of a target and the probes that it comes from, explained.

use crate::engine::Engine;
use crate::engine::explanation::{Guard, GuardAnswer, GuardVerdict, span};
use crate::engine::fact::Reason;
use crate::engine::health::Subject;
use crate::engine::ids::EndpointId;
use crate::engine::service::{Service, ServiceExplanation, Target};
use crate::engine::settings::ServiceCheck;
use crate::engine::types::{Health, Thresholds};

impl Engine {
    /// Explains the health of a target: each check with its streak, its last reply and its next probe.
    pub(super) fn explain_health(
        &self,
        service: &Service,
        target: &Target,
        explained: &ServiceExplanation,
    ) -> GuardAnswer {
        let its = &explained.its;
        if service.settings.standby.is_unprobed(target.address) {
            let words = "a last resort is not probed";
            return GuardAnswer::new(Guard::Health, GuardVerdict::DoesNotApply, words);
        }
        let mut checks = Vec::new();
        for (check, id) in service.settings.checks.iter().zip(target.endpoints.iter()) {
            checks.extend(self.check_in_words(check, id));
        }
        let word = match its.health {
            Health::Down if its.asked => "asks to be taken out",
            Health::Down => "down",
            Health::Up => "up",
            Health::AssumedUp => "assumed up, not confirmed yet",
        };
        let unknown = service.unknown_checks_of(target, &self.health) > 0;
        let word = if unknown { "unknown: nothing was judged for too long" } else { word };
        let answer = Self::health_answer(target, explained);
        let (evidence, details) = if let [only] = &mut checks[..] {
            (format!("{word}: {}", std::mem::take(only)), Vec::new())
        } else {
            let (require, all) = (service.settings.require, service.counted(target).count());
            (format!("{word}: {require} of {all} counted checks must be up"), checks)
        };
        let answer = GuardAnswer::new(Guard::Health, answer, evidence).with(details);
        let has_asked = its.asked && !target.verdict.is_in_service();
        let reason = target.verdict.reason.filter(|it| has_asked && *it == Reason::Asked);
        GuardAnswer { reason, ..answer }
    }

    /// Returns the answer of the health: whether it calls for the change.
    fn health_answer(target: &Target, explained: &ServiceExplanation) -> GuardVerdict {
        let (its, change) = (&explained.its, explained.change);
        let is_settled = explained.answers.iter().any(|it| it.answer == GuardVerdict::Settles);
        let calls = match its.health {
            Health::Down => !change.puts_in,
            Health::Up => change.puts_in,
            Health::AssumedUp => false,
        };
        if change.is_called_for && (calls || its.missing && !change.puts_in) {
            GuardVerdict::Calls
        } else if change.is_called_for && its.health == Health::AssumedUp && !is_settled {
            // An earlier verdict is open, and nothing is decided before a full run.
            GuardVerdict::Waits
        } else if change.is_called_for
            || target.verdict.is_in_service() == (its.health != Health::Down)
        {
            GuardVerdict::DoesNotApply
        } else {
            GuardVerdict::WouldPass
        }
    }

    /// Describes one check: `web: 3 of 3 losses in a row; last reply 6.2 s ago; next probe in 0.1 s`.
    fn check_in_words(&self, check: &ServiceCheck, id: EndpointId) -> Option<String> {
        let now = self.context.now;
        let subject = self.health.get(id)?;
        let mut parts = vec![streak_in_words(subject, check.check.thresholds)];
        parts.push(subject.streaks.last_reply().map_or_else(
            || "never answered".to_owned(),
            |at| format!("last reply {} ago", span(now.since(at))),
        ));
        if subject.evidence.unknown_since.is_some() {
            let since = span(now.since(subject.evidence.judged));
            parts.push(format!("nothing judged for {since}"));
        }
        if let Some(error) = subject.last_error() {
            parts.push(format!("said {error}"));
        }
        if self.health.is_rehearsed(id) {
            parts.push("a rehearsal treats it as dead, or will".to_owned());
        }
        if let Some(watch) = self.prober.state(id).filter(|_| self.context.replay.is_none()) {
            let pace = match (watch.is_suspect(), watch.rate.limits) {
                (true, false) => " at the retry pace",
                (true, true) => " at interval, since it does not answer at the retry pace",
                (false, _) => "",
            };
            let left = span(watch.due().since(now));
            parts.push(format!("next probe in {left}{pace}"));
        }
        let watched = if check.counts { "" } else { " (only watched)" };
        let name = if check.name.is_empty() {
            String::new()
        } else {
            format!("{}{watched}: ", check.name)
        };
        Some(format!("{name}{}", parts.join("; ")))
    }

    /// Explains whether this process ran and could send its probes.
    pub(super) fn explain_probing(
        &self,
        service: &Service,
        target: &Target,
        explained: &ServiceExplanation,
    ) -> GuardAnswer {
        let now = self.context.now;
        let mut faults = Vec::new();
        for (check, id) in service.settings.checks.iter().zip(target.endpoints.iter()) {
            if let Some((what, in_a_row)) = self.prober.fault(id) {
                let name = if check.name.is_empty() { "probe" } else { &check.name };
                let times = if in_a_row == 1 { "once" } else { "times in a row" };
                let count = if in_a_row == 1 { String::new() } else { format!("{in_a_row} ") };
                faults.push(format!("{name} could not be sent, {count}{times}: {what}"));
            }
        }
        let is_called_for = explained.change.is_called_for;
        let fine = if is_called_for { GuardVerdict::Passes } else { GuardVerdict::WouldPass };
        let stall = match self.stall.last_stall() {
            Some((at, lasted)) if now.since(at).as_secs() < 600 => {
                format!("the process did not run for {}, {} ago", span(lasted), span(now.since(at)))
            }
            _ if self.context.replay.is_some() => {
                "the history has stalls and faults only where a decision followed from them"
                    .to_owned()
            }
            _ => "the process ran and could send its probes".to_owned(),
        };
        if faults.is_empty() {
            return GuardAnswer::new(Guard::Probing, fine, stall);
        }
        let answer = if is_called_for { fine } else { GuardVerdict::WouldHold };
        let words = "local fault: this machine cannot ask, and counts nothing".to_owned();
        GuardAnswer::new(Guard::Probing, answer, words).with(faults)
    }
}

/// Describes the results in a row of one check, against the numbers that flip it.
fn streak_in_words(subject: &Subject, thresholds: Thresholds) -> String {
    let streaks = &subject.streaks;
    let (losses, replies, health) = (streaks.losses(), streaks.replies(), streaks.health());
    let word = match health {
        Health::Down => "down",
        Health::Up => "up",
        Health::AssumedUp => "assumed up",
    };
    let Thresholds { failure, recovery } = thresholds;
    let streak = match (losses, replies, health) {
        (0, 0, _) => "nothing in a row".to_owned(),
        (0, replies, Health::Up) => format!("{replies} replies in a row"),
        (0, replies, _) => format!("{replies} of {recovery} replies in a row"),
        (losses, _, Health::Down) => format!("{losses} losses in a row, {failure} make it down"),
        (losses, ..) => format!("{losses} of {failure} losses in a row"),
    };
    format!("{word}, {streak}")
}
