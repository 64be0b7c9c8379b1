//! Facts about the peers that membership reports to the vote senders.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Facts about a peer that membership reports to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// Whether the peer is known to run this program. If not, it may be a Go agent.
    pub native: bool,
    /// Whether the peer has shown that it is a Go agent: it votes like one.
    pub legacy: bool,
    /// The number of times the peer has joined or rejoined.
    pub joins: u64,
}

/// The standing of each peer.
pub(crate) type Standings = BTreeMap<SocketAddr, Standing>;
