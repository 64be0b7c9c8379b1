//! Errors of an exchange in plain words, and the side that they are evidence about.

use std::error::Error;
use std::io;

use rustix::io::Errno;
use rustls::{AlertDescription, CertificateError};

use super::certificate::{CertificateFault, other_fault};
use super::first_bytes::{FirstBytes, is_reset};
use super::words::external;
use crate::text::causes;

/// The end of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExchangeEnd {
    /// The target answered as asked for.
    AsAsked,
    /// The target asks to be taken out of service.
    Drain(String),
    /// The target answered otherwise.
    Otherwise {
        /// The part that is equal for several targets.
        kind: String,
        /// The reason in words, without the phases before it.
        words: String,
    },
    /// Nothing arrives there any more.
    Unreachable(String),
    /// This machine cannot go on.
    Fault(String),
}

impl ExchangeEnd {
    /// Returns the end by an answer that is described by the same words for all targets.
    pub(super) fn otherwise(words: impl Into<String>) -> Self {
        let words = words.into();
        Self::Otherwise { kind: words.clone(), words }
    }
}

/// The part of the exchange in which an error occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerPart {
    /// The TLS handshake.
    Handshake,
    /// The head of the answer.
    Head,
    /// The body of the answer.
    Body,
}

impl AnswerPart {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Handshake => "the TLS handshake",
            Self::Head => "the answer",
            Self::Body => "the body",
        }
    }
}

/// Returns the end that an error of the stream is.
///
/// A reset or an end after the connection was accepted is an answer: the target has a listener, and
/// the process behind it gave up. Several targets that do so may have the same bad release, so they
/// are compared like targets with a bad status. A refused connection is no answer.
pub(super) fn of_stream(error: &io::Error, part: AnswerPart) -> ExchangeEnd {
    if let Some(error) = tls_error(error) {
        return of_tls(error, part);
    }
    if is_reset(error) {
        return ExchangeEnd::otherwise(format!("a reset in place of {}", part.in_words()));
    }
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        None => closed(part),
        Some(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH) => {
            ExchangeEnd::Unreachable(error.to_string())
        }
        Some(_) => ExchangeEnd::Fault(error.to_string()),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns the end of a connection that the target closed before this part was whole.
pub(super) fn closed(part: AnswerPart) -> ExchangeEnd {
    ExchangeEnd::otherwise(match part {
        AnswerPart::Handshake => "the connection was closed during the TLS handshake",
        AnswerPart::Head => "the connection was closed without an answer",
        AnswerPart::Body => "the body was cut short",
    })
}

/// Returns the end that an error of HTTP is.
pub(super) fn of_http(error: &hyper::Error, part: AnswerPart, first: &FirstBytes) -> ExchangeEnd {
    let stream =
        causes(error).find_map(|it: &(dyn Error + 'static)| it.downcast_ref::<io::Error>());
    if let Some(stream) = stream {
        let is_malformed = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
        let is_own = tls_error(stream).is_some();
        if part == AnswerPart::Body && !is_own && is_malformed.contains(&stream.kind()) {
            return ExchangeEnd::otherwise("the body is not as HTTP/1 has it");
        }
        return of_stream(stream, part);
    }
    if error.is_parse_too_large() {
        return ExchangeEnd::otherwise("the head of the answer is too large");
    }
    if error.is_parse() {
        let other = first.other_protocol().map_or(String::new(), |it| format!(" but {it}"));
        return ExchangeEnd::otherwise(format!("the answer is not HTTP/1{other}"));
    }
    match first.other_protocol() {
        Some(other) if part == AnswerPart::Head => {
            ExchangeEnd::otherwise(format!("the answer is not HTTP/1 but {other}"))
        }
        None if part == AnswerPart::Head && first.at().is_some() => {
            ExchangeEnd::otherwise("the connection was closed within the head of the answer")
        }
        _ => closed(part),
    }
}

fn of_tls(error: &rustls::Error, part: AnswerPart) -> ExchangeEnd {
    use rustls::Error as Tls;
    let words = match error {
        Tls::InvalidCertificate(error) => {
            let fault = fault_of(error);
            return ExchangeEnd::Otherwise { kind: fault.kind, words: fault.words };
        }
        Tls::AlertReceived(alert) => of_alert(*alert),
        Tls::NoApplicationProtocol => NO_HTTP_1.to_owned(),
        Tls::NoCertificatesPresented => "the target presents no certificate".to_owned(),
        Tls::InvalidMessage(_) => format!("{} is not TLS", part.in_words()),
        Tls::PeerIncompatible(_) => "no version or cipher of TLS in common".to_owned(),
        other => format!("{} failed: {}", part.in_words(), external(&other.to_string())),
    };
    ExchangeEnd::otherwise(words)
}

/// Returns the fault of the certificate, if that ended a handshake with this error.
pub(super) fn certificate_fault(error: &io::Error) -> Option<CertificateFault> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(error) => Some(fault_of(error)),
        _ => None,
    }
}

fn fault_of(error: &CertificateError) -> CertificateFault {
    if let CertificateError::Other(other) = error
        && let Some(fault) = other.0.downcast_ref::<CertificateFault>()
    {
        return fault.clone();
    }
    other_fault(error)
}

const NO_HTTP_1: &str = "the target does not speak HTTP/1.1 (by ALPN)";

/// Returns the words of an alert by which the target ended TLS. Source: RFC 8446, 6.2.
fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::NoApplicationProtocol => NO_HTTP_1.to_owned(),
        AlertDescription::ProtocolVersion => "the target speaks neither TLS 1.2 nor 1.3".to_owned(),
        AlertDescription::CertificateRequired => {
            "the target demands a client certificate".to_owned()
        }
        AlertDescription::UnrecognisedName => {
            "the target does not know the host (TLS alert UnrecognisedName)".to_owned()
        }
        other => format!("the target ended TLS with the alert {other:?}"),
    }
}
