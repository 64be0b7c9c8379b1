//! One question to a name server, and its answer.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::answer::Sighting;
use crate::engine::plan::SetKey;

/// A question to ask now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextQuestion {
    /// The address to ask.
    pub(crate) server: SocketAddr,
    /// The set to ask about.
    pub(crate) set: SetKey,
}

/// An answer of a name server.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// The address that was asked.
    pub(crate) server: SocketAddr,
    /// The set that it was asked about.
    pub(crate) set: SetKey,
    /// The time of the question.
    pub(crate) sent: Instant,
    /// The time of the answer.
    pub(crate) received: Instant,
    /// The content of the answer.
    pub(crate) sighting: Sighting,
}
