//! Probes of an endpoint, by one of the checks in [`checks`].
//!
//! A prober sends a single probe and returns its outcome. [`crate::engine`] decides when to probe
//! and how the outcome counts.

pub(crate) mod checks;
pub(crate) mod details;
pub(crate) mod dns;
pub(crate) mod exec;
pub(crate) mod http;
pub(crate) mod icmp;
pub(crate) mod requests;
mod route;
pub(crate) mod tcp;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::engine::event::{Event, ProbeRequest};
use crate::engine::types::{Answer, Endpoint};
use checks::CheckKind;

/// Sends probes to endpoints.
pub trait Probe: Send + Sync + 'static {
    /// Sends one probe. Gives up after the request's `listen_for`, and always completes.
    fn probe(&self, request: &ProbeRequest) -> impl Future<Output = Answer> + Send;

    /// Takes a probe that leaves together with others, at the next [`Self::flush`], and answers by an event.
    /// Returns `false` for a probe that has to be sent by [`Self::probe`].
    fn enqueue(&self, _: &ProbeRequest) -> bool {
        false
    }

    /// Sends the probes that were taken.
    fn flush(&self) {}

    /// Moves the events about the probes that were taken to `into`, in order.
    fn take_events(&self, _into: &mut Vec<Event>) {}

    /// Waits until there are such events. One task may wait at a time.
    fn poll_events(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// Returns the time at which to take events even if none is waiting.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

/// A way to probe an endpoint: a module here, and a line in [`checks`].
pub(crate) trait Check {
    /// The name in the status, and the value of `--type`.
    const NAME: &'static str;

    /// The resource that is opened for its probes.
    const OPENS: Opens;

    /// Whether the endpoint is probed by this check.
    fn covers(endpoint: Endpoint) -> bool;

    /// Describes the probes of this endpoint for `goavail check`, as in `by echo requests`.
    fn in_words(endpoint: Endpoint) -> String;

    /// Sends one probe. Gives up after the request's `listen_for`, and always completes.
    fn probe(tools: &Tools, request: &ProbeRequest) -> impl Future<Output = Answer> + Send;

    /// Takes a probe that leaves together with others. `false` if this check sends each by itself.
    fn enqueue(_: &Tools, _: &ProbeRequest) -> bool {
        false
    }
}

/// The resource that a check opens for its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    /// An echo socket that all probes of an address family share. It needs a privilege, so it is
    /// opened at the start.
    SharedSocket,
    /// A connection for each probe. The limit of open files bounds their number.
    Connection,
}

/// The sockets and caches that the checks share.
#[derive(Debug)]
pub(crate) struct Tools {
    icmp: icmp::Icmp,
    http: http::HttpProber,
    exec: exec::Exec,
    requests: Arc<requests::Requests>,
    details: Arc<details::Details>,
}

impl Tools {
    /// Returns tools with these echo sockets, for the requests in this table. The facts beside their
    /// answers are put into `details`.
    pub(crate) fn new(
        icmp: icmp::Icmp,
        requests: Arc<requests::Requests>,
        details: Arc<details::Details>,
    ) -> Self {
        let (http, exec) = (http::HttpProber::default(), exec::Exec::default());
        Self { icmp, http, exec, requests, details }
    }

    /// Returns tools for a process that has no other children than commands of exec checks and the remains
    /// of these, which are ended.
    pub(crate) fn of_this_process(self) -> Self {
        Self { exec: exec::Exec::of_this_process(), ..self }
    }
}

/// Probes each endpoint over the network, by the check that covers it.
#[derive(Debug)]
pub struct NetworkProber {
    tools: Tools,
}

impl NetworkProber {
    /// Creates a prober with these tools.
    pub(crate) fn new(tools: Tools) -> Self {
        Self { tools }
    }

    /// Creates a prober for requests alone. Each echo request opens a socket of its own accord.
    pub fn of_requests(requests: Arc<requests::Requests>, details: Arc<details::Details>) -> Self {
        let icmp = icmp::Icmp::new();
        Self::new(Tools::new(icmp, requests, details))
    }
}

impl Probe for NetworkProber {
    async fn probe(&self, request: &ProbeRequest) -> Answer {
        CheckKind::of(request.endpoint).probe(&self.tools, request).await
    }

    fn enqueue(&self, request: &ProbeRequest) -> bool {
        CheckKind::of(request.endpoint).enqueue(&self.tools, request)
    }

    fn flush(&self) {
        self.tools.icmp.flush();
    }

    fn take_events(&self, into: &mut Vec<Event>) {
        self.tools.icmp.take_events(into);
    }

    fn poll_events(&self, context: &mut Context<'_>) -> Poll<()> {
        self.tools.icmp.poll_events(context)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.tools.icmp.next_deadline()
    }
}

#[expect(clippy::disallowed_methods, reason = "a round trip is measured where it happens")]
fn now() -> Instant {
    Instant::now()
}

/// Says loudly that a test proves nothing here. Fails in CI, where nobody would notice.
#[cfg(test)]
pub(crate) fn skip(reason: &str) {
    use std::io::Write as _;
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "skipped in CI: {reason}");
    // Not eprintln: the test runner swallows that when the test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}
