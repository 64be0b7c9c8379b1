//! `goavail plan`: what DNS holds, what it should hold, and the difference. It never writes.

mod comparison;
#[cfg(test)]
mod tests;
mod text;
mod verdicts;

use std::collections::BTreeSet;

use super::{CommandError, Ending, Said, wait_for};
use crate::agent::settings;
use crate::config::{Config, ProviderConfig};
use crate::dns::{Listing, providers};
use crate::state::StateFile;
use crate::status::Place;
use comparison::Compared;
use verdicts::Asked;

pub use comparison::{Basis, Change, Changes, Comparison, Future, Record, Row, Set};
pub use verdicts::{Agent, Why};

/// Compares the zone as it is now with what it should hold, by all targets being healthy and by
/// the verdicts of the agent that runs with the same configuration, if one answers.
///
/// # Errors
///
/// If the zone cannot be read. That no agent answers is said in the text and is no error.
pub fn plan(config: &Config, json: bool, colour: bool) -> Result<Said, CommandError> {
    let (listing, asked) = wait_for(async {
        let (listing, asked) = tokio::join!(read(config), ask(config));
        Ok((listing?, asked))
    })?;
    let remembered = remembered(config);
    let zone = Compared {
        zone: zone(config).to_owned(),
        provider: config.provider.name(),
        names: settings::names(config),
        targets: &config.targets,
        floor: config.min_in_service,
        listing: &listing,
        ttl: match &config.provider {
            ProviderConfig::Cloudflare(_) => None,
            ProviderConfig::Route53(route53) => Some(route53.ttl),
        },
        remembered: &remembered,
    };
    let comparison = Comparison::new(&zone, asked);
    let text = if json { comparison.json() } else { text::render(&comparison, colour) };
    let ending = if comparison.difference { Ending::Different } else { Ending::Fine };
    Ok(Said { text, ending })
}

/// Reads the zone. The provider does not leave this function, so nothing can be written with it.
async fn read(config: &Config) -> Result<Listing, CommandError> {
    // Dry-run's provider makes a zone up where it cannot read one; here that must be an error.
    let config = Config { dry_run: false, ..config.clone() };
    let unread = |source| CommandError::Unread(source);
    let provider = providers::build(&config).await.map_err(|error| unread(Box::new(error)))?;
    provider.list().await.map_err(|error| unread(Box::new(error)))
}

/// The names of which the state file remembers a record; none if it cannot be read.
fn remembered(config: &Config) -> BTreeSet<String> {
    let memory = config.state_file.as_ref().and_then(|path| StateFile::new(path).peek());
    memory.unwrap_or_default().withdrawn.into_iter().map(|record| record.name).collect()
}

/// What the running agent says, or why nobody says anything.
async fn ask(config: &Config) -> Asked {
    let place = match Place::of(&config.status) {
        Ok(place) => place,
        Err(error) => return Asked::nobody(None, &error),
    };
    match place.status().await {
        Ok(status) => Asked::answered(place.to_string(), zone(config), status),
        Err(error) => Asked::nobody(Some(place.to_string()), &error),
    }
}

fn zone(config: &Config) -> &str {
    match &config.provider {
        ProviderConfig::Cloudflare(cloudflare) => &cloudflare.zone,
        ProviderConfig::Route53(route53) => &route53.zone,
    }
}
