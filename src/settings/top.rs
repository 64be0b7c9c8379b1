//! The keys above the first section, as far as they belong to no other part of the program.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::Probing;
use super::checks::{self, ChosenChecks, ParsedCanary};
use super::max_out::{self, Share};
use super::pace_keys::PaceKeys;
use super::returns::{self, ReturnKeys};
use super::standby;
use crate::config::field::{Field, FieldReader, List};
use crate::config::keys::{Key, Section};
use crate::config::rule::{self, duration, integer};
use crate::config::section::SectionContext;
use crate::file;

/// Minimum and maximum interval of a resync: one second and one day.
pub(super) const RESYNC: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// The values above the first section, each validated alone.
pub(super) struct TopLevel {
    pub(super) pace: PaceKeys,
    pub(super) burst: Field<usize>,
    pub(super) port: Field<u16>,
    pub(super) min_in_service: Field<usize>,
    pub(super) max_out: Field<Share>,
    pub(super) standby_below: Field<usize>,
    pub(super) returns: ReturnKeys,
    pub(super) canaries: List<ParsedCanary>,
    pub(super) checks: ChosenChecks,
    pub(super) name: Field<String>,
    pub(super) resync_interval: Field<Duration>,
}

impl TopLevel {
    /// The keys, in the order of their documentation.
    pub(super) const KEYS: &'static [Key] = &[
        Key::new("failure_threshold"),
        Key::new("recovery_threshold"),
        Key::new("interval"),
        Key::new("timeout"),
        Key::new("retry_interval"),
        Key::new("burst"),
        Key::new("port"),
        Key::new("min_in_service"),
        max_out::KEY,
        standby::BELOW,
        returns::DELAY,
        returns::MAX,
        Key::new("canaries"),
        Key::new("name"),
        Key::new("resync_interval"),
        checks::KEYS[0],
        checks::KEYS[1],
        checks::KEYS[2],
    ];

    /// Takes the values out of the file.
    pub(super) fn parse(values: &mut FieldReader<'_>) -> Self {
        let top = Section::TOP;
        Self {
            pace: PaceKeys::parse(top, values),
            burst: values.one(top, "burst", integer(1, 1000)),
            port: values.one(top, "port", rule::port),
            min_in_service: values.one(top, "min_in_service", integer(0, 1000)),
            max_out: max_out::parse(top, values),
            standby_below: standby::below(top, values),
            returns: ReturnKeys::parse(top, values),
            canaries: values.field(top, "canaries", checks::canary_list),
            checks: ChosenChecks::parse(None, top, values),
            name: values.one(top, "name", rule::name),
            resync_interval: values.one(top, "resync_interval", duration(RESYNC.0, RESYNC.1)),
        }
    }

    /// Refuses a file without a port, which `--type tcp` needs.
    pub(super) fn require_port(&self, context: &mut SectionContext<'_>) {
        if self.port.is_absent() {
            let spot = context.missing(Section::TOP, "port");
            let what = "missing; --type tcp needs the TCP port, an integer from 1 to 65535";
            context.report.refuse(&spot, what);
        }
    }

    /// Returns the name of this agent, the host's name by default.
    pub(super) fn name(&self) -> String {
        self.name.value().cloned().unwrap_or_else(host_name)
    }

    /// Returns the TCP port to connect to.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.value().copied()
    }

    /// Returns the floor; 0 is off.
    pub(super) fn min_in_service(&self) -> usize {
        self.min_in_service.or(0)
    }

    /// Returns the share of addresses that may be out; all of them by default.
    pub(super) fn max_out(&self) -> Share {
        self.max_out.or(Share::default())
    }

    /// Returns the interval at which DNS is compared and repaired.
    pub(super) fn resync_interval(&self) -> Option<Duration> {
        self.resync_interval.value().copied()
    }

    /// Returns the number of targets that are probed at the same moment.
    pub(super) fn burst(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.burst.or(1)).unwrap_or(NonZeroUsize::MIN)
    }

    /// Returns the pace of probing. Omitted values are derived from the given ones.
    pub(super) fn probing(&self) -> Probing {
        self.pace.probing(self.burst())
    }
}

/// Returns the name of this machine, or `goavail` if it has none.
///
/// Source: proc(5), `/proc/sys/kernel/hostname`.
fn host_name() -> String {
    let path = Path::new("/proc/sys/kernel/hostname");
    let name = file::read_text(path, 1024).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "goavail".to_owned() } else { name.to_owned() }
}
