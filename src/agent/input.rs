//! The inputs of the event loop.

use std::collections::BTreeMap;

use crate::cluster::ClusterEvent;
use crate::config::ConfigErrors;
use crate::dns::DnsProvider;
use crate::dns::confirm::effect::ZoneNews;
use crate::engine::event::Event;
use crate::engine::ids::ZoneId;
use crate::settings::Config;
use crate::status::{ExplainRequest, OperatorCommand};

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
    /// News about changes that name servers show, or do not.
    Effect(ZoneNews),
    /// A command of the operator.
    Command(OperatorCommand),
    /// A question about a target.
    Question(ExplainRequest),
    /// A request to stop (SIGTERM, SIGINT).
    Stop,
    /// A part that the agent cannot do without has failed.
    Failed(anyhow::Error),
}

/// The providers of a configuration, one for each zone.
pub(super) type Providers = BTreeMap<ZoneId, Box<dyn DnsProvider>>;

/// A configuration that was read again, with the providers that it names.
#[derive(Debug)]
pub(super) struct NewConfig {
    pub(super) config: Config,
    pub(super) providers: Providers,
}

/// A configuration that was read again and cannot be used.
#[derive(Debug)]
pub(super) enum ReloadError {
    /// The configuration has errors.
    Config(ConfigErrors),
    /// A provider cannot be built.
    Provider(anyhow::Error),
}
