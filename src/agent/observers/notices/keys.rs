//! The keys of incidents, from the ids of this agent and back.

use crate::engine::ids::{ServiceId, TargetRef, ZoneId};
use crate::engine::settings::Settings;
use crate::notify::{IncidentKey, IncidentProblem};

/// Returns the key of a problem with a target.
pub(super) fn of_target(
    settings: &Settings,
    target: TargetRef,
    problem: IncidentProblem,
) -> IncidentKey {
    let address = target.address.to_string();
    key(settings, target.service, Some(&address), problem)
}

/// Returns the key of a problem with a whole service.
pub(super) fn of_service(
    settings: &Settings,
    service: ServiceId,
    problem: IncidentProblem,
) -> IncidentKey {
    key(settings, service, None, problem)
}

fn key(
    settings: &Settings,
    service: ServiceId,
    place: Option<&str>,
    problem: IncidentProblem,
) -> IncidentKey {
    let name = settings.service(service).map(|its| its.name.as_str());
    let zone = settings.place(service).map(|(zone, _)| zone.name.as_str());
    IncidentKey::new(zone, name, place, problem)
}

/// Returns the key of a problem with a zone, or with one owner name in it.
pub(super) fn of_zone(
    settings: &Settings,
    zone: ZoneId,
    name: Option<&str>,
    problem: IncidentProblem,
) -> IncidentKey {
    let zone = settings.zones.get(&zone).map(|zone| zone.name.as_str());
    IncidentKey::new(zone, None, name, problem)
}

/// Returns the service of a key, if the configuration has it in the same zone.
pub(super) fn service_of(settings: &Settings, key: &IncidentKey) -> Option<ServiceId> {
    let mut services = settings.services();
    let (service, its) = services.find(|(_, its)| its.name == key.service)?;
    let zone = settings.zones.get(&its.zone)?;
    (zone.name == key.zone).then_some(service)
}

/// Returns the zone of a key, if the configuration has it.
pub(super) fn zone_of(settings: &Settings, key: &IncidentKey) -> Option<ZoneId> {
    let mut zones = settings.zones.iter();
    zones.find(|(_, zone)| zone.name == key.zone).map(|(id, _)| *id)
}
