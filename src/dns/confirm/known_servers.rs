//! The name servers of a zone, and the questions to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::answer::Sighting;
use super::asked_server::{AskedServer, ChangeKey};
use super::effect::NameServer;
use super::faults::AddressFaults;
use super::question::{Answered, NextQuestion};
use crate::engine::plan::SetKey;

/// The sets that each address of a name server does not show yet.
pub(super) type LeftSets = BTreeMap<SocketAddr, BTreeSet<Arc<SetKey>>>;

/// The name servers of a zone, and the questions to them.
#[derive(Debug, Default)]
pub(super) struct KnownServers {
    list: Vec<NameServer>,
    /// The reason why no server is known, in words.
    trouble: Option<String>,
    asked: BTreeMap<SocketAddr, AskedServer>,
    faults: AddressFaults,
}

impl KnownServers {
    /// Returns the name servers.
    pub(super) fn list(&self) -> &[NameServer] {
        &self.list
    }

    /// Returns the addresses of all name servers.
    pub(super) fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.list.iter().flat_map(|server| server.addresses.iter().copied()).collect()
    }

    /// Follows other name servers. Returns whether they are others.
    pub(super) fn set(&mut self, list: Vec<NameServer>) -> bool {
        self.trouble = None;
        if list == self.list {
            return false;
        }
        self.list = list;
        let addresses = self.addresses();
        self.faults.keep(&addresses);
        for (_, gone) in self.asked.iter_mut().filter(|(it, _)| !addresses.contains(it)) {
            gone.clear();
        }
        // One is kept until its answers are here.
        self.asked.retain(|address, asked| addresses.contains(address) || !asked.is_idle());
        true
    }

    /// Records the reason why the name servers could not be found.
    pub(super) fn set_trouble(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Returns the reason why no server is known.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| self.list.is_empty())
    }

    /// Returns the reason why an address is not waited for, for a change made at `at`.
    pub(super) fn excuse(&self, address: SocketAddr, at: Instant) -> Option<&str> {
        self.faults.excuse(address, at)
    }

    /// Returns the last answer of an address about one of these sets, to a question asked since `at`.
    pub(super) fn last_answer<'s>(
        &self,
        address: SocketAddr,
        sets: impl IntoIterator<Item = &'s Arc<SetKey>>,
        at: Instant,
    ) -> Option<&Sighting> {
        self.asked.get(&address)?.last_answer(sets, at)
    }

    /// Asks about all that name servers do not show of a change.
    pub(super) fn ask(&mut self, left: &LeftSets, change: ChangeKey, is_overdue: bool) {
        for (address, sets) in left {
            let asked = self.asked.entry(*address).or_default();
            for set in sets {
                asked.add(set, change, is_overdue);
            }
        }
    }

    /// Asks no longer about a set for a change.
    pub(super) fn stop(&mut self, set: &SetKey, change: ChangeKey) {
        for asked in self.asked.values_mut() {
            asked.remove(set, change);
        }
    }

    /// Asks no longer about all that name servers do not show of a change.
    pub(super) fn stop_all(&mut self, left: &LeftSets, change: ChangeKey) {
        for (address, sets) in left {
            let Some(asked) = self.asked.get_mut(address) else { continue };
            for set in sets {
                asked.remove(set, change);
            }
        }
    }

    /// Asks about a change at the pace after the timeout.
    pub(super) fn overdue(&mut self, left: &LeftSets, change: ChangeKey) {
        for (address, sets) in left {
            let Some(asked) = self.asked.get_mut(address) else { continue };
            for set in sets {
                asked.overdue(set, change);
            }
        }
    }

    /// Returns the time of the next question.
    pub(super) fn next_question(&self, now: Instant) -> Option<Instant> {
        self.asked.values().filter_map(|asked| asked.next_at(now).map(|(due, _)| due)).min()
    }

    /// Takes the questions that are due, at most `room`.
    pub(super) fn take_questions(&mut self, now: Instant, room: usize) -> Vec<NextQuestion> {
        let mut taken = Vec::new();
        for (server, asked) in &mut self.asked {
            while taken.len() < room
                && let Some((due, set)) = asked.next_at(now)
                && due <= now
            {
                let set = Arc::clone(set);
                asked.take(&set, now);
                taken.push(NextQuestion { server: *server, set: SetKey::clone(&set) });
            }
        }
        taken
    }

    /// Records an answer. Returns the changes that it can show.
    pub(super) fn answered(&mut self, answer: &Answered) -> Vec<ChangeKey> {
        self.faults.record(answer);
        let addresses = self.asked.values().filter(|asked| asked.is_asked()).count();
        let Some(asked) = self.asked.get_mut(&answer.server) else { return Vec::new() };
        let its_changes = asked.answered(answer, addresses);
        let mut known = self.list.iter().flat_map(|server| &server.addresses);
        if asked.is_idle() && !known.any(|address| *address == answer.server) {
            self.asked.remove(&answer.server);
        }
        its_changes
    }

    /// Records that an answer showed a change.
    pub(super) fn shown(&mut self, answer: &Answered, change: ChangeKey) {
        if let Some(asked) = self.asked.get_mut(&answer.server) {
            asked.remove(&answer.set, change);
            asked.showed(answer.sent);
        }
    }

    /// Returns the addresses that are asked, or were and are waited for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> impl Iterator<Item = &SocketAddr> {
        self.asked.keys()
    }
}
