//! `goavail plan`: the records in DNS, the desired ones, and the difference. It never writes.

mod comparison;
#[cfg(test)]
mod tests;
mod text;
mod verdicts;

use std::collections::BTreeSet;

use super::{CommandError, CommandReport, Ending, wait_for};
use crate::dns::Listing;
use crate::dns::providers::{self, ZoneConfig};
use crate::engine::ids::ServiceId;
use crate::settings::Config;
use crate::state::StateFile;
use crate::status::AgentAddress;
use comparison::{Compared, Comparison};
use verdicts::DesiredByAgent;

/// Compares the zone with its desired state: if all targets were healthy, and by the verdicts of the
/// agent that runs with the same configuration, if one answers.
///
/// # Errors
///
/// Fails if the zone cannot be listed. An agent that does not answer is reported in the text and is no
/// error.
pub(crate) fn plan(
    config: &Config,
    json: bool,
    colour: bool,
) -> Result<CommandReport, CommandError> {
    let (listing, asked) = wait_for(async {
        let (listing, asked) = tokio::join!(read(config), ask(config));
        Ok((listing?, asked))
    })?;
    let remembered = remembered(config);
    let zone = Compared {
        zone: config.default_zone().provider.zone().to_owned(),
        provider: config.default_zone().provider.name(),
        names: config.default_zone().provider.names(),
        targets: &config.default_service().targets,
        floor: config.default_service().min_in_service,
        listing: &listing,
        ttls: config.default_zone().provider.ttl_of_new_sets(),
        remembered: &remembered,
    };
    let comparison = Comparison::new(&zone, asked);
    let text = if json { comparison.json() } else { text::render(&comparison, colour) };
    let ending = if comparison.difference { Ending::Different } else { Ending::Fine };
    Ok(CommandReport { text, ending })
}

/// Lists the zone. The provider does not leave this function, so that nothing can be written with it.
async fn read(config: &Config) -> Result<Listing, CommandError> {
    // The dry-run provider invents a zone that it cannot list. Here that must be an error.
    let zone = ZoneConfig { dry_run: false, ..config.zone(0, |_| ServiceId::DEFAULT) };
    let provider =
        providers::build(&zone).await.map_err(|error| CommandError::Unread(Box::new(error)))?;
    provider.list().await.map_err(|error| CommandError::Unread(Box::new(error)))
}

/// Returns the names with a record in the state file; none if it cannot be read.
fn remembered(config: &Config) -> BTreeSet<String> {
    let memory = config.sections.state_file.as_ref().and_then(|path| StateFile::new(path).peek());
    memory.unwrap_or_default().withdrawn.into_iter().map(|record| record.name).collect()
}

/// Queries the verdicts of the running agent.
async fn ask(config: &Config) -> DesiredByAgent {
    let address = match AgentAddress::of(&config.sections.status) {
        Ok(address) => address,
        Err(error) => return DesiredByAgent::nobody(None, &error),
    };
    match address.status().await {
        Ok(status) => DesiredByAgent::answered(
            address.to_string(),
            config.default_zone().provider.zone(),
            status,
        ),
        Err(error) => DesiredByAgent::nobody(Some(address.to_string()), &error),
    }
}
