//! The pages to request, so that a zone is listed completely with few requests, even during
//! concurrent writes.
//!
//! One page contains all records of most zones. If there are more pages, a record that is created
//! or deleted between two of them moves all records after it, so that a record at the next boundary
//! is listed twice or not at all. A listing with signs of that is torn, and is discarded. A name
//! that is listed by itself cannot be torn, because its records are on one page.
//!
//! The names are therefore listed one by one, after the first page,
//!
//! - if there are no more of them than remaining pages: this takes no more requests in a calm zone
//!   either, and nothing can be torn;
//! - if two consecutive listings were torn. This is expensive with many names, and a zone with a
//!   single write is listed completely the next time. A zone that was torn twice is considered
//!   busy, and for a while no further listing is wasted before its names are listed.
//!
//! If every torn listing were just repeated, a zone that takes three seconds to list and changes
//! every second would never be listed, and a dead address would stay in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::call::{Ask, Envelope};
use super::listing::{self, Oddities, Pages};
use super::record::ListedEntry;
use super::{Cloudflare, ReadError};
use crate::dns::Listing;
use crate::dns::clock::now;
use crate::engine::plan::Family;

/// The number of consecutive torn listings after which the names are listed one by one.
const OFTEN: u32 = 2;

/// Time after the last torn listing during which no other one is tried.
const STAYS_BUSY: Duration = Duration::from_mins(10);

/// The number of torn listings of each family since the last complete one, and the time of the
/// last.
#[derive(Debug, Default)]
pub(super) struct Torn(Mutex<BTreeMap<Family, (u32, Instant)>>);

impl Torn {
    /// Records a complete listing.
    fn whole(&self, family: Family) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&family);
    }

    /// Records a torn listing. Returns whether there are too many.
    fn again(&self, family: Family) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, last) = all.entry(family).or_insert_with(|| (0, now()));
        (*times, *last) = (times.saturating_add(1), now());
        if *times == OFTEN {
            tracing::info!(
                "the zone changes while its pages are listed; listing its names one by one"
            );
        }
        *times >= OFTEN
    }

    /// Whether another listing would probably be torn too.
    fn is_likely(&self, family: Family) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&family).is_some_and(|(times, last)| *times >= OFTEN && last.elapsed() < STAYS_BUSY)
    }
}

/// The listing of one family.
#[derive(Debug, Default)]
struct Part {
    listing: Listing,
    odd: Oddities,
}

impl Cloudflare {
    /// Lists all records at the managed names.
    pub(super) async fn read(&self) -> Result<Listing, ReadError> {
        let zone = self.zone_in_force().await?;
        self.restore_all(&zone.id).await?;
        let mut listing = Listing { caution: zone.caution(&self.zone), ..Listing::default() };
        let mut odd = Oddities::default();
        for family in [Family::A, Family::Aaaa] {
            let Part { listing: mut part, odd: more } =
                match self.list_by_page(&zone.id, family).await? {
                    Some(part) => part,
                    None => self.list_by_name(&zone.id, family).await?,
                };
            listing.sets.append(&mut part.sets);
            listing.unfit.append(&mut part.unfit);
            odd.foreign.extend(more.foreign);
            odd.managed.extend(more.managed);
        }
        self.complete(&mut listing);
        self.log_oddities(odd);
        Ok(listing)
    }

    /// Lists all records of one family, page by page; `None` if the names have to be listed one by
    /// one.
    async fn list_by_page(&self, zone: &str, family: Family) -> Result<Option<Part>, ReadError> {
        let mut part = Part::default();
        let mut pages = Pages::new(family, &self.names, &mut part.listing, &mut part.odd);
        loop {
            let page = pages.next();
            let answer = self.page(zone, family, page, None).await?;
            match pages.take(answer) {
                Ok(true) if page == 1 => {
                    if self.names.count() <= pages.left() || self.torn.is_likely(family) {
                        return Ok(None);
                    }
                }
                Ok(true) => {}
                Ok(false) => {
                    self.torn.whole(family);
                    return Ok(Some(part));
                }
                Err(_) if page > 1 && self.torn.again(family) => return Ok(None),
                Err(torn) => return Err(torn.into()),
            }
        }
    }

    /// Lists the records of one family at each managed name.
    async fn list_by_name(&self, zone: &str, family: Family) -> Result<Part, ReadError> {
        let mut part = Part::default();
        for (name, alone) in self.names.each() {
            let mut pages = Pages::new(family, &alone, &mut part.listing, &mut part.odd);
            while pages.take(self.page(zone, family, pages.next(), Some(name)).await?)? {}
        }
        Ok(part)
    }

    /// Requests one page of the records of one family, at one name or at all.
    async fn page(
        &self,
        zone: &str,
        family: Family,
        page: u64,
        name: Option<&str>,
    ) -> Result<Envelope<Vec<ListedEntry>>, ReadError> {
        let (kind, page) = (family.to_string(), page.to_string());
        let per_page = listing::PER_PAGE.to_string();
        // Sorted, so that page boundaries are the same each time.
        let mut query = vec![
            ("type", kind.as_str()),
            ("per_page", per_page.as_str()),
            ("page", page.as_str()),
            ("order", "name"),
        ];
        query.extend(name.map(|name| ("name.exact", name)));
        Ok(self.api.ask(Ask::get(&["zones", zone, "dns_records"], &query)).await?)
    }
}
