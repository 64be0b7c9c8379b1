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

    /// Stores the drains of a service.
    pub(super) fn note_drains(
        &mut self,
        service: ServiceId,
        drains: &BTreeMap<IpAddr, Drain>,
        now: Moment,
    ) {
        self.store.note_drains(service, drains, now);
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

    /// Moves the ends of the drains of each service after the wall clock was set.
    pub(super) fn follow_wall_clock(
        &mut self,
        drains: &BTreeMap<ServiceId, BTreeMap<IpAddr, Drain>>,
        now: Moment,
    ) {
        let outbox = self.outbox.clone();
        for (service, its) in drains {
            // If the queue is full, the next iteration tries again.
            let Ok(slot) = outbox.try_reserve() else { return };
            let (service, ends) = (*service, self.store.clock_set(*service, its, now));
            if !ends.is_empty() {
                slot.send(Input::Event(Event::DrainEndsChanged { service, ends }));
            } else if !its.is_empty() {
                self.note_drains(service, its, now);
            }
        }
        let started = wall() - now.since_start();
        let (by, direction) = step(self.started, started);
        self.started = started;
        tracing::info!(
            ?by,
            direction,
            drains = drains.values().map(BTreeMap::len).sum::<usize>(),
            "wall clock was set; drains keep their duration"
        );
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
        let has_news = self.store.take_news();
        let is_due =
            std::mem::take(&mut self.is_due) || has_news || self.has_answers() || is_behind;
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

    /// Saves the state for the last time, and answers the commands that were carried out.
    pub(super) async fn close(self, dry_run: bool) {
        // In the other runtime: this one's end would wait for a disk that hangs.
        let _ = self.talk.spawn(Arc::clone(&self.store).write_in_time()).await;
        let durability = self.store.durability();
        for command in self.answers {
            command.reply(durability, dry_run);
        }
    }
}

/// Returns the size and the direction of the step from one start of the agent's clock to another.
fn step(before: SystemTime, after: SystemTime) -> (Duration, &'static str) {
    match after.duration_since(before) {
        Ok(by) => (by, "ahead"),
        Err(error) => (error.duration(), "back"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::agent::ids::Ids;
    use crate::agent::operator::{CommandTime, PendingCommands};
    use crate::engine::Engine;
    use crate::engine::ids::TargetRef;
    use crate::engine::settings::{ServiceSettings, Settings};
    use crate::status::{CommandKind, DrainRequest, OperatorCommand};

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const HOUR: Duration = Duration::from_hours(1);

    fn saver(store: StateStore, outbox: mpsc::Sender<Input>) -> StateSaver {
        StateSaver::new(Arc::new(store), Handle::current(), outbox, Moment::START)
    }

    /// A drain of an earlier process ends at its date, so its end moves with the wall clock.
    #[tokio::test]
    async fn the_end_of_a_drain_moves_also_if_the_queue_was_full_when_the_clock_was_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let until = Some(Moment::START + HOUR);
        let drain = Drain { until, ..Drain::default() };
        let before = StateStore::open(Some(&path));
        before.note_drains(ServiceId::DEFAULT, &[(TARGET, drain)].into(), Moment::START);
        Arc::new(before).write_in_time().await;

        let store = StateStore::open(Some(&path));
        let settings = Settings::new(ServiceSettings::new(vec![TARGET], "www.example.com"));
        let remembered = store.drains(&settings, &Ids::default(), Moment::START);
        assert_eq!(remembered.len(), 1);
        let drain = remembered[&TargetRef::of_default(TARGET)].clone();
        let drains = [(ServiceId::DEFAULT, [(TARGET, drain)].into())].into();
        let (outbox, mut inbox) = mpsc::channel(1);
        let mut saver = saver(store, outbox.clone());
        outbox.try_send(Input::Reload).unwrap();
        saver.started -= HOUR;
        let now = Moment::START + Duration::from_secs(10);
        saver.follow_wall_clock(&drains, now);
        assert!(matches!(inbox.try_recv(), Ok(Input::Reload)), "there was no room for more");
        assert!(saver.is_wall_clock_set(now), "it is tried again");
        saver.follow_wall_clock(&drains, now);
        let sent = inbox.try_recv();
        let Ok(Input::Event(Event::DrainEndsChanged { ends, .. })) = sent else {
            panic!("{sent:?}")
        };
        assert!(ends.contains_key(&TARGET));
        assert!(!saver.is_wall_clock_set(now));
    }

    /// The stop may come before the end of the iteration in which a command was carried out.
    #[tokio::test]
    async fn a_command_that_was_carried_out_is_answered_although_the_agent_stops() {
        let mut commands = PendingCommands::default();
        let (reply, answer) = oneshot::channel();
        let kind = CommandKind::Drain(DrainRequest::default());
        let command = OperatorCommand { target: TARGET, service: None, kind, reply };
        let settings = Settings::new(ServiceSettings::new(vec![TARGET], "www.example.com"));
        let engine = Engine::new(settings, BTreeMap::new(), Moment::START);
        let command_time = CommandTime { engine: Moment::START, wall: wall() };
        let events = commands.accept(command, &engine, &Ids::default(), command_time);
        let [Event::Drain(command)] = &events[..] else { panic!("{events:?}") };
        let resolved = commands.resolve(command.ticket, Ok(())).resolved.unwrap();
        let mut saver = saver(StateStore::open(None), mpsc::channel(1).0);
        saver.answer(resolved, false);
        saver.close(false).await;
        assert_eq!(answer.await.unwrap().unwrap().message, format!("drained {TARGET}"));
    }
}
