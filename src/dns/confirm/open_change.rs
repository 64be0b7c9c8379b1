//! A change that is waited for: the name servers that show it, and those that do not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Sighting;
use super::asked_server::ChangeKey;
use super::change::{ChangeId, ChangeKind, MadeChange, Proof};
use super::effect::{ChangeEffect, EffectState, ServerEffect, ServerState};
use super::known_servers::{KnownServers, LeftSets};
use super::question::Answered;
use crate::engine::ids::ServiceId;
use crate::engine::plan::{Family, SetKey};

/// A change that is waited for.
#[derive(Debug, Clone)]
pub(super) struct OpenChange {
    pub(super) id: ChangeId,
    service: Option<ServiceId>,
    pub(super) address: IpAddr,
    pub(super) kind: ChangeKind,
    /// The time of the provider's confirmation.
    pub(super) at: Instant,
    took: Duration,
    /// The sets that have to show the change. A later change of the address takes them away.
    pub(super) sets: BTreeSet<Arc<SetKey>>,
    /// The owner names, in the provider's order.
    names: Vec<String>,
    /// Time in seconds for which caches may keep an older positive answer.
    ttl: Option<u32>,
    /// Whether caches may keep a negative answer from before the change.
    is_negative: bool,
    /// Longest time in seconds for that, by the answers so far.
    negative_ttl: Option<u32>,
    /// The sets that each address of a name server does not show yet.
    left: LeftSets,
    /// The time at which each address of a name server showed all sets.
    shown: BTreeMap<SocketAddr, Instant>,
    /// The time at which each address of a name server showed the last of the sets that it shows.
    last_shown: BTreeMap<SocketAddr, Instant>,
    /// Whether it was reported as not visible.
    pub(super) is_overdue: bool,
}

impl OpenChange {
    /// Begins to wait for a change; `None` if none of its sets can prove it.
    pub(super) fn new(
        id: ChangeId,
        change: &MadeChange,
        [at, desired_since]: [Instant; 2],
        addresses: &BTreeSet<SocketAddr>,
    ) -> Option<Self> {
        let provable: Vec<&(SetKey, Proof)> =
            change.sets.iter().filter(|(_, proof)| proof.obstacle.is_none()).collect();
        let sets: BTreeSet<Arc<SetKey>> =
            provable.iter().map(|(set, _)| Arc::new(set.clone())).collect();
        if sets.is_empty() {
            return None;
        }
        let mut open = Self {
            id,
            service: change.service,
            address: change.address,
            kind: change.kind,
            at,
            took: at.saturating_duration_since(desired_since),
            names: provable.iter().map(|(set, _)| set.name.clone()).collect(),
            ttl: provable.iter().filter_map(|(_, proof)| proof.ttl).max(),
            is_negative: provable.iter().any(|(_, proof)| proof.ttl.is_none()),
            negative_ttl: None,
            sets,
            left: BTreeMap::new(),
            shown: BTreeMap::new(),
            last_shown: BTreeMap::new(),
            is_overdue: false,
        };
        open.follow(addresses);
        Some(open)
    }

    /// Waits for the name servers with these addresses from now on.
    pub(super) fn follow(&mut self, addresses: &BTreeSet<SocketAddr>) {
        self.left.retain(|address, _| addresses.contains(address));
        self.shown.retain(|address, _| addresses.contains(address));
        self.last_shown.retain(|address, _| addresses.contains(address));
        for address in addresses {
            if !self.shown.contains_key(address) {
                self.left.entry(*address).or_insert_with(|| self.sets.clone());
            }
        }
    }

    /// Gives a set up. Returns whether it was one of this change.
    pub(super) fn give_up(&mut self, set: &SetKey) -> bool {
        if !self.sets.remove(set) {
            return false;
        }
        self.names.retain(|name| self.sets.iter().any(|set| set.name == *name));
        for sets in self.left.values_mut() {
            sets.remove(set);
        }
        // An address that showed the rest before shows all that is left.
        let done: Vec<SocketAddr> =
            self.left.extract_if(.., |_, sets| sets.is_empty()).map(|(it, _)| it).collect();
        for address in done {
            let last = self.last_shown.get(&address).copied().unwrap_or(self.at);
            self.shown.insert(address, last);
        }
        true
    }

    /// Returns the time at which it was made, with its number.
    pub(super) fn key(&self) -> ChangeKey {
        (self.at, self.id)
    }

    /// Returns the sets that each address of a name server does not show yet.
    pub(super) fn left(&self) -> &LeftSets {
        &self.left
    }

    /// Records an answer to a question asked since the change. Returns whether the set is shown now and
    /// was not before.
    pub(super) fn answered(&mut self, answer: &Answered) -> bool {
        let Some(left) = self.left.get_mut(&answer.server) else { return false };
        if !left.contains(&answer.set) {
            return false;
        }
        if !answer.sighting.shows(self.address, self.kind) {
            if let Sighting::Addresses(seen) = &answer.sighting {
                self.negative_ttl = self.negative_ttl.max(seen.negative_ttl);
            }
            return false;
        }
        left.remove(&answer.set);
        self.last_shown.insert(answer.server, answer.received);
        if left.is_empty() {
            self.left.remove(&answer.server);
            self.shown.insert(answer.server, answer.received);
        }
        true
    }

    /// Returns the time at which the last name server showed the change, if all did that can be asked.
    /// A server without an address may still show the old state.
    pub(super) fn visible_since(&self, servers: &KnownServers) -> Option<Instant> {
        if servers.list().iter().any(|server| server.addresses.is_empty()) {
            return None;
        }
        let mut last = None;
        for address in servers.list().iter().flat_map(|server| &server.addresses) {
            match self.shown.get(address) {
                Some(shown) => last = last.max(Some(*shown)),
                None if servers.excuse(*address, self.at).is_some() => {}
                None => return None,
            }
        }
        last
    }

    /// Returns the state at one address of a name server.
    fn state_at(&self, address: SocketAddr, servers: &KnownServers) -> ServerState {
        if let Some(shown) = self.shown.get(&address) {
            return ServerState::Shows(shown.saturating_duration_since(self.at));
        }
        if let Some(why) = servers.excuse(address, self.at) {
            return ServerState::Unasked(why.to_owned());
        }
        let left = self.left.get(&address).into_iter().flatten();
        let answer = servers.last_answer(address, left, self.at);
        let family = Family::of(self.address);
        ServerState::Waiting(answer.map(|it| it.instead(self.address, family)))
    }

    /// Returns the time in seconds for which caches may keep an older answer, if it is known.
    fn cached_for(&self) -> Option<u32> {
        if !self.is_negative {
            return self.ttl;
        }
        self.negative_ttl.map(|negative| negative.max(self.ttl.unwrap_or(0)))
    }

    /// Returns the effect as it is at `now`.
    pub(super) fn effect(&self, servers: &KnownServers, now: Instant) -> ChangeEffect {
        let visible = self.visible_since(servers);
        let mut states = Vec::new();
        for server in servers.list() {
            states.extend(server.trouble.as_ref().map(|why| ServerEffect {
                name: server.name.clone(),
                address: None,
                state: ServerState::Waiting(Some(why.clone())),
            }));
            for address in &server.addresses {
                let state = self.state_at(*address, servers);
                let (name, address) = (server.name.clone(), Some(*address));
                states.push(ServerEffect { name, address, state });
            }
        }
        let state = match (visible, self.is_overdue) {
            (Some(_), _) => EffectState::Visible,
            (None, true) => EffectState::NotVisible,
            (None, false) => EffectState::Waiting,
        };
        ChangeEffect {
            id: self.id,
            service: self.service,
            address: self.address,
            kind: self.kind,
            names: self.names.clone(),
            at: self.at,
            took: self.took,
            state,
            after: visible.unwrap_or(now).saturating_duration_since(self.at),
            ttl: self.cached_for(),
            servers: states,
            trouble: servers.trouble().map(str::to_owned),
        }
    }
}
