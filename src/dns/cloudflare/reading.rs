//! Which pages to ask for, so that a zone is read whole with few requests, also while others write to it.
//!
//! One page holds all records of most zones. Where there are more pages, a record that somebody creates
//! or deletes between two of them moves all records after it, so that one at the next boundary is given
//! twice or not at all. A listing that shows signs of that is torn, and worth nothing. A name that is
//! asked for by itself cannot be torn: its records are one page.
//!
//! So the names are asked for one by one, after the first page,
//!
//! - if there are no more of them than pages that are left: that takes no more requests in a calm zone
//!   either, and there is nothing to tear;
//! - if two listings in a row were torn. With many names that is dear, and a zone in which somebody wrote
//!   once is read as a whole the next time. A zone that was torn twice is taken to be written to all the
//!   time, and for a while no further listing is lost before its names are asked for.
//!
//! Were every torn listing just read again, a zone that takes three seconds to read, and to which somebody
//! writes every second, would never be read, and a dead address would stay in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::call::{Ask, Envelope};
use super::listing::{self, Oddities, Pages};
use super::record::Entry;
use super::{Cloudflare, ReadError};
use crate::dns::Listing;
use crate::dns::worker::now;
use crate::engine::plan::Family;

/// How many listings in a row are torn until the names are asked for one by one.
const OFTEN: u32 = 2;

/// How long after the last torn listing no other one is tried.
const STAYS_BUSY: Duration = Duration::from_mins(10);

/// The listings of each family that were torn since the last whole one: how many, and when the last.
#[derive(Debug, Default)]
pub(super) struct Torn(Mutex<BTreeMap<Family, (u32, Instant)>>);

impl Torn {
    /// Takes note of a whole listing.
    fn whole(&self, family: Family) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&family);
    }

    /// Takes note of a torn listing. Returns whether that happens often.
    fn again(&self, family: Family) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, last) = all.entry(family).or_insert_with(|| (0, now()));
        (*times, *last) = (times.saturating_add(1), now());
        if *times == OFTEN {
            tracing::info!(
                "others write to the zone while it is read page by page; its names are asked for one by \
                 one"
            );
        }
        *times >= OFTEN
    }

    /// Whether another listing would most likely be torn too.
    fn is_likely(&self, family: Family) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&family).is_some_and(|(times, last)| *times >= OFTEN && last.elapsed() < STAYS_BUSY)
    }
}

/// What was read of one family.
#[derive(Debug, Default)]
struct Part {
    listing: Listing,
    odd: Oddities,
}

impl Cloudflare {
    /// Reads all records at the managed names.
    pub(super) async fn read(&self) -> Result<Listing, ReadError> {
        let zone = self.zone_in_force().await?;
        self.pay(&zone.id).await?;
        let mut listing = Listing { caution: zone.caution(&self.zone), ..Listing::default() };
        let mut odd = Oddities::default();
        for family in [Family::A, Family::Aaaa] {
            let Part { listing: mut part, odd: more } =
                match self.page_through(&zone.id, family).await? {
                    Some(part) => part,
                    None => self.name_by_name(&zone.id, family).await?,
                };
            listing.sets.append(&mut part.sets);
            listing.unfit.append(&mut part.unfit);
            odd.foreign.extend(more.foreign);
            odd.managed.extend(more.managed);
        }
        self.complete(&mut listing);
        self.say_what_is_odd(odd);
        Ok(listing)
    }

    /// All records of one family, page by page; `None` if its names are to be asked for one by one.
    async fn page_through(&self, zone: &str, family: Family) -> Result<Option<Part>, ReadError> {
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

    /// The records of one family at each managed name.
    async fn name_by_name(&self, zone: &str, family: Family) -> Result<Part, ReadError> {
        let mut part = Part::default();
        for (name, alone) in self.names.each() {
            let mut pages = Pages::new(family, &alone, &mut part.listing, &mut part.odd);
            while pages.take(self.page(zone, family, pages.next(), Some(name)).await?)? {}
        }
        Ok(part)
    }

    /// One page of the records of one family, at one name or at all.
    async fn page(
        &self,
        zone: &str,
        family: Family,
        page: u64,
        name: Option<&str>,
    ) -> Result<Envelope<Vec<Entry>>, ReadError> {
        let (kind, page) = (family.to_string(), page.to_string());
        let per_page = listing::PER_PAGE.to_string();
        // Sorted, so that a page boundary lies in the same place each time.
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
