//! Saves the state beside the event loop, and answers the operator after that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::clock::wall;
use super::input::Input;
use super::operator::ResolvedCommand;
use super::state_store::{Durability, StateStore};
use crate::engine::Moment;
use crate::engine::event::{Drain, Event};
use crate::engine::ids::ServiceId;

/// Time between attempts to write a state file that could not be written.
const RETRY_EVERY: Duration = Duration::from_mins(1);

/// Minimum step of the wall clock that counts as a change. The loop may be late by less.
const CLOCK_SET: Duration = Duration::from_secs(2);

/// Saves the state at the end of an iteration of the event loop, once for all changes in it.
pub(super) struct StateSaver {
    store: Arc<StateStore>,
    talk: Handle,
    outbox: mpsc::Sender<Input>,
    /// Whether the state may have changed since it was saved.
    is_due: bool,
    /// The time of the next check for a failed write.
    retry_at: Moment,
    /// The commands to answer once the state is saved.
    answers: Vec<ResolvedCommand>,
    /// The wall-clock time at which the agent's clock started, by the last reading.
    started: SystemTime,
}

impl StateSaver {
    /// Returns a saver that writes in the runtime of `talk`, and reports a change of the wall clock to
    /// `outbox`.
    pub(super) fn new(
        store: Arc<StateStore>,
        talk: Handle,
        outbox: mpsc::Sender<Input>,
        now: Moment,
    ) -> Self {
        Self {
            store,
            talk,
            outbox,
            // The first write shows at the start, and not when it is needed, whether it works.
            is_due: true,
            retry_at: Moment::START,
            answers: vec![],
            started: wall() - now.since_start(),
        }
    }

    /// Returns the store.
    pub(super) fn store(&self) -> &StateStore {
        &self.store
    }

    /// Stores the drains.
    pub(super) fn note_drains(&mut self, drains: &BTreeMap<IpAddr, Drain>, now: Moment) {
        self.store.note_drains(drains, now);
        self.is_due = true;
    }

    /// Answers a command: once the state is saved if it was carried out, at once if not.
    pub(super) fn answer(&mut self, command: ResolvedCommand, dry_run: bool) {
        if command.is_done() {
            self.answers.push(command);
        } else {
            command.reply(Durability::Saved, dry_run);
        }
    }

    /// Whether a command was carried out in this iteration.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Moves the ends of drains if the wall clock was set.
    pub(super) fn follow_wall_clock(&mut self, drains: &BTreeMap<IpAddr, Drain>, now: Moment) {
        let moved = self.store.clock_set(drains, now);
        let (service, ends) = (ServiceId::DEFAULT, moved.clone());
        let event = Input::Event(Event::DrainEndsChanged { service, ends });
        if !moved.is_empty() && self.outbox.try_send(event).is_err() {
            // The queue is full. The next iteration tries again.
            return;
        }
        let started = wall() - now.since_start();
        let (by, direction) = step(self.started, started);
        self.started = started;
        tracing::info!(
            ?by,
            direction,
            drains = drains.len(),
            "wall clock was set; drains keep their duration"
        );
        if moved.is_empty() && !drains.is_empty() {
            self.note_drains(drains, now);
        }
    }

    /// Whether the wall clock was set since the last reading.
    pub(super) fn is_wall_clock_set(&self, now: Moment) -> bool {
        step(self.started, wall() - now.since_start()).0 >= CLOCK_SET
    }

    /// Saves the state if it may have changed or could not be written, and then answers the operator.
    pub(super) fn save_if_due(&mut self, now: Moment, dry_run: bool) {
        let is_behind = now >= self.retry_at && {
            self.retry_at = now + RETRY_EVERY;
            self.store.is_behind()
        };
        let is_due = std::mem::take(&mut self.is_due) || self.has_answers() || is_behind;
        if !is_due {
            return;
        }
        let (store, answers) = (Arc::clone(&self.store), std::mem::take(&mut self.answers));
        self.talk.spawn(async move {
            Arc::clone(&store).write_in_time().await;
            let durability = store.durability();
            for command in answers {
                command.reply(durability, dry_run);
            }
        });
    }

    /// Saves the state for the last time.
    pub(super) async fn close(self) {
        // In the other runtime: this one's end would wait for a disk that hangs.
        let _ = self.talk.spawn(self.store.write_in_time()).await;
    }
}

/// Returns the size and the direction of the step from one start of the agent's clock to another.
fn step(before: SystemTime, after: SystemTime) -> (Duration, &'static str) {
    match after.duration_since(before) {
        Ok(by) => (by, "ahead"),
        Err(error) => (error.duration(), "back"),
    }
}
