//! The questions to one address of a name server: the sets, their order, the pace. Each step costs no more
//! with many sets than with few.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Sighting;
use super::change::ChangeId;
use super::pace::{GAP_AFTER_FAULT, GAP_AFTER_NOTHING, gap};
use super::question::Answered;
use crate::engine::plan::SetKey;

/// Maximum number of questions to one address at the same time. Several are asked once the server has
/// shown one set of a change: it shows the others by then, as a rule.
const BURST: usize = 16;

/// The time at which a change was made, and its number.
pub(super) type ChangeKey = (Instant, ChangeId);

/// The questions to one address of a name server.
#[derive(Debug, Default)]
pub(super) struct AskedServer {
    polls: BTreeMap<Arc<SetKey>, SetPoll>,
    /// The sets that are not being asked about, by the time of the next question.
    by_due: BTreeSet<(Instant, Arc<SetKey>)>,
    /// The same sets, by the time since which no question was asked about them.
    by_age: BTreeSet<(Instant, Arc<SetKey>)>,
    /// The time of the last question with an answer that showed a change. It may show the sets asked about
    /// earlier by now.
    showed: Option<Instant>,
    /// The time of the newest change so far, which sets the pace.
    newest: Option<Instant>,
    in_flight: usize,
    /// The earliest time of the next question.
    next: Option<Instant>,
    /// Shortest time between questions, by the last answer.
    rest: Duration,
}

/// The questions to one address about one set.
#[derive(Debug)]
struct SetPoll {
    /// The changes that it has to show, the oldest first.
    changes: BTreeSet<ChangeKey>,
    /// Whether the timeout of the newest change is over.
    is_overdue: bool,
    /// The time of the last question.
    asked: Option<Instant>,
    is_in_flight: bool,
    /// The time of the next question.
    due: Instant,
    /// The last answer, with the times of the question and of the answer.
    last: Option<([Instant; 2], Sighting)>,
}

impl SetPoll {
    fn new((at, id): ChangeKey, is_overdue: bool) -> Self {
        Self {
            changes: BTreeSet::from([(at, id)]),
            is_overdue,
            asked: None,
            is_in_flight: false,
            due: at,
            last: None,
        }
    }

    /// Returns the time at which the newest change was made.
    fn newest(&self) -> Option<Instant> {
        self.changes.last().map(|(at, _)| *at)
    }

    /// Returns the time since which no question was asked about the newest change.
    fn age(&self) -> Instant {
        let newest = self.newest().unwrap_or(self.due);
        self.asked.map_or(newest, |asked| asked.max(newest))
    }

    /// Whether an answer can show more than the last one.
    fn is_news(&self, answer: &Answered) -> bool {
        if !matches!(answer.sighting, Sighting::Addresses(_)) {
            return false;
        }
        let last = self.last.as_ref().filter(|([sent, _], _)| Some(*sent) >= self.newest());
        last.is_none_or(|(_, sighting)| *sighting != answer.sighting)
    }

    /// Finds the time of the next question, while this number of addresses is asked.
    fn plan(&mut self, addresses: usize) {
        let Some(newest) = self.newest() else { return };
        self.due = match self.asked.filter(|asked| *asked >= newest) {
            Some(asked) => asked + gap(asked.duration_since(newest), self.is_overdue, addresses),
            None => newest,
        };
    }
}

impl AskedServer {
    /// Whether nothing is asked, and no answer is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.polls.is_empty() && self.in_flight == 0
    }

    /// Whether there is anything to ask.
    pub(super) fn is_asked(&self) -> bool {
        !self.polls.is_empty()
    }

    /// Changes one poll, and puts it into its place in the order.
    fn change(&mut self, set: &SetKey, change: impl FnOnce(&mut SetPoll)) {
        let Some((key, poll)) = self.polls.get_key_value(set) else { return };
        let key = Arc::clone(key);
        if !poll.is_in_flight {
            self.by_due.remove(&(poll.due, Arc::clone(&key)));
            self.by_age.remove(&(poll.age(), Arc::clone(&key)));
        }
        let Some(poll) = self.polls.get_mut(set) else { return };
        change(poll);
        if poll.changes.is_empty() {
            self.polls.remove(set);
        } else if !poll.is_in_flight {
            self.by_due.insert((poll.due, Arc::clone(&key)));
            self.by_age.insert((poll.age(), key));
        }
    }

    /// Asks about a set until it shows a change made at `at`.
    pub(super) fn add(&mut self, set: &Arc<SetKey>, (at, id): ChangeKey, is_overdue: bool) {
        if self.newest < Some(at) {
            self.newest = Some(at);
            // The pace is quick again, but for a server that gives no answers that count.
            self.next = self.next.filter(|_| !self.rest.is_zero());
        }
        if !self.polls.contains_key(set) {
            let poll = SetPoll::new((at, id), is_overdue);
            self.by_due.insert((poll.due, Arc::clone(set)));
            self.by_age.insert((poll.age(), Arc::clone(set)));
            self.polls.insert(Arc::clone(set), poll);
            return;
        }
        self.change(set, |poll| {
            if poll.changes.insert((at, id)) && poll.newest() == Some(at) {
                (poll.due, poll.is_overdue) = (at, is_overdue);
            }
        });
    }

    /// No longer waits for a change of a set.
    pub(super) fn remove(&mut self, set: &SetKey, change: ChangeKey) {
        self.change(set, |poll| _ = poll.changes.remove(&change));
    }

    /// Asks about a set at the pace after the timeout if that of its newest change is over.
    pub(super) fn overdue(&mut self, set: &SetKey, change: ChangeKey) {
        self.change(set, |poll| {
            if poll.changes.last() == Some(&change) {
                poll.is_overdue = true;
                // That pace is the same for any number of addresses.
                poll.plan(1);
            }
        });
    }

    /// Asks nothing any more.
    pub(super) fn clear(&mut self) {
        let Self { newest, in_flight, next, rest, .. } = *self;
        *self = Self { newest, in_flight, next, rest, ..Self::default() };
    }

    /// Returns the next question, and the time at which it is due.
    pub(super) fn next_at(&self, now: Instant) -> Option<(Instant, &Arc<SetKey>)> {
        let oldest = self.by_age.first().filter(|_| self.in_flight < BURST);
        if let Some((_, set)) = oldest.filter(|(age, _)| Some(*age) < self.showed) {
            return Some((now, set));
        }
        let (due, set) = self.by_due.first().filter(|_| self.in_flight == 0)?;
        Some((self.next.map_or(*due, |next| (*due).max(next)), set))
    }

    /// Records that a question is asked now.
    pub(super) fn take(&mut self, set: &SetKey, now: Instant) {
        self.in_flight += 1;
        self.change(set, |poll| (poll.asked, poll.is_in_flight) = (Some(now), true));
        // The pace counts from question to question: all sets together are asked about as one would be.
        let elapsed = now.saturating_duration_since(self.newest.unwrap_or(now));
        self.next = Some(now + self.rest.max(gap(elapsed, false, 1)));
    }

    /// Records the answer to a question, while this number of addresses is asked. Returns the changes that
    /// it can show: those made before the question, unless it is the same answer as the last.
    pub(super) fn answered(&mut self, answer: &Answered, addresses: usize) -> Vec<ChangeKey> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.rest = match answer.sighting {
            Sighting::Addresses(_) => Duration::ZERO,
            Sighting::Nothing(_) => GAP_AFTER_NOTHING,
            Sighting::Fault(_) => GAP_AFTER_FAULT,
        };
        if !self.rest.is_zero() {
            self.next = Some(answer.received + self.rest);
        }
        let mut changes = Vec::new();
        self.change(&answer.set, |poll| {
            poll.is_in_flight = false;
            if poll.is_news(answer) {
                changes.extend(poll.changes.range(..=(answer.sent, ChangeId::LAST)));
            }
            poll.last = Some(([answer.sent, answer.received], answer.sighting.clone()));
            poll.plan(addresses);
        });
        changes
    }

    /// Records that the answer to a question asked at `sent` showed a change.
    pub(super) fn showed(&mut self, sent: Instant) {
        self.showed = self.showed.max(Some(sent));
    }

    /// Returns the last answer about one of these sets, to a question asked since `at`.
    pub(super) fn last_answer<'s>(
        &self,
        sets: impl IntoIterator<Item = &'s Arc<SetKey>>,
        at: Instant,
    ) -> Option<&Sighting> {
        let polls = sets.into_iter().filter_map(|set| self.polls.get(set));
        let answers = polls.filter_map(|poll| poll.last.as_ref());
        let answers = answers.filter(|([sent, _], _)| *sent >= at);
        answers.max_by_key(|([_, received], _)| *received).map(|(_, sighting)| sighting)
    }
}
