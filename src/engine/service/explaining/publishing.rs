//! The steps from a verdict to a change of DNS: rank, order, floor, dry-run.

use super::{Explained, words};
use crate::engine::explanation::{Guard, GuardAnswer, GuardVerdict};
use crate::engine::fact::Reason;
use crate::engine::plan::{Desired, Family, SetKey, floor_breaks};
use crate::engine::quorum::Agreement;
use crate::engine::service::verdict::Ruling;
use crate::engine::types::{Verdict, WithdrawalCause};

impl Explained<'_> {
    /// Returns the answer of a step that has no objection.
    fn passes(&self, guard: Guard, evidence: String) -> GuardAnswer {
        let is_called_for = self.change.is_called_for;
        let answer = if is_called_for { GuardVerdict::Passes } else { GuardVerdict::WouldPass };
        GuardAnswer::new(guard, answer, evidence)
    }

    /// Whether the gate has decided for the change.
    fn is_decided(&self) -> bool {
        self.change.is_called_for && matches!(self.ruling, Ruling::Decide { .. })
    }

    pub(super) fn rank(&self) -> GuardAnswer {
        if self.context.settings.cluster.is_none() {
            return Self::not_asked(Guard::Rank, "off: no peers, this agent acts at once");
        }
        let Agreement::Agreed { rank, agreeing } = &self.inputs.agreement else {
            return Self::not_asked(Guard::Rank, "no agreement, so no agent acts");
        };
        let (place, of) = (rank + 1, agreeing.len() + 1);
        let after = words::span(crate::engine::quorum::wait_of(*rank));
        let words = format!("number {place} of {of} agents that agree: acts after {after}");
        let act_at = self.target.verdict.act_at;
        if self.is_decided() && !self.target.verdict.confirmed && act_at > self.now() {
            let left = words::span(act_at.since(self.now()));
            let words = format!("{words}, in {left}, if the others have not done it");
            let answer = GuardAnswer::new(Guard::Rank, GuardVerdict::Waits, words);
            return answer.until(Some(act_at));
        }
        self.passes(Guard::Rank, words)
    }

    pub(super) fn order(&self) -> GuardAnswer {
        let (address, state) = (self.target.address, &self.target.verdict);
        let listed = self.outside.listing.listed_at.map(|at| words::span(self.now().since(at)));
        let listed = listed.map_or_else(
            || "the zone was not listed yet".to_owned(),
            |age| format!("the zone was listed {age} ago"),
        );
        if !self.is_decided() {
            return self.passes(Guard::Order, listed);
        }
        if state.confirmed {
            return self.passes(Guard::Order, format!("DNS follows the verdict; {listed}"));
        }
        if state.act_at > self.now() {
            let left = words::span(state.act_at.since(self.now()));
            let words = format!("its turn comes in {left}; {listed}");
            let answer = GuardAnswer::new(Guard::Order, GuardVerdict::Waits, words);
            return answer.until(Some(state.act_at));
        }
        let desired = self.service.desired(address, self.outside, self.context);
        if desired == Some(Desired::Stay) {
            let words =
                format!("the zone is listed first, to count the addresses that are out; {listed}");
            return GuardAnswer::new(Guard::Order, GuardVerdict::Waits, words);
        }
        if desired.is_some_and(|it| self.service.orders.has_ordered(address, it)) {
            let since = words::span(self.now().since(state.decided_at));
            let words = format!("ordered, decided {since} ago, not confirmed yet; {listed}");
            return self.passes(Guard::Order, words);
        }
        let words = format!("goes with the next order, within 50 ms; {listed}");
        GuardAnswer::new(Guard::Order, GuardVerdict::Waits, words)
    }

    pub(super) fn floor(&self) -> GuardAnswer {
        let (state, floor) = (&self.target.verdict, self.service.settings.floor);
        if self.reason == Some(Reason::Floor) {
            let names = state.held.join(", ");
            let words = format!("{floor} must stay; it is kept at {names}");
            let answer = GuardAnswer::new(Guard::Floor, GuardVerdict::Holds, words);
            let retry = self.service.orders.floor_retry().filter(|at| *at > self.now());
            return answer.because(Reason::Floor).until(retry).with(self.sets_in_words());
        }
        if self.change.puts_in {
            return Self::not_asked(Guard::Floor, "asked before it is taken out only");
        }
        if floor == 0 {
            return Self::not_asked(Guard::Floor, "off: min_in_service is 0");
        }
        let by_hand = state.verdict == Verdict::Withdrawn(WithdrawalCause::Drained);
        if by_hand && self.inputs.drained {
            return Self::not_asked(Guard::Floor, "asked when the drain was ordered");
        }
        let Some(observed) = self.outside.listing.observed else {
            return self
                .passes(Guard::Floor, format!("{floor} must stay; the zone was not listed yet"));
        };
        let names = &self.service.settings.names;
        let broken = floor_breaks(names, observed, self.target.address, floor);
        let is_out = !state.is_in_service() && state.confirmed;
        if broken.is_empty() || is_out {
            let words = format!("{floor} must stay at each name");
            return self.passes(Guard::Floor, words).with(self.sets_in_words());
        }
        let words = format!("{floor} must stay; none to spare at {}", broken.join(", "));
        let answer = GuardAnswer::new(Guard::Floor, GuardVerdict::WouldHold, words);
        answer.with(self.sets_in_words())
    }

    /// Describes the record sets: `www.example.com A has 2 addresses`.
    fn sets_in_words(&self) -> Vec<String> {
        let family = Family::of(self.target.address);
        let Some(observed) = self.outside.listing.observed else { return Vec::new() };
        let mut lines = Vec::new();
        for name in &self.service.settings.names {
            let key = SetKey { name: name.clone(), family };
            let there = observed.get(&key);
            let (count, holds) = (
                there.map_or(0, std::collections::BTreeSet::len),
                there.is_some_and(|there| there.contains(&self.target.address)),
            );
            let with = if holds { "with this one" } else { "without this one" };
            lines.push(format!("{key} has {count} {with}"));
        }
        lines
    }

    pub(super) fn dry_run(&self) -> GuardAnswer {
        if !self.context.settings.dry_run {
            return Self::not_asked(Guard::DryRun, "off: changes are written");
        }
        let words = "nothing is written at the provider, changes are only logged".to_owned();
        if self.reason == Some(Reason::DryRun) {
            let answer = GuardAnswer::new(Guard::DryRun, GuardVerdict::Holds, words);
            return answer.because(Reason::DryRun);
        }
        GuardAnswer::new(Guard::DryRun, GuardVerdict::WouldHold, words)
    }
}
