//! The fake Cloudflare on the loopback of an agent's namespace: plain http is for loopback only.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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
        let net = File::open(format!("/proc/{}/ns/net", agent.pid())).expect("its holder runs");
        let enter = move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(net.as_fd(), network).expect("may enter the namespace");
        };
        let fake = FakeCloudflare::start_with(ZONE, Setup::default(), enter);
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
