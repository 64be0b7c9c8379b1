//! Dry-run as a type: reads the real zone, writes nothing, and simulates its own writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{
    Attributes, Call, ChangeRequest, DnsProvider, Extra, Listing, Placement, ProviderError, Record,
    RecordChanges, downcast,
};
use crate::engine::plan::{Family, SetKey};

/// A provider that is only read. Writes are simulated here and appear in the listings, so that the
/// rest of the program works as it would without dry-run.
///
/// If the zone has never been read, a listing is made up from the configuration: every managed
/// address at every name, with a warning each time the reason changes. Once the zone has been read,
/// a failed listing is a failure, as it would be without dry-run.
#[derive(Debug)]
pub struct DryRun {
    inner: Box<dyn DnsProvider>,
    /// The name of the zone for people, if the configuration names zones.
    zone: Option<String>,
    made_up: Listing,
    state: Mutex<DryRunState>,
}

#[derive(Debug, Default)]
struct DryRunState {
    simulated: Simulated,
    /// Whether the zone has been read at least once.
    was_read: bool,
    /// The reason why the last listing was made up.
    unreadable: Option<String>,
}

/// The simulated differences from the real zone. A difference ends once the real zone shows the
/// same.
#[derive(Debug, Default)]
struct Simulated {
    gone: BTreeSet<Placement>,
    there: BTreeMap<Placement, Option<Attributes>>,
}

impl DryRun {
    /// Wraps `inner`, with a configuration that publishes nothing yet.
    pub fn new(inner: Box<dyn DnsProvider>) -> Self {
        Self { inner, zone: None, made_up: Listing::default(), state: Mutex::default() }
    }

    /// Sets the name of the zone in log lines; `None` if the configuration names no zones.
    #[must_use]
    pub fn named(self, zone: Option<&str>) -> Self {
        Self { zone: zone.map(str::to_owned), ..self }
    }

    /// Adds the names and the targets of a service in the configuration.
    #[must_use]
    pub fn publishing(mut self, names: &[String], targets: &[IpAddr]) -> Self {
        for name in names {
            for address in targets {
                let key = SetKey { name: name.clone(), family: Family::of(*address) };
                let records = self.made_up.sets.entry(key).or_default();
                records.push(simulated_record(*address, None));
            }
        }
        self
    }

    async fn simulate_list(&self) -> Result<Listing, ProviderError> {
        let read = self.inner.list().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listing = match read {
            Ok(listing) => {
                state.was_read = true;
                state.simulated.drop_real(&listing);
                listing
            }
            Err(error) if state.was_read => return Err(error),
            Err(error) => {
                let why = crate::text::error_chain(&error);
                if state.unreadable.as_ref() != Some(&why) {
                    tracing::warn!(
                        provider = self.inner.name(),
                        zone = self.zone.as_deref().map(tracing::field::display),
                        "dry-run could not read the zone and plans from the configuration: {why}"
                    );
                    state.unreadable = Some(why);
                }
                self.made_up.clone()
            }
        };
        state.simulated.overlay(&mut listing);
        Ok(listing)
    }
}

/// Returns a record that exists in the simulation only.
fn simulated_record(address: IpAddr, attributes: Option<Attributes>) -> Record {
    let attributes = attributes.unwrap_or(Attributes { ttl: 1, extra: Extra::None });
    Record { address, id: String::new(), attributes }
}

impl Simulated {
    /// Simulates the given changes.
    fn apply(&mut self, changes: &RecordChanges) {
        for (set, record) in &changes.delete {
            let place = (set.clone(), record.address);
            self.there.remove(&place);
            self.gone.insert(place);
        }
        for new in &changes.create {
            let place = (new.set.clone(), new.address);
            self.gone.remove(&place);
            self.there.insert(place, new.attributes.clone());
        }
    }

    /// Discards differences at other names than `names`.
    fn retain_names(&mut self, names: &BTreeSet<&str>) {
        self.gone.retain(|(set, _)| names.contains(set.name.as_str()));
        self.there.retain(|(set, _), _| names.contains(set.name.as_str()));
    }

    /// Discards differences that the real zone shows by now.
    fn drop_real(&mut self, real: &Listing) {
        let real = real.observed();
        let is_there =
            |(set, address): &Placement| real.get(set).is_some_and(|s| s.contains(address));
        self.gone.retain(is_there);
        self.there.retain(|place, _| !is_there(place));
    }

    /// Adds the differences to a listing of the real zone.
    fn overlay(&self, listing: &mut Listing) {
        for (set, address) in &self.gone {
            if let Some(records) = listing.sets.get_mut(set) {
                records.retain(|record| record.address != *address);
            }
        }
        for ((set, address), attributes) in &self.there {
            let records = listing.sets.entry(set.clone()).or_default();
            if records.iter().all(|record| record.address != *address) {
                records.push(simulated_record(*address, attributes.clone()));
            }
        }
    }
}

impl DnsProvider for DryRun {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(self.simulate_list())
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.simulated.apply(request.changes);
            Ok(())
        })
    }

    /// Keeps the simulated differences, as real writes would persist.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let Some(before) = downcast::<Self>(before) else { return false };
        let same = self.inner.inherit_from(before.inner);
        let before = before.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let names = self.made_up.sets.keys().map(|set| set.name.as_str()).collect();
        state.simulated = before.simulated;
        state.simulated.retain_names(&names);
        if same {
            (state.was_read, state.unreadable) = (before.was_read, before.unreadable);
        }
        // A made-up listing was made from the earlier configuration.
        same && state.was_read
    }
}
