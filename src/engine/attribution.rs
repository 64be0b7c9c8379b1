//! Attribution: the service that a changed record belongs to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::dns_report::AppliedRecords;
use super::ids::{ServiceId, ZoneId};
use super::plan::{SetKey, record_sets};
use super::settings::Settings;

/// The service of each record set, by zone. A set that no service publishes any more belongs to the
/// last one that did: reports about it may still come.
#[derive(Debug, Default)]
pub(super) struct SetOwners(BTreeMap<ZoneId, BTreeMap<SetKey, ServiceId>>);

impl SetOwners {
    /// Follows the settings in force.
    pub(super) fn follow(&mut self, settings: &Settings) {
        for (id, service) in settings.services() {
            let sets = record_sets(&service.names, &service.targets);
            let sets = sets.into_iter().map(|set| (set, id));
            self.0.entry(service.zone).or_default().extend(sets);
        }
    }

    /// Splits the records of a change in a zone among the services.
    pub(super) fn split(
        &self,
        zone: ZoneId,
        records: AppliedRecords,
    ) -> BTreeMap<ServiceId, AppliedRecords> {
        let mut split = BTreeMap::<ServiceId, AppliedRecords>::new();
        for (owner, withdrawn) in self.by_owner(zone, records.withdrawn) {
            split.entry(owner).or_default().withdrawn = withdrawn;
        }
        for (owner, restored) in self.by_owner(zone, records.restored) {
            split.entry(owner).or_default().restored = restored;
        }
        for (owner, created) in self.by_owner(zone, records.created) {
            split.entry(owner).or_default().created = created;
        }
        split
    }

    /// Groups records in a zone by the service that each belongs to. Records of sets that no service
    /// ever published are left out.
    pub(super) fn by_owner(
        &self,
        zone: ZoneId,
        records: Vec<(SetKey, IpAddr)>,
    ) -> BTreeMap<ServiceId, Vec<(SetKey, IpAddr)>> {
        let mut by_owner = BTreeMap::<ServiceId, Vec<_>>::new();
        let Some(owners) = self.0.get(&zone) else { return by_owner };
        for record in records {
            if let Some(owner) = owners.get(&record.0) {
                by_owner.entry(*owner).or_default().push(record);
            }
        }
        by_owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Family;
    use crate::engine::settings::ServiceSettings;
    use crate::engine::tests::world::ip;

    const ZONE: ZoneId = ZoneId::DEFAULT;

    /// Returns settings with services that are each published at a name and watch the address with
    /// this last byte.
    fn settings(services: &[(usize, &str, u8)]) -> Settings {
        let mut settings = Settings::new(ServiceSettings::new(vec![], "unused"));
        settings.services.clear();
        for (id, name, last) in services {
            let service = ServiceSettings::new(vec![ip(*last)], name);
            settings.services.insert((*id).into(), service);
        }
        settings
    }

    fn record(name: &str, last: u8) -> (SetKey, IpAddr) {
        (SetKey { name: name.into(), family: Family::A }, ip(last))
    }

    #[test]
    fn a_record_belongs_to_the_last_service_that_published_its_set_in_its_zone() {
        let mut owners = SetOwners::default();
        owners.follow(&settings(&[(0, "www", 1), (1, "api", 2), (2, "old", 1)]));
        owners.follow(&settings(&[(0, "www", 1), (1, "new", 2), (3, "api", 1)]));
        let rows = [
            ("its service", ZONE, record("www", 1), Some(0)),
            ("the name comes before the address", ZONE, record("www", 2), Some(0)),
            ("a name that moved to another service", ZONE, record("api", 2), Some(3)),
            ("a name of a removed service", ZONE, record("old", 1), Some(2)),
            ("a name of no service", ZONE, record("never", 1), None),
            ("another zone", 7.into(), record("www", 1), None),
        ];
        for (case, zone, record, want) in rows {
            let found = owners.by_owner(zone, vec![record.clone()]);
            let want = want.map(|owner: usize| (ServiceId::from(owner), vec![record]));
            assert_eq!(found, want.into_iter().collect(), "{case}");
        }
    }

    #[test]
    fn a_change_is_split_among_the_services_that_it_concerned() {
        let mut owners = SetOwners::default();
        owners.follow(&settings(&[(0, "www", 1), (1, "api", 2)]));
        let records = AppliedRecords {
            withdrawn: vec![record("www", 1), record("api", 2)],
            restored: vec![record("www", 3)],
            created: vec![],
        };
        let split = owners.split(ZONE, records);
        let (withdrawn, restored) = (vec![record("www", 1)], vec![record("www", 3)]);
        assert_eq!(split[&0.into()], AppliedRecords { withdrawn, restored, created: vec![] });
        let withdrawn = vec![record("api", 2)];
        assert_eq!(split[&1.into()], AppliedRecords { withdrawn, ..AppliedRecords::default() });
    }
}
