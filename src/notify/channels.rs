//! The registry of channels.
//!
//! A channel is a module here with a [`ChannelKind`], and a line in [`CHANNELS`]. Queueing, merging
//! and retrying are the same for all of them.

pub(crate) mod hook;
mod slack;
mod webhook;

use secrecy::SecretString;

use super::delivery::Channel;
use hook::HookError;

/// All kinds of channels.
pub(crate) const CHANNELS: [ChannelKind; 2] = [slack::KIND, webhook::KIND];

/// A kind of channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChannelKind {
    /// The name in the log, the metrics and the status.
    pub(crate) name: &'static str,
    /// Opens a channel to the receiver at this URL.
    pub(crate) open: fn(&SecretString) -> Result<Box<dyn Channel>, HookError>,
}
