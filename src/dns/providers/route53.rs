//! Route 53, by AWS's own SDK.
//!
//! A listing reads whole record sets and returns their values as records. A change replaces whole
//! sets: each is deleted exactly as it was listed and created as it should be, in one transaction.
//! Two agents may therefore change one set at the same time: one of them gets
//! [`ProviderError::Changed`], and lists and plans again.
//!
//! | part | purpose |
//! |---|---|
//! | `client` | the SDK's client: TLS, timeouts, proxies |
//! | `access` | credentials, and their renewal |
//! | `credentials` | the credentials of AWS's chain, checked |
//! | `zone` | the lookup of the zone by its name |
//! | `scan` | the pages to request |
//! | `sets` | record sets in Route 53's format and as records |
//! | `edit` | the conversion of record changes to sets, within the limits of a request |
//! | `apply` | batches and their outcome |
//! | `preview` | the requests of a change, for `goavail plan` |
//! | `rejection` | the sets that a rejection concerns |
//! | `failure` | the consequences of every other error |
//! | `follow` | the time at which a change is in force everywhere |

mod access;
mod apply;
mod client;
mod credentials;
mod edit;
mod failure;
mod follow;
pub(crate) mod preview;
mod profiles;
mod rejection;
mod scan;
mod section;
mod sets;
mod zone;

pub(crate) use self::section::KIND;
pub use self::section::{CAPABILITIES, Route53Config};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::ConfigLoader;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::RrType;

use self::access::{Access, Source};
use self::apply::Disputes;
use self::failure::{RequestKind, convert_error, incomplete};
use self::follow::Followers;
use self::scan::{Scan, Start};
use self::sets::{AddressSpellings, RecordSet, Unfit};
use self::zone::IncompleteAnswer;
use crate::dns::account::{Account, RequestOrder};
use crate::dns::{Call, ChangeRequest, DnsProvider, Listing, ProviderError, downcast};
use crate::engine::plan::SetKey;

/// The provider's name for the operator.
const PROVIDER: &str = "Route 53";

/// The number of pages of one listing that are requested without a pause.
const AT_ONCE: usize = 5;

/// The pause before each further page: Route 53 accepts five requests a second for the account.
const PAUSE: Duration = Duration::from_millis(200);

/// Maximum number of pages of a listing; one with more is going in circles.
const MOST_PAGES: usize = 1_000;

/// The address records at the managed names of one hosted zone.
///
/// Each call makes one attempt at each request that it needs, without retries.
#[derive(Debug)]
pub struct Route53 {
    access: Arc<Access>,
    config: Route53Config,
    /// The zone's id, if it was looked up by name.
    found: Mutex<Option<String>>,
    /// The spellings of addresses in the newest listing.
    spellings: Mutex<AddressSpellings>,
    disputes: Mutex<Disputes>,
    /// The sets that were written without a deleted health check, for which that was logged.
    logged: Mutex<BTreeSet<(SetKey, String)>>,
    followers: Followers,
}

impl Route53 {
    /// Creates a provider for `config`, with credentials from AWS's usual chain: environment,
    /// profile files, web identity, container, instance metadata. Nothing is sent yet; it is async
    /// because the profile files are read.
    pub async fn new(config: &Route53Config) -> Self {
        Self::in_account(config, &Account::default()).await
    }

    /// Creates a provider as [`Route53::new`] does, with the pauses that are asked for in any zone of
    /// `account`.
    pub async fn in_account(config: &Route53Config, account: &Account) -> Self {
        let source = match &config.profile {
            Some(profile) => Source::Profile(profile.clone()),
            None => Source::Process,
        };
        Self::from_source(config, source, account).await
    }

    /// Creates a provider as [`Route53::new`] does, with the settings of the loaders that `make`
    /// returns, such as other credentials. `make` is called now, and again whenever credentials are
    /// renewed. Region, endpoint, timeouts, retries and the HTTP client are set here in any case.
    pub async fn renewing(
        config: &Route53Config,
        make: impl Fn() -> ConfigLoader + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(config, Source::Made(Box::new(make)), &Account::default()).await
    }

    /// Creates a provider as [`Route53::renewing`] does, with credentials that are never renewed.
    pub async fn with(config: &Route53Config, loader: ConfigLoader) -> Self {
        Self::with_in_account(config, loader, &Account::default()).await
    }

    /// Creates a provider as [`Route53::with`] does, with the pauses that are asked for in any zone of
    /// `account`.
    pub async fn with_in_account(
        config: &Route53Config,
        loader: ConfigLoader,
        account: &Account,
    ) -> Self {
        Self::from_source(config, Source::Once(Mutex::new(Some(Box::new(loader)))), account).await
    }

    async fn from_source(config: &Route53Config, source: Source, account: &Account) -> Self {
        Self {
            access: Arc::new(Access::new(config, source, account).await),
            config: config.clone(),
            found: Mutex::default(),
            spellings: Mutex::default(),
            disputes: Mutex::default(),
            logged: Mutex::default(),
            followers: Followers::new(),
        }
    }

    /// Sets the interval at which Route 53 is queried in the background until a change is in force
    /// everywhere; 5 s by default.
    #[must_use]
    pub fn follow_every(mut self, pace: Duration) -> Self {
        self.followers.set_interval(pace);
        self
    }

    /// Returns the hosted zone's id: the configured one, or one that was looked up by name.
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

    /// Forgets a zone that was looked up, because it may have been deleted and created anew.
    fn forget_zone_if_refused(&self, error: &ProviderError) {
        if matches!(error, ProviderError::Refused { .. }) {
            *lock(&self.found) = None;
        }
    }

    async fn page(
        &self,
        zone: &str,
        start: Start,
    ) -> Result<ListResourceRecordSetsOutput, ProviderError> {
        let answer = self.access.send(RequestOrder::InOrder, |client| {
            let request = client.list_resource_record_sets().hosted_zone_id(zone);
            request
                .start_record_name(start.name.clone())
                .set_start_record_type(start.kind.as_deref().map(RrType::from))
                .set_start_record_identifier(start.identifier.clone())
                .send()
        });
        let page =
            answer.await.map_err(|e| convert_error(&e, RequestKind::Read, self.listing()))?;
        // Every complete answer has it. A truncated one would look like an empty zone.
        if page.max_items() < 1 {
            return Err(incomplete(self.listing(), &IncompleteAnswer));
        }
        Ok(page)
    }

    /// Returns the name of a listing in an error.
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
            let next = next_page(&page).map_err(|why| incomplete(self.listing(), &why))?;
            scan.read(next).map_err(|why| incomplete(self.listing(), &why))?;
        }
        Err(incomplete(self.listing(), &IncompleteAnswer))
    }
}

impl DnsProvider for Route53 {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async move {
            let zone = self.zone_id().await?;
            let read = self.read_zone(&zone).await;
            let findings = read.inspect_err(|error| self.forget_zone_if_refused(error))?;
            let listing = findings.listing();
            *lock(&self.spellings) = findings.spellings;
            lock(&self.disputes).listed();
            Ok(listing)
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(self.carry_out(request))
    }

    /// Keeps the knowledge of the zone if the zone and the service are the same. Credentials are
    /// looked up anew and may belong to another account, so a zone that was found by name is looked
    /// up again. An earlier listing does no harm even then, because only sets that still match it are
    /// changed.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let Some(before) = downcast::<Self>(before) else { return false };
        let (now, then) = (&self.config, &before.config);
        let same = (&now.zone, &now.zone_id, &now.profile)
            == (&then.zone, &then.zone_id, &then.profile)
            && (&now.region, &now.api_url) == (&then.region, &then.api_url);
        if same {
            self.access.account().inherit_from(before.access.account());
            (self.spellings, self.followers) = (before.spellings, before.followers);
            self.followers.allow_queries();
            (self.disputes, self.logged) = (before.disputes, before.logged);
        }
        same
    }
}

/// The sets that were found so far.
#[derive(Default)]
struct Findings {
    /// The sets of each name and type in Route 53's order, each set once: several scans may find
    /// the same set, and the newest one counts.
    sets: BTreeMap<SetKey, Vec<RecordSet>>,
    unfit: Vec<Unfit>,
    spellings: AddressSpellings,
}

impl Findings {
    /// Adds the sets at `managed` names from a page.
    fn read(&mut self, page: &ListResourceRecordSetsOutput, managed: &[String]) {
        for set in page.resource_record_sets() {
            // The exact owner name, because a page continues with the names after it.
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
        let mut listing = Listing::default();
        for (key, sets) in &self.sets {
            let records = sets::records(&sets.iter().collect::<Vec<_>>());
            listing.sets.insert(key.clone(), records);
        }
        for unfit in &self.unfit {
            match unfit.set() {
                Some(set) => listing.leave_out(set.clone(), unfit),
                None => listing.leave_out_name(unfit.name(), unfit),
            }
        }
        listing
    }
}

fn next_page(page: &ListResourceRecordSetsOutput) -> Result<Option<Start>, IncompleteAnswer> {
    if !page.is_truncated() {
        return Ok(None);
    }
    Ok(Some(Start {
        name: page.next_record_name().ok_or(IncompleteAnswer)?.to_owned(),
        kind: page.next_record_type().map(|kind| kind.as_str().to_owned()),
        identifier: page.next_record_identifier().map(str::to_owned),
    }))
}

/// Locks a mutex that guards no decision: a holder that panicked left nothing inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
