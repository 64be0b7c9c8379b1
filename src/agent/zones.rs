//! The zones: the first listing of each, and their reconcilers, which are started, reloaded and stopped
//! together. No zone waits for the provider of another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Ended;
use super::input::{Input, Providers};
use super::state_store::{Records, StateStore};
use crate::dns::metered::{Metered, ProviderCounters};
use crate::dns::providers::{self, BuildError, ZoneConfig};
use crate::dns::reconciler::handle::{FirstListing, ReconcilerHandle, Surroundings};
use crate::dns::{DnsProvider, ProviderError};
use crate::engine::event::{DnsReport, Event, Order};
use crate::engine::ids::{TargetRef, ZoneId};
use crate::panics::caught;

/// Maximum number of reports of one reconciler that wait.
const REPORTS: usize = 64;

/// Maximum time for the current change to the DNS of a zone to finish at the end.
const LAST_CHANGE: Duration = Duration::from_secs(5);

/// The zones of a configuration.
pub(super) type Zones = BTreeMap<ZoneId, ZoneConfig>;

/// Builds the provider of each zone.
///
/// # Errors
///
/// Fails if one of them cannot be built, or not in time.
pub(super) async fn build(zones: &Zones) -> Result<Providers, BuildError> {
    let mut built = Providers::new();
    for (id, zone) in zones {
        built.insert(*id, providers::build_in_time(zone).await?);
    }
    Ok(built)
}

/// Lists each zone once, all at the same time. The calls are counted in `counters`.
///
/// # Errors
///
/// [`Ended::Refused`] if a provider refuses the credentials or the zone, [`Ended::Stopped`] if one
/// cannot be built. A provider that is unreachable or defective is no error.
pub(super) async fn first_listings(
    zones: Zones,
    counters: ProviderCounters,
) -> Result<BTreeMap<ZoneId, FirstListing>, Ended> {
    let listings = try_join_all(zones.values().map(|zone| first_listing(zone, &counters)));
    Ok(zones.keys().copied().zip(listings.await?).collect())
}

/// Lists a zone once. Neither a panic nor a failure that may pass is an error.
async fn first_listing(
    zone: &ZoneConfig,
    counters: &ProviderCounters,
) -> Result<FirstListing, Ended> {
    match caught("the DNS provider", list(zone, counters)).await {
        Ok(listed) => listed,
        Err(panicked) => {
            tracing::error!("continuing without a listing of the zone: {panicked}");
            Ok(FirstListing { counters: counters.clone(), ..FirstListing::default() })
        }
    }
}

async fn list(zone: &ZoneConfig, counters: &ProviderCounters) -> Result<FirstListing, Ended> {
    let counters = counters.clone();
    let built = match providers::build_in_time(zone).await {
        Err(error @ BuildError::TimedOut) => {
            tracing::warn!("continuing without a listing of the zone: {error}");
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
        tracing::warn!("continuing without a listing of the zone: {why}");
    }
    Ok(FirstListing { provider: Some(provider), listed: Some(listed), counters })
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
    pub(super) counters: ProviderCounters,
}

impl ZoneSurroundings {
    /// Starts the reconciler of a zone.
    fn start(&self, id: ZoneId, zone: &ZoneConfig, first: FirstListing) -> ReconcilerHandle {
        let surroundings = Surroundings {
            runtime: self.talk.clone(),
            reports: self.reports(id),
            store: Arc::new(Records { store: Arc::clone(&self.store), zone: id }),
        };
        ReconcilerHandle::start(zone, surroundings, first)
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
    fn unlisted(&self, provider: Option<Box<dyn DnsProvider>>) -> FirstListing {
        let counters = self.counters.clone();
        let provider = provider.map(|provider| -> Box<dyn DnsProvider> {
            Box::new(Metered::new(provider, counters.clone()))
        });
        FirstListing { provider, listed: None, counters }
    }
}

/// The reconcilers, one for each zone.
pub(super) struct Reconcilers {
    handles: BTreeMap<ZoneId, ReconcilerHandle>,
    surroundings: ZoneSurroundings,
}

impl Reconcilers {
    /// Starts a reconciler for each zone, with the result of its first listing.
    pub(super) fn start(
        zones: &Zones,
        mut first: BTreeMap<ZoneId, FirstListing>,
        surroundings: ZoneSurroundings,
    ) -> Self {
        surroundings.store.assign_names(zones);
        let mut handles = BTreeMap::new();
        for (id, zone) in zones {
            let first = first.remove(id).unwrap_or_else(|| surroundings.unlisted(None));
            handles.insert(*id, surroundings.start(*id, zone, first));
        }
        Self { handles, surroundings }
    }

    /// Requests a listing of a zone before it is needed.
    pub(super) fn request_listing(&self, zone: ZoneId) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.request_listing();
        }
    }

    /// Places an order with the reconciler of a zone.
    pub(super) fn place(&self, zone: ZoneId, order: Order) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.place(order);
        }
    }

    /// Recalls the part of an order that concerns `target`.
    pub(super) fn recall(&self, zone: ZoneId, target: TargetRef) {
        if let Some(reconciler) = self.handles.get(&zone) {
            reconciler.recall(target);
        }
    }

    /// Records an iteration of the event loop, which keeps its orders valid.
    pub(super) fn beat(&self) {
        for reconciler in self.handles.values() {
            reconciler.beat();
        }
    }

    /// Returns the number of calls to all providers by outcome.
    pub(super) fn counters(&self) -> &ProviderCounters {
        &self.surroundings.counters
    }

    /// Follows another configuration. The reconciler of a zone that stays is replaced once its change
    /// in progress is finished; that of a zone that is gone ends then.
    pub(super) fn reload(&mut self, zones: &Zones, mut providers: Providers) {
        self.surroundings.store.assign_names(zones);
        for (_, gone) in self.handles.extract_if(.., |id, _| !zones.contains_key(id)) {
            self.surroundings.talk.spawn(gone.finish(LAST_CHANGE));
        }
        for (id, zone) in zones {
            let provider = providers.remove(id);
            match (self.handles.get_mut(id), provider) {
                (Some(reconciler), Some(provider)) => reconciler.hand_over(zone, provider),
                (Some(_), None) => {}
                (None, provider) => {
                    let first = self.surroundings.unlisted(provider);
                    self.handles.insert(*id, self.surroundings.start(*id, zone, first));
                }
            }
        }
    }

    /// Ends all reconcilers. The changes in progress have five seconds to finish.
    pub(super) async fn finish(self) {
        join_all(self.handles.into_values().map(|reconciler| reconciler.finish(LAST_CHANGE))).await;
    }
}

#[cfg(test)]
mod tests;
