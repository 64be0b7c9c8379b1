//! Route 53, through AWS's own SDK.
//!
//! A listing reads whole record sets and hands out their values as records; a change replaces whole
//! sets, each by deleting exactly what was listed and creating what should be there, in one
//! transaction. So two agents may change one set at the same moment: one of them is told
//! [`ProviderError::Changed`], lists, and plans again.
//!
//! | part | what it knows |
//! |---|---|
//! | `client` | the SDK's client: TLS, timeouts, proxies |
//! | `access` | as whom it asks, and credentials that end |
//! | `credentials` | what AWS's chain hands out, checked |
//! | `zone` | finding the zone by its name |
//! | `scan` | which pages to ask for |
//! | `sets` | a set, as Route 53 writes it and as records |
//! | `edit` | from records to sets that go and come, within the limits of a request |
//! | `apply` | one batch after the other, and what became of each |
//! | `preview` | what would be sent, for `goavail plan` |
//! | `rejection` | which set Route 53 means when it will not make a change |
//! | `failure` | what every other error means to the caller |
//! | `follow` | when a change is in force everywhere |

mod access;
mod apply;
mod client;
mod credentials;
mod edit;
mod failure;
mod follow;
pub mod preview;
mod rejection;
mod scan;
mod sets;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::ConfigLoader;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::RrType;

use self::access::{Access, Source};
use self::apply::Disputes;
use self::failure::{Asked, garbled, judge};
use self::follow::Followers;
use self::scan::{Scan, Start};
use self::sets::{RecordSet, Spellings, Unfit};
use self::zone::HalfAnswer;
use crate::config::Route53Config;
use crate::dns::{Changes, DnsProvider, Listing, Permit, ProviderError, Successor};
use crate::engine::plan::SetKey;

/// The provider as the operator names it.
const PROVIDER: &str = "Route 53";

/// How many pages of one listing are asked for without a pause.
const AT_ONCE: usize = 5;

/// The pause before each further page: Route 53 takes five requests a second for the account.
const PAUSE: Duration = Duration::from_millis(200);

/// No listing takes more pages than this; one that would is going in circles.
const MOST_PAGES: usize = 1_000;

/// The address records at the managed names of one hosted zone.
///
/// Each call makes one attempt at each request that it needs; nothing is retried here.
#[derive(Debug)]
pub struct Route53 {
    access: Arc<Access>,
    config: Route53Config,
    /// The zone's id, once it was looked up by name.
    found: Mutex<Option<String>>,
    /// From the newest listing.
    spellings: Mutex<Spellings>,
    disputes: Mutex<Disputes>,
    /// Which set was written without which health check, and that was said.
    told: Mutex<BTreeSet<(SetKey, String)>>,
    followers: Followers,
}

impl Route53 {
    /// Route 53 as `config` says, with credentials from AWS's usual chain: environment, profile
    /// files, web identity, container, instance metadata. Asks nobody anything yet; it is async
    /// because the profile files are read.
    pub async fn new(config: &Route53Config) -> Self {
        Self::from_source(config, Source::Process).await
    }

    /// As [`Route53::new`], with what `make` tells each loader, such as other credentials: once now,
    /// and again whenever credentials are renewed. Region, endpoint, timeouts, retries and the HTTP
    /// client are set here all the same.
    pub async fn renewing(
        config: &Route53Config,
        make: impl Fn() -> ConfigLoader + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(config, Source::Made(Box::new(make))).await
    }

    /// As [`Route53::renewing`], with credentials that are never renewed.
    pub async fn with(config: &Route53Config, loader: ConfigLoader) -> Self {
        Self::from_source(config, Source::Once(Mutex::new(Some(Box::new(loader))))).await
    }

    async fn from_source(config: &Route53Config, source: Source) -> Self {
        Self {
            access: Arc::new(Access::new(config, source).await),
            config: config.clone(),
            found: Mutex::default(),
            spellings: Mutex::default(),
            disputes: Mutex::default(),
            told: Mutex::default(),
            followers: Followers::new(),
        }
    }

    /// How often Route 53 is asked in the background whether a change is in force everywhere; every
    /// 5 s unless told otherwise.
    #[must_use]
    pub fn follow_every(mut self, pace: Duration) -> Self {
        self.followers.set_pace(pace);
        self
    }

    /// The hosted zone's id: configured, or looked up by name once.
    async fn zone_id(&self) -> Result<String, ProviderError> {
        if let Some(id) = &self.config.zone_id {
            return Ok(zone::bare_id(id).to_owned());
        }
        if let Some(id) = lock(&self.found).clone() {
            return Ok(id);
        }
        let id = zone::find(&self.access, &self.config.zone).await?;
        tracing::info!(zone = %self.config.zone, %id, "hosted zone found");
        Ok(lock(&self.found).insert(id).clone())
    }

    /// Forgets a zone that was looked up if it may be gone: it may have been made anew.
    fn doubt_zone(&self, error: &ProviderError) {
        if matches!(error, ProviderError::Refused { .. }) {
            *lock(&self.found) = None;
        }
    }

    async fn page(
        &self,
        zone: &str,
        start: Start,
    ) -> Result<ListResourceRecordSetsOutput, ProviderError> {
        let answer = self.access.ask(|client| {
            let request = client.list_resource_record_sets().hosted_zone_id(zone);
            request
                .start_record_name(start.name.clone())
                .set_start_record_type(start.kind.as_deref().map(RrType::from))
                .set_start_record_identifier(start.identifier.clone())
                .send()
        });
        let page = answer.await.map_err(|e| judge(&e, Asked::ToRead, self.listing()))?;
        // Every whole answer has it, and one that was cut short reads as an empty zone.
        if page.max_items() < 1 {
            return Err(garbled(self.listing(), &HalfAnswer));
        }
        Ok(page)
    }

    /// What a listing is called in an error.
    fn listing(&self) -> String {
        format!("list the records of {}", self.config.zone)
    }

    async fn read_zone(&self, zone: &str) -> Result<Findings, ProviderError> {
        let mut findings = Findings::default();
        let mut scan = Scan::new(&self.config.names);
        for asked in 0..MOST_PAGES {
            let Some(start) = scan.wants() else { return Ok(findings) };
            if asked >= AT_ONCE {
                tokio::time::sleep(PAUSE).await;
            }
            let page = self.page(zone, start).await?;
            findings.read(&page, &self.config.names);
            let next = next_page(&page).map_err(|why| garbled(self.listing(), &why))?;
            scan.read(next).map_err(|why| garbled(self.listing(), &why))?;
        }
        Err(garbled(self.listing(), &HalfAnswer))
    }
}

impl DnsProvider for Route53 {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        let zone = self.zone_id().await?;
        let findings = self.read_zone(&zone).await.inspect_err(|error| self.doubt_zone(error))?;
        let listing = findings.listing();
        *lock(&self.spellings) = findings.spellings;
        lock(&self.disputes).listed();
        Ok(listing)
    }

    async fn apply_while(
        &self,
        listing: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), ProviderError> {
        self.carry_out(listing, changes, permit).await
    }
}

impl Successor for Route53 {
    /// The same zone at the same place. Credentials are looked for anew, and may be of another
    /// account now: what was found by name in the old one is looked up again, and a reading of it
    /// does no harm, since no change is made but to sets that are as they were read.
    fn succeed(&mut self, before: Self) -> bool {
        let place = |of: &Route53Config| {
            (of.zone.clone(), of.zone_id.clone(), of.region.clone(), of.api_url.clone())
        };
        let same = place(&self.config) == place(&before.config);
        if same {
            (self.spellings, self.followers) = (before.spellings, before.followers);
            self.followers.may_ask_again();
            (self.disputes, self.told) = (before.disputes, before.told);
        }
        same
    }
}

/// The sets that were found so far.
#[derive(Default)]
struct Findings {
    /// In Route 53's order for each name and type, each set once: several walks may come by the same
    /// one, and the newest reading of it counts.
    sets: BTreeMap<SetKey, Vec<RecordSet>>,
    unfit: Vec<Unfit>,
    spellings: Spellings,
}

impl Findings {
    /// Takes the sets at `managed` names from a page.
    fn read(&mut self, page: &ListResourceRecordSetsOutput, managed: &[String]) {
        for set in page.resource_record_sets() {
            // The exact owner name: a page goes on with whatever comes after it.
            if managed.contains(&sets::plain_name(set.name())) {
                match sets::read(set, &mut self.spellings) {
                    Ok(Some(read)) => self.take(read),
                    Ok(None) => {}
                    Err(unfit) => self.unfit.push(unfit),
                }
            }
        }
    }

    fn take(&mut self, read: RecordSet) {
        let sets = self.sets.entry(read.key.clone()).or_default();
        match sets.iter_mut().find(|set| set.id() == read.id()) {
            Some(before) => *before = read,
            None => sets.push(read),
        }
    }

    fn listing(&self) -> Listing {
        let records = |sets: &Vec<RecordSet>| sets::records(&sets.iter().collect::<Vec<_>>());
        let sets = self.sets.iter().map(|(key, sets)| (key.clone(), records(sets)));
        let mut listing = Listing { sets: sets.collect(), ..Listing::default() };
        for unfit in &self.unfit {
            match unfit.set() {
                Some(set) => listing.leave_out(set.clone(), unfit),
                None => listing.leave_out_name(unfit.name(), unfit),
            }
        }
        listing
    }
}

fn next_page(page: &ListResourceRecordSetsOutput) -> Result<Option<Start>, HalfAnswer> {
    if !page.is_truncated() {
        return Ok(None);
    }
    Ok(Some(Start {
        name: page.next_record_name().ok_or(HalfAnswer)?.to_owned(),
        kind: page.next_record_type().map(|kind| kind.as_str().to_owned()),
        identifier: page.next_record_identifier().map(str::to_owned),
    }))
}

/// A lock that guards no decision, so a holder that panicked left nothing half decided.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
