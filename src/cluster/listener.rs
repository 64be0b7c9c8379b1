//! HTTP listener for the votes of peers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::post;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::ClusterEvent;
use super::admission::{Admission, Admitted, Arrival, VoteRefusal, VoteRequest};
use super::clock::unix_millis;
use super::log_limiter::LogLimiter;
use super::services::WatchedService;
use super::shared::{ClusterContext, lock};
use super::signature::{KNOWN_FORM, SIGNATURE_HEADER};
use super::wire::{Declaration, VotePath};
use crate::engine::ids::{ServiceId, TargetRef};
use crate::serve::ServeLimits;

/// Limits on requests. Votes are small, come in bursts and are answered at once.
pub(crate) const LIMITS: ServeLimits = ServeLimits {
    connections: 256,
    head_within: Duration::from_secs(5),
    body_within: Duration::from_secs(5),
    body_bytes: 4 * 1024,
    written_within: Duration::from_secs(5),
    drain_within: Duration::from_millis(500),
};

/// The first vote of a peer, or its first vote that is signed after unsigned ones or vice versa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignatureChange {
    /// The peer that voted.
    pub peer: SocketAddr,
    /// Whether its vote was signed.
    pub signed: bool,
}

/// State shared by all requests.
#[derive(Debug)]
pub(crate) struct VoteListener {
    admission: Mutex<Admission>,
    shared: ClusterContext,
    events: mpsc::Sender<ClusterEvent>,
    signature_changes: mpsc::UnboundedSender<SignatureChange>,
    /// Limits warnings by the source of a request and the reason it was refused.
    log_limiter: Mutex<LogLimiter<(IpAddr, VoteRefusal)>>,
    /// The peers that were reported to vote on services that are not watched here.
    differing: Mutex<BTreeSet<(SocketAddr, VoteRefusal)>>,
}

impl VoteListener {
    /// Creates a listener. At most two messages for each peer and reload are sent to
    /// `signature_changes`, so it needs no bound.
    pub(crate) fn new(
        admission: Admission,
        shared: ClusterContext,
        events: mpsc::Sender<ClusterEvent>,
        signature_changes: mpsc::UnboundedSender<SignatureChange>,
    ) -> Self {
        let (admission, log_limiter) = (Mutex::new(admission), Mutex::new(LogLimiter::default()));
        let differing = Mutex::default();
        Self { admission, shared, events, signature_changes, log_limiter, differing }
    }

    /// Replaces the peers and services, starting with the next request.
    pub(crate) fn reload(
        &self,
        peers: impl IntoIterator<Item = SocketAddr>,
        services: &[WatchedService],
    ) {
        lock(&self.admission).reload(peers, services);
        lock(&self.differing).clear();
    }

    fn refuse(&self, from: IpAddr, refusal: VoteRefusal, peer: Option<SocketAddr>) -> StatusCode {
        if refusal == VoteRefusal::JustStarted {
            // Its signer sends it again in a second. Nobody else can.
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let counted = peer.filter(|_| !refusal.is_anonymous());
        self.shared.counters.add(counted, "refused");
        let differing = peer.filter(|_| refusal.is_about_services());
        if let Some(peer) = differing {
            // The peer repeats its votes, and there may be thousands of them.
            if lock(&self.differing).insert((peer, refusal)) {
                warn!(%from, %peer, reason = %refusal, "peer votes on a service that this agent does \
                    not watch; their files differ");
            }
        } else if let Some(suppressed) =
            lock(&self.log_limiter).allow(self.shared.clock.now(), (from, refusal))
        {
            let name = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
            warn!(%from, peer = name, reason = %refusal, suppressed, "refused a vote");
        }
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST)
    }

    async fn accept(&self, vote: Admitted) -> StatusCode {
        let Admitted { peer, target, declaration, signed, signing_changed } = vote;
        if signing_changed {
            // With a key, each peer that does not sign is reported once.
            if !signed && self.shared.seal.is_some() {
                warn!(%peer, "peer does not sign its votes; anybody able to reach our port and to \
                    copy its votes can vote in its name");
            }
            // The receiver is gone only when everything ends.
            let _ = self.signature_changes.send(SignatureChange { peer, signed });
        }
        // A vote that waited while this process was suspended may no longer be true, and its sender
        // will send it again. A Go agent will not, but never has more than one waiting.
        let TargetRef { service, address: target } = target;
        let again = signed || service != ServiceId::DEFAULT || self.is_native(peer);
        if again && !self.shared.clock.input_is_current() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.shared.counters.add(Some(peer), "accepted");
        let name = self.shared.services.name(service).filter(|_| service != ServiceId::DEFAULT);
        let name = name.as_deref();
        let event = match declaration {
            Declaration::Vote { vote, age } => {
                let age = age.unwrap_or_default();
                debug!(%peer, %target, service = name, ?vote, ?age, signed, "vote received");
                ClusterEvent::Vote { peer, service, target, vote, age, signed }
            }
            Declaration::Abstains => {
                debug!(%peer, %target, service = name, signed, "retraction received");
                ClusterEvent::Abstained { peer, service, target, signed }
            }
        };
        match self.events.send(event).await {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the header that announces, in every answer, the form of signatures known here.
    fn known_form(&self) -> AppendHeaders<Option<(HeaderName, HeaderValue)>> {
        let known =
            (HeaderName::from_static(SIGNATURE_HEADER), HeaderValue::from_static(KNOWN_FORM));
        AppendHeaders(self.shared.seal.is_some().then_some(known))
    }

    /// Whether a peer is known to run this program. Without a key its votes do not show that.
    fn is_native(&self, peer: SocketAddr) -> bool {
        self.shared.standings.borrow().get(&peer).is_some_and(|standing| standing.native)
    }
}

/// Returns the router, which serves `POST /` and `POST /votes` only.
pub(crate) fn router(listener: Arc<VoteListener>) -> Router {
    let (default, named) = (post(receive_default), post(receive_named));
    let router = Router::new().route(VotePath::Default.as_str(), default);
    router.route(VotePath::Named.as_str(), named).with_state(listener)
}

async fn receive_default(
    State(listener): State<Arc<VoteListener>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    receive(&listener, from, &headers, (VotePath::Default, &body)).await
}

async fn receive_named(
    State(listener): State<Arc<VoteListener>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    receive(&listener, from, &headers, (VotePath::Named, &body)).await
}

/// Answers a vote that was posted from an address to a path.
async fn receive(
    listener: &VoteListener,
    from: SocketAddr,
    headers: &HeaderMap,
    (path, body): (VotePath, &[u8]),
) -> impl IntoResponse + use<> {
    let mut signatures = headers.get_all(SIGNATURE_HEADER).iter();
    // A header that is not text or occurs twice is not a signature of ours, but is not a missing
    // one either.
    let signature = match (signatures.next(), signatures.next()) {
        (None, _) => None,
        (Some(one), None) => Some(one.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Some(""),
    };
    let now = Arrival { millis: unix_millis(), uptime: listener.shared.clock.now() };
    let request = VoteRequest { path, body, signature };
    let judged = lock(&listener.admission).admit(now, request, |peer| listener.is_native(peer));
    let status = match judged {
        Ok(vote) => listener.accept(vote).await,
        Err((refusal, peer)) => listener.refuse(from.ip(), refusal, peer),
    };
    (listener.known_form(), status)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::watch;
    use tokio::time::advance;

    use super::*;
    use crate::cluster::clock::ClusterClock;
    use crate::cluster::standing::Standing;
    use crate::engine::types::Vote;

    fn agent(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 8081))
    }

    /// Covers a vote that waited in the socket of a suspended agent.
    #[tokio::test(start_paused = true)]
    async fn after_a_suspension_senders_that_retry_are_asked_to() {
        let cases = [
            ("signed", true, true, StatusCode::SERVICE_UNAVAILABLE),
            ("one of ours without a key", false, true, StatusCode::SERVICE_UNAVAILABLE),
            ("a Go agent", false, false, StatusCode::OK),
        ];
        for (name, signed, native, want) in cases {
            let standing = Standing { native, legacy: false, joins: 1 };
            let (_standings, known) =
                watch::channel(Arc::new(BTreeMap::from([(agent(1), standing)])));
            let (_votes, announced) = watch::channel(Arc::default());
            let shared = ClusterContext {
                local: agent(0),
                seal: None,
                clock: Arc::new(ClusterClock::start()),
                counters: Arc::default(),
                services: Arc::default(),
                missing_votes: Arc::default(),
                votes: announced,
                standings: known,
            };
            let (events, _heard) = mpsc::channel(8);
            let (signature_changes, _receiver) = mpsc::unbounded_channel();
            let listener = VoteListener::new(
                Admission::new(agent(0), None, false, [], &[]),
                shared,
                events,
                signature_changes,
            );
            let target = TargetRef::of_default([203, 0, 113, 1].into());
            let declaration = Declaration::Vote { vote: Vote::Down, age: None };
            let vote =
                Admitted { peer: agent(1), target, declaration, signed, signing_changed: false };
            assert_eq!(listener.accept(vote).await, StatusCode::OK, "{name}, before");
            advance(Duration::from_secs(20)).await;
            assert_eq!(listener.accept(vote).await, want, "{name}");
        }
    }
}
