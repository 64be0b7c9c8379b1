//! Checks: `[check.NAME]`, and `check = { … }` in a service.

use crate::config::document::{Document, Table};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::{Key, Section, TableForm, TableGroup};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{self, text};
use crate::settings::pace_keys::PaceKeys;

/// The name of the group, and of the key of a service.
pub(super) const GROUP: &str = "check";

/// The section under which the keys of a check are kept.
const HOME: Section = Section::new(GROUP);

/// Description of the kinds of probes.
const TYPES: &str = "\"icmp\" or \"tcp\"";

/// The kind of a check's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeType {
    /// ICMP echo requests, as of ping.
    Icmp,
    /// TCP connects to a port.
    Tcp,
}

/// A check in the file, each of its values validated alone.
pub(super) struct ParsedCheck {
    /// The name in the header; `None` inside a service.
    pub(super) name: Option<String>,
    /// The place of the service that has this check as a value.
    pub(super) owner: Option<usize>,
    /// The place of the header.
    pub(super) spot: Spot,
    /// The pace and the thresholds.
    pub(super) pace: PaceKeys,
    kind: Field<ProbeType>,
    port: Field<u16>,
    document: Document,
}

/// Returns the tables of checks.
pub(super) fn group() -> TableGroup {
    const KEYS: &[Key] = &[
        Key::new("type"),
        Key::new("port"),
        Key::new("failure_threshold"),
        Key::new("recovery_threshold"),
        Key::new("interval"),
        Key::new("timeout"),
        Key::new("retry_interval"),
    ];
    TableGroup {
        name: GROUP,
        form: TableForm::Named,
        home: HOME,
        keys: KEYS,
        selector: "type",
        may_be_value: true,
        kinds: Vec::new(),
    }
}

impl ParsedCheck {
    /// Takes the values out of a table.
    pub(super) fn parse(table: Table, report: &mut Report) -> Self {
        let Table { name, owner, spot, document, .. } = table;
        let mut values = FieldReader { document, report };
        let kind = values.one(HOME, "type", text(TYPES, probe_type));
        let port = values.one(HOME, "port", rule::port);
        let pace = PaceKeys::parse(HOME, &mut values);
        values.document.assert_all_taken();
        Self { name, owner, spot, pace, kind, port, document: values.document }
    }

    /// Refuses a check without a type, one by TCP without a port, and one by echo requests with a
    /// port.
    pub(super) fn refuse_incomplete(&self, report: &mut Report) {
        if self.kind.is_absent() {
            let spot = self.document.missing(HOME, "type");
            report.refuse(&spot, format!("missing; {TYPES}"));
        }
        match self.kind.value() {
            Some(ProbeType::Icmp) => {
                if let Some(at) = self.port.present() {
                    report.refuse(&at.spot, "an echo request has no port; type = \"tcp\" has one");
                }
            }
            Some(ProbeType::Tcp) if self.port.is_absent() => {
                let spot = self.document.missing(HOME, "port");
                report.refuse(&spot, "missing; the TCP port, an integer from 1 to 65535");
            }
            _ => {}
        }
    }

    /// Returns the TCP port to connect to; `None` means echo requests.
    pub(super) fn tcp_port(&self) -> Option<u16> {
        self.port.value().copied().filter(|_| self.kind.value() == Some(&ProbeType::Tcp))
    }
}

fn probe_type(text: &str) -> Option<ProbeType> {
    match text {
        "icmp" => Some(ProbeType::Icmp),
        "tcp" => Some(ProbeType::Tcp),
        _ => None,
    }
}
