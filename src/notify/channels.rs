//! The registry of channels.
//!
//! A channel is a module here with a [`ChannelKind`], and a line in [`CHANNELS`]. Queueing, merging
//! and retrying are the same for all of them.

pub(crate) mod hook;
mod slack;
mod webhook;

use secrecy::SecretString;

use super::delivery::Channel;
use crate::config::keys::Key;
use crate::config::value::Value;
use hook::HookError;

/// All kinds of channels.
pub(crate) const CHANNELS: [ChannelKind; 2] = [slack::KIND, webhook::KIND];

/// A kind of channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelKind {
    /// The name in the log, the metrics and the status.
    pub(crate) name: &'static str,
    /// The key of the configuration file with the URL of the receiver.
    pub(crate) key: Key,
    /// Reads the value of the key.
    pub(crate) rule: fn(&Value) -> Result<String, String>,
    /// The receiver in the description by `check`, as in `to Slack`.
    pub(crate) destination: &'static str,
    /// The receiver as the subject of a sentence, as in `the webhook`.
    pub(crate) party: &'static str,
    /// Opens a channel to the receiver at this URL.
    pub(crate) open: fn(&SecretString) -> Result<Box<dyn Channel>, HookError>,
}
