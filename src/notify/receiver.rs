//! The receiver of one channel's notices.

use std::sync::Arc;

use secrecy::SecretString;

use super::channels::{ChannelKind, ChannelSettings, TopKey};
use super::route::Route;

/// The receiver of one channel's notices.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    /// The name of the channel in the log, the metrics and the status.
    pub(crate) label: Arc<str>,
    /// The kind of the channel.
    pub(crate) kind: ChannelKind,
    /// Everything that the channel needs to reach the receiver.
    pub(crate) settings: Arc<dyn ChannelSettings>,
    /// The notices that it gets.
    pub(crate) route: Route,
}

impl Receiver {
    /// Returns the receiver that a key above the first section names.
    pub(super) fn of_top(kind: ChannelKind, top: &TopKey, url: SecretString) -> Self {
        let settings = (top.settings)(url);
        Self { label: kind.word.into(), kind, settings, route: Route::default() }
    }

    /// Whether `other` is the same channel under the same name.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.label == other.label && self.reaches(other)
    }

    /// Whether `other` reaches the same people in the same way.
    pub(super) fn reaches(&self, other: &Self) -> bool {
        self.settings.is_same_as(&*other.settings)
    }
}
