//! The TLS session of one target, and the findings of its last full handshake.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::time::Instant;

use super::certificate::Declared;

/// Maximum time between two full handshakes with a target, which verify its certificate.
const FULL_EVERY: Duration = Duration::from_mins(1);

/// The newest session of one target: of one address under one name, and of one check. A session that
/// another check verified less strictly is never resumed.
#[derive(Debug, Default)]
pub(super) struct KeptSession(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Option<Tls13ClientSessionValue>,
    /// The end of the newest certificate, in seconds since 1970.
    certificate_ends: Option<i64>,
    /// The time at which the next handshake has to be a full one.
    full_at: Option<Instant>,
}

impl KeptSession {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discards the session if the next handshake has to be a full one.
    pub(super) fn begin(&self, now: Instant) {
        let mut kept = self.kept();
        if kept.full_at.is_none_or(|at| now >= at) {
            (kept.tls12, kept.tls13) = (None, None);
        }
    }

    /// Records the certificate of a full handshake.
    pub(super) fn verified(&self, certificate: Option<&CertificateDer<'_>>, now: Instant) {
        let ends = certificate.and_then(Declared::of).map(|it| it.ends());
        let mut kept = self.kept();
        kept.certificate_ends = ends;
        kept.full_at = Some(now + until_full());
    }

    /// Records the end of a certificate that does not hold.
    pub(super) fn refused(&self, certificate_ends: Option<i64>) {
        self.kept().certificate_ends = certificate_ends;
    }

    /// Records a loss: the next handshake is a full one.
    pub(super) fn lost(&self) {
        self.kept().full_at = None;
    }

    /// Returns the end of the newest certificate, in seconds since 1970.
    pub(super) fn certificate_ends(&self) -> Option<i64> {
        self.kept().certificate_ends
    }
}

impl ClientSessionStore for KeptSession {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.kept().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept().tls12 = Some(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.kept().tls13 = Some(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept().tls13.take()
    }
}

/// Returns the time until the next full handshake: between half of [`FULL_EVERY`] and all of it, so
/// that the handshakes of many targets spread.
fn until_full() -> Duration {
    FULL_EVERY.mul_f64(rand::random_range(0.5..1.0))
}
