//! The explanation never disagrees with the engine: checked after each event of every scene that had
//! consequences.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engine::Engine;
use crate::engine::event::{Action, Fact, Order, Reason};
use crate::engine::explanation::{Explanation, Guard, GuardVerdict};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::engine::plan::Desired;

/// The largest number of targets that are all explained after an event.
const MOST_TARGETS: usize = 40;

/// Long random scenes would take too long: after so many events with consequences, one of so many is looked at.
const ALL_OF: u32 = 100;
const ONE_OF: u32 = 8;

/// The last desired states that were ordered, by service.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    states: BTreeMap<ServiceId, BTreeMap<IpAddr, Desired>>,
    /// The number of events with consequences so far.
    news: u32,
}

impl Ordered {
    /// Follows the actions of an event.
    fn follow(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Reconcile { order: Order { service, desired, .. }, .. } => {
                    self.states.insert(*service, desired.clone());
                }
                Action::Recall { service, target, .. } => {
                    self.states.entry(*service).or_default().remove(target);
                }
                _ => {}
            }
        }
    }

    fn of(&self, target: TargetRef) -> Option<Desired> {
        self.states.get(&target.service)?.get(&target.address).copied()
    }

    /// Follows the actions of an event, and returns the contradictions between explanations and the engine
    /// if it had consequences.
    pub(super) fn contradictions(&mut self, engine: &Engine, actions: &[Action]) -> Vec<String> {
        self.follow(actions);
        let is_news = actions.iter().any(|action| match action {
            Action::Report(fact) => !matches!(fact, Fact::Judged { .. }),
            Action::Reconcile { .. } | Action::Recall { .. } => true,
            _ => false,
        });
        let mut found = Vec::new();
        self.news += u32::from(is_news);
        let is_sampled = self.news <= ALL_OF || self.news.is_multiple_of(ONE_OF);
        // After a suspension the votes are gone at once, and the reasons follow with the next ones.
        let now = engine.context.now;
        let is_first_tick = engine.stall.last_stall().is_some_and(|(at, _)| at == now);
        let is_suspended = is_first_tick || engine.stall.is_suspended(now);
        if !is_news || !is_sampled || is_suspended || engine.target_count() > MOST_TARGETS {
            return found;
        }
        for view in engine.targets() {
            let target = TargetRef { service: view.service, address: view.address };
            let Some(explanation) = engine.explain(target) else {
                found.push(format!("{target:?} is not explained"));
                continue;
            };
            for wrong in contradictions(&explanation, view.reason, self.of(target)) {
                found.push(format!("{wrong}: {explanation:#?}"));
            }
        }
        found
    }
}

/// Returns the named reason that the answers give: that of the first guard that holds, or else of the first
/// one that settles the matter.
fn named(explanation: &Explanation) -> Option<Reason> {
    let holds = explanation.guards.iter().filter(|it| it.answer == GuardVerdict::Holds);
    let others = explanation.guards.iter().filter(|it| it.answer != GuardVerdict::Holds);
    holds.chain(others).find_map(|it| it.reason)
}

fn contradictions(
    explanation: &Explanation,
    reason: Option<Reason>,
    ordered: Option<Desired>,
) -> Vec<&'static str> {
    let mut found = Vec::new();
    let Explanation { guards, change, .. } = explanation;
    if !guards.iter().map(|it| it.guard).eq(Guard::ALL) {
        found.push("not each guard once, in order");
    }
    if named(explanation) != reason || explanation.reason != reason {
        found.push("the first guard that holds is not the reason of the engine");
    }
    let stopped = explanation.stopped_by();
    let is_explained_otherwise =
        matches!(reason, None | Some(Reason::Drained | Reason::Asked | Reason::DryRun));
    if !is_explained_otherwise && stopped.is_none() {
        found.push("the engine refuses, and no guard holds");
    }
    if change.is_called_for && stopped.is_none() {
        let is_ordered = match ordered {
            Some(Desired::Serve) => change.puts_in,
            Some(Desired::Stay) | None => false,
            Some(_) => !change.puts_in,
        };
        if !is_ordered {
            found.push("all guards pass, and the change is not ordered");
        }
    }
    let mut supposed = guards.iter().filter(|_| !change.is_called_for);
    if supposed.any(|it| matches!(it.answer, GuardVerdict::Calls | GuardVerdict::Passes)) {
        found.push("a guard answers about a change that is not called for");
    }
    if guards.iter().any(|it| it.evidence.is_empty()) {
        found.push("an answer without evidence");
    }
    found
}
