//! Which way this machine sends a packet, and whether whoever is to pass it on answers, as its kernel
//! says (rtnetlink).

mod netlink;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::now;
use crate::engine::event::ProbeRequest;
use crate::engine::prober::watch::Endpoint;
use netlink::{asked, is_silent, neighbour, route_to, way_to};

/// For how long the kernel's word about a route is taken for true.
const ROUTE_FRESH_FOR: Duration = Duration::from_secs(1);

/// For how long its word about a neighbour is.
const NEIGHBOUR_FRESH_FOR: Duration = Duration::from_millis(100);

/// The part of the timeout after which the kernel is asked about the gateway: the answer has to be
/// there before the time is up.
const ASK_AFTER: f64 = 0.9;

/// Where an address is, as seen from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is an address of this machine.
    Own,
    /// It is on a link of this machine, or routed to one machine there.
    Near,
    /// It is behind one of these gateways.
    Beyond(Vec<Neighbour>),
}

/// A machine on a link of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neighbour {
    address: IpAddr,
    /// The number of the interface.
    link: u32,
}

/// The routes and neighbours of this machine. Each answer of the kernel's is kept for a moment.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    ways: Mutex<Known<Endpoint, Option<Way>>>,
    silent: Mutex<Known<Neighbour, bool>>,
}

/// Answers of the kernel's, all forgotten together.
#[derive(Debug)]
struct Known<K, V> {
    answers: HashMap<K, V>,
    since: Option<Instant>,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self { answers: HashMap::new(), since: None }
    }
}

impl<K: Hash + Eq + Copy, V: Clone> Known<K, V> {
    fn get(&mut self, key: K, now: Instant, fresh_for: Duration, ask: impl FnOnce(K) -> V) -> V {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > fresh_for) {
            self.answers.clear();
            self.since = Some(now);
        }
        self.answers.entry(key).or_insert_with(|| ask(key)).clone()
    }
}

/// How the wait for an answer ended.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    /// Something came.
    Ended(T),
    /// Nothing came, and this machine could not ask, for this reason.
    Fault(String),
    /// Nothing came.
    Silence,
}

impl Routes {
    /// Waits for what ends `probe`, which has been sent. Shortly before it would count as lost, this
    /// asks whether it can have left at all.
    pub(crate) async fn wait<T>(
        &self,
        probe: &ProbeRequest,
        mut end: impl Future<Output = T> + Unpin,
    ) -> Waited<T> {
        let before = probe.timeout.mul_f64(ASK_AFTER);
        if let Ok(end) = tokio::time::timeout(before, &mut end).await {
            return Waited::Ended(end);
        }
        if let Some(what) = self.silent_gateway(probe.endpoint, now()) {
            return Waited::Fault(what);
        }
        let rest = probe.patience.saturating_sub(before);
        tokio::time::timeout(rest, end).await.map_or(Waited::Silence, Waited::Ended)
    }

    /// Where probes to `endpoint` go. `None` if there is no route, or the kernel does not say.
    fn way(&self, endpoint: Endpoint, now: Instant) -> Option<Way> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(endpoint, now, ROUTE_FRESH_FOR, |endpoint| {
            way_to(&asked(&route_to(endpoint)).ok()?)
        })
    }

    /// Whether an ICMP error that `source` sent about an echo request to `target` is this machine's own
    /// word about its own way there: its gateway does not answer, or has no way on.
    ///
    /// About a neighbour such an error is no fault: nobody else could report that it is gone.
    pub(crate) fn is_own_fault(&self, source: IpAddr, target: IpAddr, now: Instant) -> bool {
        let way = |address| self.way(Endpoint { address, port: None }, now);
        way(source) == Some(Way::Own) && matches!(way(target), Some(Way::Beyond(_)))
    }

    /// What keeps probes to `endpoint` from leaving this machine's own links, if anything does: none of
    /// the gateways on the way there answers. To be asked after a probe was sent, when a living gateway
    /// would long have answered: the kernel itself gives up, and says so, after seconds only.
    ///
    /// Nothing is known while the kernel still takes the gateway for reachable: up to 45 seconds after
    /// it last answered, with the usual settings (`base_reachable_time_ms`).
    pub(crate) fn silent_gateway(&self, endpoint: Endpoint, now: Instant) -> Option<String> {
        let Some(Way::Beyond(gateways)) = self.way(endpoint, now) else { return None };
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_silent = |gateway: &Neighbour| {
            silent.get(*gateway, now, NEIGHBOUR_FRESH_FOR, |gateway| {
                asked(&neighbour(gateway)).is_ok_and(|answer| is_silent(&answer) == Some(true))
            })
        };
        // Which of several the kernel takes depends on a hash: while one answers, nothing is certain.
        let all = !gateways.is_empty() && gateways.iter().all(&mut is_silent);
        let addresses: Vec<_> = gateways.iter().map(|it| it.address.to_string()).collect();
        let addresses = addresses.join(", ");
        all.then(|| format!("the gateway {addresses} of this machine does not answer it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "an answer is kept for a moment of real time")]
    async fn the_kernel_tells_which_addresses_are_its_own() {
        let routes = Routes::default();
        for address in ["127.0.0.1", "127.8.9.1", "::1"] {
            let address = address.parse().unwrap();
            for port in [None, Some(443)] {
                let way = routes.way(Endpoint { address, port }, Instant::now());
                assert_eq!(way, Some(Way::Own), "{address}");
            }
            assert!(!routes.is_own_fault(address, address, Instant::now()), "{address}");
        }
    }
}
