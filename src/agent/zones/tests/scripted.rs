//! Providers that answer, refuse or hang as a test says.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::config::problem::Report;
use crate::dns::account::Account;
use crate::dns::providers::section::ServiceRecords;
use crate::dns::providers::{
    Building, PROVIDERS, ProviderKind, ProviderSettings, PublishedService, ZoneConfig,
};
use crate::dns::{
    Attributes, Call, ChangeRequest, DnsProvider, Extra, Listing, ProviderError, Record,
    RecordChanges,
};
use crate::engine::ids::ServiceId;
use crate::engine::plan::{Family, SetKey};

/// The owner name in each zone.
pub(super) const NAME: &str = "www.example.com";

/// The behaviour of the provider of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// It answers each call at once.
    Answers,
    /// It refuses the credentials.
    Refuses,
    /// It never answers a call.
    Hangs,
}

/// The settings of such a provider, and the zone at it. Clones are the same zone.
#[derive(Debug, Clone)]
pub(super) struct ScriptedSettings {
    place: &'static str,
    names: Vec<String>,
    behaviour: Behaviour,
    /// A permit for each write that may end.
    pub(super) writes: Arc<Semaphore>,
    pub(super) zone: Arc<Mutex<ZoneState>>,
}

/// The content of a zone, and the writes to it.
#[derive(Debug, Default)]
pub(super) struct ZoneState {
    pub(super) records: Vec<Record>,
    /// The number of writes in progress.
    in_progress: usize,
    /// The largest number of writes that were in progress at once.
    pub(super) most: usize,
}

impl ScriptedSettings {
    /// Returns a zone at `place` with one record.
    pub(super) fn new(place: &'static str, behaviour: Behaviour) -> Self {
        let attributes = Attributes { ttl: 60, extra: Extra::None };
        let records =
            vec![Record { address: [192, 0, 2, 10].into(), id: String::new(), attributes }];
        Self {
            place,
            names: vec![NAME.to_owned()],
            behaviour,
            writes: Arc::new(Semaphore::new(100)),
            zone: Arc::new(Mutex::new(ZoneState { records, ..ZoneState::default() })),
        }
    }

    /// Returns the zone by this name in the configuration.
    pub(super) fn zone(&self, name: &str) -> ZoneConfig {
        let (names, targets) = (self.names.clone(), vec![[192, 0, 2, 10].into()]);
        ZoneConfig {
            name: name.to_owned(),
            provider: Arc::new(self.clone()),
            services: [(ServiceId::DEFAULT, PublishedService { names, targets, standbys: vec![] })]
                .into(),
            account: Account::default(),
            dry_run: false,
            shared: false,
            confirm: None,
        }
    }
}

impl ProviderSettings for ScriptedSettings {
    fn kind(&self) -> ProviderKind {
        PROVIDERS[0]
    }

    fn zone(&self) -> &'static str {
        "example.com"
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn place(&self) -> String {
        self.place.to_owned()
    }

    fn new_records(&self, _: &SetKey) -> String {
        String::new()
    }

    fn access(&self) -> String {
        String::new()
    }

    fn publishing(&self, _: &[ServiceRecords<'_>], _: &mut Report) -> Arc<dyn ProviderSettings> {
        Arc::new(self.clone())
    }

    fn may_be_one_zone_with(&self, other: &dyn ProviderSettings) -> bool {
        self.place == other.place()
    }

    fn shares_account_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn build<'a>(&'a self, _: &'a Account) -> Building<'a> {
        let provider: Box<dyn DnsProvider> = Box::new(Scripted(self.clone()));
        Box::pin(async { Ok(provider) })
    }
}

#[derive(Debug)]
struct Scripted(ScriptedSettings);

impl DnsProvider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async {
            match self.0.behaviour {
                Behaviour::Answers => {}
                Behaviour::Hangs => std::future::pending::<()>().await,
                Behaviour::Refuses => {
                    let source = "the token is not valid".into();
                    let what = "list the records of example.com".to_owned();
                    return Err(ProviderError::Refused { provider: "scripted", what, source });
                }
            }
            let key = SetKey { name: NAME.to_owned(), family: Family::A };
            let records = self.0.zone.lock().unwrap().records.clone();
            let sets = [(key, records)].into();
            Ok(Listing { sets, ..Listing::default() })
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(async move {
            let RecordChanges { create, delete } = request.changes;
            {
                let mut zone = self.0.zone.lock().unwrap();
                zone.in_progress += 1;
                zone.most = zone.most.max(zone.in_progress);
            }
            self.0.writes.acquire().await.unwrap().forget();
            let mut zone = self.0.zone.lock().unwrap();
            zone.in_progress -= 1;
            for (_, gone) in delete {
                zone.records.retain(|record| record.address != gone.address);
            }
            for new in create {
                let attributes = new.attributes.clone();
                let attributes = attributes.unwrap_or(Attributes { ttl: 1, extra: Extra::None });
                zone.records.push(Record { address: new.address, id: String::new(), attributes });
            }
            Ok(())
        })
    }

    fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
        true
    }
}
