//! The runtimes in which the agent's tasks run.

use tokio::runtime::{Builder, Runtime};

use crate::file;

/// The two runtimes: a TLS handshake in one never delays an echo reply in the other.
pub(super) struct Runtimes {
    /// Probes and decisions, on the main thread.
    pub(super) main: Runtime,
    /// Requests to providers, peers and people.
    pub(super) talk: Runtime,
}

impl Runtimes {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// Fails if this process may not open enough files, or start a thread.
    pub(super) fn start() -> std::io::Result<Self> {
        file::room_for_a_runtime()?;
        let main = Builder::new_current_thread().enable_all().build()?;
        file::room_for_a_runtime()?;
        let talk = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { main, talk })
    }
}
