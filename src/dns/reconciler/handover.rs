//! The knowledge that a reconciler hands over to its successor at a reload.

use std::collections::BTreeSet;

use super::effects::ToldChanges;
use super::listing_cache::ListingCache;
use super::pending_writes::PendingWrites;
use super::record_memory::RecordMemory;
use super::rejections::Rejections;
use super::retry::{LastFailure, Retry};
use super::uncertain::Uncertainty;
use crate::dns::clock::now;
use crate::dns::{DnsProvider, Listing, ProviderError, ServiceNames};

/// The knowledge of a zone and its provider.
#[derive(Debug, Default)]
pub struct ZoneKnowledge {
    pub(super) listing: ListingCache,
    /// The last failure, if the provider asked for a pause.
    pub(super) pause: Option<LastFailure>,
    pub(super) pending: PendingWrites,
    pub(super) rejections: Rejections,
    pub(super) uncertain: Uncertainty,
    /// Names that held no address before this agent created one.
    pub(super) new_names: BTreeSet<String>,
    /// The changes that the confirmer was told of.
    pub(super) told: ToldChanges,
    /// Whether a reconciler has started with it, and marked the places in its memory as uncertain.
    pub(super) started: bool,
}

impl ZoneKnowledge {
    /// Creates the knowledge from a listing that was requested just now.
    pub fn just_listed(listing: Listing) -> Self {
        let (now, mut uncertain) = (now(), Uncertainty::default());
        uncertain.record_listing(now, &listing.observed());
        Self { listing: ListingCache::with(now, listing), uncertain, ..Self::default() }
    }

    /// Creates the knowledge from a listing that failed just now: the pause that the provider asks
    /// for.
    pub fn unlisted(error: &ProviderError) -> Self {
        let mut retry = Retry::after(None);
        retry.failed_in_advance(error);
        Self { pause: retry.into_pause(), ..Self::default() }
    }
}

/// Everything that a reconciler leaves at its end.
#[derive(Debug)]
pub struct Handover {
    /// The provider that it used.
    pub provider: Box<dyn DnsProvider>,
    /// The owner names that it managed, by service.
    pub names: ServiceNames,
    /// The settings of withdrawn records.
    pub memory: RecordMemory,
    /// Its knowledge of the zone.
    pub knowledge: ZoneKnowledge,
}

impl Handover {
    /// Hands over to a reconciler that uses `provider` at `names`: the whole memory, and the
    /// knowledge that still applies.
    pub fn pass_on(
        self,
        provider: &mut dyn DnsProvider,
        names: &ServiceNames,
    ) -> (RecordMemory, ZoneKnowledge) {
        let mut knowledge = self.knowledge;
        if !provider.inherit_from(self.provider) {
            knowledge = ZoneKnowledge::default();
        } else if self.names != *names {
            let ZoneKnowledge { pause, told, .. } = knowledge;
            knowledge = ZoneKnowledge { pause, told, ..ZoneKnowledge::default() };
        }
        (self.memory, knowledge)
    }
}
