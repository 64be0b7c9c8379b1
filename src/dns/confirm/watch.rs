//! The waits of one zone: the servers that show a change, the next question, the news. Time is a parameter, and
//! nothing is sent here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Sighting;
use super::change::{ChangeId, MadeChanges, Obstacle, UndoneChanges};
use super::effect::{ChangeEffect, EffectNews, NameServer};
use super::known_servers::KnownServers;
use super::open_change::OpenChange;
use super::question::{Answered, NextQuestion};
use super::wait_list::WaitList;
use crate::engine::plan::SetKey;

/// Maximum number of changes in the state that is reported.
const REPORTED: usize = 20;

/// Shortest time between two reports of the state, which people look at.
const STATE_GAP: Duration = Duration::from_millis(100);

/// The waits of one zone.
#[derive(Debug)]
pub(crate) struct EffectWatch {
    timeout: Duration,
    servers: KnownServers,
    waits: WaitList,
    /// The number of the next change.
    next_id: ChangeId,
    /// The last change that became visible.
    last: Option<ChangeEffect>,
    /// The changes that may be visible since the last report.
    touched: BTreeSet<ChangeId>,
    /// The changes that were reported as not visible, and were given up since the last report.
    given_up: Vec<ChangeId>,
    /// The sets that were reported as unprovable.
    unprovable: BTreeSet<(SetKey, Obstacle)>,
    /// The state that was reported, with the number of changes that are not visible.
    reported: (Vec<ChangeEffect>, usize),
    /// The earliest time of the next report of the state.
    next_state: Option<Instant>,
    /// Whether the state may be another one since the last report.
    is_changed: bool,
}

impl EffectWatch {
    /// Returns a watch without name servers and changes.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            servers: KnownServers::default(),
            waits: WaitList::default(),
            next_id: ChangeId::FIRST,
            last: None,
            touched: BTreeSet::new(),
            given_up: Vec::new(),
            unprovable: BTreeSet::new(),
            reported: Default::default(),
            next_state: None,
            is_changed: false,
        }
    }

    /// Changes the timeout, also of the changes that are waited for.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Whether a change is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Returns the name servers that are asked.
    pub(crate) fn servers(&self) -> &[NameServer] {
        self.servers.list()
    }

    /// Asks these name servers from now on.
    pub(crate) fn set_servers(&mut self, servers: Vec<NameServer>) {
        self.is_changed = true;
        if !self.servers.set(servers) {
            return;
        }
        let addresses = self.servers.addresses();
        for change in self.waits.values_mut() {
            change.follow(&addresses);
            self.servers.ask(change.left(), change.key(), change.is_overdue);
        }
        self.touched.extend(self.waits.ids());
    }

    /// Records the reason why the name servers could not be found. Those that are known are still asked.
    pub(crate) fn set_trouble(&mut self, why: String) {
        self.servers.set_trouble(why);
        self.is_changed = true;
    }

    /// Waits for changes. Earlier waits for the same addresses in the same sets are given up.
    pub(crate) fn add(&mut self, made: &MadeChanges) -> Vec<EffectNews> {
        let (mut news, addresses) = (Vec::new(), self.servers.addresses());
        for change in &made.changes {
            for (set, proof) in &change.sets {
                let Some(obstacle) = proof.obstacle else { continue };
                if self.unprovable.insert((set.clone(), obstacle)) {
                    news.push(EffectNews::Unprovable(set.clone(), obstacle));
                }
            }
            let times = [made.at, made.at.checked_sub(made.took).unwrap_or(made.at)];
            let Some(new) = OpenChange::new(self.next_id, change, times, &addresses) else {
                continue;
            };
            self.next_id = self.next_id.next();
            for earlier in self.waits.of(new.address) {
                self.give_up(earlier, new.sets.iter().map(AsRef::as_ref));
            }
            self.servers.ask(new.left(), new.key(), false);
            self.waits.add(new);
        }
        self.is_changed = true;
        news
    }

    /// Ends the waits for changes that a listing shows to be undone.
    pub(crate) fn undone(&mut self, undone: &UndoneChanges) {
        for ((set, address), is_present) in &undone.places {
            for id in self.waits.of(*address) {
                let change = self.waits.get(id).filter(|change| {
                    change.kind.is_present() == *is_present && change.at <= undone.listed
                });
                if change.is_some() {
                    self.give_up(id, [set]);
                }
            }
        }
    }

    /// Ends the waits for all other addresses, which no service has any more.
    pub(crate) fn keep_addresses(&mut self, addresses: &BTreeSet<IpAddr>) {
        for id in self.waits.of_others(addresses) {
            self.end(id);
        }
    }

    /// Gives up sets of a change, and the change itself if none is left.
    fn give_up<'s>(&mut self, id: ChangeId, sets: impl IntoIterator<Item = &'s SetKey>) {
        let Some(change) = self.waits.get_mut(id) else { return };
        for set in sets {
            if change.give_up(set) {
                self.servers.stop(set, change.key());
            }
        }
        if change.sets.is_empty() {
            self.end(id);
        } else {
            self.touched.insert(id);
            self.is_changed = true;
        }
    }

    /// Ends the wait for a change that is not visible.
    fn end(&mut self, id: ChangeId) {
        let Some(change) = self.waits.remove(id) else { return };
        for set in &change.sets {
            self.servers.stop(set, change.key());
        }
        if change.is_overdue {
            self.given_up.push(id);
        }
        self.is_changed = true;
    }

    /// Returns the time of the next question, of the end of a wait, or of a report.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let report = self.is_changed.then(|| self.next_state.unwrap_or(now));
        let end = self.waits.next_end(self.timeout);
        [self.servers.next_question(now), end, report].into_iter().flatten().min()
    }

    /// Takes the questions that are due, at most `room`.
    pub(crate) fn take_questions(&mut self, now: Instant, room: usize) -> Vec<NextQuestion> {
        self.servers.take_questions(now, room)
    }

    /// Records an answer. One to a question from before a change proves nothing about it.
    pub(crate) fn answered(&mut self, answer: &Answered) {
        for key in self.servers.answered(answer) {
            let Some(change) = self.waits.get_mut(key.1) else { continue };
            if change.answered(answer) {
                self.servers.shown(answer, key);
                self.touched.insert(key.1);
            }
        }
        if matches!(answer.sighting, Sighting::Fault(_)) {
            self.touched.extend(self.waits.ids());
        }
        self.is_changed = true;
    }

    /// Returns the news at `now`: changes that are visible or overdue, and the state if it is another one.
    pub(crate) fn report(&mut self, now: Instant) -> Vec<EffectNews> {
        let given_up = std::mem::take(&mut self.given_up);
        let mut news: Vec<EffectNews> = given_up.into_iter().map(EffectNews::GivenUp).collect();
        for id in std::mem::take(&mut self.touched) {
            let visible = self.waits.get(id).filter(|it| it.visible_since(&self.servers).is_some());
            let Some(change) = visible else { continue };
            let (effect, was_overdue) = (change.effect(&self.servers, now), change.is_overdue);
            self.last = Some(effect.clone());
            // Servers without a route are still being asked.
            if let Some(change) = self.waits.remove(id) {
                self.servers.stop_all(change.left(), change.key());
            }
            news.push(EffectNews::Visible { effect, was_overdue });
        }
        while let Some(id) = self.waits.next_overdue(now, self.timeout) {
            let Some(change) = self.waits.get(id) else { continue };
            news.push(EffectNews::NotVisible(change.effect(&self.servers, now)));
            self.servers.overdue(change.left(), change.key());
        }
        self.is_changed |= !news.is_empty();
        news.extend(self.new_state(now));
        news
    }

    /// Returns the state if it is another one than the last, and that was reported a while ago.
    fn new_state(&mut self, now: Instant) -> Option<EffectNews> {
        if !self.is_changed || self.next_state.is_some_and(|next| now < next) {
            return None;
        }
        self.is_changed = false;
        let state = (self.state(now), self.waits.overdue());
        if state == self.reported {
            return None;
        }
        self.next_state = Some(now + STATE_GAP);
        self.reported.clone_from(&state);
        Some(EffectNews::State(state.0, state.1))
    }

    /// Returns the state of the last change and of those that are overdue, the newest first.
    fn state(&self, now: Instant) -> Vec<ChangeEffect> {
        let last = self.last.iter().map(|last| last.at);
        let Some(newest) = self.waits.newest().into_iter().chain(last).max() else {
            return Vec::new();
        };
        let mut state: Vec<ChangeEffect> =
            self.last.iter().filter(|last| last.at == newest).cloned().collect();
        for change in self.waits.shown(newest).take(REPORTED - state.len()) {
            let mut effect = change.effect(&self.servers, now);
            // It grows by itself, and is no news.
            effect.after = Duration::ZERO;
            state.push(effect);
        }
        state
    }
}

#[cfg(test)]
mod tests;
