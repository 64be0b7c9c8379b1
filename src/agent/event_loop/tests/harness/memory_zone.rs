//! A zone in memory.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::dns::{Attributes, Call, ChangeRequest, DnsProvider, Extra, Listing, Record};
use crate::engine::plan::{Family, SetKey};

/// A zone in memory; one that is `None` never answers.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryZone(Option<Arc<Mutex<Listing>>>);

/// Returns the key of the only record set of a zone.
fn set() -> SetKey {
    SetKey { name: "www.example.com".to_owned(), family: Family::A }
}

/// Returns a record with the settings of every record here.
fn record(address: IpAddr) -> Record {
    let attributes = Attributes { ttl: 60, extra: Extra::None };
    Record { address, id: String::new(), attributes }
}

impl MemoryZone {
    /// Returns a zone with a record for each address.
    pub(super) fn with(addresses: &[IpAddr]) -> Self {
        let mut records = Vec::new();
        for address in addresses {
            records.push(record(*address));
        }
        let listing = Listing { sets: [(set(), records)].into(), ..Listing::default() };
        Self(Some(Arc::new(Mutex::new(listing))))
    }

    /// Returns the addresses in the zone.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let Some(zone) = &self.0 else { return vec![] };
        zone.lock().unwrap().sets[&set()].iter().map(|record| record.address).collect()
    }
}

impl DnsProvider for MemoryZone {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async {
            match &self.0 {
                Some(zone) => Ok(zone.lock().unwrap().clone()),
                None => std::future::pending().await,
            }
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async move {
            let Some(zone) = &self.0 else { std::future::pending().await };
            let mut zone = zone.lock().unwrap();
            let records = zone.sets.get_mut(&set()).unwrap();
            for (_, deleted) in &request.changes.delete {
                records.retain(|record| record.address != deleted.address);
            }
            for new in &request.changes.create {
                records.push(record(new.address));
            }
            Ok(())
        })
    }

    fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
        false
    }
}
