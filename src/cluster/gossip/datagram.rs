//! The envelope of a datagram, and the reasons to drop one.

use std::io;

use crate::cluster::seal::Seal;

/// First byte of gossip that is not sealed. Sealed gossip begins with a different byte.
pub(super) const PLAIN: u8 = 0;

/// First byte inside the envelope of a datagram of `foca`.
pub(super) const SWIM: u8 = 0;

/// First byte inside the envelope of a farewell. The identity of the leaving agent follows.
pub(super) const FAREWELL: u8 = 1;

/// The reason why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Dropped {
    /// Not sealed although we have a key, sealed although we have none, or sealed with another key.
    #[error("it is not sealed with our crypto_key")]
    NotOurs,
    /// Not gossip of this program.
    #[error("it is not our gossip; is this the port of another program?")]
    Malformed,
    /// Its sender is not in `peers` or uses a `members_port` other than the expected one.
    #[error("its sender is not in peers, or its members_port differs from ours")]
    Stranger,
    /// Its sender is another process with this agent's address.
    #[error("its sender uses our own local_addr; each agent needs its own")]
    OurName,
    /// Its sender started or renewed its identity more than a day in the future.
    #[error("its sender started more than a day in the future by our clock; are the clocks apart?")]
    Ahead,
}

/// Adds the envelope to `payload`: it is sealed with the cluster's key, if there is one.
///
/// # Errors
///
/// Fails if it cannot be sealed.
pub(super) fn close(seal: Option<&Seal>, payload: &[u8]) -> io::Result<Vec<u8>> {
    match seal {
        Some(seal) => seal.seal_gossip(payload),
        None => Ok([&[PLAIN][..], payload].concat()),
    }
}

/// Removes the envelope from `datagram`.
///
/// # Errors
///
/// Fails if it has another envelope than ours have.
pub(super) fn open(seal: Option<&Seal>, datagram: &[u8]) -> Result<Vec<u8>, Dropped> {
    match seal {
        Some(seal) => seal.open_gossip(datagram).map_err(|_| Dropped::NotOurs),
        None => match datagram.split_first() {
            Some((&PLAIN, payload)) => Ok(payload.to_vec()),
            _ => Err(Dropped::NotOurs),
        },
    }
}
