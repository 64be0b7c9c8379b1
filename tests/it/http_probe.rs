//! Single http and https probes against real servers on loopback: nginx, HAProxy, and scripted ones
//! for everything that no good server does. Belongs here: the answer to one probe, and the facts
//! beside it. The decisions that follow from answers are tested with the engine.

#![expect(clippy::unwrap_used, reason = "where a test unwraps, it asserts")]

mod answers;
pub(crate) mod authority;
mod certificates;
mod files;
mod haproxy;
mod nginx;
mod random;
mod reported;
mod scripted;
mod sessions;
mod silence;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use goavail::engine::event::ProbeRequest;
use goavail::engine::ids::{FlowId, ProbeId};
use goavail::engine::types::{Answer, Endpoint, Method, WrongAnswer};
use goavail::testing::probe::{
    Details, HttpSettings, NetworkProber, Probe as _, ProbeDetails, RequestSettings, Requests,
    TlsSettings,
};

/// Time for probes that have to be answered.
const PATIENT: Duration = Duration::from_secs(20);

/// Time for probes that are not answered.
const BRIEF: Duration = Duration::from_millis(150);

/// The name of the service in these tests.
const HOST: &str = "www.example.com";

/// A prober with its table of requests and the facts beside the answers.
struct Prober {
    network: NetworkProber,
    requests: Arc<Requests>,
    details: Arc<Details>,
}

impl Prober {
    fn new() -> Self {
        let (requests, details) = (Arc::<Requests>::default(), Arc::<Details>::default());
        let network = NetworkProber::of_requests(Arc::clone(&requests), Arc::clone(&details));
        Self { network, requests, details }
    }

    /// Asks an address, and waits for the answer.
    async fn ask(&self, address: IpAddr, settings: &HttpSettings) -> Answer {
        self.ask_within(PATIENT, address, settings).await
    }

    async fn ask_within(
        &self,
        timeout: Duration,
        address: IpAddr,
        settings: &HttpSettings,
    ) -> Answer {
        let id = self.requests.id_of(&RequestSettings::Http(settings.clone()));
        let endpoint = Endpoint { address, method: Method::Request(id) };
        let flow = FlowId::default();
        let id = ProbeId { endpoint: 0.into(), seq: 0.into() };
        let listen_for = timeout * 2;
        let request = ProbeRequest { id, endpoint, nth: 0, flow, timeout, listen_for };
        self.network.probe(&request).await
    }

    /// Asks until the phase of this name does not end in time, and returns the answer. A slow machine may
    /// need longer than the first timeout for the phases before it.
    async fn ask_until_silent(
        &self,
        address: IpAddr,
        settings: &HttpSettings,
        phase: &str,
    ) -> String {
        let mut timeout = BRIEF;
        loop {
            let answer = shown(&self.ask_within(timeout, address, settings).await);
            if answer.starts_with(&format!("timed out: {phase} within {} s", timeout.as_secs_f64()))
            {
                return answer;
            }
            timeout *= 2;
            assert!(timeout < PATIENT, "{answer}");
        }
    }

    /// The facts beside the newest answer.
    fn details(&self, address: IpAddr, settings: &HttpSettings) -> ProbeDetails {
        let id = self.requests.id_of(&RequestSettings::Http(settings.clone()));
        self.details.get(id, address).unwrap()
    }
}

/// Asks one address once.
async fn ask(address: IpAddr, settings: &HttpSettings) -> Answer {
    Prober::new().ask(address, settings).await
}

/// An http check of this port.
fn http(port: u16) -> HttpSettings {
    HttpSettings::new(HOST, port, None)
}

/// An https check of this port that trusts the authorities in `ca_file`.
fn https(port: u16, ca_file: impl Into<PathBuf>) -> HttpSettings {
    let tls = TlsSettings { ca_file: Some(ca_file.into()), ..TlsSettings::default() };
    HttpSettings::new(HOST, port, Some(tls))
}

/// An answer in one line, without its durations: `failed (status 503): then 503 (wanted 200-299)`.
fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Reply(_) => "reply".to_owned(),
        Answer::Failed(WrongAnswer { kind, reason }) => {
            format!("failed ({kind}): {}", tail(reason))
        }
        Answer::Asked(reason) => format!("asked: {}", tail(reason)),
        Answer::TimedOut(reason) => format!("timed out: {reason}"),
        Answer::Unreachable(reason) => format!("unreachable: {reason}"),
        Answer::Fault(reason) => format!("fault: {reason}"),
        other => format!("{other:?}"),
    }
}

/// A reason from its `then` on.
fn tail(reason: &str) -> &str {
    reason.find("then ").map_or(reason, |at| &reason[at..])
}

/// Whether this server is installed. False is a loud skip.
fn is_installed(server: &str, package: &str) -> bool {
    let found = Command::new(server).arg("-v").output().is_ok();
    if !found {
        crate::lab::skip(&format!("no {server}; install {package}"));
    }
    found
}

/// An address of loopback that no other test uses, with a free port.
fn place() -> SocketAddr {
    let (addresses, port) = crate::tcp_services::loopback_addresses(1);
    SocketAddr::new(addresses[0], port)
}
