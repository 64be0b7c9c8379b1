//! Cloudflare, by its API v4.
//!
//! - `call`, `head`: one request and its outcome; the head of its answer
//! - `refusal`: the API's error codes
//! - `zone`: the zone, and whether resolvers use it
//! - `record`, `listing`: the settings of a record; complete listings
//! - `reading`: the pages to request, also of a zone with concurrent writes
//! - `changes`, `apply`: changes in batches, and carrying them out
//! - `credentials`: a token, or the global key
//! - `create`, `omit`: one record, without the parts that the API rejects
//! - `edited`: records that were edited in place after they were listed
//!
//! This module combines them and converts their failures to [`ProviderError`].
//!
//! A listing requests all A and then all AAAA records of the zone, whatever the number of managed
//! names, so a failover takes the same number of requests for one name and for fifty. Only a zone
//! of several pages may be listed name by name; see `reading`.

mod apply;
mod call;
mod changes;
mod create;
mod credentials;
mod edited;
mod head;
pub(crate) mod listing;
mod omit;
mod reading;
mod record;
mod refusal;
mod section;
mod zone;

pub use self::credentials::CloudflareCredentials;
pub use self::record::NewRecordSettings;
pub(crate) use self::section::KIND;
pub use self::section::{CAPABILITIES, CloudflareConfig};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::apply::{StopCause, Stopped};
use self::call::{Api, CallError};
use self::create::IncompleteRecord;
use self::edited::EditedRecord;
use self::listing::{Incomplete, Names, Oddities};
use self::reading::Torn;
use self::refusal::RefusalKind;
use self::zone::{KnownZone, ZoneError};
use crate::dns::account::{Account, Paused};
use crate::dns::{
    BySet, Call, ChangeRequest, DnsProvider, Listing, Placement, ProviderError, downcast,
};
use crate::engine::plan::SetKey;

const NAME: &str = "Cloudflare";

/// The reason why a [`Cloudflare`] could not be built. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client for Cloudflare")]
    Http(#[source] reqwest::Error),
    /// `api_url` is not a URL to which paths can be appended.
    #[error("Cloudflare.api_url is not the address of an HTTP service")]
    Url,
    /// The credentials contain a character that cannot be sent, such as a line break.
    #[error("the Cloudflare credentials hold characters that no HTTP header can carry")]
    Credentials,
}

/// Reads and changes the address records of one Cloudflare zone.
#[derive(Debug)]
pub struct Cloudflare {
    api: Api,
    /// The name of the zone in the configuration.
    zone: String,
    names: Names,
    settings: BySet<NewRecordSettings>,
    /// The zone, once it was looked up. Std mutexes, because they are never held across an await.
    known_zone: Mutex<Option<KnownZone>>,
    /// Whether the service accepts single changes but no batches.
    no_batches: AtomicBool,
    /// The changes of the newest batch that was refused because a record existed or was gone
    /// already.
    refused: Mutex<BTreeSet<(SetKey, String)>>,
    /// The changes of the last run that are in force by the API's report alone.
    already_in_force: Mutex<Vec<Placement>>,
    /// Records that could not be created with all of their settings.
    incomplete: Mutex<BTreeMap<Placement, IncompleteRecord>>,
    /// Records that were deleted by mistake and have not been restored yet.
    to_restore: Mutex<Vec<EditedRecord>>,
    /// The oddities of the newest listing, so that each is logged once.
    odd: Mutex<Oddities>,
    /// Listings that were torn by concurrent writes between two pages.
    torn: Torn,
}

/// The reason why a listing failed.
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
    /// Creates a provider for the zone, names and credentials of `config`. Nothing is sent yet.
    ///
    /// Without credentials every call fails with [`ProviderError::Refused`].
    pub fn new(config: &CloudflareConfig) -> Result<Self, SetupError> {
        Self::in_account(config, &Account::default())
    }

    /// Creates a provider as [`Cloudflare::new`] does, with the pauses that are asked for in any zone
    /// of `account`.
    pub fn in_account(config: &CloudflareConfig, account: &Account) -> Result<Self, SetupError> {
        Ok(Self {
            api: Api::new(config, account)?,
            zone: config.zone.clone(),
            names: Names::new(&config.names),
            settings: config.new_record_settings(),
            known_zone: Mutex::default(),
            no_batches: AtomicBool::new(false),
            refused: Mutex::default(),
            already_in_force: Mutex::default(),
            incomplete: Mutex::default(),
            to_restore: Mutex::default(),
            odd: Mutex::default(),
            torn: Torn::default(),
        })
    }

    /// Logs harmless oddities, once for as long as they stay the same.
    fn log_oddities(&self, odd: Oddities) {
        let mut before = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
        if odd.foreign != before.foreign && !odd.foreign.is_empty() {
            let (count, first) = (odd.foreign.len(), listing::summary(&odd.foreign));
            tracing::warn!(
                count,
                first,
                "records of other names have fields of an unexpected type; ignoring them"
            );
        }
        if odd.managed != before.managed && !odd.managed.is_empty() {
            let (count, first) = (odd.managed.len(), listing::summary(&odd.managed));
            tracing::warn!(
                count,
                first,
                "managed records have fields of an unexpected type; keeping them as they are"
            );
        }
        *before = odd;
    }

    /// Converts the error of a failed read, and forgets the zone if its id may be wrong.
    fn read_failed(&self, what: String, error: ReadError) -> ProviderError {
        let (refused, retry_after) = match &error {
            ReadError::Call(call) => self.classify_call(call),
            ReadError::Zone(zone) => (zone.is_final(), None),
            ReadError::Incomplete(_) => (false, None),
        };
        if refused {
            ProviderError::Refused { provider: NAME, what, source: error.into() }
        } else {
            unavailable(what, retry_after, error)
        }
    }

    /// Returns whether a request without effect was refused permanently, and the requested pause.
    fn classify_call(&self, call: &CallError) -> (bool, Option<Duration>) {
        match call {
            CallError::NoCredentials => (true, None),
            CallError::Refused(refusal) => {
                if matches!(refusal.kind, RefusalKind::Denied | RefusalKind::NoZone) {
                    self.forget_zone();
                }
                (refusal.kind == RefusalKind::Denied, refusal.retry_after)
            }
            CallError::ServerError { retry_after, .. } => (false, *retry_after),
            CallError::Paused(Paused(left)) => (false, Some(*left)),
            CallError::NotSent(_) | CallError::Lost(_) | CallError::Foreign { .. } => (false, None),
        }
    }

    async fn apply_changes(&self, request: ChangeRequest<'_>) -> Result<(), ProviderError> {
        let ChangeRequest { changes, permit, .. } = request;
        if changes.is_empty() {
            return Ok(());
        }
        self.already_in_force.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let what = changes.in_words();
        let zone = match self.zone().await {
            Ok(zone) => zone,
            Err(error) => return Err(self.read_failed(what, error)),
        };
        let run = self.carry_out(&zone.id, changes, permit).await;
        self.recheck_status_if_old();
        run.map_err(|stopped| self.write_failed(what, stopped))
    }

    /// Converts the error of a failed write, and forgets the zone if its id may be wrong.
    fn write_failed(&self, what: String, stopped: Stopped) -> ProviderError {
        let Stopped { done, cause } = stopped;
        let provider = NAME;
        let rest = match cause {
            StopCause::Call(error) => self.call_failed(what, error),
            StopCause::Revoked => ProviderError::Revoked { provider, what },
            StopCause::Edited(words) => {
                ProviderError::Changed { provider, what, source: words.into() }
            }
            StopCause::Rejected { refusal, culprits } => {
                ProviderError::Rejected { provider, what, culprits, source: refusal.into() }
            }
        };
        if done.is_empty() { rest } else { ProviderError::Partly { done, rest: Box::new(rest) } }
    }

    /// Converts the error of a failed writing request.
    fn call_failed(&self, what: String, cause: CallError) -> ProviderError {
        let (_, retry_after) = self.classify_call(&cause);
        let provider = NAME;
        match &cause {
            CallError::NoCredentials => {
                ProviderError::Refused { provider, what, source: cause.into() }
            }
            CallError::Paused(_) => unavailable(what, retry_after, cause),
            // It was not sent, or an intermediary rejected or redirected it.
            CallError::NotSent(_) | CallError::Foreign { status: 300..=499, .. } => {
                unavailable(what, None, cause)
            }
            CallError::Lost(_) | CallError::Foreign { .. } | CallError::ServerError { .. } => {
                ProviderError::Unconfirmed { provider, what, retry_after, source: cause.into() }
            }
            CallError::Refused(refusal) => match refusal.kind {
                RefusalKind::NoZone | RefusalKind::Exists | RefusalKind::Gone => {
                    ProviderError::Changed { provider, what, source: cause.into() }
                }
                RefusalKind::Throttled => unavailable(what, retry_after, cause),
                // A rejection under a success status has an unknown reason, so it is retried soon.
                RefusalKind::Rejected if refusal.status < 400 => {
                    unavailable(what, retry_after, cause)
                }
                RefusalKind::Rejected => {
                    let culprits = Vec::new();
                    ProviderError::Rejected { provider, what, culprits, source: cause.into() }
                }
                RefusalKind::Denied | RefusalKind::Unsupported => {
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

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async move {
            let read = self.read().await;
            read.map_err(|error| {
                self.read_failed(format!("list the records of {}", self.zone), error)
            })
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(self.apply_changes(request))
    }

    fn take_already_in_force(&self) -> Vec<Placement> {
        std::mem::take(&mut *self.already_in_force.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the zone's id and the open connections if the zone, the service and the user are the
    /// same.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let Some(before) = downcast::<Self>(before) else { return false };
        let same = self.zone == before.zone && self.api.is_like(&before.api);
        if same {
            self.api.inherit_from(before.api);
            self.known_zone = before.known_zone;
            self.no_batches = before.no_batches;
            (self.incomplete, self.to_restore) = (before.incomplete, before.to_restore);
            (self.refused, self.odd) = (before.refused, before.odd);
            self.torn = before.torn;
        }
        same
    }
}
