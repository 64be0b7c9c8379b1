//! The fake Cloudflare on the loopback of an agent's namespace: plain http is for loopback only.

use std::net::IpAddr;

use super::configuration::ZONE;
use crate::fake_cloudflare::{FakeCloudflare, Setup};
use crate::lab::Namespace;

/// A provider that one agent alone can reach.
pub(crate) struct Provider {
    /// The service of the API.
    pub(crate) fake: FakeCloudflare,
}

impl Provider {
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
