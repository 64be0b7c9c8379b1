//! Agents' cluster parts on loopback, for the tests of votes and membership: each test has
//! addresses of its own, as all agents of a cluster gossip on one port.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use goavail::engine::ids::ServiceId;
use goavail::engine::types::{PeerKind, PeerState, Vote};
use goavail::testing::cluster::{
    Cluster, ClusterConfig, ClusterEvent, Seal, Signed, VotesOnService, WatchedService,
};
use goavail::testing::engine::quorum::VOTE_TTL;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Generous: no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The key of most tests.
pub(crate) const KEY: &str = "1234567891012345";

/// The addresses of one test's agents, at most 8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Net {
    octets: [u8; 3],
}

impl Net {
    /// Addresses in 127.0.0.0/8 that no other test uses, in this process or another.
    pub(crate) fn new() -> Self {
        static TESTS: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        Self { octets: [high, low, TESTS.fetch_add(8, Ordering::Relaxed)] }
    }

    /// Where agent `number` takes votes.
    pub(crate) fn agent(self, number: u8) -> SocketAddr {
        let [high, low, test] = self.octets;
        SocketAddr::from(([127, high, low, test + number], 8081))
    }

    /// The configuration of agent `number` among agents 0 to `agents - 1`.
    pub(crate) fn config(self, number: u8, agents: u8, key: Option<&str>) -> ClusterConfig {
        ClusterConfig {
            local_addr: self.agent(number),
            peers: (0..agents).filter(|&n| n != number).map(|n| self.agent(n)).collect(),
            members_port: 7946,
            min_peers_agree: 1,
            crypto_key: key.map(SecretString::from),
            require_signed: false,
        }
    }
}

/// A target of every agent here if `number` is under 100.
pub(crate) fn target(number: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, number])
}

/// The service of every agent here, unless a test says otherwise.
pub(crate) fn default_service() -> WatchedService {
    WatchedService::of_default((0..100).map(target))
}

/// A running cluster part and its events.
pub(crate) struct Agent {
    pub(crate) cluster: Cluster,
    pub(crate) events: mpsc::Receiver<ClusterEvent>,
}

impl Agent {
    pub(crate) async fn start(config: &ClusterConfig) -> Self {
        Self::start_with(config, &[default_service()]).await
    }

    /// Starts one that watches these services.
    pub(crate) async fn start_with(config: &ClusterConfig, services: &[WatchedService]) -> Self {
        let (sender, events) = mpsc::channel(64);
        let cluster = Cluster::start(config, services, sender).await.expect("it starts");
        Self { cluster, events }
    }

    /// Ends it without a farewell, as `kill -9` does, and waits until its ports are free.
    pub(crate) async fn kill(self, address: SocketAddr) {
        drop(self);
        let gossip = SocketAddr::new(address.ip(), 7946);
        let free = async {
            while TcpListener::bind(address).await.is_err()
                || UdpSocket::bind(gossip).await.is_err()
            {
                tokio::task::yield_now().await;
            }
        };
        in_time(free).await;
    }

    /// Waits for an event that `wanted` picks; the others are passed over.
    pub(crate) async fn wait<T>(&mut self, wanted: impl Fn(ClusterEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the cluster ended");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        in_time(found).await
    }

    /// Waits until `peer` is alive. Returns its kind.
    pub(crate) async fn wait_alive(&mut self, peer: SocketAddr) -> PeerKind {
        self.wait(|event| match event {
            ClusterEvent::Peer { peer: p, state: PeerState::Alive(kind) } if p == peer => {
                Some(kind)
            }
            _ => None,
        })
        .await
    }

    /// Waits until `peer` is gone.
    pub(crate) async fn wait_gone(&mut self, peer: SocketAddr) {
        let gone = ClusterEvent::Peer { peer, state: PeerState::Gone };
        self.wait(|event| (event == gone).then_some(())).await;
    }

    /// Waits for a vote of `peer`. Returns its target, the vote, and whether it is signed.
    pub(crate) async fn wait_vote(&mut self, peer: SocketAddr) -> (IpAddr, Vote, bool) {
        self.wait(|event| match event {
            ClusterEvent::Vote { peer: p, target, vote, signed, .. } => {
                (p == peer).then_some((target, vote, signed))
            }
            ClusterEvent::Abstained { .. } | ClusterEvent::Peer { .. } => None,
        })
        .await
    }

    /// Waits until `peer` takes a vote back. Returns its target.
    pub(crate) async fn wait_taken_back(&mut self, peer: SocketAddr) -> IpAddr {
        self.wait(|event| match event {
            ClusterEvent::Abstained { peer: p, target, .. } => (p == peer).then_some(target),
            ClusterEvent::Vote { .. } | ClusterEvent::Peer { .. } => None,
        })
        .await
    }
}

/// Announces votes on `default` with new evidence.
pub(crate) fn announce(cluster: &Cluster, votes: impl IntoIterator<Item = (IpAddr, Vote)>) {
    announce_on(cluster, ServiceId::DEFAULT, votes);
}

/// Announces votes on a service with new evidence.
#[expect(clippy::disallowed_methods, reason = "the test plays the loop that decides")]
pub(crate) fn announce_on(
    cluster: &Cluster,
    service: ServiceId,
    votes: impl IntoIterator<Item = (IpAddr, Vote)>,
) {
    let now = tokio::time::Instant::now();
    let votes = votes.into_iter().map(|(target, vote)| (target, vote, now)).collect();
    cluster.announce([VotesOnService { service, term: VOTE_TTL, votes }]);
}

pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("did not happen in time")
}

/// Sends `request` as it is and returns all that comes back until the other side closes.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // The other side may have closed before it read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A POST of `body` to `/`, after which the connection is closed.
pub(crate) fn post(body: &[u8], more: &str) -> Vec<u8> {
    post_to("/", body, more)
}

/// A POST of `body` to `path`, after which the connection is closed.
pub(crate) fn post_to(path: &str, body: &[u8], more: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {more}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Reads one request from `stream`: its head and its body; `None` at the end.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length?.parse().ok()? {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        // Byte by byte, as the next request may follow at once.
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
    }
}

/// The status of an answer; 0 if there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// The content of the signature of a vote to `to`.
pub(crate) fn signed(seal: &Seal, to: SocketAddr, head: &str, body: &str) -> Signed {
    let header = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("Goavail-Signature").then_some(value)
    });
    seal.verify(header.expect("a signature"), to, body.as_bytes()).expect("ours")
}
