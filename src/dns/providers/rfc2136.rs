//! Name servers that take dynamic updates (RFC 2136), signed with TSIG (RFC 8945): BIND, Knot and
//! PowerDNS.
//!
//! A listing asks the primary for the A and AAAA sets of the managed names; no zone transfer is
//! needed. A change is one UPDATE; its prerequisites are the touched sets exactly as they were
//! listed, so the second of two concurrent changes gets [`ProviderError::Changed`](crate::dns::ProviderError::Changed).
//!
//! | part | purpose |
//! |---|---|
//! | `section` | the settings |
//! | `key`, `key_file` | the key, and its file in BIND's syntax |
//! | `server`, `attempts` | the primaries, and which one is asked next |
//! | `request` | signed requests over TCP, and whether an answer is one |
//! | `reading` | the query for a set, and the content of its answer |
//! | `update` | the UPDATE for a change |
//! | `apply` | the messages of a change and their outcome |
//! | `failure` | the consequences of every other end |
//! | `wildcards` | sets that a wildcard answers for |
//! | `grants` | the least that a server must grant |

mod apply;
mod attempts;
mod failure;
mod grants;
mod key;
mod key_file;
pub(crate) mod reading;
mod request;
mod section;
mod server;
mod update;
mod wall_clock;
mod wildcards;

pub use self::key::{KeyAlgorithm, TsigKey};
pub(crate) use self::section::KIND;
pub use self::section::{CAPABILITIES, Rfc2136Config};
pub use self::server::ServerAddress;

use std::collections::VecDeque;

use self::attempts::{Attempts, RestingServers};
use self::failure::{MessagePurpose, ServerFailure};
use self::request::{SignedRequest, Signing, exchange};
use self::wildcards::WildcardSets;
use crate::dns::{Call, ChangeRequest, DnsProvider, Listing, downcast};
use crate::engine::plan::{Family, SetKey};

/// The provider's name for the operator.
const PROVIDER: &str = "the name server";

/// The number of queries that are sent before their answers are awaited.
const AT_ONCE: usize = 16;

/// The address records at the managed names of one zone, on the primary that serves it.
///
/// Each call makes one attempt at each request that it needs, without retries.
#[derive(Debug)]
pub struct Rfc2136 {
    config: Rfc2136Config,
    resting: RestingServers,
    wildcards: WildcardSets,
    /// Returns the seconds of Unix time.
    clock: fn() -> u64,
}

impl Rfc2136 {
    /// Creates a provider for `config`. Nothing is sent yet.
    pub fn new(config: &Rfc2136Config) -> Self {
        Self::with_clock(config, wall_clock::unix_seconds)
    }

    /// Creates a provider with a clock of its own, which returns the seconds of Unix time.
    pub fn with_clock(config: &Rfc2136Config, clock: fn() -> u64) -> Self {
        let (resting, wildcards) = (RestingServers::default(), WildcardSets::default());
        Self { config: config.clone(), resting, wildcards, clock }
    }

    fn signing(&self) -> Signing<'_> {
        Signing { key: self.config.key.as_ref(), now: self.clock }
    }

    /// Returns the servers to try, in order.
    fn attempts(&self) -> Attempts<'_> {
        self.resting.attempts(self.config.servers.len())
    }

    async fn list_at_primary(&self) -> Result<Listing, ServerFailure> {
        let mut attempts = self.attempts();
        while let Some(nth) = attempts.next() {
            match self.list_at(nth).await {
                Ok(listing) => {
                    attempts.succeeded(nth);
                    return Ok(listing);
                }
                Err(failure) if failure.is_about_reading_here() => attempts.failed(nth, failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(attempts.end(MessagePurpose::Query))
    }

    async fn list_at(&self, nth: usize) -> Result<Listing, ServerFailure> {
        let server = &self.config.servers[nth];
        let mut listing = Listing::default();
        let mut left: VecDeque<SetKey> = self.sets().collect();
        while !left.is_empty() {
            let mut stream = server.connect().await?;
            loop {
                let asked: Vec<SetKey> = left.drain(..left.len().min(AT_ONCE)).collect();
                if asked.is_empty() {
                    break;
                }
                let requests = self.queries(&asked)?;
                let exchanged = exchange(&mut stream, &requests).await;
                let (answered, unanswered) = exchanged.map_err(|failure| failure.at(server))?;
                for (request, message) in answered {
                    let set = asked.iter().zip(&requests).find(|(_, it)| it.id() == request.id());
                    let Some((set, _)) = set else { continue };
                    let added = reading::add(&mut listing, set, &message, &self.config.zone);
                    added.map_err(|failure| failure.at(server))?;
                }
                let unanswered = asked.iter().zip(&requests).filter(|(_, request)| {
                    unanswered.iter().any(|other| other.id() == request.id())
                });
                let unanswered: Vec<SetKey> = unanswered.map(|(set, _)| set.clone()).collect();
                if !unanswered.is_empty() {
                    // The server closed the connection; the rest needs another one.
                    left.extend(unanswered);
                    break;
                }
            }
        }
        for records in listing.sets.values_mut() {
            // Some servers answer in another order each time.
            records.sort_by_key(|record| record.address);
        }
        self.leave_wildcards_out(server, &mut listing).await?;
        Ok(listing)
    }

    /// Returns signed queries with distinct ids.
    fn queries(&self, sets: &[SetKey]) -> Result<Vec<SignedRequest<'_>>, ServerFailure> {
        let mut requests: Vec<SignedRequest<'_>> = Vec::with_capacity(sets.len());
        for set in sets {
            let mut query = reading::query(set)?;
            while requests.iter().any(|other| other.id() == query.metadata.id) {
                query.metadata.id = rand::random();
            }
            requests.push(self.signing().sign(query)?);
        }
        Ok(requests)
    }

    /// Returns both sets of each managed name.
    fn sets(&self) -> impl Iterator<Item = SetKey> {
        let names = self.config.names.iter();
        names.flat_map(|name| {
            [Family::A, Family::Aaaa].map(|family| SetKey { name: name.clone(), family })
        })
    }
}

impl DnsProvider for Rfc2136 {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn list(&self) -> Call<'_, Listing> {
        Box::pin(async move {
            let listed = self.list_at_primary().await;
            listed.map_err(|failure| {
                let what = format!("list the records of {}", self.config.zone);
                failure.into_error(MessagePurpose::Query, what, Vec::new())
            })
        })
    }

    fn apply<'a>(&'a self, request: ChangeRequest<'a>) -> Call<'a, ()> {
        Box::pin(self.carry_out(request))
    }

    /// Keeps the knowledge of servers and wildcards if the servers are the same. An earlier
    /// listing does no harm, because only sets that still match it are changed.
    fn inherit_from(&mut self, before: Box<dyn DnsProvider>) -> bool {
        let Some(before) = downcast::<Self>(before) else { return false };
        let (now, then) = (&self.config, &before.config);
        let same = (&now.zone, &now.servers) == (&then.zone, &then.servers);
        if same {
            (self.resting, self.wildcards) = (before.resting, before.wildcards);
        }
        same && now.key_name() == then.key_name()
    }
}
