//! Places of clients, which distinguish the record sets of geolocation routing.
//!
//! Route 53 answers a client from the set of the smallest place that contains it: a state, its
//! country, its continent, everywhere. Once that set is gone, the next wider one answers; with none
//! left, there is no answer. Source: "Geolocation routing" in the Route 53 developer guide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The place of the clients that get a record set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Everywhere that has no set for a smaller place; Route 53's default set.
    Everywhere,
    /// A continent, by its two letters.
    Continent(String),
    /// A country, by its two letters (ISO 3166-1).
    Country(String),
    /// A part of a country, by both codes (ISO 3166-2).
    Subdivision(String, String),
}

/// Addresses by the place of the clients that get them.
pub(crate) type Parts = BTreeMap<Place, BTreeSet<IpAddr>>;

impl Place {
    /// Creates a place from Route 53's notation; a country `*` is everywhere.
    pub fn new(continent: Option<&str>, country: Option<&str>, subdivision: Option<&str>) -> Self {
        match (continent, country, subdivision) {
            (_, Some("*"), _) | (None, None, _) => Self::Everywhere,
            (_, Some(country), Some(part)) => Self::Subdivision(country.into(), part.into()),
            (_, Some(country), None) => Self::Country(country.into()),
            (Some(continent), None, _) => Self::Continent(continent.into()),
        }
    }

    /// Whether this place contains `other`. For countries on two continents that is not known, so
    /// they are on none.
    pub fn includes(&self, other: &Self) -> bool {
        let country = match other {
            Self::Country(country) | Self::Subdivision(country, _) => Some(country.as_str()),
            _ => None,
        };
        match self {
            Self::Everywhere => true,
            Self::Continent(continent) => {
                self == other || country.and_then(continent_of) == Some(continent)
            }
            Self::Country(here) => country == Some(here),
            Self::Subdivision(..) => self == other,
        }
    }
}

/// Returns the addresses that a client at `place` can get: those for that place, and those for
/// wider places, which answer once the smaller ones are gone.
pub(crate) fn reach(parts: &Parts, place: &Place) -> BTreeSet<IpAddr> {
    let wider = parts.iter().filter(|(other, _)| other.includes(place));
    wider.flat_map(|(_, addresses)| addresses).copied().collect()
}

/// The countries of each continent, as Route 53 counts the continents. Those on two of them
/// (Armenia, Azerbaijan, Cyprus, Egypt, Georgia, Kazakhstan, Russia, Turkey) are left out.
const CONTINENTS: [(&str, &str); 7] = [
    (
        "AF",
        "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR \
         MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    ),
    ("AN", "AQ"),
    (
        "AS",
        "AE AF BD BH BN BT CN HK ID IL IN IQ IR JO JP KG KH KP KR KW LA LB LK MM MN MO MV MY NP OM PH \
         PK PS QA SA SG SY TH TJ TM TW UZ VN YE",
    ),
    (
        "EU",
        "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU \
         LV MC MD ME MK MT NL NO PL PT RO RS SE SI SJ SK SM UA VA",
    ),
    (
        "NA",
        "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA \
         PM PR SV SX TC TT US VC VG VI",
    ),
    ("OC", "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV VU WF WS"),
    ("SA", "AR BO BR CL CO EC FK GF GY PE PY SR UY VE"),
];

fn continent_of(country: &str) -> Option<&'static str> {
    for (continent, countries) in CONTINENTS {
        if countries.split(' ').any(|other| other == country) {
            return Some(continent);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        match text.split('-').collect::<Vec<_>>()[..] {
            ["*"] => Place::new(None, Some("*"), None),
            ["continent", code] => Place::new(Some(code), None, None),
            [country, part] => Place::new(None, Some(country), Some(part)),
            _ => Place::new(None, Some(text), None),
        }
    }

    #[test]
    fn a_place_includes_itself_and_the_places_in_it() {
        let cases = [
            ("*", "continent-EU", true),
            ("*", "FR", true),
            ("*", "*", true),
            ("continent-EU", "FR", true),
            ("continent-EU", "continent-EU", true),
            ("continent-NA", "US-UT", true),
            ("US", "US-UT", true),
            ("US-UT", "US-UT", true),
            ("continent-EU", "*", false),
            ("continent-EU", "US", false),
            ("continent-EU", "continent-AF", false),
            ("FR", "continent-EU", false),
            ("FR", "DE", false),
            ("US", "UA-09", false),
            ("US-UT", "US", false),
            ("US-UT", "US-NY", false),
        ];
        for (wide, narrow, want) in cases {
            assert_eq!(place(wide).includes(&place(narrow)), want, "{narrow} in {wide}");
        }
    }

    #[test]
    fn a_country_on_two_continents_is_on_none() {
        for country in ["AM", "AZ", "CY", "EG", "GE", "KZ", "RU", "TR"] {
            assert_eq!(continent_of(country), None, "{country}");
        }
    }

    #[test]
    fn no_country_is_listed_twice() {
        let all: Vec<_> = CONTINENTS.iter().flat_map(|(_, all)| all.split(' ')).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len(), all.iter().all(|code| code.len() == 2)), (distinct.len(), true));
    }
}
