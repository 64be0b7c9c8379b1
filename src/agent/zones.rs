//! The zones: the first listing of each, and their reconcilers, which are started, reloaded and stopped
//! together. No zone waits for the provider of another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Ended;
use super::confirming;
use super::input::{Input, Providers};
use super::state_store::{Records, StateStore};
use crate::dns::confirm::task::Confirmer;
use crate::dns::metered::{Metered, ProviderCounters};
use crate::dns::providers::{self, BuildError, ZoneConfig};
use crate::dns::reconciler::handle::{FirstListing, ReconcilerHandle, Surroundings};
use crate::dns::{DnsProvider, ProviderError};
use crate::engine::event::{DnsProblem, DnsReport, Event, Order};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::panics::caught;

/// Maximum number of reports of one reconciler that wait.
const REPORTS: usize = 64;

/// Maximum time for the current change to the DNS of a zone to finish at the end.
const LAST_CHANGE: Duration = Duration::from_secs(5);

/// The zones of a configuration.
pub(super) type Zones = BTreeMap<ZoneId, ZoneConfig>;

/// Builds the provider of each zone, all at the same time.
///
/// # Errors
///
/// Fails if one of them cannot be built, or not in time.
pub(super) async fn build(zones: &Zones) -> Result<Providers, BuildError> {
    let built = try_join_all(zones.values().map(providers::build_in_time)).await?;
    Ok(zones.keys().copied().zip(built).collect())
}

/// Maximum time for the first listing of a zone if there are several, so that none of them holds up the
/// start for the others.
const FIRST_LISTING: Duration = Duration::from_secs(5);

/// The results of the first listings.
#[derive(Debug, Default)]
pub(super) struct FirstListings {
    listings: BTreeMap<ZoneId, FirstListing>,
    /// The zones that were refused, and the reasons.
    refused: BTreeMap<ZoneId, DnsProblem>,
}

impl FirstListings {
    /// Adds the result of a zone.
    pub(super) fn insert(&mut self, zone: ZoneId, listing: FirstListing) {
        self.listings.insert(zone, listing);
    }
}

/// Lists each zone once, all at the same time. The calls are counted in `counters`. If there are
/// several zones, one that is refused or does not answer in time does not stop the others.
///
/// # Errors
///
/// [`Ended::Refused`] if each provider refuses the credentials or the zone, [`Ended::Stopped`] if none
/// can be built. A provider that is unreachable or defective is no error.
pub(super) async fn first_listings(
    zones: Zones,
    counters: ZoneCounters,
) -> Result<FirstListings, Ended> {
    let is_only = zones.len() == 1;
    let limit = (!is_only).then_some(FIRST_LISTING);
    let listings = zones.iter().map(|(id, zone)| first_listing(zone, counters.of(*id), limit));
    let listings = join_all(listings).await;
    if listings.iter().all(Result::is_err) {
        // The first one: with one zone, the reason is the only one.
        return listings
            .into_iter()
            .find_map(Result::err)
            .map_or(Ok(FirstListings::default()), Err);
    }
    let mut first = FirstListings::default();
    for ((id, zone), listing) in zones.iter().zip(listings) {
        match listing {
            Ok(listing) => first.insert(*id, listing),
            Err(ended) => {
                let problem = ended.into_problem();
                let why = &problem.what;
                tracing::error!(
                    zone = zone.shown_name().map(display),
                    "zone refused at the start; continuing with the other zones: {why}"
                );
                first.refused.insert(*id, problem);
            }
        }
    }
    Ok(first)
}

/// Lists a zone once, within `limit` if there is one. Neither a panic nor a failure that may pass is an
/// error.
async fn first_listing(
    zone: &ZoneConfig,
    counters: ProviderCounters,
    limit: Option<Duration>,
) -> Result<FirstListing, Ended> {
    let unlisted = FirstListing { counters: counters.clone(), ..FirstListing::default() };
    let listing = caught("the DNS provider", list(zone, counters));
    let listed = match limit {
        None => Ok(listing.await),
        Some(limit) => tokio::time::timeout(limit, listing).await,
    };
    let Ok(listed) = listed else {
        let limit = limit.unwrap_or_default().as_secs();
        tracing::warn!(
            zone = zone.shown_name().map(display),
            "continuing without a listing of the zone: no answer within {limit} s"
        );
        return Ok(unlisted);
    };
    match listed {
        Ok(listed) => listed,
        Err(panicked) => {
            tracing::error!(
                zone = zone.shown_name().map(display),
                "continuing without a listing of the zone: {panicked}"
            );
            Ok(unlisted)
        }
    }
}

async fn list(zone: &ZoneConfig, counters: ProviderCounters) -> Result<FirstListing, Ended> {
    let built = match providers::build_in_time(zone).await {
        Err(error @ BuildError::TimedOut) => {
            tracing::warn!(
                zone = zone.shown_name().map(display),
                "continuing without a listing of the zone: {error}"
            );
            return Ok(FirstListing { counters, ..FirstListing::default() });
        }
        built => built?,
    };
    let provider: Box<dyn DnsProvider> = Box::new(Metered::new(built, counters.clone()));
    let listed = match provider.list().await {
        Err(error @ ProviderError::Refused { .. }) => return Err(Ended::Refused(error)),
        listed => listed,
    };
    if let Err(error) = &listed {
        let why = crate::text::error_chain(error);
        tracing::warn!(
            zone = zone.shown_name().map(display),
            "continuing without a listing of the zone: {why}"
        );
    }
    Ok(FirstListing { provider: Some(provider), listed: Some(listed), counters })
}

/// The number of calls to the provider of each zone by outcome. Clones share the same counters.
#[derive(Debug, Clone, Default)]
pub(super) struct ZoneCounters(Arc<Mutex<BTreeMap<ZoneId, ProviderCounters>>>);

impl ZoneCounters {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ZoneId, ProviderCounters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the counters of a zone.
    pub(super) fn of(&self, zone: ZoneId) -> ProviderCounters {
        self.all().entry(zone).or_default().clone()
    }

    /// Drops the counters of all zones but these.
    fn keep(&self, zones: &Zones) {
        self.all().retain(|zone, _| zones.contains_key(zone));
    }

    /// Returns all counts so far, by zone and outcome.
    pub(super) fn counts(&self) -> BTreeMap<(ZoneId, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for (zone, counters) in self.all().iter() {
            counts.extend(counters.counts().into_iter().map(|(outcome, n)| ((*zone, outcome), n)));
        }
        counts
    }
}

/// The surroundings of all reconcilers, which outlast every reload.
pub(super) struct ZoneSurroundings {
    /// The runtime for requests.
    pub(super) talk: Handle,
    /// The queue of the event loop.
    pub(super) outbox: mpsc::Sender<Input>,
    /// The state that survives a restart.
    pub(super) store: Arc<StateStore>,
    /// The number of calls to all providers by outcome.
    pub(super) counters: ZoneCounters,
    /// The observer of changes that came into force.
    pub(super) confirmer: Confirmer,
}

impl ZoneSurroundings {
    /// Returns the surroundings of the reconciler of a zone.
    fn of(&self, id: ZoneId, zone: &ZoneConfig) -> Surroundings {
        Surroundings {
            runtime: self.talk.clone(),
            reports: self.reports(id),
            store: self.records(zone),
            effects: self.confirmer.sender(id),
        }
    }

    /// Returns the store of the record memory of a zone.
    fn records(&self, zone: &ZoneConfig) -> Arc<Records> {
        Arc::new(Records::new(&self.store, zone))
    }

    /// Starts the reconciler of a zone.
    fn start(&self, id: ZoneId, zone: &ZoneConfig, first: FirstListing) -> ZoneReconciler {
        let handle = ReconcilerHandle::start(zone, self.of(id, zone), first);
        ZoneReconciler { handle, name: zone.name.clone(), place: zone.provider.place() }
    }

    /// Returns the channel for the reports of a reconciler, which are forwarded to the event loop.
    fn reports(&self, zone: ZoneId) -> mpsc::Sender<DnsReport> {
        let (reports, mut received) = mpsc::channel(REPORTS);
        let outbox = self.outbox.clone();
        self.talk.spawn(async move {
            while let Some(report) = received.recv().await {
                if outbox.send(Input::Event(Event::Dns(zone, report))).await.is_err() {
                    return;
                }
            }
        });
        reports
    }

    /// Returns the result of a first listing that was not tried.
    fn unlisted(&self, zone: ZoneId, provider: Option<Box<dyn DnsProvider>>) -> FirstListing {
        let counters = self.counters.of(zone);
        let provider = provider.map(|provider| -> Box<dyn DnsProvider> {
            Box::new(Metered::new(provider, counters.clone()))
        });
        FirstListing { provider, listed: None, counters }
    }
}

/// The reconciler of a zone.
struct ZoneReconciler {
    handle: ReconcilerHandle,
    /// The name of the zone in the configuration.
    name: String,
    /// The place of the zone: see [`ProviderSettings::place`](providers::ProviderSettings::place).
    place: String,
}

/// The reconcilers, one for each zone.
pub(super) struct Reconcilers {
    handles: BTreeMap<ZoneId, ZoneReconciler>,
    surroundings: ZoneSurroundings,
}

impl Reconcilers {
    /// Starts a reconciler for each zone, with the result of its first listing.
    pub(super) fn start(
        zones: &Zones,
        mut first: FirstListings,
        surroundings: ZoneSurroundings,
    ) -> Self {
        surroundings.store.assign_zones(zones);
        let mut handles = BTreeMap::new();
        for (id, zone) in zones {
            let listing = first.listings.remove(id);
            let listing = listing.unwrap_or_else(|| surroundings.unlisted(*id, None));
            handles.insert(*id, surroundings.start(*id, zone, listing));
        }
        for (zone, problem) in first.refused {
            let report = Event::Dns(zone, DnsReport::Failing(problem));
            // The queue is empty at the start, so there is room.
            let _ = surroundings.outbox.try_send(Input::Event(report));
        }
        Self { handles, surroundings }
    }

    /// Requests a listing of a zone before it is needed.
    pub(super) fn request_listing(&self, zone: ZoneId) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.handle.request_listing();
        }
    }

    /// Places an order with the reconciler of a zone.
    pub(super) fn place(&self, zone: ZoneId, order: Order) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.handle.place(order);
        }
    }

    /// Recalls the part of an order that concerns `target`.
    pub(super) fn recall(&self, zone: ZoneId, target: TargetRef) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.handle.recall(target);
        }
    }

    /// Records an iteration of the event loop, which keeps its orders valid.
    pub(super) fn beat(&self) {
        for reconciler in self.handles.values() {
            reconciler.handle.beat();
        }
    }

    /// Returns the number of calls to all providers by outcome.
    pub(super) fn counters(&self) -> &ZoneCounters {
        &self.surroundings.counters
    }

    /// Follows another configuration. The reconciler of a zone that stays, perhaps by another name, is
    /// replaced once its change in progress is finished; that of a zone that is gone ends then.
    pub(super) fn reload(&mut self, zones: &Zones, mut providers: Providers) {
        self.surroundings.store.assign_zones(zones);
        self.surroundings.counters.keep(zones);
        self.surroundings.confirmer.reload(confirming::confirmed(zones));
        let mut gone: Vec<ZoneReconciler> = Vec::new();
        for (_, reconciler) in self.handles.extract_if(.., |id, _| !zones.contains_key(id)) {
            gone.push(reconciler);
        }
        for (id, zone) in zones {
            let (provider, place) = (providers.remove(id), zone.provider.place());
            if let Some(reconciler) = self.handles.get_mut(id) {
                if let Some(provider) = provider {
                    reconciler.handle.save_in(self.surroundings.records(zone));
                    reconciler.handle.hand_over(zone, provider);
                    (reconciler.name, reconciler.place) = (zone.name.clone(), place);
                }
                continue;
            }
            // Two reconcilers must not change one zone at the same time. One at another address of the
            // provider may change the same zone.
            let at_place = gone.iter().position(|reconciler| reconciler.place == place);
            let by_name = gone.iter().position(|reconciler| reconciler.name == zone.name);
            let renamed = at_place.or(by_name);
            let reconciler = match (renamed, provider) {
                (Some(renamed), Some(provider)) => {
                    let mut reconciler = gone.swap_remove(renamed);
                    let counters = self.surroundings.counters.of(*id);
                    reconciler.handle.rename(self.surroundings.of(*id, zone), counters);
                    reconciler.handle.hand_over(zone, provider);
                    (reconciler.name, reconciler.place) = (zone.name.clone(), place);
                    reconciler
                }
                (_, provider) => {
                    let first = self.surroundings.unlisted(*id, provider);
                    self.surroundings.start(*id, zone, first)
                }
            };
            self.handles.insert(*id, reconciler);
        }
        for reconciler in gone {
            self.surroundings.talk.spawn(reconciler.handle.finish(LAST_CHANGE));
        }
    }

    /// Ends all reconcilers. The changes in progress have five seconds to finish.
    pub(super) async fn finish(self) {
        let reconcilers = self.handles.into_values();
        join_all(reconcilers.map(|reconciler| reconciler.handle.finish(LAST_CHANGE))).await;
    }
}

#[cfg(test)]
mod tests;
