//! The time in signatures.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the seconds of Unix time.
#[expect(clippy::disallowed_methods, reason = "a signature is dated by the wall clock")]
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
