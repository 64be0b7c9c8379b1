//! A provider over a shared map: the suite's own yardstick, and what other tests use where no wire
//! is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use goavail::dns::{
    Attributes, Changes, DnsProvider, Extra, Listing, NewRecord, ProviderError, Record,
};
use goavail::engine::plan::SetKey;
use tokio::sync::oneshot;

use super::{CONFIGURED_TTL, Call, Entry, Fault, Met, NAMES, ProviderUnderTest, ZONE, set_of};

/// How long a call may take in all, as a real provider's does.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

/// One zone in memory, and a provider for it. Clones share the zone and its faults.
#[derive(Clone)]
pub(crate) struct InMemory {
    zone: Arc<Mutex<Zone>>,
    names: Vec<String>,
    access: Access,
}

#[derive(Clone, Copy)]
enum Access {
    Granted,
    Denied,
    OutOfReach,
}

#[derive(Default)]
struct Zone {
    records: BTreeMap<SetKey, Vec<Record>>,
    /// Records of other types, which a provider never lists.
    others: Vec<Entry>,
    next_id: u64,
    faults: Vec<(Call, Fault, oneshot::Sender<()>)>,
    calls: Vec<Call>,
}

impl InMemory {
    /// A provider that manages `names` in an empty zone.
    pub(crate) fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self { zone: Arc::default(), names, access: Access::Granted }
    }

    /// Puts an address into the zone by other means.
    pub(crate) fn put(&self, name: &str, address: IpAddr, ttl: u32) {
        let attributes = Some(Attributes { ttl, extra: Extra::None });
        let record = NewRecord { set: set_of(name, address), address, attributes };
        self.lock().create(&record);
    }

    /// The calls that were made so far, in their order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap()
    }

    /// Counts the call and takes the fault that was kept for it.
    fn called(&self, call: Call) -> Option<Fault> {
        let mut zone = self.lock();
        zone.calls.push(call);
        let position = zone.faults.iter().position(|(on, ..)| *on == call)?;
        let (_, fault, met) = zone.faults.remove(position);
        let _ = met.send(()); // A test may have no wish to know.
        Some(fault)
    }

    fn admit(&self, what: &str) -> Result<(), ProviderError> {
        match self.access {
            Access::Granted => Ok(()),
            Access::Denied => Err(ProviderError::Refused {
                provider: "Memory",
                what: what.to_owned(),
                source: "access denied".into(),
            }),
            Access::OutOfReach => Err(unavailable(what, None)),
        }
    }
}

impl Zone {
    fn create(&mut self, new: &NewRecord) {
        self.next_id += 1;
        let default = Attributes { ttl: CONFIGURED_TTL, extra: Extra::None };
        let attributes = new.attributes.clone().unwrap_or(default);
        let record = Record { address: new.address, id: self.next_id.to_string(), attributes };
        self.records.entry(new.set.clone()).or_default().push(record);
    }

    fn holds(&self, set: &SetKey, address: IpAddr) -> bool {
        self.records.get(set).is_some_and(|set| set.iter().any(|r| r.address == address))
    }

    fn carry_out(&mut self, changes: &Changes) {
        for new in &changes.create {
            if !self.holds(&new.set, new.address) {
                self.create(new);
            }
        }
        for (set, doomed) in &changes.delete {
            if let Some(records) = self.records.get_mut(set) {
                records.retain(|record| record.id != doomed.id);
            }
        }
    }
}

fn unavailable(what: &str, retry_after: Option<Duration>) -> ProviderError {
    let source = "out of order".into();
    ProviderError::Unavailable { provider: "Memory", what: what.to_owned(), retry_after, source }
}

fn unconfirmed(what: &str) -> ProviderError {
    let source = "the answer was lost".into();
    ProviderError::Unconfirmed { provider: "Memory", what: what.to_owned(), source }
}

impl DnsProvider for InMemory {
    fn name(&self) -> &'static str {
        "Memory"
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        let what = "list the records";
        self.admit(what)?;
        match self.called(Call::Read) {
            None => {}
            Some(Fault::Throttled(wait)) => return Err(unavailable(what, Some(wait))),
            Some(Fault::Hang) => {
                tokio::time::sleep(GIVES_UP_AFTER).await;
                return Err(unavailable(what, None));
            }
            Some(_) => return Err(unavailable(what, None)),
        }
        let managed = |(set, _): &(&SetKey, _)| self.names.contains(&set.name);
        let clone = |(set, records): (&SetKey, &Vec<Record>)| (set.clone(), records.clone());
        Ok(Listing { sets: self.lock().records.iter().filter(managed).map(clone).collect() })
    }

    async fn apply(&self, _: &Listing, changes: &Changes) -> Result<(), ProviderError> {
        let what = "change the records";
        self.admit(what)?;
        let fault = self.called(Call::Write);
        match fault {
            None | Some(Fault::ServerError | Fault::Html | Fault::CutBefore) => {}
            Some(Fault::Throttled(wait)) => return Err(unavailable(what, Some(wait))),
            Some(Fault::Hang) => tokio::time::sleep(GIVES_UP_AFTER).await,
            Some(Fault::HalfABody | Fault::CutAfter) => self.lock().carry_out(changes),
        }
        if fault.is_some() {
            return Err(unconfirmed(what));
        }
        self.lock().carry_out(changes);
        Ok(())
    }
}

impl ProviderUnderTest for InMemory {
    type Provider = Self;

    const SAYS_WHEN_TO_RETRY: bool = true;

    async fn start() -> Self {
        Self::new(&NAMES)
    }

    async fn provider(&self) -> Self {
        self.clone()
    }

    async fn with_wrong_credentials(&self) -> Self {
        Self { access: Access::Denied, ..self.clone() }
    }

    async fn of_unknown_zone(&self) -> Self {
        Self { access: Access::Denied, ..self.clone() }
    }

    async fn out_of_reach(&self) -> Self {
        Self { access: Access::OutOfReach, ..self.clone() }
    }

    async fn seed(&self, entries: &[Entry]) {
        for entry in entries {
            assert!(entry.name.ends_with(ZONE), "{entry:?}");
            match entry.value.parse() {
                Ok(address) => self.put(&entry.name, address, entry.ttl),
                Err(_) => self.lock().others.push(entry.clone()),
            }
        }
    }

    async fn adorn(&self, name: &str, address: IpAddr) {
        let mut zone = self.lock();
        let records = zone.records.get_mut(&set_of(name, address)).unwrap();
        for record in records.iter_mut().filter(|record| record.address == address) {
            record.attributes.ttl = 777;
            record.attributes.extra = Extra::Cloudflare {
                proxied: true,
                comment: Some("kept".to_owned()),
                tags: vec!["owner:dns".to_owned()],
            };
        }
    }

    async fn remove(&self, name: &str, address: IpAddr) {
        let mut zone = self.lock();
        let records = zone.records.get_mut(&set_of(name, address)).unwrap();
        records.retain(|record| record.address != address);
    }

    async fn holds(&self) -> Vec<Entry> {
        let zone = self.lock();
        let mut entries = zone.others.clone();
        for (set, records) in &zone.records {
            entries.extend(records.iter().map(|record| Entry {
                name: set.name.clone(),
                kind: set.family.to_string(),
                value: record.address.to_string(),
                ttl: record.attributes.ttl,
                extras: format!("{:?}", record.attributes.extra),
            }));
        }
        entries.sort();
        entries
    }

    async fn inject(&self, on: Call, fault: Fault) -> Met {
        let (sender, met) = Met::pair();
        self.lock().faults.push((on, fault, sender));
        met
    }
}

super::contract_suite!(InMemory);

#[tokio::test]
async fn calls_are_counted_in_their_order() {
    let provider = InMemory::new(&NAMES);
    let listing = provider.list().await.unwrap();
    provider.apply(&listing, &Changes::default()).await.unwrap();
    assert_eq!(provider.calls(), [Call::Read, Call::Write]);
}
