//! A provider on a shared map: the reference for the suite, and the provider of tests without a
//! network.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use goavail::engine::plan::SetKey;
use goavail::testing::dns::{
    self, Attributes, Capabilities, Capability, ChangeRequest, DnsProvider, Extra, Listing,
    NewRecord, ProviderError, Record, RecordChanges,
};
use tokio::sync::oneshot;

use super::{
    CONFIGURED_TTL, Call, Entry, Fault, FaultSignal, NAMES, ProviderUnderTest, ZONE, set_of,
};

/// Time limit of a call, as in a real provider.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

/// One zone in memory, and a provider for it. Clones share the zone and its faults.
#[derive(Debug, Clone)]
pub(crate) struct InMemory {
    zone: Arc<Mutex<Zone>>,
    names: Vec<String>,
    access: Access,
}

#[derive(Debug, Clone, Copy)]
enum Access {
    Granted,
    Denied,
    OutOfReach,
}

#[derive(Debug, Default)]
struct Zone {
    records: BTreeMap<SetKey, Vec<Record>>,
    /// Records of other types, which a provider never lists.
    others: Vec<Entry>,
    /// Sets that a listing omits, with the reason.
    unfit: BTreeMap<SetKey, String>,
    /// Records that may not be created, in any change: `None` is any record of that set.
    barred: Vec<(SetKey, Option<IpAddr>)>,
    /// Whether a rejection names its sets.
    names_culprits: bool,
    next_id: u64,
    faults: Vec<(Call, Fault, oneshot::Sender<()>)>,
    calls: Vec<Call>,
}

impl InMemory {
    /// Creates a provider that manages `names` in an empty zone.
    pub(crate) fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Self { zone: Arc::default(), names, access: Access::Granted }
    }

    /// Adds an address to the zone by other means.
    pub(crate) fn put(&self, name: &str, address: IpAddr, ttl: u32) {
        let attributes = Some(Attributes { ttl, extra: Extra::None });
        let record = NewRecord { set: set_of(name, address), address, attributes };
        self.lock().create(&record);
    }

    /// Makes listings omit a set for this reason; `None` ends it.
    pub(crate) fn set_unfit(&self, set: SetKey, why: Option<&str>) {
        let mut zone = self.lock();
        match why {
            Some(why) => zone.unfit.insert(set, why.to_owned()),
            None => zone.unfit.remove(&set),
        };
    }

    /// Makes changes that create this record rejected; without an address, any change of that set.
    pub(crate) fn bar(&self, set: SetKey, address: Option<IpAddr>) {
        self.lock().barred.push((set, address));
    }

    /// Ends all rejections.
    pub(crate) fn unbar(&self) {
        self.lock().barred.clear();
    }

    /// Makes rejections name their sets.
    pub(crate) fn name_culprits(&self) {
        self.lock().names_culprits = true;
    }

    /// Returns the calls so far, in their order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap()
    }

    /// Counts the call and returns the fault scripted for it.
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

    /// Returns the sets of `changes` with a rejected change.
    fn culprits(&self, changes: &RecordChanges) -> Vec<SetKey> {
        let is_barred = |set: &SetKey, created: Option<IpAddr>| {
            let fits = |(at, what): &(SetKey, Option<IpAddr>)| {
                at == set && (what.is_none() || *what == created)
            };
            self.barred.iter().any(fits)
        };
        let new = changes.create.iter().map(|new| (&new.set, Some(new.address)));
        let old = changes.delete.iter().map(|(set, _)| (set, None));
        let barred = new.chain(old).filter(|(set, created)| is_barred(set, *created));
        let mut sets: Vec<_> = barred.map(|(set, _)| set.clone()).collect();
        sets.sort();
        sets.dedup();
        sets
    }

    fn carry_out(&mut self, changes: &RecordChanges) {
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

fn rejected(what: &str, culprits: Vec<SetKey>) -> ProviderError {
    let source = "a record may not be so".into();
    ProviderError::Rejected { provider: "Memory", what: what.to_owned(), culprits, source }
}

fn unconfirmed(what: &str, retry_after: Option<Duration>) -> ProviderError {
    let source = "the answer was lost".into();
    ProviderError::Unconfirmed { provider: "Memory", what: what.to_owned(), retry_after, source }
}

impl DnsProvider for InMemory {
    fn name(&self) -> &'static str {
        "Memory"
    }

    fn list(&self) -> dns::Call<'_, Listing> {
        Box::pin(self.list_records())
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> dns::Call<'a, ()> {
        Box::pin(self.change_records(request.changes))
    }

    fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
        false
    }
}

impl InMemory {
    async fn list_records(&self) -> Result<Listing, ProviderError> {
        let what = "list the records";
        self.admit(what)?;
        match self.called(Call::Read) {
            None => {}
            Some(Fault::Throttled(wait) | Fault::Overloaded(wait)) => {
                return Err(unavailable(what, Some(wait)));
            }
            Some(Fault::Hang) => {
                // The hang itself, in the time of the test's clock.
                tokio::time::sleep(GIVES_UP_AFTER).await;
                return Err(unavailable(what, None));
            }
            Some(_) => return Err(unavailable(what, None)),
        }
        let managed = |(set, _): &(&SetKey, _)| self.names.contains(&set.name);
        let clone = |(set, records): (&SetKey, &Vec<Record>)| (set.clone(), records.clone());
        let zone = self.lock();
        let sets = zone.records.iter().filter(managed).map(clone).collect();
        let mut listing = Listing { sets, ..Listing::default() };
        for (set, why) in &zone.unfit {
            listing.leave_out(set.clone(), why);
        }
        Ok(listing)
    }

    async fn change_records(&self, changes: &RecordChanges) -> Result<(), ProviderError> {
        let what = "change the records";
        self.admit(what)?;
        let fault = self.called(Call::Write);
        let (culprits, says) = {
            let zone = self.lock();
            (zone.culprits(changes), zone.names_culprits)
        };
        if fault.is_none() && !culprits.is_empty() {
            return Err(rejected(what, if says { culprits } else { vec![] }));
        }
        match fault {
            None | Some(Fault::ServerError | Fault::Html | Fault::CutBefore) => {}
            Some(Fault::Throttled(wait)) => return Err(unavailable(what, Some(wait))),
            Some(Fault::Overloaded(wait)) => return Err(unconfirmed(what, Some(wait))),
            // The hang itself, as above.
            Some(Fault::Hang) => tokio::time::sleep(GIVES_UP_AFTER).await,
            Some(Fault::HalfABody | Fault::CutAfter) => self.lock().carry_out(changes),
        }
        if fault.is_some() {
            return Err(unconfirmed(what, None));
        }
        self.lock().carry_out(changes);
        Ok(())
    }
}

impl ProviderUnderTest for InMemory {
    type Provider = Self;

    const CAPABILITIES: Capabilities = Capabilities::new(&[
        Capability::RecordByRecord,
        Capability::AllOrNothing,
        Capability::Settings,
        Capability::Duplicates,
        Capability::Pages,
        Capability::Pauses,
        Capability::PausesAtLimit,
    ]);

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
                other_fields: serde_json::Map::new(),
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

    async fn inject(&self, on: Call, fault: Fault) -> FaultSignal {
        let (sender, met) = FaultSignal::pair();
        self.lock().faults.push((on, fault, sender));
        met
    }
}

super::contract_suite!(InMemory);

#[tokio::test]
async fn a_set_that_is_unfit_is_left_out_and_the_others_are_listed() {
    let provider = InMemory::new(&NAMES);
    let [www, api] = [NAMES[0], NAMES[1]].map(|name| set_of(name, IpAddr::from([192, 0, 2, 1])));
    for set in [&www, &api] {
        provider.put(&set.name, IpAddr::from([192, 0, 2, 1]), 60);
    }
    provider.set_unfit(api.clone(), Some("api.example.com A is an alias"));
    let listing = provider.list().await.unwrap();
    assert_eq!(listing.sets.keys().collect::<Vec<_>>(), [&www]);
    assert_eq!(listing.unfit.keys().collect::<Vec<_>>(), [&api]);
}

#[tokio::test]
async fn a_rejected_change_has_no_effect_and_another_one_succeeds() {
    let provider = InMemory::new(&NAMES);
    let address = IpAddr::from([192, 0, 2, 1]);
    let [www, api] = [NAMES[0], NAMES[1]].map(|name| set_of(name, address));
    let new = |set: &SetKey| NewRecord { set: set.clone(), address, attributes: None };
    let listing = provider.list().await.unwrap();
    provider.bar(api.clone(), None);
    provider.name_culprits();
    let both = RecordChanges { create: vec![new(&www), new(&api)], delete: vec![] };
    let error = provider.apply(ChangeRequest::new(&listing, &both)).await.unwrap_err();
    assert!(matches!(&error, ProviderError::Rejected { culprits, .. } if *culprits == [api]));
    assert!(ProviderUnderTest::holds(&provider).await.is_empty(), "{error}");
    provider
        .apply(ChangeRequest::new(
            &listing,
            &RecordChanges { create: vec![new(&www)], delete: vec![] },
        ))
        .await
        .unwrap();
    provider.unbar();
    provider.apply(ChangeRequest::new(&listing, &both)).await.unwrap();
    assert_eq!(ProviderUnderTest::holds(&provider).await.len(), 2);
}

#[tokio::test]
async fn calls_are_counted_in_their_order() {
    let provider = InMemory::new(&NAMES);
    let listing = provider.list().await.unwrap();
    provider.apply(ChangeRequest::new(&listing, &RecordChanges::default())).await.unwrap();
    assert_eq!(provider.calls(), [Call::Read, Call::Write]);
}
