//! The surroundings of one event: the time, the settings, what is asked for, and when to look again.

use super::Moment;
use super::event::{Action, Fact, Settings};
use super::schedule::Schedule;

/// The event in hand, as every part of the engine sees it.
#[derive(Debug)]
pub(super) struct Context {
    /// The time of the event.
    pub(super) now: Moment,
    /// The settings in force.
    pub(super) settings: Settings,
    /// When each part is to be looked at again.
    pub(super) schedule: Schedule,
    actions: Vec<Action>,
}

impl Context {
    /// A context whose first event is at `now`.
    pub(super) fn new(settings: Settings, now: Moment) -> Self {
        Self { now, settings, schedule: Schedule::default(), actions: Vec::new() }
    }

    /// Asks for an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Reports a fact.
    pub(super) fn report(&mut self, fact: Fact) {
        self.act(Action::Tell(fact));
    }

    /// Takes the actions that the event led to, in order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}
