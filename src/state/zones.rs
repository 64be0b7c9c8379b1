//! The zones to which the entries of the state belong.
//!
//! An entry belongs to the place where its record was: the zones of a configuration may be renamed, may
//! swap their names, and may be split.

use std::collections::BTreeSet;

use super::{Memory, Pending, Withdrawn, is_default};

/// The zone of an entry: its name in the configuration, and its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ZoneKey {
    /// The name in the configuration.
    pub(crate) name: String,
    /// The provider and the domain. Empty for the zone of a file that names none.
    pub(crate) place: String,
}

impl ZoneKey {
    /// Returns the key of the zone with this name at `place`.
    pub(crate) fn new(name: &str, place: &str) -> Self {
        let place = if is_default(name) { "" } else { place };
        Self { name: name.to_owned(), place: place.to_owned() }
    }

    /// Whether both are the same zone, perhaps by another name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.place == other.place && (!self.place.is_empty() || self.name == other.name)
    }
}

/// A zone of a configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManagedZone {
    /// Its name and place.
    pub(crate) key: ZoneKey,
    /// The owner names that are managed in it.
    pub(crate) managed: BTreeSet<String>,
}

impl ManagedZone {
    /// Returns the zone that manages these owner names.
    pub(crate) fn new(key: ZoneKey, managed: impl IntoIterator<Item = String>) -> Self {
        Self { key, managed: managed.into_iter().collect() }
    }

    fn manages(&self, owner: &str) -> bool {
        self.managed.contains(owner)
    }
}

/// The zones of a configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct ManagedZones(Vec<ManagedZone>);

impl ManagedZones {
    /// Whether one of them is this zone.
    fn has(&self, key: &ZoneKey) -> bool {
        self.0.iter().any(|zone| zone.key.is(key))
    }

    /// Returns the zone to which an entry belongs that belonged to `before`: the zone at its place, unless
    /// the owner name has moved to another one. Before there were places, an entry had the name of its zone
    /// alone. `None` if no zone has its place, and not exactly one manages its owner name.
    fn home(&self, before: &ZoneKey, owner: &str) -> Option<&ManagedZone> {
        let at_place = self.0.iter().find(|zone| zone.key.is(before));
        let by_name = self.0.iter().find(|zone| zone.key.name == before.name);
        let known = if before.place.is_empty() { at_place.or(by_name) } else { at_place };
        if known.is_some_and(|zone| zone.manages(owner)) {
            return known;
        }
        if known.is_none() && by_name.is_some_and(|zone| zone.manages(owner)) {
            return by_name;
        }
        let mut managing = self.0.iter().filter(|zone| zone.manages(owner));
        match (managing.next(), managing.next()) {
            (Some(only), None) => Some(only),
            _ => known,
        }
    }
}

impl FromIterator<ManagedZone> for ManagedZones {
    fn from_iter<I: IntoIterator<Item = ManagedZone>>(zones: I) -> Self {
        Self(zones.into_iter().collect())
    }
}

impl Withdrawn {
    /// Returns the zone of the record.
    pub(crate) fn zone_key(&self) -> ZoneKey {
        ZoneKey { name: self.zone.clone(), place: self.place.clone() }
    }

    /// Makes it a record of another zone.
    fn move_to(&mut self, zone: &ZoneKey) {
        self.zone.clone_from(&zone.name);
        self.place.clone_from(&zone.place);
    }
}

impl Pending {
    /// Returns the zone of the place.
    pub(crate) fn zone_key(&self) -> ZoneKey {
        ZoneKey { name: self.zone.clone(), place: self.place.clone() }
    }

    /// Makes it a place of another zone.
    fn move_to(&mut self, zone: &ZoneKey) {
        self.zone.clone_from(&zone.name);
        self.place.clone_from(&zone.place);
    }
}

impl Memory {
    /// Assigns each entry to the zone of a configuration to which it belongs. The others keep theirs.
    /// Returns the withdrawn records among those others, which are taken out.
    pub(crate) fn assign(&mut self, zones: &ManagedZones) -> Vec<Withdrawn> {
        for index in 0..self.withdrawn.len() {
            let record = &self.withdrawn[index];
            let before = record.zone_key();
            let home = zones.home(&before, &record.name).map(|zone| &zone.key);
            if let Some(home) = home.filter(|home| **home != before) {
                self.withdrawn[index].move_to(home);
            }
        }
        for pending in &mut self.pending {
            if let Some(home) = zones.home(&pending.zone_key(), &pending.name) {
                pending.move_to(&home.key);
            }
        }
        self.withdrawn.extract_if(.., |record| !zones.has(&record.zone_key())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns zones with these names and places, which manage these owner names.
    fn zones(zones: &[(&str, &str, &[&str])]) -> ManagedZones {
        let zones = zones.iter().map(|(name, place, owners)| {
            let owners = owners.iter().map(|owner| (*owner).to_owned());
            ManagedZone::new(ZoneKey::new(name, place), owners)
        });
        zones.collect()
    }

    #[test]
    fn an_entry_follows_its_place_and_else_its_owner_name() {
        const COM: &str = "www.example.com";
        const NET: &str = "www.example.net";
        const SUB: &str = "www.sub.example.com";
        let swapped = zones(&[("a", "net", &[NET]), ("b", "com", &[COM])]);
        let both = zones(&[("a", "at one", &[COM]), ("b", "at two", &[COM])]);
        let both_swapped = zones(&[("a", "at two", &[COM]), ("b", "at one", &[COM])]);
        let split = zones(&[("a", "com", &[COM]), ("b", "sub", &[SUB])]);
        let moved = zones(&[("a", "other api", &[COM]), ("b", "net", &[NET])]);
        let lost = zones(&[("a", "com", &[]), ("b", "net", &[NET])]);
        let unnamed = zones(&[("default", "com", &[COM])]);
        let cases = [
            ("as it was", &split, ("a", "com", COM), Some(("a", "com"))),
            ("zones swap their names", &swapped, ("a", "com", COM), Some(("b", "com"))),
            ("of one domain", &both_swapped, ("a", "at one", COM), Some(("b", "at one"))),
            ("a name moves to a zone of its own", &split, ("a", "com", SUB), Some(("b", "sub"))),
            ("the place has another address", &moved, ("a", "com", COM), Some(("a", "other api"))),
            ("the name is managed no longer", &lost, ("a", "com", COM), Some(("a", "com"))),
            ("the zone is gone", &swapped, ("c", "org", "www.example.org"), None),
            ("two zones may be meant", &both, ("c", "org", COM), None),
            ("an old file", &split, ("a", "", COM), Some(("a", "com"))),
            ("an old file, renamed", &split, ("c", "", COM), Some(("a", "com"))),
            ("an old file, swapped", &swapped, ("a", "", COM), Some(("b", "com"))),
            ("a file without zones", &unnamed, ("default", "", COM), Some(("default", ""))),
            ("zones get names", &split, ("default", "", COM), Some(("a", "com"))),
            ("zones lose their names", &unnamed, ("a", "com", COM), Some(("default", ""))),
        ];
        for (case, zones, (name, place, owner), want) in cases {
            let before = ZoneKey { name: name.to_owned(), place: place.to_owned() };
            let home = zones.home(&before, owner).map(|zone| &zone.key);
            assert_eq!(home.map(|key| (&*key.name, &*key.place)), want, "{case}");
        }
    }
}
