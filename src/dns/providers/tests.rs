use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::section::published_names;
use super::*;
use crate::dns::metered::{Metered, ProviderCounters};
use crate::dns::{Call, ChangeRequest, Listing, ProviderError, RecordChanges};

/// The settings of a provider with calls that never end, as its builder makes it.
#[derive(Debug)]
struct HangingSettings {
    names: Vec<String>,
}

impl ProviderSettings for HangingSettings {
    fn kind(&self) -> ProviderKind {
        cloudflare::KIND
    }

    fn zone(&self) -> &'static str {
        "example.com"
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn place(&self) -> String {
        String::new()
    }

    fn new_records(&self, _: &SetKey) -> String {
        String::new()
    }

    fn access(&self) -> String {
        String::new()
    }

    fn publishing(
        &self,
        services: &[ServiceRecords<'_>],
        _: &mut Report,
    ) -> Arc<dyn ProviderSettings> {
        Arc::new(Self { names: published_names(services) })
    }

    fn may_be_one_zone_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn shares_account_with(&self, _: &dyn ProviderSettings) -> bool {
        false
    }

    fn build<'a>(&'a self, _: &'a Account) -> Building<'a> {
        Box::pin(async { Ok(Box::new(Hanging) as Box<dyn DnsProvider>) })
    }
}

#[derive(Debug)]
struct Hanging;

impl DnsProvider for Hanging {
    fn name(&self) -> &'static str {
        "Hanging"
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(std::future::pending())
    }

    fn apply<'a>(&'a self, _: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn inherit_from(&mut self, _: Box<dyn DnsProvider>) -> bool {
        true
    }
}

fn zone(dry_run: bool) -> ZoneConfig {
    let names = vec!["www.example.com".to_owned()];
    let targets = vec![IpAddr::from([192, 0, 2, 10])];
    let provider = Arc::new(HangingSettings { names: names.clone() });
    let services =
        [(ServiceId::DEFAULT, PublishedService { names, targets, standbys: vec![] })].into();
    let (name, account) = ("default".to_owned(), Account::default());
    ZoneConfig { name, provider, services, account, dry_run, shared: false, confirm: None }
}

/// Returns the result of a call, which has to end within an hour.
async fn ended<T>(call: Call<'_, T>) -> Result<T, ProviderError> {
    tokio::time::timeout(Duration::from_hours(1), call).await.expect("it never ends")
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_end_are_cut_off_and_counted() {
    let counters = ProviderCounters::default();
    let built = build(&zone(false)).await.unwrap();
    let provider = Metered::new(built, counters.clone());
    let listed = ended(provider.list()).await;
    assert!(matches!(listed, Err(ProviderError::Unavailable { .. })), "{listed:?}");
    let (listing, changes) = (Listing::default(), RecordChanges::default());
    let applied = ended(provider.apply(ChangeRequest::new(&listing, &changes))).await;
    assert!(matches!(applied, Err(ProviderError::Unconfirmed { .. })), "{applied:?}");
    let mut counts = counters.counts();
    counts.retain(|_, count| *count > 0);
    assert_eq!(counts, [("unavailable", 1), ("unconfirmed", 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_plans_without_a_listing_that_never_ends() {
    let provider = build(&zone(true)).await.unwrap();
    let listing = ended(provider.list()).await.unwrap();
    assert_eq!(listing.sets.len(), 1, "it is made up from the configuration");
}

#[tokio::test(start_paused = true)]
async fn a_provider_inherits_through_the_time_limit() {
    for dry_run in [false, true] {
        let mut provider = build(&zone(dry_run)).await.unwrap();
        let before = build(&zone(dry_run)).await.unwrap();
        // A dry-run has not read the zone yet.
        assert_eq!(provider.inherit_from(before), !dry_run);
    }
}
