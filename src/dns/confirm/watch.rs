//! The waits of one zone: the servers that show a change, the next question, the news. Time is a parameter, and
//! nothing is sent here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Sighting;
use super::change::{MadeChanges, Obstacle, UndoneChanges};
use super::effect::{ChangeEffect, EffectNews, EffectState, NameServer};
use super::faults::Faults;
use super::open_change::{Answered, OpenChange};
use super::pace::{GAP_AFTER_FAULT, GAP_AFTER_NOTHING, gap};
use crate::engine::plan::SetKey;

/// Maximum number of questions to one address at the same time. Several are asked once the server has
/// shown one set of a change: it shows the others by then, as a rule.
const BURST: usize = 16;

/// Maximum number of changes in the state that is reported.
const REPORTED: usize = 20;

/// A question to ask now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextQuestion {
    /// The address to ask.
    pub(crate) server: SocketAddr,
    /// The set to ask about.
    pub(crate) set: SetKey,
}

/// The waits of one zone.
#[derive(Debug)]
pub(crate) struct EffectWatch {
    timeout: Duration,
    servers: Vec<NameServer>,
    /// The reason why no server is known, in words.
    trouble: Option<String>,
    /// The changes that are waited for, the oldest first.
    open: Vec<OpenChange>,
    /// The last change that became visible.
    last: Option<OpenChange>,
    asked: BTreeMap<SocketAddr, AskedServer>,
    faults: Faults,
    /// The sets that were reported as unprovable.
    unprovable: BTreeSet<(SetKey, Obstacle)>,
    reported: Vec<ChangeEffect>,
}

/// The questions to one address of a name server.
#[derive(Debug, Default)]
struct AskedServer {
    polls: BTreeMap<SetKey, SetPoll>,
    in_flight: usize,
    /// The earliest time of the next question.
    next: Option<Instant>,
    /// Shortest time between questions, by the last answer.
    rest: Duration,
}

/// The questions to one address about one set.
#[derive(Debug, Clone, Copy)]
struct SetPoll {
    /// The time of the newest change that the set has to show, and whether its timeout is over.
    newest: Instant,
    is_overdue: bool,
    /// The time of the last question.
    asked: Option<Instant>,
    is_in_flight: bool,
    /// Whether it is asked at once, since the server has just shown another set.
    is_due: bool,
}

impl SetPoll {
    fn new(newest: Instant, is_overdue: bool) -> Self {
        Self { newest, is_overdue, asked: None, is_in_flight: false, is_due: false }
    }

    /// Returns the time of the next question, while this number of addresses is asked.
    fn due(&self, now: Instant, addresses: usize) -> Instant {
        let elapsed = now.saturating_duration_since(self.newest);
        match self.asked.filter(|asked| *asked >= self.newest) {
            Some(asked) => asked + gap(elapsed, self.is_overdue, addresses),
            None => self.newest,
        }
    }
}

impl AskedServer {
    /// Returns the next question, and the time at which it is due.
    fn next_at(&self, now: Instant, addresses: usize) -> Option<(Instant, &SetKey)> {
        let mut first = None;
        for (set, poll) in &self.polls {
            if poll.is_in_flight {
                continue;
            }
            if poll.is_due && self.in_flight < BURST {
                return Some((now, set));
            }
            let due = poll.due(now, addresses);
            if first.is_none_or(|(earliest, _)| due < earliest) {
                first = Some((due, set));
            }
        }
        let (due, set) = first.filter(|_| self.in_flight == 0)?;
        Some((self.next.map_or(due, |next| due.max(next)), set))
    }

    /// Records that a question is asked now.
    fn take(&mut self, set: &SetKey, now: Instant) {
        self.in_flight += 1;
        if let Some(poll) = self.polls.get_mut(set) {
            *poll = SetPoll { asked: Some(now), is_in_flight: true, is_due: false, ..*poll };
        }
        // The pace counts from question to question.
        self.next = Some(now + self.rest.max(gap(Duration::ZERO, false, 1)));
    }

    /// Records the answer to a question.
    fn answered(&mut self, answer: &Answered) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(poll) = self.polls.get_mut(&answer.set) {
            poll.is_in_flight = false;
        }
        self.rest = match answer.sighting {
            Sighting::Addresses(_) => Duration::ZERO,
            Sighting::Nothing(_) => GAP_AFTER_NOTHING,
            Sighting::Fault(_) => GAP_AFTER_FAULT,
        };
        if !self.rest.is_zero() {
            self.next = Some(answer.received + self.rest);
        }
    }
}

impl EffectWatch {
    /// Returns a watch without name servers and changes.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            servers: Vec::new(),
            trouble: None,
            open: Vec::new(),
            last: None,
            asked: BTreeMap::new(),
            faults: Faults::default(),
            unprovable: BTreeSet::new(),
            reported: Vec::new(),
        }
    }

    /// Changes the timeout, also of the changes that are waited for.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Whether a change is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }

    /// Returns the name servers that are asked.
    pub(crate) fn servers(&self) -> &[NameServer] {
        &self.servers
    }

    /// Asks these name servers from now on.
    pub(crate) fn set_servers(&mut self, servers: Vec<NameServer>) {
        self.trouble = None;
        if servers == self.servers {
            return;
        }
        self.servers = servers;
        self.faults.keep(&self.addresses_of_servers());
        for change in &mut self.open {
            change.follow(&self.servers);
        }
        self.sync_polls();
    }

    /// Records the reason why the name servers could not be found. Those that are known are still asked.
    pub(crate) fn set_trouble(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Waits for changes. Earlier waits for the same addresses in the same sets are given up.
    pub(crate) fn add(&mut self, made: &MadeChanges) -> Vec<EffectNews> {
        let mut news = Vec::new();
        for change in &made.changes {
            for (set, proof) in &change.sets {
                let Some(obstacle) = proof.obstacle else { continue };
                if self.unprovable.insert((set.clone(), obstacle)) {
                    news.push(EffectNews::Unprovable(set.clone(), obstacle));
                }
            }
            let times = [made.at, made.at.checked_sub(made.took).unwrap_or(made.at)];
            if let Some(new) = OpenChange::new(change, times, &self.servers) {
                self.open.retain_mut(|earlier| !earlier.give_up(new.address, &new.sets));
                self.open.push(new);
            }
        }
        self.sync_polls();
        news
    }

    /// Ends the waits for changes that a listing shows to be undone.
    pub(crate) fn undone(&mut self, undone: &UndoneChanges) {
        for ((set, address), is_present) in &undone.places {
            let sets = BTreeSet::from([set.clone()]);
            self.open.retain_mut(|change| {
                let is_undone =
                    change.kind.is_present() == *is_present && change.at <= undone.listed;
                !is_undone || !change.give_up(*address, &sets)
            });
        }
        self.sync_polls();
    }

    /// Ends the waits for all other addresses, which no service has any more.
    pub(crate) fn keep_addresses(&mut self, addresses: &BTreeSet<IpAddr>) {
        self.open.retain(|change| addresses.contains(&change.address));
        self.sync_polls();
    }

    /// Returns the addresses of all name servers.
    fn addresses_of_servers(&self) -> BTreeSet<SocketAddr> {
        self.servers.iter().flat_map(|server| server.addresses.iter().copied()).collect()
    }

    /// Brings the questions in line with the changes that are waited for.
    fn sync_polls(&mut self) {
        let addresses = self.addresses_of_servers();
        self.asked.retain(|address, asked| addresses.contains(address) || asked.in_flight > 0);
        for (address, asked) in &mut self.asked {
            if !addresses.contains(address) {
                // It is kept until its answer is here.
                asked.polls.clear();
            }
        }
        for address in addresses {
            let asked = self.asked.entry(address).or_default();
            let mut needed: BTreeMap<&SetKey, (Instant, bool)> = BTreeMap::new();
            // The newest change is the last.
            for change in &self.open {
                let its = change.left_at(address).map(|set| (set, (change.at, change.is_overdue)));
                needed.extend(its);
            }
            asked.polls.retain(|set, _| needed.contains_key(set));
            for (set, (newest, is_overdue)) in needed {
                match asked.polls.get_mut(set) {
                    Some(poll) => (poll.newest, poll.is_overdue) = (newest, is_overdue),
                    None => {
                        _ = asked.polls.insert(set.clone(), SetPoll::new(newest, is_overdue));
                    }
                }
            }
        }
    }

    /// Returns the number of addresses that are asked.
    fn addresses(&self) -> usize {
        self.asked.values().filter(|asked| !asked.polls.is_empty()).count()
    }

    /// Returns the time of the next question, or of the end of a wait.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let addresses = self.addresses();
        let questions = self
            .asked
            .values()
            .filter_map(|asked| asked.next_at(now, addresses).map(|next| next.0));
        let waits = self.open.iter().filter(|change| !change.is_overdue);
        questions.chain(waits.map(|change| change.at + self.timeout)).min()
    }

    /// Takes the questions that are due, at most `room`.
    pub(crate) fn take_questions(&mut self, now: Instant, room: usize) -> Vec<NextQuestion> {
        let mut taken = Vec::new();
        let addresses = self.addresses();
        for (server, asked) in &mut self.asked {
            while taken.len() < room
                && let Some((due, set)) = asked.next_at(now, addresses)
                && due <= now
            {
                let set = set.clone();
                asked.take(&set, now);
                taken.push(NextQuestion { server: *server, set });
            }
        }
        taken
    }

    /// Records an answer.
    pub(crate) fn answered(&mut self, answer: &Answered) {
        let server = answer.server;
        if let Some(asked) = self.asked.get_mut(&server) {
            asked.answered(answer);
        }
        self.faults.record(answer);
        let mut is_shown = false;
        for change in &mut self.open {
            is_shown |= change.answered(answer);
        }
        if is_shown {
            self.sync_polls();
            if let Some(asked) = self.asked.get_mut(&server) {
                asked.polls.values_mut().for_each(|poll| poll.is_due = true);
            }
        }
    }

    /// Returns the news at `now`: changes that are visible or overdue, and the state if
    /// it is another one.
    pub(crate) fn report(&mut self, now: Instant) -> Vec<EffectNews> {
        let mut news = Vec::new();
        let (servers, faults) = (&self.servers, &self.faults);
        for change in &mut self.open {
            let is_visible = change.visible_since(servers, faults).is_some();
            if is_visible {
                let effect = change.effect(servers, faults, now);
                news.push(EffectNews::Visible { effect, was_overdue: change.is_overdue });
            } else if !change.is_overdue && now >= change.at + self.timeout {
                change.is_overdue = true;
                let mut effect = change.effect(servers, faults, now);
                if servers.is_empty() {
                    effect.trouble.clone_from(&self.trouble);
                }
                news.push(EffectNews::NotVisible(effect));
            }
        }
        let done = self.open.extract_if(.., |it| it.visible_since(servers, faults).is_some());
        if let Some(mut last) = done.last() {
            last.is_overdue = false;
            self.last = Some(last);
        }
        if !news.is_empty() {
            self.sync_polls();
        }
        let state = self.state(now);
        if state != self.reported {
            self.reported.clone_from(&state);
            news.push(EffectNews::State(state));
        }
        news
    }

    /// Returns the state of the last change and of those that are overdue, the newest first.
    fn state(&self, now: Instant) -> Vec<ChangeEffect> {
        let newest = self.open.iter().chain(&self.last).map(|change| change.at).max();
        let shown = self.open.iter().chain(&self.last);
        let mut shown: Vec<&OpenChange> =
            shown.filter(|it| it.is_overdue || Some(it.at) == newest).collect();
        shown.sort_by_key(|change| std::cmp::Reverse(change.at));
        let mut state = Vec::new();
        for change in shown.into_iter().take(REPORTED) {
            let mut effect = change.effect(&self.servers, &self.faults, now);
            if self.servers.is_empty() {
                effect.trouble.clone_from(&self.trouble);
            }
            if effect.state != EffectState::Visible {
                // It grows by itself, and is no news.
                effect.after = Duration::ZERO;
            }
            state.push(effect);
        }
        state
    }
}

#[cfg(test)]
mod tests;
