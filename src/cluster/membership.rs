//! Liveness of the peers, by gossip on a socket and by the vote ports of Go agents.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info, warn};

use super::ClusterEvent;
use super::clock::{BEAT, ClusterClock, unix_millis};
use super::connection::ANSWER_WITHIN;
use super::gossip::{Dropped, Gossip, Output};
use super::listener::SignatureChange;
use super::log_limiter::LogLimiter;
use super::peer_table::PeerTable;
use super::standing::Standings;

/// Interval at which the vote port of a Go agent is probed.
pub(crate) const PORT_PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of datagrams read in a row.
const DRAIN: usize = 256;

/// A command to membership from the rest of the program.
#[derive(Debug)]
pub(crate) enum MembershipCommand {
    /// Replace the peers, then acknowledge.
    Peers(BTreeSet<SocketAddr>, oneshot::Sender<()>),
    /// Send a farewell, acknowledge, and end.
    Leave(oneshot::Sender<()>),
}

/// Tracks the peers. Owns the gossip socket.
#[derive(Debug)]
pub(crate) struct Membership {
    gossip: Gossip,
    peer_table: PeerTable,
    socket: UdpSocket,
    clock: Arc<ClusterClock>,
    events: mpsc::Sender<ClusterEvent>,
    standings: watch::Sender<Arc<Standings>>,
    /// Vote ports being probed.
    port_probes: JoinSet<(SocketAddr, bool)>,
    next_port_probe: Duration,
    /// Whether this process was suspended and has not asked all peers for an answer since.
    join_all_due: bool,
    /// Limits warnings by the source of a datagram and the reason it was dropped.
    log_limiter: LogLimiter<(IpAddr, Dropped)>,
}

/// The receivers of changes of membership.
#[derive(Debug)]
pub(crate) struct Reports {
    /// The agent's event loop.
    pub events: mpsc::Sender<ClusterEvent>,
    /// The vote senders.
    pub standings: watch::Sender<Arc<Standings>>,
}

impl Membership {
    /// Creates membership for `peers`, with `gossip` on `socket`.
    pub(crate) fn new(
        gossip: Gossip,
        peers: impl IntoIterator<Item = SocketAddr>,
        socket: UdpSocket,
        clock: Arc<ClusterClock>,
        reports: Reports,
    ) -> Self {
        let mut peer_table = PeerTable::default();
        peer_table.set_peers(peers);
        Self {
            gossip,
            peer_table,
            socket,
            clock,
            events: reports.events,
            standings: reports.standings,
            port_probes: JoinSet::new(),
            next_port_probe: Duration::ZERO,
            join_all_due: false,
            log_limiter: LogLimiter::default(),
        }
    }

    /// Runs until told to leave or until the command channel is closed.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<MembershipCommand>,
        mut signature_changes: mpsc::UnboundedReceiver<SignatureChange>,
    ) {
        loop {
            self.beat();
            self.gossip.set_wall(self.clock.now(), unix_millis());
            // Datagrams are read before timers run. Otherwise an agent that was suspended would
            // find that nobody answered it in time.
            self.drain();
            self.gossip.wake(self.clock.now());
            self.flush().await;
            self.try_go_agents();
            let next = self.gossip.next_wake().min(self.clock.now() + BEAT);
            let alarm = self.clock.instant(next);
            let command = tokio::select! {
                // Read by `drain`, which also reports an error.
                _ = self.socket.readable() => None,
                Some(change) = signature_changes.recv() => {
                    self.signature_changed(change);
                    None
                }
                Some(tried) = self.port_probes.join_next() => {
                    if let Ok((peer, open)) = tried {
                        self.peer_table.port_probed(peer, open);
                    }
                    None
                }
                command = commands.recv() => match command {
                    None => return,
                    command => command,
                },
                () = sleep_until(alarm) => None,
            };
            match command {
                Some(MembershipCommand::Peers(peers, done)) => {
                    self.gossip.set_peers(self.clock.now(), peers.iter().copied());
                    self.peer_table.set_peers(peers);
                    let _ = done.send(());
                }
                Some(MembershipCommand::Leave(done)) => {
                    self.gossip.leave(self.clock.now());
                    self.flush().await;
                    // The caller may have stopped waiting.
                    let _ = done.send(());
                    return;
                }
                None => {}
            }
        }
    }

    /// Detects a suspension of this process, and joins again when it is over.
    fn beat(&mut self) {
        if let Some(gap) = self.clock.beat() {
            warn!(
                seconds = gap.as_secs(),
                "this agent was suspended; votes of a peer count again once gossip from it is \
                 received"
            );
            self.peer_table.resumed();
            self.join_all_due = true;
        }
        if self.join_all_due && self.clock.input_is_current() {
            self.join_all_due = false;
            self.gossip.join_all(self.clock.now());
        }
    }

    /// Reads the waiting datagrams, but only a few hundred, so that a flood does not block
    /// everything else.
    fn drain(&mut self) {
        // A datagram longer than any of ours is cut and then cannot be opened.
        let mut buffer = [0; 2048];
        for _ in 0..DRAIN {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((length, from)) => self.received(&buffer[..length], from),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return,
                // For example an ICMP error in response to an earlier datagram; it says nothing
                // about the socket.
                Err(cause) => debug!(%cause, "gossip socket"),
            }
        }
    }

    fn received(&mut self, datagram: &[u8], from: SocketAddr) {
        let now = self.clock.now();
        let Err(reason) = self.gossip.receive(now, datagram) else { return };
        if let Some(suppressed) = self.log_limiter.allow(now, (from.ip(), reason)) {
            warn!(%from, %reason, suppressed, "dropped gossip");
        }
    }

    fn signature_changed(&mut self, SignatureChange { peer, signed }: SignatureChange) {
        self.peer_table.voted(peer, signed);
        if self.peer_table.legacy_agents().contains(&peer) {
            info!(%peer, "peer votes like a Go agent; it counts as alive while its vote port \
                accepts connections");
            self.next_port_probe = self.clock.now();
        }
    }

    /// Probes the vote ports of Go agents when that is due.
    fn try_go_agents(&mut self) {
        let now = self.clock.now();
        if now < self.next_port_probe {
            return;
        }
        self.next_port_probe = now + PORT_PROBE_INTERVAL;
        for peer in self.peer_table.legacy_agents() {
            self.port_probes.spawn(async move {
                let connected = timeout(ANSWER_WITHIN, TcpStream::connect(peer)).await;
                (peer, matches!(connected, Ok(Ok(_))))
            });
        }
    }

    /// Sends pending gossip, and publishes changes to the engine and the vote senders.
    async fn flush(&mut self) {
        let now = self.clock.now();
        for output in self.gossip.outputs() {
            match output {
                Output::Send(to, datagram) => {
                    // A datagram that cannot be sent is as good as lost, and SWIM tolerates loss.
                    if let Err(cause) = self.socket.send_to(&datagram, to).await {
                        debug!(%to, %cause, "gossip not sent");
                    }
                }
                Output::Received(peer) => {
                    if self.clock.input_is_current() {
                        self.peer_table.received_from(peer);
                    }
                }
                Output::Up(peer) => self.peer_table.seen_alive(peer),
                Output::Down(peer) => self.peer_table.seen_dead(now, peer),
                Output::Restarted(peer) => self.peer_table.restarted(peer),
                Output::Left(peer) => self.peer_table.left(peer),
                Output::Duplicate(agent) => warn!(
                    local_addr = %agent,
                    "two agents use one local_addr and neither is reliable; give each its own, \
                     and list it in the peers of the others"
                ),
            }
        }
        self.publish(now);
    }

    /// Publishes changed states of peers. Does not wait for the engine: events that do not fit its
    /// queue are published at the next beat.
    fn publish(&mut self, now: Duration) {
        while let Some((peer, state)) = self.peer_table.next_change(now) {
            if self.events.try_send(ClusterEvent::Peer { peer, state }).is_err() {
                break;
            }
            // The receiver of the event logs it.
            debug!(%peer, ?state, "peer state reported to the engine");
            self.peer_table.reported(peer, state);
        }
        let standings = self.peer_table.standings();
        self.standings.send_if_modified(|known| {
            let changed = **known != standings;
            if changed {
                *known = Arc::new(standings);
            }
            changed
        });
    }
}
