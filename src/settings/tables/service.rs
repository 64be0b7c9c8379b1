//! Services: `[[service]]`.

use std::time::Duration;

use crate::config::document::{Document, Table};
use crate::config::field::{At, Field, FieldReader};
use crate::config::keys::{Key, Section, TableForm, TableGroup};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{duration, integer, label, text, truth};
use crate::config::section::SectionContext;
use crate::dns::providers::section::PublishedKeys;
use crate::settings::checks::{self, ChosenChecks};
use crate::settings::max_out::{self, Share};
use crate::settings::pace_keys::PaceKeys;
use crate::settings::returns::{self, ReturnKeys};
use crate::settings::standby::{self, ParsedStandby};
use crate::settings::top::RESYNC;

/// The name of the group.
pub(super) const GROUP: &str = "service";

/// The section under which the keys of a service are kept.
pub(super) const HOME: Section = Section::new(GROUP);

/// A service in the file, each of its values validated alone.
pub(super) struct ParsedService {
    /// The place of the header.
    pub(super) spot: Spot,
    /// The name of the service.
    pub(super) name: Field<String>,
    /// The name of its zone.
    pub(super) zone: Field<String>,
    /// The choice of its checks.
    pub(super) checks: ChosenChecks,
    /// Its names and addresses.
    pub(super) published: PublishedKeys,
    /// The pace and the thresholds.
    pub(super) pace: PaceKeys,
    /// The floor of its record sets.
    pub(super) min_in_service: Field<usize>,
    /// The share of its addresses that may be out for their health.
    pub(super) max_out: Field<Share>,
    /// The standbys of the service.
    pub(super) standby: ParsedStandby,
    /// How slowly its addresses come back.
    pub(super) returns: ReturnKeys,
    /// Interval at which DNS is compared and repaired.
    pub(super) resync_interval: Field<Duration>,
    /// Whether new records are proxied.
    pub(super) dns_proxied: Field<bool>,
    /// The TTL of new records in seconds.
    pub(super) ttl: Field<u32>,
    document: Document,
}

/// Returns the tables of services.
pub(super) fn group() -> TableGroup {
    const KEYS: &[Key] = &[
        Key::new("name"),
        Key::new("zone"),
        Key::new("hostnames"),
        Key::new("ip_addresses"),
        standby::STANDBY,
        standby::BELOW,
        standby::LAST_RESORT,
        checks::KEYS[0],
        checks::KEYS[1],
        checks::KEYS[2],
        Key::new("failure_threshold"),
        Key::new("recovery_threshold"),
        Key::new("interval"),
        Key::new("timeout"),
        Key::new("retry_interval"),
        Key::new("min_in_service"),
        max_out::KEY,
        returns::DELAY,
        returns::MAX,
        Key::new("resync_interval"),
        Key::new("dns_proxied"),
        Key::new("ttl"),
    ];
    TableGroup {
        name: GROUP,
        form: TableForm::Listed,
        home: HOME,
        keys: KEYS,
        selector: "",
        value_keys: None,
        kinds: Vec::new(),
    }
}

impl ParsedService {
    /// Takes the values out of the table at `index`.
    pub(super) fn parse(index: usize, table: Table, report: &mut Report) -> Self {
        let Table { spot, document, .. } = table;
        let mut values = FieldReader { document, report };
        let name = values.one(HOME, "name", label);
        let zone = values.one(HOME, "zone", text("the name of a zone, in quotes", reference));
        let checks = ChosenChecks::parse(Some(index), HOME, &mut values);
        let published = PublishedKeys::parse(HOME, &mut values);
        let pace = PaceKeys::parse(HOME, &mut values);
        let min_in_service = values.one(HOME, "min_in_service", integer(0, 1000));
        let max_out = max_out::parse(HOME, &mut values);
        let standby = ParsedStandby::parse(HOME, &mut values);
        let returns = ReturnKeys::parse(HOME, &mut values);
        let resync_interval = values.one(HOME, "resync_interval", duration(RESYNC.0, RESYNC.1));
        let dns_proxied = values.one(HOME, "dns_proxied", truth);
        let ttl = values.one(HOME, "ttl", integer(0, i64::from(i32::MAX)));
        values.document.assert_all_taken();
        let document = values.document;
        Self {
            spot,
            name,
            zone,
            checks,
            published,
            pace,
            min_in_service,
            max_out,
            standby,
            returns,
            resync_interval,
            dns_proxied,
            ttl,
            document,
        }
    }

    /// Returns the context in which values of this service are validated together.
    pub(super) fn context<'a>(&'a self, file: &'a mut SectionContext<'_>) -> SectionContext<'a> {
        file.of_table(&self.document)
    }

    /// Returns the place of an absent key.
    pub(super) fn missing(&self, key: &str) -> Spot {
        self.document.missing(HOME, key)
    }

    /// Returns the name, which is refused if it is missing.
    pub(super) fn require_name(&self, report: &mut Report) -> Option<&At<String>> {
        if self.name.is_absent() {
            let spot = self.document.missing(HOME, "name");
            report.refuse(&spot, "missing; a name such as \"www\"");
        }
        self.name.present()
    }
}

/// Reads the name of a zone, which is looked up later.
fn reference(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}
