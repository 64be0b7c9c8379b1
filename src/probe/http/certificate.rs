//! Certificates in plain words.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::words::{external, span};

/// Maximum number of names that are listed.
const MOST_NAMES: usize = 3;

/// A certificate that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateFault {
    /// The part that is equal for several targets, without times.
    pub(super) kind: String,
    /// The reason in words.
    pub(super) words: String,
    /// The end of the certificate, in seconds since 1970, if it can be read.
    pub(super) ends: Option<i64>,
}

impl std::fmt::Display for CertificateFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.words)
    }
}

impl std::error::Error for CertificateFault {}

impl CertificateFault {
    fn of(words: impl Into<String>) -> Self {
        let words = words.into();
        Self { kind: words.clone(), words, ends: None }
    }
}

/// The facts that a certificate declares about itself.
#[derive(Debug)]
pub(super) struct Declared {
    names: Vec<String>,
    issuer: String,
    is_self_signed: bool,
    /// Seconds since 1970.
    begins: i64,
    ends: i64,
}

impl Declared {
    /// Reads a certificate. `None` if it cannot be read.
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            names: names(&certificate),
            issuer: name(certificate.issuer()),
            is_self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
            begins: validity.not_before.timestamp(),
            ends: validity.not_after.timestamp(),
        })
    }

    /// Returns the end of its validity, in seconds since 1970.
    pub(super) const fn ends(&self) -> i64 {
        self.ends
    }

    /// Returns the fault of a certificate for other names.
    pub(super) fn wrong_name(&self) -> CertificateFault {
        let shown = self.names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        match self.names.len().saturating_sub(MOST_NAMES) {
            _ if self.names.is_empty() => CertificateFault::of("the certificate is for no name"),
            0 => CertificateFault::of(format!("the certificate is for {shown}")),
            more => CertificateFault::of(format!("the certificate is for {shown} and {more} more")),
        }
    }

    /// Returns the fault of its dates at `now`, if there is one.
    pub(super) fn wrong_time(&self, now: UnixTime) -> Option<CertificateFault> {
        let now = seconds(now);
        if now > self.ends {
            return Some(expired("the certificate", self.ends, now));
        }
        (now < self.begins).then(|| not_yet_valid("the certificate", self.begins))
    }

    /// Returns the fault that a failed verification of its chain found at `now`. `sent` is the
    /// number of certificates that were sent with it.
    pub(super) fn chain_fault(
        &self,
        error: &CertificateError,
        now: UnixTime,
        sent: usize,
    ) -> CertificateFault {
        if let Some(fault) = self.wrong_time(now) {
            return fault;
        }
        match error {
            // Its own dates are right, so they are those of another certificate of the chain.
            CertificateError::ExpiredContext { not_after, .. } => {
                expired("the certificate of an issuer", seconds(*not_after), seconds(now))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                not_yet_valid("the certificate of an issuer", seconds(*not_before))
            }
            _ if self.is_self_signed => CertificateFault::of("the certificate is self-signed"),
            CertificateError::UnknownIssuer => {
                let kind =
                    format!("the certificate is signed by an unknown issuer, {}", self.issuer);
                let lacks = if sent == 0 { "; no certificate of an issuer was sent" } else { "" };
                CertificateFault { words: format!("{kind}{lacks}"), kind, ends: None }
            }
            other => other_fault(other),
        }
    }
}

/// Returns a warning for a certificate that ends at `ends`, if that is within `days` from `now`.
pub(super) fn warning(ends: i64, now: UnixTime, days: u16) -> Option<String> {
    let left = ends.saturating_sub(seconds(now));
    (left < i64::from(days) * DAY).then(|| {
        if left < 0 {
            format!("the certificate expired {} ago ({})", span(-left), date(ends))
        } else {
            format!("the certificate ends in {} ({})", span(left), date(ends))
        }
    })
}

/// Returns the fault of a certificate that is refused for another reason than its dates and names.
pub(super) fn other_fault(error: &CertificateError) -> CertificateFault {
    let words = match error {
        CertificateError::BadEncoding => "the certificate cannot be read".to_owned(),
        CertificateError::BadSignature => "the certificate has a wrong signature".to_owned(),
        CertificateError::Revoked => "the certificate is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not one for servers".to_owned()
        }
        CertificateError::UnhandledCriticalExtension => {
            "the certificate has a critical extension that is not known".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed by an algorithm that is not supported".to_owned()
        }
        other => format!("the certificate is refused: {}", external(&format!("{other:?}"))),
    };
    CertificateFault::of(words)
}

const DAY: i64 = 24 * 60 * 60;

fn expired(subject: &str, ends: i64, now: i64) -> CertificateFault {
    let words = format!("{subject} expired {} ago ({})", span(now - ends), date(ends));
    CertificateFault { kind: format!("{subject} has expired"), words, ends: None }
}

fn not_yet_valid(subject: &str, begins: i64) -> CertificateFault {
    let words = format!("{subject} is not valid before {}", date(begins));
    CertificateFault { kind: format!("{subject} is not valid yet"), words, ends: None }
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Returns a day in UTC: `2026-11-30`.
fn date(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds)
        .map_or_else(|_| "at no date".to_owned(), |time| time.to_datetime().date().to_string())
}

/// Returns the names that a certificate is for. The common name counts if there are no others.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = alternative.map_or_else(Vec::new, |extension| {
        extension.value.general_names.iter().filter_map(general_name).collect()
    });
    if names.is_empty() {
        names.extend(common_name(certificate.subject()));
    }
    names
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(external(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|it| std::net::IpAddr::from(it).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|it| std::net::IpAddr::from(it).to_string()),
        },
        _ => None,
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next()?.as_str().ok().map(external)
}

/// Returns the common name of an issuer, or its whole name.
fn name(name: &X509Name<'_>) -> String {
    common_name(name).unwrap_or_else(|| external(&name.to_string()))
}
