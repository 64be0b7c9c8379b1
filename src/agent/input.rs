//! The inputs of the event loop.

use crate::cluster::ClusterEvent;
use crate::config::ConfigErrors;
use crate::dns::DnsProvider;
use crate::engine::event::Event;
use crate::settings::Config;
use crate::status::OperatorCommand;

/// Maximum number of inputs that wait for the event loop. Beyond it, senders wait.
pub(super) const QUEUE: usize = 4096;

/// An input of the event loop.
#[derive(Debug)]
pub(super) enum Input {
    /// An event for the engine.
    Event(Event),
    /// A request to read the configuration again (SIGHUP).
    Reload,
    /// The result of reading the configuration again.
    Reloaded(Box<Result<NewConfig, ReloadError>>),
    /// A report about a peer.
    Cluster(ClusterEvent),
    /// A command of the operator.
    Command(OperatorCommand),
    /// A request to stop (SIGTERM, SIGINT).
    Stop,
    /// A part that the agent cannot do without has failed.
    Failed(anyhow::Error),
}

/// A configuration that was read again, with the provider that it names.
#[derive(Debug)]
pub(super) struct NewConfig {
    pub(super) config: Config,
    pub(super) provider: Box<dyn DnsProvider>,
}

/// A configuration that was read again and cannot be used.
#[derive(Debug)]
pub(super) enum ReloadError {
    /// The configuration has errors.
    Config(ConfigErrors),
    /// Its provider cannot be built.
    Provider(anyhow::Error),
}
