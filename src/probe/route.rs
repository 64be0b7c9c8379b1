//! This machine's routes and the reachability of its gateways, according to its kernel (rtnetlink).

mod netlink;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::now;
use crate::engine::event::ProbeRequest;
use crate::engine::types::Endpoint;
use netlink::{asked, is_silent, neighbour, route_to, way_to};

/// Time for which the kernel's answer about a route is cached.
const ROUTE_FRESH_FOR: Duration = Duration::from_secs(1);

/// Time for which the kernel's answer about a neighbour is cached.
const NEIGHBOUR_FRESH_FOR: Duration = Duration::from_millis(100);

/// Returns the time after which the kernel is queried about the gateway: nine tenths of the timeout, since
/// the answer must arrive before it.
pub(super) fn ask_after(timeout: Duration) -> Duration {
    timeout / 10 * 9
}

/// The location of an address, as seen from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is an address of this machine.
    Own,
    /// It is on a link of this machine, or routed to a single machine there.
    Near,
    /// It is behind one of these gateways.
    Beyond(Vec<Neighbour>),
}

/// A machine on a link of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neighbour {
    address: IpAddr,
    /// The index of the interface.
    link: u32,
}

/// Cache of this machine's routes and neighbours. Each answer of the kernel is kept for a moment.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    ways: Mutex<CachedRoute<Endpoint, Option<Way>>>,
    silent: Mutex<CachedRoute<Neighbour, bool>>,
}

/// Answers of the kernel that all expire together.
#[derive(Debug)]
struct CachedRoute<K, V> {
    answers: HashMap<K, V>,
    since: Option<Instant>,
}

impl<K, V> Default for CachedRoute<K, V> {
    fn default() -> Self {
        Self { answers: HashMap::new(), since: None }
    }
}

impl<K: Hash + Eq + Copy, V: Clone> CachedRoute<K, V> {
    fn get(&mut self, key: K, now: Instant, fresh_for: Duration, ask: impl FnOnce(K) -> V) -> V {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > fresh_for) {
            self.answers.clear();
            self.since = Some(now);
        }
        self.answers.entry(key).or_insert_with(|| ask(key)).clone()
    }
}

/// Result of waiting for an answer.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    /// An answer arrived.
    Ended(T),
    /// No answer arrived, and this machine could not send the probe, for this reason.
    Fault(String),
    /// No answer arrived.
    Silence,
}

impl Routes {
    /// Waits for the end of `probe`, which was sent at `sent`. Shortly before it would count as
    /// lost, this checks whether it can have left this machine at all.
    pub(crate) async fn wait<T>(
        &self,
        probe: &ProbeRequest,
        sent: Instant,
        mut end: impl Future<Output = T> + Unpin,
    ) -> Waited<T> {
        let soon = sent + ask_after(probe.timeout);
        if let Ok(end) = timeout_at(soon, &mut end).await {
            return Waited::Ended(end);
        }
        if let Some(what) = self.silent_gateway(probe.endpoint, now()) {
            return Waited::Fault(what);
        }
        timeout_at(sent + probe.listen_for, end).await.map_or(Waited::Silence, Waited::Ended)
    }

    /// Returns the route of probes to `endpoint`. `None` if there is no route or the kernel does
    /// not tell.
    fn way(&self, endpoint: Endpoint, now: Instant) -> Option<Way> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(endpoint, now, ROUTE_FRESH_FOR, |endpoint| {
            way_to(&asked(&route_to(endpoint)).ok()?)
        })
    }

    /// Returns the route of echo requests to `address`.
    fn echo_way(&self, address: IpAddr, now: Instant) -> Option<Way> {
        self.way(Endpoint::echo(address), now)
    }

    /// Whether an ICMP error from `source` about an echo request to `target` is this machine's own
    /// report about its route: its gateway does not answer, or has no route.
    ///
    /// For a neighbour such an error is no fault, because nobody else could report that it is gone.
    pub(crate) fn is_own_fault(&self, source: IpAddr, target: IpAddr, now: Instant) -> bool {
        self.echo_way(source, now) == Some(Way::Own)
            && matches!(self.echo_way(target, now), Some(Way::Beyond(_)))
    }

    /// Returns the reason why probes to `endpoint` cannot leave this machine's own links, if there
    /// is one: none of the gateways on the route answers. Must be called after a probe was sent, at
    /// a time when a live gateway would long have answered; the kernel itself gives up and reports
    /// it only after seconds.
    ///
    /// Nothing is known while the kernel still considers the gateway reachable. With the usual
    /// settings that is up to 45 seconds after its last answer (`base_reachable_time_ms`).
    pub(crate) fn silent_gateway(&self, endpoint: Endpoint, now: Instant) -> Option<String> {
        let Some(Way::Beyond(gateways)) = self.way(endpoint, now) else { return None };
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut addresses = Vec::new();
        for gateway in gateways {
            // The kernel selects one of several gateways by a hash. While one of them answers,
            // nothing is certain.
            if !silent.get(gateway, now, NEIGHBOUR_FRESH_FOR, is_silent_gateway) {
                return None;
            }
            addresses.push(gateway.address.to_string());
        }
        let addresses = addresses.join(", ");
        (!addresses.is_empty())
            .then(|| format!("the gateway {addresses} of this machine does not answer it"))
    }
}

/// Whether the kernel considers a gateway silent.
fn is_silent_gateway(gateway: Neighbour) -> bool {
    asked(&neighbour(gateway)).is_ok_and(|answer| is_silent(&answer) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::types::Method;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "an answer is kept for a moment of real time")]
    async fn the_kernel_tells_which_addresses_are_its_own() {
        let routes = Routes::default();
        for address in ["127.0.0.1", "127.8.9.1", "::1"] {
            let address = address.parse().unwrap();
            for method in [Method::Echo, Method::Connect(443)] {
                let way = routes.way(Endpoint { address, method }, Instant::now());
                assert_eq!(way, Some(Way::Own), "{address}");
            }
            assert!(!routes.is_own_fault(address, address, Instant::now()), "{address}");
        }
    }
}
