//! Standby addresses: `standby`, `standby_below` and `last_resort`.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::config::address;
use crate::config::field::{At, Field, FieldReader, not_allowed};
use crate::config::in_force::ValueInForce;
use crate::config::keys::{Key, Section};
use crate::config::problem::{Report, Spot};
use crate::config::rule::integer;
use crate::config::value::{Value, WrittenValue};
use crate::engine::plan::Family;
use crate::text::listed;

/// The key of the tiers.
pub(super) const STANDBY: Key = Key::new("standby");

/// The key of the number below which a tier is published.
pub(super) const BELOW: Key = Key::new("standby_below");

/// The key of the addresses that are put in unprobed.
pub(super) const LAST_RESORT: Key = Key::new("last_resort");

/// Default of `standby_below`.
const DEFAULT_BELOW: usize = 1;

/// Description of the values of `standby`.
const TIERS: &str =
    "a list of addresses, such as [\"198.51.100.7\"], or of such lists, one for each tier";

/// The tiers in the file.
type WrittenTiers = Vec<Vec<At<IpAddr>>>;

/// The standby addresses of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandbyConfig {
    /// The addresses of each tier, in the order of the file: those of tier 1, of tier 2, …
    pub tiers: Vec<Vec<IpAddr>>,
    /// The number of addresses of the earlier tiers in service below which a tier is published.
    pub below: usize,
    /// The addresses that are published unprobed once all others are down.
    pub last_resort: Vec<IpAddr>,
}

impl StandbyConfig {
    /// Whether there are neither standbys nor a last resort.
    pub(crate) fn is_empty(&self) -> bool {
        self.tiers.is_empty() && self.last_resort.is_empty()
    }

    /// Returns the tier of the last resort, if there is one.
    pub(crate) fn last_tier(&self) -> Option<usize> {
        (!self.last_resort.is_empty()).then_some(self.tiers.len() + 1)
    }

    /// Iterates over the standbys with their tiers, from 1 on. The last resort comes last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, usize)> {
        let tiers = self.tiers.iter().chain(std::iter::once(&self.last_resort)).zip(1..);
        tiers.flat_map(|(addresses, tier)| addresses.iter().map(move |address| (*address, tier)))
    }

    /// Describes the last resort; `None` if there is none.
    pub(super) fn last_resort_in_words(&self) -> Option<String> {
        let addresses = listed(&self.last_resort);
        (!self.last_resort.is_empty()).then(|| {
            format!("{addresses}; never asked, and published once all others of its family are out")
        })
    }

    /// Describes the standbys: `tier 1: 198.51.100.7; published while …`. `None` if there are none.
    pub(super) fn in_words(&self) -> Option<String> {
        if self.tiers.is_empty() {
            return None;
        }
        let tiers = self.tiers.iter().zip(1..);
        let tiers = tiers.map(|(addresses, tier)| format!("tier {tier}: {}", listed(addresses)));
        let tiers: Vec<String> = tiers.collect();
        let (which, of) = match tiers.len() {
            1 => ("", "the addresses above"),
            _ => ("a tier is ", "those of the tiers before"),
        };
        let verb = if self.below == 1 { "is" } else { "are" };
        Some(format!(
            "{}; {which}published while fewer than {} of {of} {verb} in service, if seen to answer",
            tiers.join("; "),
            self.below,
        ))
    }

    /// Returns the values in force, with the places that `place_of` finds.
    pub(super) fn values<'a>(
        &self,
        place_of: impl Fn(&str) -> Option<&'a Spot>,
    ) -> Vec<ValueInForce> {
        let mut values = Vec::new();
        if !self.tiers.is_empty() {
            let tiers: Vec<String> = self.tiers.iter().map(|tier| in_order(tier)).collect();
            values.push((STANDBY.name, tiers.join("; ")));
            values.push((BELOW.name, self.below.to_string()));
        }
        if !self.last_resort.is_empty() {
            values.push((LAST_RESORT.name, in_order(&self.last_resort)));
        }
        let values = values.into_iter();
        values.map(|(key, value)| ValueInForce::new(key, value, place_of(key))).collect()
    }
}

fn in_order(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// The keys of a service about standbys, each validated alone.
pub(super) struct ParsedStandby {
    tiers: Field<WrittenTiers>,
    below: Field<usize>,
    last_resort: Field<Vec<At<IpAddr>>>,
}

/// A service for which standbys are built.
pub(super) struct Primaries<'a> {
    /// The addresses of tier 0.
    pub(super) addresses: &'a [IpAddr],
    /// The place of their list.
    pub(super) place: Option<&'a Spot>,
}

impl Primaries<'_> {
    /// Returns the number of addresses of a family.
    fn count(&self, family: Family) -> usize {
        self.addresses.iter().filter(|address| Family::of(**address) == family).count()
    }
}

/// Reads `standby_below`, in a section or in a service.
pub(super) fn below(section: Section, values: &mut FieldReader<'_>) -> Field<usize> {
    values.one(section, BELOW.name, integer(1, 1000))
}

impl ParsedStandby {
    /// Takes the values of a service out of its table.
    pub(super) fn parse(section: Section, values: &mut FieldReader<'_>) -> Self {
        Self {
            tiers: values.field(section, STANDBY.name, tiers),
            below: below(section, values),
            last_resort: values.field(section, LAST_RESORT.name, last_resort),
        }
    }

    /// Returns the standbys with their places.
    pub(super) fn items(&self) -> impl Iterator<Item = &At<IpAddr>> {
        let standbys = self.tiers.value().into_iter().flatten().flatten();
        standbys.chain(self.last_resort.value().into_iter().flatten())
    }

    /// Returns the places of the values, by key. `top` is the default of `standby_below`.
    pub(super) fn places(&self, top: &Field<usize>) -> Vec<(&'static str, Spot)> {
        let below = self.below.over(top);
        let places = [
            (STANDBY.name, self.tiers.spot()),
            (BELOW.name, below.spot()),
            (LAST_RESORT.name, self.last_resort.spot()),
        ];
        places.into_iter().filter_map(|(key, spot)| Some((key, spot?.clone()))).collect()
    }

    /// Builds the standbys of a service, and refuses those that could never do their work. `top` is the
    /// default of `standby_below`.
    pub(super) fn build(
        &self,
        top: &Field<usize>,
        primaries: &Primaries<'_>,
        report: &mut Report,
    ) -> StandbyConfig {
        let below = self.below.over(top);
        let has_standbys = self.tiers.present().is_some();
        if let Some(at) = self.below.present().filter(|_| !has_standbys) {
            report.warn(&at.spot, "not used: the service has no standby");
        }
        self.refuse_twice(primaries, report);
        for family in [Family::A, Family::Aaaa] {
            self.refuse_unreplaced(family, primaries, report);
            if has_standbys {
                self.refuse_many_below(family, &below, primaries, report);
            }
        }
        let mut built = StandbyConfig::default();
        for tier in self.tiers.value().into_iter().flatten() {
            built.tiers.push(tier.iter().map(|at| at.value).collect());
            built.below = below.or(DEFAULT_BELOW);
        }
        let last_resort = self.last_resort.value().into_iter().flatten();
        built.last_resort.extend(last_resort.map(|at| at.value));
        built
    }

    /// Refuses an address in two tiers.
    fn refuse_twice(&self, primaries: &Primaries<'_>, report: &mut Report) {
        let mut seen: HashMap<IpAddr, Spot> = HashMap::new();
        if let Some(place) = primaries.place {
            seen.extend(primaries.addresses.iter().map(|address| (*address, place.clone())));
        }
        for at in self.items() {
            let Some(first) = seen.insert(at.value, at.spot.clone()) else { continue };
            let (key, line) = (&first.key, first.line.unwrap_or_default());
            let what =
                format!("{} is in {key}, line {line}, too; an address has one tier", at.shown);
            report.refuse(&at.spot, what);
        }
    }

    /// Refuses standbys of a family without an address that they could stand in for.
    fn refuse_unreplaced(&self, family: Family, primaries: &Primaries<'_>, report: &mut Report) {
        let Some(first) = self.items().find(|at| Family::of(at.value) == family) else { return };
        if primaries.count(family) == 0 && !primaries.addresses.is_empty() {
            let what = format!(
                "{} would never be published: ip_addresses has none for {family} records",
                first.shown
            );
            report.refuse(&first.spot, what);
        }
    }

    /// Refuses standbys of a family with too few addresses for them ever to leave.
    fn refuse_many_below(
        &self,
        family: Family,
        below: &Field<usize>,
        primaries: &Primaries<'_>,
        report: &mut Report,
    ) {
        let mut standbys = self.tiers.value().into_iter().flatten().flatten();
        let count = primaries.count(family);
        if count > 0
            && standbys.any(|at| Family::of(at.value) == family)
            && let Some(at) = below.present().filter(|at| at.value > count)
        {
            let what = format!(
                "{} is more than ip_addresses has for {family} records, {count}: the standbys would \
                 never leave",
                at.shown
            );
            report.refuse(&at.spot, what);
        }
    }
}

/// Reads the tiers: a list of addresses is one tier.
fn tiers(report: &mut Report, written: WrittenValue) -> Field<WrittenTiers> {
    let WrittenValue { spot, shown, value } = written;
    let items = match value {
        Value::List(items) if !items.is_empty() => items,
        _ => {
            report.refuse(&spot, not_allowed(&shown, TIERS));
            return Field::Refused;
        }
    };
    let is_nested = items.iter().any(|item| matches!(item.value, Value::List(_)));
    let tiers: Option<WrittenTiers> = if is_nested {
        let tiers: Vec<_> = items.into_iter().map(|item| nested_tier(report, item)).collect();
        tiers.into_iter().collect()
    } else {
        tier(report, items).map(|tier| vec![tier])
    };
    match tiers {
        Some(value) => Field::Given(At { spot, shown, value }),
        None => Field::Refused,
    }
}

/// Reads the addresses of the last resort.
fn last_resort(report: &mut Report, written: WrittenValue) -> Field<Vec<At<IpAddr>>> {
    let WrittenValue { spot, shown, value } = written;
    match value {
        Value::List(items) if !items.is_empty() => match tier(report, items) {
            Some(value) => Field::Given(At { spot, shown, value }),
            None => Field::Refused,
        },
        _ => {
            let allowed = "a list of addresses, such as [\"198.51.100.7\"]";
            report.refuse(&spot, not_allowed(&shown, allowed));
            Field::Refused
        }
    }
}

fn nested_tier(report: &mut Report, written: WrittenValue) -> Option<Vec<At<IpAddr>>> {
    match written.value {
        Value::List(items) if !items.is_empty() => tier(report, items),
        _ => {
            let what = not_allowed(&written.shown, "each tier is a list of addresses");
            report.refuse(&written.spot, what);
            None
        }
    }
}

/// Reads the addresses of one tier. All of them are checked, so that all problems are reported.
fn tier(report: &mut Report, items: Vec<WrittenValue>) -> Option<Vec<At<IpAddr>>> {
    let mut addresses = Vec::with_capacity(items.len());
    let mut is_good = true;
    for WrittenValue { spot, shown, value } in items {
        match address::target(&value) {
            Ok(value) => addresses.push(At { spot, shown, value }),
            Err(allowed) => {
                report.refuse(&spot, not_allowed(&shown, &allowed));
                is_good = false;
            }
        }
    }
    is_good.then_some(addresses)
}
