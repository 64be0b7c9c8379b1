//! Dry-run as a type: reads for real, writes nothing, remembers what it would have written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{
    Attributes, Changes, DnsProvider, Extra, Listing, Permit, ProviderError, Record, Successor,
};
use crate::engine::plan::{Family, SetKey};

/// A provider that is only read. What it would have written is kept here and shown in its listings,
/// so that the rest of the program takes the very same path.
///
/// A zone that could never be read is made up from the configuration: every managed address at
/// every name, with a warning each time that the reason changes. Once it was read, a reading that
/// fails is a failure, as it would be without dry-run.
#[derive(Debug)]
pub struct DryRun<P> {
    inner: P,
    made_up: Listing,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    imagined: Imagined,
    /// The zone was read at least once.
    was_read: bool,
    /// Why it was made up the last time.
    unreadable: Option<String>,
}

/// What would have been written and is not so. Once it is so, by whomever, the zone speaks for
/// itself again.
#[derive(Debug, Default)]
struct Imagined {
    gone: BTreeSet<(SetKey, IpAddr)>,
    there: BTreeMap<(SetKey, IpAddr), Option<Attributes>>,
}

impl<P> DryRun<P> {
    /// Wraps `inner`; `names` and `targets` are what the configuration manages.
    pub fn new(inner: P, names: &[String], targets: &[IpAddr]) -> Self {
        let mut made_up = Listing::default();
        for name in names {
            for address in targets {
                let key = SetKey { name: name.clone(), family: Family::of(*address) };
                made_up.sets.entry(key).or_default().push(imagined(*address, None));
            }
        }
        Self { inner, made_up, state: Mutex::default() }
    }
}

/// A record that is not really there.
fn imagined(address: IpAddr, attributes: Option<Attributes>) -> Record {
    let attributes = attributes.unwrap_or(Attributes { ttl: 1, extra: Extra::None });
    Record { address, id: String::new(), attributes }
}

impl Imagined {
    /// Takes `changes` for done.
    fn take(&mut self, changes: &Changes) {
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

    /// Lets go of all that is not at `names`.
    fn keep_to(&mut self, names: &BTreeSet<&str>) {
        self.gone.retain(|(set, _)| names.contains(set.name.as_str()));
        self.there.retain(|(set, _), _| names.contains(set.name.as_str()));
    }

    /// Lets go of what the zone really shows.
    fn give_way_to(&mut self, real: &Listing) {
        let real = real.observed();
        let is_there =
            |(set, address): &(SetKey, IpAddr)| real.get(set).is_some_and(|s| s.contains(address));
        self.gone.retain(is_there);
        self.there.retain(|place, _| !is_there(place));
    }

    /// The zone as it would be.
    fn show_in(&self, listing: &mut Listing) {
        for (set, address) in &self.gone {
            if let Some(records) = listing.sets.get_mut(set) {
                records.retain(|record| record.address != *address);
            }
        }
        for ((set, address), attributes) in &self.there {
            let records = listing.sets.entry(set.clone()).or_default();
            if records.iter().all(|record| record.address != *address) {
                records.push(imagined(*address, attributes.clone()));
            }
        }
    }
}

impl<P: DnsProvider> DnsProvider for DryRun<P> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        let read = self.inner.list().await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listing = match read {
            Ok(listing) => {
                state.was_read = true;
                state.imagined.give_way_to(&listing);
                listing
            }
            Err(error) if state.was_read => return Err(error),
            Err(error) => {
                let why = crate::chain(&error);
                if state.unreadable.as_ref() != Some(&why) {
                    tracing::warn!(
                        provider = self.inner.name(),
                        "dry-run could not read the zone and plans from the configuration: {why}"
                    );
                    state.unreadable = Some(why);
                }
                self.made_up.clone()
            }
        };
        state.imagined.show_in(&mut listing);
        Ok(listing)
    }

    async fn apply_while(
        &self,
        _: &Listing,
        changes: &Changes,
        _: Permit<'_>,
    ) -> Result<(), ProviderError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.imagined.take(changes);
        Ok(())
    }
}

impl<P: Successor> Successor for DryRun<P> {
    /// What was imagined stays so, as what was written would.
    fn succeed(&mut self, before: Self) -> bool {
        let same = self.inner.succeed(before.inner);
        let before = before.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let names = self.made_up.sets.keys().map(|set| set.name.as_str()).collect();
        state.imagined = before.imagined;
        state.imagined.keep_to(&names);
        if same {
            (state.was_read, state.unreadable) = (before.was_read, before.unreadable);
        }
        // A zone that was made up was made up of the settings before.
        same && state.was_read
    }
}
