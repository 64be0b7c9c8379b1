//! Probes of an endpoint, by echo request or TCP connect.
//!
//! A prober sends a single probe and returns its outcome. [`crate::engine`] decides when to probe
//! and what the outcome means.

pub mod icmp;
mod route;
pub mod tcp;

use std::future::Future;

use tokio::time::Instant;

use crate::engine::event::{Answer, ProbeRequest};

/// Sends probes to endpoints.
pub trait Probe: Send + Sync + 'static {
    /// Sends one probe. Gives up after the request's patience, and always completes.
    fn probe(&self, request: ProbeRequest) -> impl Future<Output = Answer> + Send;
}

/// Probes by echo request or by connect, as the endpoint requires.
#[derive(Debug)]
pub struct Prober {
    icmp: icmp::Icmp,
}

impl Prober {
    /// Creates a prober with these echo sockets.
    pub fn new(icmp: icmp::Icmp) -> Self {
        Self { icmp }
    }
}

impl Probe for Prober {
    async fn probe(&self, request: ProbeRequest) -> Answer {
        match request.endpoint.port {
            None => self.icmp.probe(request).await,
            Some(port) => tcp::connect(&request, port, self.icmp.routes()).await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a round trip is measured where it happens")]
fn now() -> Instant {
    Instant::now()
}
