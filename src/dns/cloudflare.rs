//! Cloudflare, by its API v4.
//!
//! `call` makes one request and says what became of it, `refusal` knows the API's error codes,
//! `listing` reads all pages or none, `changes` splits what is to be done into batches, `apply`
//! carries them out. Here they are put together and their failures are told in the words of
//! [`ProviderError`].
//!
//! Reading asks for all A and then all AAAA records of the zone, whatever the number of managed
//! names, so that a failover costs the same number of requests for one name and for fifty.

mod apply;
mod call;
mod changes;
mod listing;
mod name;
mod refusal;

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use self::apply::Stopped;
use self::call::{Api, Ask, CallError};
use self::changes::Settings;
use self::listing::{Incomplete, Names, Pages};
use self::name::canonical;
use self::refusal::Kind;
use super::{Changes, DnsProvider, Listing, ProviderError, Successor};
use crate::config::CloudflareConfig;
use crate::engine::plan::Family;

const NAME: &str = "Cloudflare";

/// Why a [`Cloudflare`] could not be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client for Cloudflare")]
    Http(#[source] reqwest::Error),
    /// `api_url` is not an address that paths can be appended to.
    #[error("Cloudflare.api_url is not the address of an HTTP service")]
    Url,
    /// The credentials hold something that cannot be sent, such as a line break.
    #[error("the Cloudflare credentials hold characters that no HTTP header can carry")]
    Credentials,
}

/// Reads and changes the address records of one Cloudflare zone.
#[derive(Debug)]
pub struct Cloudflare {
    api: Api,
    /// As it is configured.
    zone: String,
    names: Names,
    settings: Settings,
    /// The zone's id, once it was looked up. A std mutex: it is never held across an await.
    zone_id: Mutex<Option<String>>,
    /// Set when the service turned out to take single changes and no batches.
    without_batch: AtomicBool,
}

/// Why reading failed.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the answer holds no list of zones")]
    NoList,
    #[error("no zone named {0} is visible with these credentials")]
    UnknownZone(String),
    #[error("{count} zones named {zone} are visible with these credentials; use a token for one")]
    AmbiguousZone { zone: String, count: usize },
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
}

#[derive(Debug, Deserialize)]
struct Zone {
    id: String,
    name: String,
    status: Option<String>,
}

impl Cloudflare {
    /// A provider for the zone, names and credentials of `config`. Nothing is asked yet.
    ///
    /// Without credentials every call is [`ProviderError::Refused`].
    pub fn new(config: &CloudflareConfig) -> Result<Self, BuildError> {
        Ok(Self {
            api: Api::new(config)?,
            zone: config.zone.clone(),
            names: Names::new(&config.names),
            settings: Settings { proxied: config.proxied, ttl: config.ttl },
            zone_id: Mutex::default(),
            without_batch: AtomicBool::new(false),
        })
    }

    /// The zone's id, asked for once and then remembered until [`Self::forget_zone`].
    async fn zone_id(&self) -> Result<String, ReadError> {
        let known = self.zone_id.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(id) = known {
            return Ok(id);
        }
        let zone = canonical(&self.zone);
        let query = [("name", zone.as_str()), ("per_page", "50")];
        let answer = self.api.ask::<Vec<Zone>>(Ask::get(&["zones"], &query)).await?;
        let id = self.pick(&zone, answer.result.ok_or(ReadError::NoList)?)?;
        *self.zone_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.clone());
        Ok(id)
    }

    /// The one zone of this name; of several, the one that is active.
    fn pick(&self, name: &str, zones: Vec<Zone>) -> Result<String, ReadError> {
        let mut zones: Vec<_> =
            zones.into_iter().filter(|zone| canonical(&zone.name) == name).collect();
        if zones.len() > 1 {
            zones.retain(|zone| zone.status.as_deref() == Some("active"));
        }
        match zones.len() {
            0 => Err(ReadError::UnknownZone(self.zone.clone())),
            1 => Ok(zones.remove(0).id),
            count => Err(ReadError::AmbiguousZone { zone: self.zone.clone(), count }),
        }
    }

    /// Makes the next call look the zone up again: it may have been deleted and made anew.
    fn forget_zone(&self) {
        *self.zone_id.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn read(&self) -> Result<Listing, ReadError> {
        let zone = self.zone_id().await?;
        let path = ["zones", zone.as_str(), "dns_records"];
        let per_page = listing::PER_PAGE.to_string();
        let mut listing = Listing::default();
        for family in [Family::A, Family::Aaaa] {
            let kind = family.to_string();
            let mut pages = Pages::new(family, &self.names, &mut listing);
            loop {
                let page = pages.next().to_string();
                // Sorted, so that a page boundary lies in the same place each time.
                let query = [
                    ("type", kind.as_str()),
                    ("per_page", per_page.as_str()),
                    ("page", page.as_str()),
                    ("order", "name"),
                ];
                if !pages.take(self.api.ask(Ask::get(&path, &query)).await?)? {
                    break;
                }
            }
        }
        Ok(listing)
    }

    /// Says what a failed read means for the caller, and forgets the zone if it is in question.
    fn read_failed(&self, what: String, error: ReadError) -> ProviderError {
        let (refused, retry_after) = match &error {
            ReadError::Call(call) => self.weigh(call),
            ReadError::UnknownZone(_) | ReadError::AmbiguousZone { .. } => (true, None),
            ReadError::NoList | ReadError::Incomplete(_) => (false, None),
        };
        if refused {
            ProviderError::Refused { provider: NAME, what, source: error.into() }
        } else {
            unavailable(what, retry_after, error)
        }
    }

    /// Whether a request that changed nothing was refused for good, or how long to wait.
    fn weigh(&self, call: &CallError) -> (bool, Option<Duration>) {
        match call {
            CallError::NoCredentials => (true, None),
            CallError::Refused(refusal) => {
                if matches!(refusal.kind, Kind::Denied | Kind::NoZone) {
                    self.forget_zone();
                }
                (refusal.kind == Kind::Denied, refusal.retry_after)
            }
            CallError::ServerError { retry_after, .. } => (false, *retry_after),
            CallError::NotSent(_) | CallError::Lost(_) | CallError::Garbage { .. } => (false, None),
        }
    }

    /// Says what a failed write means for the caller, and forgets the zone if it is in question.
    fn write_failed(&self, what: String, stopped: Stopped) -> ProviderError {
        let Stopped { done, of, cause } = stopped;
        let (_, retry_after) = self.weigh(&cause);
        if done > 0 {
            let source = PartlyDone { done, of, source: cause }.into();
            return ProviderError::Unconfirmed { provider: NAME, what, source };
        }
        let provider = NAME;
        match &cause {
            CallError::NoCredentials => {
                ProviderError::Refused { provider, what, source: cause.into() }
            }
            CallError::NotSent(_) => unavailable(what, None, cause),
            CallError::Lost(_) | CallError::Garbage { .. } | CallError::ServerError { .. } => {
                ProviderError::Unconfirmed { provider, what, source: cause.into() }
            }
            CallError::Refused(refusal) => match refusal.kind {
                Kind::NoZone | Kind::Exists | Kind::Gone => {
                    ProviderError::Changed { provider, what, source: cause.into() }
                }
                Kind::Throttled => unavailable(what, retry_after, cause),
                // "No" under a status that says "yes": nobody knows why, so ask again soon.
                Kind::Rejected if refusal.status < 400 => unavailable(what, retry_after, cause),
                Kind::Denied | Kind::Rejected | Kind::Unsupported => {
                    ProviderError::Refused { provider, what, source: cause.into() }
                }
            },
        }
    }
}

/// A run of several requests that broke off.
#[derive(Debug, thiserror::Error)]
#[error("{done} of {of} changes are in force")]
struct PartlyDone {
    done: usize,
    of: usize,
    source: CallError,
}

fn unavailable(
    what: String,
    retry_after: Option<Duration>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> ProviderError {
    ProviderError::Unavailable { provider: NAME, what, retry_after, source: Box::new(error) }
}

impl DnsProvider for Cloudflare {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn list(&self) -> Result<Listing, ProviderError> {
        let read = self.read().await;
        read.map_err(|error| self.read_failed(format!("list the records of {}", self.zone), error))
    }

    async fn apply(&self, _: &Listing, changes: &Changes) -> Result<(), ProviderError> {
        if changes.is_empty() {
            return Ok(());
        }
        let what = changes::describe(changes);
        let zone = match self.zone_id().await {
            Ok(zone) => zone,
            Err(error) => return Err(self.read_failed(what, error)),
        };
        let run = self.carry_out(&zone, changes).await;
        run.map_err(|stopped| self.write_failed(what, stopped))
    }
}

impl Successor for Cloudflare {
    /// The same zone, asked at the same place as the same user: its id and the open connections
    /// stay of use.
    fn succeed(&mut self, before: Self) -> bool {
        let same = self.zone == before.zone && self.api.is_like(&before.api);
        if same {
            (self.api, self.zone_id) = (before.api, before.zone_id);
            self.without_batch = before.without_batch;
        }
        same
    }
}
