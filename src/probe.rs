//! Asking an endpoint whether it is there: echo requests and TCP connects.
//!
//! A prober asks once and says what became of it. When to ask and what an answer means is decided
//! by [`crate::engine`].

pub mod icmp;
mod route;
pub mod tcp;

use std::future::Future;

use tokio::time::Instant;

use crate::engine::event::{Answer, ProbeRequest};

/// Asks endpoints.
pub trait Probe: Send + Sync + 'static {
    /// Asks once. Gives up after the request's patience, and always comes to an end.
    fn probe(&self, request: ProbeRequest) -> impl Future<Output = Answer> + Send;
}

/// Asks by echo request or by connect, as the endpoint wants it.
#[derive(Debug)]
pub struct Prober {
    icmp: icmp::Icmp,
}

impl Prober {
    /// A prober over these echo sockets.
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
