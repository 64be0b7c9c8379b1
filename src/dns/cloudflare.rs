//! Cloudflare, by its API v4.
//!
//! - `call`: one request and what became of it; `head`: what the head of its answer tells
//! - `refusal`: the API's error codes
//! - `zone`: which zone it is, and whether the world is answered from it
//! - `record`, `listing`: what a record carries; all pages or none
//! - `reading`: which pages to ask for, also of a zone that others write to
//! - `changes`, `apply`: what is to be done in batches, and carrying them out
//! - `create`, `concede`: one record, without what the API refuses in it
//! - `strangers`: records that were edited in place after they were read
//!
//! Here they are put together and their failures are told in the words of [`ProviderError`].
//!
//! Reading asks for all A and then all AAAA records of the zone, whatever the number of managed
//! names, so that a failover costs the same number of requests for one name and for fifty. Only a
//! zone of several pages may be asked for name by name, see `reading`.

mod apply;
mod call;
mod changes;
mod concede;
mod create;
mod head;
mod listing;
mod name;
mod reading;
mod record;
mod refusal;
mod strangers;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::apply::{Cause, Stopped};
use self::call::{Api, CallError};
use self::create::Lacking;
use self::listing::{Incomplete, Names, Oddities};
use self::reading::Torn;
use self::record::Settings;
use self::refusal::Kind;
use self::strangers::Stranger;
use self::zone::{KnownZone, ZoneError};
use super::{Changes, DnsProvider, Listing, Permit, ProviderError, Successor};
use crate::config::CloudflareConfig;
use crate::engine::plan::SetKey;

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
    /// The zone, once it was looked up. Std mutexes: they are never held across an await.
    known_zone: Mutex<Option<KnownZone>>,
    /// Set when the service turned out to take single changes and no batches.
    without_batch: AtomicBool,
    /// The changes of the newest batch that was refused because something was there or gone already.
    refused: Mutex<BTreeSet<(SetKey, String)>>,
    /// The changes of the last run that are in force by the API's word alone.
    so_already: Mutex<Vec<(SetKey, IpAddr)>>,
    /// Records that could not be given all that they are to carry.
    lacking: Mutex<BTreeMap<(SetKey, IpAddr), Lacking>>,
    /// Records that were deleted though they were not meant, and are not back yet.
    owed: Mutex<Vec<Stranger>>,
    /// What was odd in the newest listing, so that it is said once.
    odd: Mutex<Oddities>,
    /// Listings that others tore by writing between two pages.
    torn: Torn,
}

/// Why reading failed.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
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
            known_zone: Mutex::default(),
            without_batch: AtomicBool::new(false),
            refused: Mutex::default(),
            so_already: Mutex::default(),
            lacking: Mutex::default(),
            owed: Mutex::default(),
            odd: Mutex::default(),
            torn: Torn::default(),
        })
    }

    /// Names what was odd and did no harm, once as long as it stays the same.
    fn say_what_is_odd(&self, odd: Oddities) {
        let mut before = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
        if odd.foreign != before.foreign && !odd.foreign.is_empty() {
            let (count, first) = (odd.foreign.len(), listing::first_three(&odd.foreign));
            tracing::warn!(
                count,
                first,
                "the zone holds records of other names with fields of an unexpected type; they are \
                 passed over"
            );
        }
        if odd.managed != before.managed && !odd.managed.is_empty() {
            let (count, first) = (odd.managed.len(), listing::first_three(&odd.managed));
            tracing::warn!(
                count,
                first,
                "managed records have fields of an unexpected type; they are kept as they are"
            );
        }
        *before = odd;
    }

    /// Says what a failed read means for the caller, and forgets the zone if it is in question.
    fn read_failed(&self, what: String, error: ReadError) -> ProviderError {
        let (refused, retry_after) = match &error {
            ReadError::Call(call) => self.weigh(call),
            ReadError::Zone(zone) => (zone.is_final(), None),
            ReadError::Incomplete(_) => (false, None),
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
        let Stopped { done, cause } = stopped;
        let provider = NAME;
        let rest = match cause {
            Cause::Call(error) => self.call_failed(what, error),
            Cause::Revoked => ProviderError::Revoked { provider, what },
            Cause::Edited(words) => ProviderError::Changed { provider, what, source: words.into() },
            Cause::Rejected { refusal, culprits } => {
                ProviderError::Rejected { provider, what, culprits, source: refusal.into() }
            }
        };
        if done.is_empty() { rest } else { ProviderError::Partly { done, rest: Box::new(rest) } }
    }

    /// Says what a writing request that failed means for the caller.
    fn call_failed(&self, what: String, cause: CallError) -> ProviderError {
        let (_, retry_after) = self.weigh(&cause);
        let provider = NAME;
        match &cause {
            CallError::NoCredentials => {
                ProviderError::Refused { provider, what, source: cause.into() }
            }
            // It did not leave, or something on the way turned it down or sent it elsewhere.
            CallError::NotSent(_) | CallError::Garbage { status: 300..=499, .. } => {
                unavailable(what, None, cause)
            }
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
                Kind::Rejected => {
                    let culprits = Vec::new();
                    ProviderError::Rejected { provider, what, culprits, source: cause.into() }
                }
                Kind::Denied | Kind::Unsupported => {
                    ProviderError::Refused { provider, what, source: cause.into() }
                }
            },
        }
    }
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

    async fn apply_while(
        &self,
        _: &Listing,
        changes: &Changes,
        permit: Permit<'_>,
    ) -> Result<(), ProviderError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.so_already.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let what = changes::describe(changes);
        let zone = match self.zone().await {
            Ok(zone) => zone,
            Err(error) => return Err(self.read_failed(what, error)),
        };
        let run = self.carry_out(&zone.id, changes, permit).await;
        self.look_at_the_zone_again();
        run.map_err(|stopped| self.write_failed(what, stopped))
    }

    fn said_to_be_so(&self) -> Vec<(SetKey, IpAddr)> {
        std::mem::take(&mut *self.so_already.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Successor for Cloudflare {
    /// The same zone, asked at the same place as the same user: its id and the open connections
    /// stay of use.
    fn succeed(&mut self, before: Self) -> bool {
        let same = self.zone == before.zone && self.api.is_like(&before.api);
        if same {
            (self.api, self.known_zone) = (before.api, before.known_zone);
            self.without_batch = before.without_batch;
            (self.lacking, self.owed) = (before.lacking, before.owed);
            (self.refused, self.odd) = (before.refused, before.odd);
            self.torn = before.torn;
        }
        same
    }
}
