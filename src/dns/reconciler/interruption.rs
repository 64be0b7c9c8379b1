//! The reasons for which work on the orders ends early.

use crate::dns::ProviderError;

/// The reason for which work on the orders ends early.
#[derive(Debug)]
pub(super) enum Interruption {
    /// A newer order was placed.
    Replaced,
    /// The reconciler was told to stop, or the event loop is gone.
    Stopped,
    /// A provider call failed.
    Failed(ProviderError),
}

impl From<ProviderError> for Interruption {
    fn from(error: ProviderError) -> Self {
        Self::Failed(error)
    }
}
