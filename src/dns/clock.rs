//! The clock of the reconciler and the providers.

use tokio::time::Instant;

/// Returns the current time, for the age of a listing and for the length of a wait.
#[expect(clippy::disallowed_methods, reason = "the age of a listing concerns the reconciler alone")]
pub fn now() -> Instant {
    Instant::now()
}
