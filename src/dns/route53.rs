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
//! | `failure` | what an error means to the caller |
//! | `follow` | when a change is in force everywhere |

mod access;
mod client;
mod credentials;
mod edit;
mod failure;
mod follow;
mod scan;
mod sets;
mod zone;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::ConfigLoader;
use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, RrType};

use self::access::{Access, Source};
use self::edit::Edit;
use self::failure::{Asked, garbled, judge, judge_batch, refused};
use self::follow::Followers;
use self::scan::{Scan, Start};
use self::sets::{RecordSet, Spellings, Unfit};
use self::zone::HalfAnswer;
use crate::config::Route53Config;
use crate::dns::{Changes, DnsProvider, Listing, ProviderError, Successor};
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

    async fn change(&self, zone: &str, batch: &[Edit]) -> Result<(), ProviderError> {
        let what = describe(batch);
        let wanted = {
            let spellings = lock(&self.spellings);
            let changes = batch.iter().map(|edit| changes_of(edit, &spellings));
            changes.collect::<Result<Vec<_>, _>>().and_then(|changes| {
                ChangeBatch::builder().set_changes(Some(changes.concat())).build()
            })
        };
        let wanted = wanted.map_err(|why| refused(what.clone(), why))?;
        let answer = self.access.ask(|client| {
            let request = client.change_resource_record_sets();
            request.hosted_zone_id(zone).change_batch(wanted.clone()).send()
        });
        match answer.await {
            Ok(done) => {
                if let Some(change) = done.change_info() {
                    self.followers.follow(&self.access, change);
                }
                Ok(())
            }
            Err(error) => Err(match refused_batch(&error) {
                Some(reasons) => judge_batch(&reasons, what),
                None => judge(&error, Asked::ToWrite, what),
            }),
        }
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
        Ok(listing)
    }

    async fn apply(&self, listing: &Listing, changes: &Changes) -> Result<(), ProviderError> {
        let (edits, homeless) = edit::edits(listing, changes, self.config.ttl);
        let left_out =
            homeless.map(|why| refused(format!("change the records of {}", self.config.zone), why));
        if edits.is_empty() {
            return left_out.map_or(Ok(()), Err);
        }
        let zone = self.zone_id().await?;
        for (nth, batch) in edit::batches(&edits).iter().enumerate() {
            if let Err(error) = self.change(&zone, batch).await {
                self.doubt_zone(&error);
                return Err(if nth == 0 { error } else { half_done(error) });
            }
        }
        left_out.map_or(Ok(()), |error| Err(half_done(error)))
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

fn changes_of(
    edit: &Edit,
    spellings: &Spellings,
) -> Result<Vec<Change>, aws_sdk_route53::error::BuildError> {
    let step = |action, set| {
        let set = sets::write(set, spellings)?;
        Change::builder().action(action).resource_record_set(set).build()
    };
    let gone = edit.before.iter().map(|set| step(ChangeAction::Delete, set));
    let come = edit.after.iter().map(|set| step(ChangeAction::Create, set));
    gone.chain(come).collect()
}

/// The reasons of a batch that was examined and refused as a whole.
fn refused_batch<R>(error: &SdkError<ChangeResourceRecordSetsError, R>) -> Option<Vec<String>> {
    match error.as_service_error()? {
        ChangeResourceRecordSetsError::InvalidChangeBatch(batch) => {
            let reasons = batch.messages().iter().cloned();
            Some(reasons.chain(batch.message().map(str::to_owned)).collect())
        }
        _ => None,
    }
}

/// What a batch is called in an error.
fn describe(batch: &[Edit]) -> String {
    let mut sets: Vec<String> = batch.iter().filter_map(Edit::key).map(SetKey::to_string).collect();
    sets.dedup();
    match &sets[..] {
        few if few.len() <= 3 => format!("change {}", few.join(", ")),
        many => format!("change {} and {} more sets", many[..3].join(", "), many.len() - 3),
    }
}

/// An error after other batches of the same change went through: only part of it is in force.
fn half_done(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Partly { rest, .. } => half_done(*rest),
        ProviderError::Refused { provider, what, source }
        | ProviderError::Rejected { provider, what, source, .. }
        | ProviderError::Unavailable { provider, what, source, .. }
        | ProviderError::Unconfirmed { provider, what, source }
        | ProviderError::Changed { provider, what, source } => {
            ProviderError::Unconfirmed { provider, what, source }
        }
    }
}

/// A lock that guards no decision, so a holder that panicked left nothing half decided.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
