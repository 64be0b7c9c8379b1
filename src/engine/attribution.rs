//! Attribution: the service that a changed record belongs to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::dns_report::AppliedRecords;
use super::ids::ServiceId;
use super::plan::SetKey;
use super::service::Service;

/// Splits the records of a change among the `services` of the zone.
pub(super) fn split(
    services: &[&Service],
    records: AppliedRecords,
) -> BTreeMap<ServiceId, AppliedRecords> {
    let mut split = BTreeMap::<ServiceId, AppliedRecords>::new();
    for (owner, withdrawn) in by_owner(services, records.withdrawn) {
        split.entry(owner).or_default().withdrawn = withdrawn;
    }
    for (owner, restored) in by_owner(services, records.restored) {
        split.entry(owner).or_default().restored = restored;
    }
    for (owner, created) in by_owner(services, records.created) {
        split.entry(owner).or_default().created = created;
    }
    split
}

/// Groups records by the service that each belongs to.
pub(super) fn by_owner(
    services: &[&Service],
    records: Vec<(SetKey, IpAddr)>,
) -> BTreeMap<ServiceId, Vec<(SetKey, IpAddr)>> {
    let mut by_owner = BTreeMap::<ServiceId, Vec<_>>::new();
    for record in records {
        if let Some(owner) = owner(services, &record) {
            by_owner.entry(owner).or_default().push(record);
        }
    }
    by_owner
}

/// Returns the service of a record: the one with its name, or else one that watches its address.
fn owner(services: &[&Service], (key, address): &(SetKey, IpAddr)) -> Option<ServiceId> {
    let named = services.iter().find(|service| service.settings.names.contains(&key.name));
    let owner = named
        .or_else(|| services.iter().find(|service| service.id(*address).is_some()))
        .or(services.first());
    owner.map(|service| service.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::moment::Moment;
    use crate::engine::plan::Family;
    use crate::engine::settings::ServiceSettings;
    use crate::engine::tests::world::ip;

    /// A service that is published at `name` and watches the address with this last byte.
    fn service(id: usize, name: &str, last: u8) -> Service {
        let settings = ServiceSettings::new(vec![ip(last)], name);
        let mut service = Service::new(id.into(), settings);
        service.add(ip(last), id.into(), Moment::START);
        service
    }

    fn record(name: &str, last: u8) -> (SetKey, IpAddr) {
        (SetKey { name: name.into(), family: Family::A }, ip(last))
    }

    #[test]
    fn a_record_belongs_to_the_service_of_its_name_then_of_its_address_then_to_the_first() {
        let (www, api) = (service(0, "www", 1), service(1, "api", 2));
        let services = [&www, &api];
        let rows = [
            ("its name and its address", record("api", 2), 1),
            ("the name comes before the address", record("www", 2), 0),
            ("a name of no service", record("old", 2), 1),
            ("neither", record("old", 9), 0),
        ];
        for (case, record, want) in rows {
            assert_eq!(owner(&services, &record), Some(want.into()), "{case}");
        }
        assert_eq!(owner(&[], &record("www", 1)), None, "there is no service");
    }

    #[test]
    fn a_change_is_split_among_the_services_that_it_concerned() {
        let (www, api) = (service(0, "www", 1), service(1, "api", 2));
        let records = AppliedRecords {
            withdrawn: vec![record("www", 1), record("api", 2)],
            restored: vec![record("www", 3)],
            created: vec![],
        };
        let split = split(&[&www, &api], records);
        let (withdrawn, restored) = (vec![record("www", 1)], vec![record("www", 3)]);
        assert_eq!(split[&www.id], AppliedRecords { withdrawn, restored, created: vec![] });
        let withdrawn = vec![record("api", 2)];
        assert_eq!(split[&api.id], AppliedRecords { withdrawn, ..AppliedRecords::default() });
    }
}
