//! Errors of providers.

use std::time::Duration;

use super::records::RecordChanges;
use crate::engine::plan::SetKey;

/// The provider's own message, or the error of the transport.
pub(crate) type ProviderCause = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a provider call failed.
///
/// Split by the caller's next step, not by status code. No variant contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider refuses every request for this zone: the credentials or permissions are not
    /// sufficient, or the zone does not exist. Nothing changed, and another change would get the same
    /// answer.
    #[error("{provider} refused to {what}")]
    Refused {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object: `list the records of example.com`.
        what: String,
        /// The cause of the refusal.
        #[source]
        source: ProviderCause,
    },
    /// The provider rejects the content of this change: an invalid record, a quota, a name that
    /// these credentials may not change, a deleted health check. Nothing changed. Another change may
    /// succeed, and so may a part of this one, so the caller tries the sets one by one.
    #[error("{provider} rejected: {what}")]
    Rejected {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
        /// The sets that the provider named as the cause; the others are then tried together
        /// first. Empty if the provider named none.
        culprits: Vec<SetKey>,
        /// The cause of the rejection.
        #[source]
        source: ProviderCause,
    },
    /// A part of the change is in force and confirmed. The rest is not, for the reason in `rest`; a
    /// statement of that reason that nothing changed concerns the rest alone.
    #[error("a part of the change is in force, the rest is not")]
    Partly {
        /// The part in force: never empty, and never the whole change.
        done: RecordChanges,
        /// The error of the rest; never another [`ProviderError::Partly`].
        #[source]
        rest: Box<ProviderError>,
    },
    /// Nothing changed, and a later attempt may succeed: no connection, a server error, a rate limit.
    #[error("{provider} could not {what}")]
    Unavailable {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
        /// The pause that the provider asks for.
        retry_after: Option<Duration>,
        /// The cause of the failure.
        #[source]
        source: ProviderCause,
    },
    /// The request was sent and its answer was lost: the change may be in force or not. The caller
    /// lists again before it decides anything.
    #[error("could not confirm that {provider} did {what}; the change may be in force or not")]
    Unconfirmed {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
        /// The pause that the provider asks for.
        retry_after: Option<Duration>,
        /// The cause of the loss.
        #[source]
        source: ProviderCause,
    },
    /// The provider reports that a record to create exists, or that a record to delete does not, and
    /// so changed nothing. The caller lists and plans again. If the new listing contradicts the
    /// report, the listing is outdated and the change counts as done.
    #[error("{provider} did not {what}: it reports that this is already in force")]
    Already {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
        /// The provider's report.
        #[source]
        source: ProviderCause,
    },
    /// The change was revoked before the request for it was sent, so nothing changed.
    #[error("{what} was revoked before the request was sent to {provider}")]
    Revoked {
        /// The provider that would have received the request.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
    },
    /// The zone no longer matches the listing, so nothing was changed. The caller lists and plans
    /// again.
    #[error("{provider} did not {what}: the zone has changed since it was listed")]
    Changed {
        /// The provider, as the operator names it.
        provider: &'static str,
        /// The request, as a verb and its object.
        what: String,
        /// The provider's report.
        #[source]
        source: ProviderCause,
    },
}
