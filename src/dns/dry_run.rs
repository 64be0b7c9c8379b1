//! Dry-run as a type: reads for real, writes nothing, remembers what it would have written.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::{Attributes, Changes, DnsProvider, Extra, Listing, ProviderError, Record};
use crate::engine::plan::{Family, SetKey};

/// A provider that is only read. What it would have written is kept here and shown in its listings,
/// so that the rest of the program takes the very same path.
///
/// A zone that cannot be read is made up from the configuration: every managed address at every
/// name, with a warning each time that the reason changes.
#[derive(Debug)]
pub struct DryRun<P> {
    inner: P,
    made_up: Listing,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    imagined: Changes,
    unreadable: Option<String>,
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

/// The zone as it would be after `changes`.
fn overlay(listing: &mut Listing, changes: &Changes) {
    for (key, record) in &changes.delete {
        if let Some(records) = listing.sets.get_mut(key) {
            records.retain(|there| there.address != record.address);
        }
    }
    for new in &changes.create {
        let records = listing.sets.entry(new.set.clone()).or_default();
        if records.iter().all(|there| there.address != new.address) {
            records.push(imagined(new.address, new.attributes.clone()));
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
                state.unreadable = None;
                listing
            }
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
        overlay(&mut listing, &state.imagined);
        Ok(listing)
    }

    async fn apply(&self, _: &Listing, changes: &Changes) -> Result<(), ProviderError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let imagined = &mut state.imagined;
        for (key, record) in &changes.delete {
            imagined.create.retain(|new| (&new.set, new.address) != (key, record.address));
            imagined.delete.push((key.clone(), record.clone()));
        }
        for new in &changes.create {
            let same =
                |(key, record): &(SetKey, Record)| (key, record.address) == (&new.set, new.address);
            imagined.delete.retain(|gone| !same(gone));
            imagined.create.push(new.clone());
        }
        Ok(())
    }
}
