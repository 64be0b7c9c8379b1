//! A provider as the benches see it; and the fake Cloudflare on the loopback of an agent's namespace, since
//! plain http is for loopback only.

use std::net::IpAddr;
use std::time::Instant;

use super::configuration::ZONE;
use crate::fake_cloudflare::{Entry, FakeCloudflare, Setup};
use crate::lab::Namespace;

/// A provider of one agent.
pub(crate) trait Provider {
    /// The number of records of addresses that it holds.
    fn held(&self) -> usize;

    /// All requests so far, in the order in which they came.
    fn requests(&self) -> Vec<Request>;
}

/// A request to a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// The time at which the whole request had arrived.
    pub(crate) arrived: Instant,
    /// The time at which the answer was there; `None` until then.
    pub(crate) answered: Option<Instant>,
    /// Whether it may change something.
    pub(crate) writes: bool,
}

/// A Cloudflare that one agent alone can reach.
pub(crate) struct Cloudflare {
    /// The service of the API.
    pub(crate) fake: FakeCloudflare,
}

impl Provider for Cloudflare {
    fn held(&self) -> usize {
        self.fake.zone(|zone| zone.records.len())
    }

    fn requests(&self) -> Vec<Request> {
        let log = self.fake.log();
        let request = |entry: &Entry| Request {
            arrived: entry.arrived,
            answered: entry.answered.map(|(at, _)| at),
            writes: entry.writes(),
        };
        log.iter().map(request).collect()
    }
}

impl Cloudflare {
    /// Serves a zone in which every address is published at every name.
    pub(crate) fn start(agent: &Namespace, names: &[String], addresses: &[IpAddr]) -> Self {
        let fake = FakeCloudflare::start_with(ZONE, Setup::default(), agent.entering());
        fake.zone(|zone| {
            for name in names {
                for address in addresses {
                    let kind = if address.is_ipv4() { "A" } else { "AAAA" };
                    zone.seed(kind, name, &address.to_string());
                }
            }
        });
        Self { fake }
    }

    /// The value of `api_url`.
    pub(crate) fn url(&self) -> String {
        self.fake.url()
    }
}
