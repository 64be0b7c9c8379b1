//! Requests by HTTP/1.1 over a connection of our own, with TLS or without.
//!
//! The connection goes to the address of the target; `Host` and SNI name the host of the check. No
//! redirect is followed, no proxy and no cookie is used, and each connection carries one request.
//!
//! Each end of a probe is one of these:
//!
//! - The answer is as asked for: a reply.
//! - The target asks to be taken out of service, by a status or the first line of its body.
//! - The target answers otherwise: another status or body, a certificate that does not hold, an
//!   answer that is not HTTP, or a connection that is reset or closed after it was accepted.
//! - The connection is refused, or reported as impossible: the target is not reachable.
//! - The timeout has passed, in a phase that the reason names.
//! - This machine cannot ask: no route, no descriptor, no local port, a gateway that does not answer,
//!   a file that cannot be read, a body that takes long to search.

mod certificate;
mod exchange;
mod failure;
mod files;
mod first_bytes;
mod judge;
mod prepared;
mod progress;
mod recent;
mod search;
mod session;
mod settings;
mod tls;
mod verifier;
mod words;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::HandshakeKind;
use rustls::pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::details::{Details, PhaseDurations, ProbeDetails};
use super::now;
use super::route::Routes;
use super::tcp;
use crate::engine::event::ProbeRequest;
use crate::engine::ids::RequestId;
use crate::engine::types::{Answer, Endpoint, WrongAnswer};
use crate::text::seconds;
use certificate::warning;
use exchange::exchange;
use failure::{AnswerPart, ExchangeEnd, certificate_fault, of_stream};
use prepared::{Material, Prepared};
use progress::Progress;
use recent::RecentMap;
use tls::{Tls, TlsTarget};

pub(crate) use settings::DEFAULT_STATUS;
pub use settings::{
    BodyConditions, BodyPattern, ClientFiles, DEFAULT_CERT_DAYS, DEFAULT_MAX_BODY, HttpMethod,
    HttpSettings, RequestHeader, StatusRange, StatusRanges, TlsSettings, Verification,
};

/// A check that is ready to ask, or the reason why it cannot.
type PreparedCheck = Result<Arc<Prepared>, String>;

/// Sends requests by HTTP. The parts that the probes of one check share are built at the first one.
/// Those of a check that a reload has replaced are discarded: they hold the sessions of all its targets.
#[derive(Debug)]
pub(crate) struct HttpProber {
    prepared: Mutex<RecentMap<RequestId, PreparedCheck>>,
}

impl Default for HttpProber {
    fn default() -> Self {
        Self { prepared: Mutex::new(RecentMap::new(usize::MAX)) }
    }
}

impl HttpProber {
    /// Sends one request and judges its answer. Gives up after the timeout of `probe`. The facts
    /// beside the answer are put into `details`.
    pub(crate) async fn probe(
        &self,
        probe: &ProbeRequest,
        (id, settings): (RequestId, &HttpSettings),
        routes: &Routes,
        details: &Details,
    ) -> Answer {
        let prepared = match self.prepared(id, settings) {
            Ok(prepared) => prepared,
            Err(reason) => {
                let (address, phases) = (probe.endpoint.address, PhaseDurations::default());
                details.put_without_handshake(id, address, phases, |ends| warned(settings, ends));
                return Answer::Fault(reason);
            }
        };
        let address = probe.endpoint.address;
        let mut attempt = Attempt::new(probe, &prepared, routes);
        let end = timeout_at(attempt.until, attempt.run()).await;
        let answer = attempt.answer(end.ok());
        if attempt.target.is_some() {
            details.put(id, address, attempt.details());
        } else {
            let phases = attempt.progress.phases();
            details.put_without_handshake(id, address, phases, |ends| warned(settings, ends));
        }
        answer
    }

    fn prepared(&self, id: RequestId, settings: &HttpSettings) -> PreparedCheck {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.get_or_build(id, now(), || Prepared::new(settings).map(Arc::new))
    }
}

/// A probe in progress.
struct Attempt<'a> {
    prepared: &'a Prepared,
    routes: &'a Routes,
    /// The request for a connection, with the port.
    connect: ProbeRequest,
    /// The time at which it is given up.
    until: Instant,
    progress: Progress,
    target: Option<Arc<TlsTarget>>,
}

/// The end of a probe before its timeout.
enum AttemptEnd {
    /// The end of the connect, before the target accepted it.
    Connect(Answer),
    /// The end of everything after it.
    Exchange(ExchangeEnd),
}

impl<'a> Attempt<'a> {
    fn new(probe: &ProbeRequest, prepared: &'a Prepared, routes: &'a Routes) -> Self {
        let began = now();
        let endpoint = Endpoint::connect(probe.endpoint.address, prepared.settings.port);
        let connect = ProbeRequest { endpoint, listen_for: probe.timeout, ..*probe };
        let progress = Progress::new(began);
        Self { prepared, routes, connect, until: began + probe.timeout, progress, target: None }
    }

    fn address(&self) -> IpAddr {
        self.connect.endpoint.address
    }

    async fn run(&mut self) -> AttemptEnd {
        let material = match self.prepared.material(now()).await {
            Ok(material) => material,
            Err(reason) => return AttemptEnd::Exchange(ExchangeEnd::Fault(reason)),
        };
        let stream = match tcp::open(&self.connect, self.routes).await {
            Ok(stream) => stream,
            Err(answer) => return AttemptEnd::Connect(answer),
        };
        self.progress.connected(now());
        AttemptEnd::Exchange(match &material.tls {
            None => self.ask(stream, &material).await,
            Some(tls) => match self.secure(stream, tls).await {
                Ok(stream) => self.ask(stream, &material).await,
                Err(end) => end,
            },
        })
    }

    async fn ask<S>(&mut self, stream: S, material: &Material) -> ExchangeEnd
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (prepared, until) = (self.prepared, self.until);
        exchange(stream, material.question(), prepared, &mut self.progress, until).await
    }

    /// Carries out the TLS handshake.
    async fn secure(
        &mut self,
        stream: TcpStream,
        tls: &Tls,
    ) -> Result<TlsStream<TcpStream>, ExchangeEnd> {
        // Without it the request would wait for the acknowledgement of the handshake's last message.
        let _ = stream.set_nodelay(true);
        let target = tls.target(self.address(), now());
        target.session.begin(now());
        let connector = TlsConnector::from(Arc::clone(&target.config));
        self.target = Some(Arc::clone(&target));
        let connected = connector.connect(tls.host.clone(), stream).await;
        let stream = connected.map_err(|error| {
            if let Some(fault) = certificate_fault(&error) {
                target.session.refused(fault.ends);
            }
            of_stream(&error, AnswerPart::Handshake)
        })?;
        self.progress.secured(now());
        let (_, connection) = stream.get_ref();
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            let certificates = connection.peer_certificates();
            target.session.verified(certificates.and_then(<[_]>::first), now());
        }
        Ok(stream)
    }

    /// Returns the answer. Without an end the timeout has passed.
    fn answer(&self, end: Option<AttemptEnd>) -> Answer {
        let answer = match end {
            None | Some(AttemptEnd::Connect(Answer::Silence)) => self.timed_out(),
            Some(AttemptEnd::Connect(answer)) => answer,
            Some(AttemptEnd::Exchange(end)) => self.ended(end),
        };
        if let Some(target) = &self.target
            && !matches!(answer, Answer::Reply(_) | Answer::Asked(_))
        {
            target.session.lost();
        }
        answer
    }

    fn ended(&self, end: ExchangeEnd) -> Answer {
        match end {
            ExchangeEnd::AsAsked => Answer::Reply(self.progress.took(now())),
            ExchangeEnd::Drain(words) => Answer::Asked(self.progress.then(&words)),
            ExchangeEnd::Otherwise { kind, words } => {
                Answer::Failed(WrongAnswer { kind, reason: self.progress.then(&words) })
            }
            ExchangeEnd::Unreachable(words) => match self.silent_gateway() {
                Some(fault) => Answer::Fault(fault),
                None => Answer::Unreachable(self.progress.then(&words)),
            },
            ExchangeEnd::Fault(reason) => Answer::Fault(reason),
        }
    }

    fn timed_out(&self) -> Answer {
        let timeout = self.connect.timeout;
        if self.prepared.is_unread() {
            return Answer::Fault(self.prepared.unread(timeout));
        }
        if self.progress.has_ended() {
            let limit = seconds(timeout);
            return Answer::Fault(format!(
                "the search for body_regex did not end within {limit}; lower max_body, or simplify the \
                 expression"
            ));
        }
        let is_https = self.prepared.settings.tls.is_some();
        self.silent_gateway().map_or_else(
            || Answer::TimedOut(self.progress.timed_out(timeout, is_https)),
            Answer::Fault,
        )
    }

    fn silent_gateway(&self) -> Option<String> {
        self.routes.silent_gateway(self.connect.endpoint, now())
    }

    /// Returns the facts beside the answer.
    fn details(&self) -> ProbeDetails {
        let target = self.target.as_ref();
        let certificate_ends = target.and_then(|target| target.session.certificate_ends());
        let warning = certificate_ends.and_then(|ends| warned(&self.prepared.settings, ends));
        ProbeDetails { phases: self.progress.phases(), certificate_ends, warning }
    }
}

/// Returns the warning about a certificate that ends at `ends`, if it is near for a check.
fn warned(settings: &HttpSettings, ends: i64) -> Option<String> {
    let days = settings.tls.as_ref().map_or(0, |tls| tls.cert_days);
    warning(ends, UnixTime::now(), days)
}

#[cfg(test)]
mod tests;
