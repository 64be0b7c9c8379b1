//! One zone with the proof of effect: its waits, and the search for its name servers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::change::{MadeChanges, Obstacle};
use super::effect::{EffectNews, NameServer};
use super::section::ConfirmSettings;
use super::watch::EffectWatch;
use crate::backoff::Backoff;
use crate::dns::BySet;
use crate::engine::ids::ZoneId;
use crate::text::first_few;

/// Waits before the name servers of a zone are looked up again after a failure.
const LOOKUP_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// Time for which the name servers of a zone are not looked up again.
const SERVERS_KEPT: Duration = Duration::from_mins(10);

/// Maximum number of servers that a reason names.
const NAMED: usize = 3;

/// A zone with changes that are confirmed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConfirmZone {
    /// The name of the zone in DNS.
    pub(crate) domain: String,
    /// The name of its provider for people.
    pub(crate) provider: &'static str,
    /// The addresses of all services in the zone.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// The settings of the proof of effect.
    pub(crate) settings: ConfirmSettings,
    /// Whether the provider answers with addresses of its own for new records.
    pub(crate) proxies: BySet<bool>,
}

/// The result of a lookup of name servers.
#[derive(Debug)]
pub(super) struct FoundServers {
    pub(super) zone: ZoneId,
    /// The number of the lookup in its zone. The result of an older one is ignored.
    pub(super) number: u64,
    pub(super) result: Result<Vec<NameServer>, String>,
}

/// The waits of one zone, and the search for its name servers.
#[derive(Debug)]
pub(super) struct ZoneWatch {
    pub(super) config: ConfirmZone,
    pub(super) watch: EffectWatch,
    /// The number of lookups so far.
    pub(super) lookups: u64,
    pub(super) is_looking: bool,
    /// The time at which the name servers were found.
    pub(super) found_at: Option<Instant>,
    /// The time of the next attempt after a failure.
    pub(super) retry_at: Option<Instant>,
    pub(super) backoff: Backoff,
    /// Whether the failure was reported.
    pub(super) is_failing: bool,
}

/// Describes the servers without an address; `None` if there is none.
fn troubles(servers: &[NameServer]) -> Option<String> {
    let mut reasons = Vec::new();
    for server in servers {
        reasons.extend(server.trouble.as_ref().map(|why| format!("{}: {why}", server.name)));
    }
    (!reasons.is_empty()).then(|| first_few(&reasons, NAMED, "; "))
}

impl ZoneWatch {
    pub(super) fn new(config: ConfirmZone) -> Self {
        let [first, longest] = LOOKUP_WAITS;
        Self {
            watch: EffectWatch::new(config.settings.timeout),
            config,
            lookups: 0,
            is_looking: false,
            found_at: None,
            retry_at: None,
            backoff: Backoff::new(first, longest),
            is_failing: false,
        }
    }

    /// Follows other settings. Returns whether the name servers have to be looked up again.
    pub(super) fn follow(&mut self, config: &ConfirmZone) -> bool {
        self.watch.set_timeout(config.settings.timeout);
        self.watch.keep_addresses(&config.addresses);
        let is_same = self.config.domain == config.domain
            && self.config.settings.servers == config.settings.servers;
        self.config = config.clone();
        !is_same
    }

    /// Returns the changes with the obstacles that follow from the configuration.
    pub(super) fn completed(&self, mut made: MadeChanges) -> MadeChanges {
        for (set, proof) in made.changes.iter_mut().flat_map(|change| &mut change.sets) {
            if proof.is_by_configuration && self.config.proxies.at(set) {
                proof.obstacle = proof.obstacle.or(Some(Obstacle::Proxied));
            }
        }
        made
    }

    /// Whether the name servers are to be looked up for a change at `now`.
    pub(super) fn is_outdated(&self, now: Instant) -> bool {
        let found = self.found_at.filter(|found| now.duration_since(*found) < SERVERS_KEPT);
        !self.is_looking && self.retry_at.is_none() && found.is_none()
    }

    /// Follows the result of a lookup.
    pub(super) fn found(
        &mut self,
        result: Result<Vec<NameServer>, String>,
        now: Instant,
    ) -> Option<EffectNews> {
        self.is_looking = false;
        match result {
            Ok(mut servers) => {
                let why = troubles(&servers);
                self.keep_addresses(&mut servers);
                self.watch.set_servers(servers);
                self.found_at = Some(now);
                if let Some(why) = why {
                    return self.failed(why, now);
                }
                self.retry_at = None;
                self.backoff.reset();
                std::mem::take(&mut self.is_failing).then_some(EffectNews::ServersFound)
            }
            Err(why) => {
                self.watch.set_trouble(why.clone());
                self.failed(why, now)
            }
        }
    }

    /// Has the name servers looked up again later. Returns the news of the first failure.
    fn failed(&mut self, why: String, now: Instant) -> Option<EffectNews> {
        self.retry_at = Some(now + self.backoff.next_jittered());
        let is_news = !std::mem::replace(&mut self.is_failing, true);
        is_news.then_some(EffectNews::NoServers(why))
    }

    /// Keeps the known addresses of servers with names that do not resolve now.
    fn keep_addresses(&self, servers: &mut [NameServer]) {
        for server in servers.iter_mut().filter(|server| server.addresses.is_empty()) {
            let known = self.watch.servers().iter().find(|known| known.name == server.name);
            if let Some(known) = known.filter(|known| !known.addresses.is_empty()) {
                *server = known.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests;
