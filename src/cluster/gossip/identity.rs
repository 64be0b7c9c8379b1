//! Who an agent is, in gossip.

use std::net::SocketAddr;

use foca::Identity;
use serde::{Deserialize, Serialize};

/// An agent, as gossip knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// Where its gossip goes to; what identifies it.
    pub gossip: SocketAddr,
    /// Its `local_addr`, which is its name everywhere else.
    pub vote: SocketAddr,
    /// When its process started, in milliseconds of Unix time.
    pub start: u64,
    /// Grows with each life: the start at first, more after each time it was declared dead. Of two
    /// identities with one address the greater is the newer.
    pub life: u64,
}

impl Identity for Id {
    type Addr = SocketAddr;

    /// Not left to foca: see `Gossip::renew`.
    fn renew(&self) -> Option<Self> {
        None
    }

    fn addr(&self) -> SocketAddr {
        self.gossip
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}
