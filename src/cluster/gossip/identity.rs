//! Identity of an agent in gossip.

use std::net::SocketAddr;

use foca::Identity;
use serde::{Deserialize, Serialize};

/// An agent, as gossip knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id {
    /// The address that receives its gossip; it identifies the agent.
    pub gossip: SocketAddr,
    /// Its `local_addr`, which is its name everywhere else.
    pub vote: SocketAddr,
    /// The start of its process, in milliseconds of Unix time.
    pub start: u64,
    /// Grows with each renewal: equal to the start at first, and larger after each time the agent
    /// was declared dead. Of two identities with one address the greater is the newer.
    pub life: u64,
}

impl Identity for Id {
    type Addr = SocketAddr;

    /// Renewal is not left to `foca`: see `Gossip::renew`.
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
