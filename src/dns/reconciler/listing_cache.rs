//! The last listing of the zone, and the time at which it has to be repeated.

use std::time::Duration;

use tokio::time::Instant;

use crate::dns::Listing;

/// Maximum age of a listing that is used for planning.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// Time after a listing with omitted sets at which the zone is listed again.
const UNFIT_INTERVAL: Duration = Duration::from_mins(1);

/// The last listing of the zone.
#[derive(Debug, Default)]
pub(super) struct ListingCache {
    /// The listing, with the time at which it was requested.
    last: Option<(Instant, Listing)>,
    /// The time of the oldest order that requires a newer listing and has not been served by one.
    required_after: Option<Instant>,
    /// The time at which omitted sets are checked again.
    unfit_check_at: Option<Instant>,
}

impl ListingCache {
    /// Creates a cache with a listing that was requested at `requested`.
    pub(super) fn with(requested: Instant, listing: Listing) -> Self {
        Self { last: Some((requested, listing)), ..Self::default() }
    }

    /// Returns the listing if it is recent enough for planning.
    pub(super) fn recent(&self) -> Option<&Listing> {
        let (requested, listing) = self.last.as_ref()?;
        (requested.elapsed() < FRESH_FOR).then_some(listing)
    }

    /// Stores a listing that was requested at `requested`.
    pub(super) fn store(&mut self, requested: Instant, listing: Listing) {
        self.unfit_check_at = (!listing.unfit.is_empty()).then(|| requested + UNFIT_INTERVAL);
        self.last = Some((requested, listing));
    }

    /// Discards the listing.
    pub(super) fn discard(&mut self) {
        self.last = None;
    }

    /// Requires a listing that is newer than an order placed at `placed`.
    pub(super) fn require_after(&mut self, placed: Instant) {
        self.required_after.get_or_insert(placed);
    }

    /// Discards the listing if a newer one is required. A listing made for a replaced order serves
    /// the newer order too: otherwise nothing would be done while orders are placed faster than the
    /// zone is listed.
    pub(super) fn discard_outdated(&mut self) {
        if let (Some((requested, _)), Some(required)) = (&self.last, self.required_after)
            && *requested < required
        {
            self.last = None;
        }
    }

    /// Records that the orders that required a newer listing have been served.
    pub(super) fn served(&mut self) {
        self.required_after = None;
    }

    /// Returns the time at which omitted sets are checked again, if there are any.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.unfit_check_at
    }
}
