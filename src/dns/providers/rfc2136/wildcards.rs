//! Sets that a wildcard answers for: a query shows its records at a name that has none of its own, and
//! no prerequisite with them holds. Source: RFC 1034, 4.3.3.
//!
//! Only an UPDATE tells them apart. One with a prerequisite and no changes is sent for each set of a
//! change that was refused for its prerequisites, and from then on with each listing.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Rfc2136;
use super::failure::{FailureKind, ServerFailure};
use super::request::exchange;
use super::server::ServerAddress;
use super::update::{self, SetEdit};
use crate::dns::Listing;
use crate::engine::plan::SetKey;
use crate::text::first_few;

/// Maximum number of sets of one change that are asked about.
const MOST_ASKED: usize = 20;

/// The number of sets that a sentence names.
const NAMED: usize = 3;

/// The sets that a wildcard answered for when they were last asked about.
#[derive(Debug, Default)]
pub(super) struct WildcardSets(Mutex<BTreeSet<SetKey>>);

impl WildcardSets {
    fn sets(&self) -> MutexGuard<'_, BTreeSet<SetKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rfc2136 {
    /// Finds out which sets of a change that was refused do not exist, although they were listed.
    pub(super) async fn ask_about_wildcards(&self, server: &ServerAddress, edits: &[SetEdit]) {
        let listed = edits.iter().filter(|edit| edit.was_listed()).map(|edit| &edit.key);
        let listed: Vec<SetKey> = listed.take(MOST_ASKED).cloned().collect();
        if let Ok(absent) = self.absent_of(server, &listed).await {
            self.wildcards.sets().extend(absent);
        }
    }

    /// Empties the sets of a listing that a wildcard still answers for.
    ///
    /// # Errors
    ///
    /// Fails if the server does not tell.
    pub(super) async fn leave_wildcards_out(
        &self,
        server: &ServerAddress,
        listing: &mut Listing,
    ) -> Result<(), ServerFailure> {
        let known: Vec<SetKey> = self.wildcards.sets().iter().cloned().collect();
        let mut shown = known.clone();
        shown.retain(|set| listing.sets.contains_key(set));
        let absent = self.absent_of(server, &shown).await?;
        for set in &absent {
            listing.sets.remove(set);
        }
        if !absent.is_empty() {
            listing.caution = Some(format!(
                "{} of the zone {} {} no records of {} own; a wildcard answers there, and what it \
                 answers is left alone",
                first_few(&absent, NAMED, ", "),
                self.config.zone,
                if absent.len() == 1 { "has" } else { "have" },
                if absent.len() == 1 { "its" } else { "their" },
            ));
        }
        let mut sets = self.wildcards.sets();
        sets.retain(|set| !known.contains(set) || absent.contains(set));
        Ok(())
    }

    /// Returns those of the sets that do not exist.
    async fn absent_of(
        &self,
        server: &ServerAddress,
        sets: &[SetKey],
    ) -> Result<Vec<SetKey>, ServerFailure> {
        let mut absent = Vec::new();
        if sets.is_empty() {
            return Ok(absent);
        }
        for set in sets {
            let message = update::existence(&self.config.zone, set);
            let message = message.map_err(ServerFailure::rejected)?;
            let request = [self.signing().sign(message)?];
            let mut stream = server.connect().await?;
            match exchange(&mut stream, &request).await {
                Ok(_) => {}
                Err(failure) if failure.kind == FailureKind::Changed => absent.push(set.clone()),
                Err(failure) => return Err(failure.at(server)),
            }
        }
        Ok(absent)
    }
}
