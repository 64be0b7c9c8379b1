//! The phases of one probe: how far it came, and how long each of them took.

use std::time::Duration;

use tokio::time::Instant;

use super::first_bytes::FirstBytes;
use crate::probe::details::PhaseDurations;
use crate::text::{milliseconds, seconds};

/// The progress of one probe.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    connected: Option<Instant>,
    secured: Option<Instant>,
    pub(super) first: FirstBytes,
    /// The status of the answer, once its head has arrived.
    pub(super) status: Option<u16>,
    /// The number of bytes of the body.
    pub(super) received: usize,
    ended: Option<Instant>,
}

impl Progress {
    /// Returns the progress of a probe that begins.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            connected: None,
            secured: None,
            first: FirstBytes::default(),
            status: None,
            received: 0,
            ended: None,
        }
    }

    /// Returns the time since the beginning.
    pub(super) fn took(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// Records that the connection was accepted.
    pub(super) fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// Records the end of the TLS handshake.
    pub(super) fn secured(&mut self, now: Instant) {
        self.secured = Some(now);
    }

    /// Records the end of the body.
    pub(super) fn ended(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    /// Whether the body has been read, so that the rest is up to this machine.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the durations of the phases that ended.
    pub(super) fn phases(&self) -> PhaseDurations {
        let asked = self.secured.or(self.connected);
        PhaseDurations {
            connect: between(Some(self.began), self.connected),
            tls: between(self.connected, self.secured),
            first_byte: between(asked, self.first.at()),
            body: between(self.first.at(), self.ended),
        }
    }

    /// Returns the phases before the end of a probe, in words: `connect 0.4 ms, TLS 8 ms`.
    fn way(&self) -> Option<String> {
        let PhaseDurations { connect, tls, .. } = self.phases();
        let connect = connect.map(|it| format!("connect {}", milliseconds(it)));
        let tls = tls.map(|it| format!("TLS {}", milliseconds(it)));
        let parts: Vec<_> = connect.into_iter().chain(tls).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Returns `end` with the phases before it: `connect 0.4 ms, TLS 8 ms, then 503`.
    pub(super) fn then(&self, end: &str) -> String {
        self.way().map_or_else(|| end.to_owned(), |way| format!("{way}, then {end}"))
    }

    /// Returns the reason of a probe that did not end within `timeout`: the phase that it waited for,
    /// and the phases before.
    pub(super) fn timed_out(&self, timeout: Duration, is_https: bool) -> String {
        let limit = seconds(timeout);
        let what = if self.connected.is_none() {
            format!("no connection within {limit}")
        } else if is_https && self.secured.is_none() {
            format!("the TLS handshake did not end within {limit}")
        } else if self.first.at().is_none() {
            format!("no first byte within {limit}")
        } else if self.status.is_none() {
            format!("the head of the answer did not end within {limit}")
        } else {
            format!("the body did not end within {limit}")
        };
        let status = self.status.map(|it| format!("{it}, {} bytes", self.received));
        let way: Vec<_> = self.way().into_iter().chain(status).collect();
        if way.is_empty() { what } else { format!("{what} ({})", way.join(", ")) }
    }
}

fn between(from: Option<Instant>, to: Option<Instant>) -> Option<Duration> {
    Some(to?.saturating_duration_since(from?))
}
