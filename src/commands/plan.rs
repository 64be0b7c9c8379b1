//! `goavail plan`: the records in DNS, the desired ones, and the difference. It never writes.

mod comparison;
mod records;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::{CommandError, CommandReport, services_named, wait_for};
use crate::cli::PlanOptions;
use crate::dns::Listing;
use crate::dns::providers::{self, ZoneConfig};
use crate::engine::ids::ServiceId;
use crate::settings::{Config, DEFAULT, ServiceConfig};
use crate::state::{ManagedZone, StateFile, ZoneKey};
use crate::status::model::Status;
use crate::status::{AgentAddress, ClientError};
use comparison::{Compared, Comparison};
use report::PlanReport;
use verdicts::DesiredByAgent;

/// The zones that were listed, by their places, or the reasons why they could not be.
type Listings = BTreeMap<usize, Result<Listing, CommandError>>;

/// Compares each zone with its desired state: if all targets were healthy, and by the verdicts of the
/// agent that runs with the same configuration, if one answers.
///
/// # Errors
///
/// Fails if the zone of the only service cannot be listed, or there is no service of the requested name.
/// Of several services, the report lists the zones that could not be read. An agent that does not answer
/// is reported in the text and is no error.
pub(crate) fn plan(
    config: &Config,
    asked: &PlanOptions,
    colour: bool,
) -> Result<CommandReport, CommandError> {
    let services = services_named(config, "--service", asked.service.as_deref())?;
    let places: BTreeSet<usize> = services.iter().map(|service| service.zone).collect();
    let (listings, answer) = wait_for(async {
        let listings = join_all(places.iter().map(|place| read(config, *place)));
        let (listings, answer) = tokio::join!(listings, ask(config));
        Ok((places.iter().copied().zip(listings).collect::<Listings>(), answer))
    })?;
    let remembered = remembered(config);
    let mut comparisons = Vec::new();
    for service in &services {
        if let Some(Ok(listing)) = listings.get(&service.zone) {
            comparisons.push(compare(config, service, listing, (&answer, &remembered)));
        }
    }
    let mut unread = Vec::new();
    for (place, listing) in listings {
        if let Err(error) = listing {
            unread.push((config.zones[place].name.clone(), error));
        }
    }
    let report = PlanReport { services: services.len(), zones: places.len(), comparisons, unread };
    // A service that is requested, or that is the only one, is shown in full.
    if services.len() > 1 {
        Ok(report.of_all(asked.json, colour))
    } else {
        report.of_one(asked.json, colour)
    }
}

/// The answer of the agent, and its address.
type AgentAnswer = Result<(AgentAddress, Status), (Option<AgentAddress>, ClientError)>;

/// Compares the records of one service with their desired state.
fn compare(
    config: &Config,
    service: &ServiceConfig,
    listing: &Listing,
    (answer, remembered): (&AgentAnswer, &BTreeSet<(String, String)>),
) -> Comparison {
    let zone = config.zone_of(service);
    let domain = zone.provider.zone();
    let remembered = remembered.iter().filter(|(its, _)| *its == zone.name);
    let remembered = remembered.map(|(_, name)| name.clone()).collect();
    let compared = Compared {
        service: Some(service.name.as_str()).filter(|_| config.names_services()),
        zone: domain.to_owned(),
        provider: zone.provider.name(),
        names: &service.names,
        targets: &service.targets,
        standby: &service.standby,
        floor: service.min_in_service,
        holds_for_drains: !service.standby.is_empty() || !service.returns.is_off(),
        listing,
        ttls: zone.provider.ttl_of_new_sets(),
        remembered: &remembered,
    };
    let desired = match answer {
        Ok((address, status)) => {
            DesiredByAgent::answered(address.to_string(), &service.name, domain, status)
        }
        Err((address, error)) => {
            DesiredByAgent::nobody(address.as_ref().map(ToString::to_string), error)
        }
    };
    Comparison::new(&compared, desired)
}

/// Lists a zone. The provider does not leave this function, so that nothing can be written with it.
async fn read(config: &Config, place: usize) -> Result<Listing, CommandError> {
    // The dry-run provider invents a zone that it cannot list. Here that must be an error.
    let zone = ZoneConfig { dry_run: false, ..config.zone(place, |_| ServiceId::DEFAULT) };
    let name = Some(zone.name.clone()).filter(|name| name != DEFAULT);
    let listed = match providers::build(&zone).await {
        Ok(provider) => provider.list().await.map_err(Into::into),
        Err(error) => Err(error.into()),
    };
    listed.map_err(|error| match name {
        Some(name) => CommandError::UnreadZone { name, source: error },
        None => CommandError::Unread(error),
    })
}

/// Returns the zones and names with a record in the state file; none if it cannot be read.
fn remembered(config: &Config) -> BTreeSet<(String, String)> {
    let memory = config.sections.state_file.as_ref().and_then(|path| StateFile::new(path).peek());
    let mut memory = memory.unwrap_or_default();
    let zones = config.zones.iter().map(|zone| {
        let key = ZoneKey::new(&zone.name, &zone.provider.place());
        ManagedZone::new(key, zone.provider.names().iter().cloned())
    });
    memory.assign(&zones.collect());
    let records = memory.withdrawn.into_iter();
    records.map(|record| (record.zone, record.name)).collect()
}

/// Queries the running agent.
async fn ask(config: &Config) -> AgentAnswer {
    let address = AgentAddress::of(&config.sections.status).map_err(|error| (None, error))?;
    match address.status().await {
        Ok(status) => Ok((address, status)),
        Err(error) => Err((Some(address), error)),
    }
}
