//! The explanation of one target, from the state of all parts after the last event.

mod probing;

use super::Engine;
use super::canaries::CanaryEvidence;
use super::explanation::{ExplainedRecord, Explanation, Guard, GuardAnswer, GuardVerdict, span};
use super::ids::TargetRef;
use super::plan::{Family, SetKey};
use super::service::{Outside, Service, ServiceExplanation, Target};
use super::zone::Zone;

impl Engine {
    /// Explains a target as it stands after the last event: every guard in its order, with its answer and
    /// its evidence. `None` if it is not watched.
    ///
    /// The same state gives the same explanation, so an engine that replays recorded events answers for a
    /// past moment.
    pub fn explain(&self, target: TargetRef) -> Option<Explanation> {
        let service = self.services.get(target.service)?;
        let its = service.target(target.address)?;
        let zone = self.zones.get(&service.zone())?;
        let outside = Outside {
            isolation: self.canaries.isolation(),
            health: &self.health,
            peers: &self.peers,
            listing: zone.last_listing(),
        };
        let explained = service.explain(its, outside, &self.context);
        let guards = self.guards(service, its, zone, explained.clone());
        Some(Explanation {
            at: self.context.now,
            service: service.id,
            address: its.address,
            health: explained.its.health,
            unknown: service.unknown_checks_of(its, &self.health) > 0,
            verdict: its.verdict.verdict(),
            since: its.since,
            reason: its.verdict.reason,
            change: explained.change,
            records: records(service, its, zone),
            listed_at: zone.last_listing().listed_at,
            guards,
        })
    }

    /// Returns the answers of all guards in their order.
    fn guards(
        &self,
        service: &Service,
        target: &Target,
        zone: &Zone,
        explained: ServiceExplanation,
    ) -> Vec<GuardAnswer> {
        let mut guards = vec![
            self.explain_health(service, target, &explained),
            self.explain_probing(service, target, &explained),
            self.explain_provider(service, target, zone, &explained),
        ];
        guards.extend(explained.answers);
        guards.sort_by_key(|it| it.guard);
        for answer in guards.iter_mut().filter(|it| it.guard == Guard::Isolation) {
            self.add_canaries(&explained.its, answer);
        }
        guards
    }

    /// Adds the canaries to the answer about isolation. A run of losses that no canary has confirmed yet
    /// waits for one.
    fn add_canaries(&self, its: &super::health::TargetHealth, answer: &mut GuardAnswer) {
        let now = self.context.now;
        answer.details = self.canaries_in_words();
        if self.canaries.is_empty() {
            answer.evidence = format!("{}; canaries is not set", answer.evidence);
            return;
        }
        let run = self.health.get(its.decisive).and_then(|it| it.streaks.run_began());
        let Some(began) = run.filter(|_| its.missing) else { return };
        let ago = span(now.since(began));
        match self.canaries.weigh(began) {
            CanaryEvidence::Pending if answer.answer == GuardVerdict::Passes => {
                answer.answer = GuardVerdict::Waits;
                answer.evidence =
                    format!("no canary has answered a probe sent since the first loss, {ago} ago");
            }
            _ => {}
        }
    }

    /// Describes the newest results of each canary.
    fn canaries_in_words(&self) -> Vec<String> {
        let now = self.context.now;
        let mut lines = Vec::new();
        for (id, canary) in self.canaries.members() {
            let Some(endpoint) = self.prober.endpoint(id) else { continue };
            let name = self.context.settings.endpoint_name(endpoint);
            let answered = canary.answered.map_or_else(
                || "never answered".to_owned(),
                |sent| format!("answered a probe of {} ago", span(now.since(sent))),
            );
            let missed = match canary.misses {
                0 => String::new(),
                misses => format!(", missed {misses} in a row since"),
            };
            lines.push(format!("canary {name} {answered}{missed}"));
        }
        lines
    }

    fn explain_provider(
        &self,
        service: &Service,
        target: &Target,
        zone: &Zone,
        explained: &ServiceExplanation,
    ) -> GuardAnswer {
        let is_called_for = explained.change.is_called_for;
        let [fine, hindered] = if is_called_for {
            [GuardVerdict::Passes, GuardVerdict::Waits]
        } else {
            [GuardVerdict::WouldPass, GuardVerdict::WouldHold]
        };
        let family = Family::of(target.address);
        let mut left_alone = Vec::new();
        for name in &service.settings.names {
            let key = SetKey { name: name.clone(), family };
            left_alone
                .extend(zone.problem_of(&key).map(|why| format!("{key} is left alone: {why}")));
        }
        if let Some(problem) = zone.problem() {
            let since = span(self.context.now.since(problem.at));
            let words = format!("failed {since} ago, retried: {}", problem.what);
            let retry = problem.retry_at.filter(|at| *at > self.context.now);
            return GuardAnswer::new(Guard::Provider, hindered, words)
                .until(retry)
                .with(left_alone);
        }
        if let Some(first) = left_alone.first() {
            let words = first.clone();
            let all = left_alone.len() == service.settings.names.len();
            let answer = if all { hindered } else { fine };
            return GuardAnswer::new(Guard::Provider, answer, words).with(left_alone.split_off(1));
        }
        GuardAnswer::new(Guard::Provider, fine, "no failure since it last succeeded")
    }
}

/// Returns the record sets of a target, as they were last listed.
fn records(service: &Service, target: &Target, zone: &Zone) -> Vec<ExplainedRecord> {
    let family = Family::of(target.address);
    let listed = zone.last_listing().observed;
    let mut records = Vec::new();
    for name in &service.settings.names {
        let key = SetKey { name: name.clone(), family };
        let present = listed.and_then(|observed| observed.holds(&key, target.address));
        records.push(ExplainedRecord { name: name.clone(), family, present });
    }
    records
}
