//! The context of one event: its time, the settings, the requested actions and the schedule.

use super::action::Action;
use super::drain::DrainRefusal;
use super::fact::Fact;
use super::ids::Ticket;
use super::journal::{Journal, Noted, Replay, is_kept};
use super::moment::Moment;
use super::schedule::Schedule;
use super::settings::Settings;

/// The context of the current event, shared by all parts of the engine.
#[derive(Debug)]
pub(super) struct Context {
    /// The time of the event.
    pub(super) now: Moment,
    /// The settings in force.
    pub(super) settings: Settings,
    /// The times at which each part is to be looked at again.
    pub(super) schedule: Schedule,
    actions: Vec<Action>,
    /// The notes for a recorder, if there is one.
    pub(super) journal: Option<Box<Journal>>,
    /// Present if recorded outcomes take the place of probes.
    pub(super) replay: Option<Replay>,
}

impl Context {
    /// Creates a context with a first event at `now`.
    pub(super) fn new(settings: Settings, now: Moment) -> Self {
        Self {
            now,
            settings,
            schedule: Schedule::default(),
            actions: Vec::new(),
            journal: None,
            replay: None,
        }
    }

    /// Uses the memory of a list of actions for the next ones.
    pub(super) fn reuse(&mut self, mut actions: Vec<Action>) {
        actions.clear();
        actions.append(&mut self.actions);
        self.actions = actions;
    }

    /// Requests an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Reports a fact.
    pub(super) fn report(&mut self, fact: Fact) {
        if let Some(journal) = &mut self.journal
            && is_kept(&fact)
        {
            journal.add(Noted::Fact(Box::new(fact.clone())));
        }
        self.act(Action::Report(fact));
    }

    /// Adds a note to the journal, if there is one. Returns its place.
    pub(super) fn note(&mut self, what: Noted) -> Option<usize> {
        Some(self.journal.as_mut()?.add(what))
    }

    /// Answers a command of the operator.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<(), DrainRefusal>) {
        self.act(Action::DrainAnswered { ticket, answer });
    }

    /// Returns the actions that the event led to, in order, and clears them.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}
