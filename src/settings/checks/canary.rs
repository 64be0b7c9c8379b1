//! Canaries: `"address"`, `"address:port"`, or `{ address = "…", check = "…" }`.

use std::net::IpAddr;

use super::config::{CanaryConfig, CheckMethod};
use super::parsed::ParsedChecks;
use super::{Asker, CheckContext};
use crate::config::address;
use crate::config::field::{At, Field, List, not_allowed};
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::config::value::{Value, WrittenEntry, WrittenValue, as_text};
use crate::settings::references::Reference;
use crate::text::disclosure;

/// An example of a list of canaries.
const CANARIES: &str = "[\"192.0.2.10\", \"192.0.2.11\"]";

/// A canary in the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::settings) struct ParsedCanary {
    /// The address of the canary.
    pub(in crate::settings) address: IpAddr,
    /// The TCP port, if the address has one.
    port: Option<u16>,
    /// The name of its check, if it has one.
    pub(in crate::settings) check: Option<String>,
}

/// Reads the list.
pub(in crate::settings) fn list(report: &mut Report, written: WrittenValue) -> List<ParsedCanary> {
    let WrittenValue { spot, shown, value } = written;
    let Value::List(items) = value else {
        report.refuse(&spot, not_allowed(&shown, &format!("a list, such as {CANARIES}")));
        return Field::Refused;
    };
    let count = items.len();
    let canaries: Vec<_> = items.into_iter().filter_map(|item| canary(report, item)).collect();
    if canaries.len() < count {
        return Field::Refused;
    }
    Field::Given(At { spot, shown, value: canaries })
}

fn canary(report: &mut Report, written: WrittenValue) -> Option<At<ParsedCanary>> {
    let WrittenValue { spot, shown, value } = written;
    if let Value::Table(entries) = value {
        return table(report, &spot, entries).map(|value| {
            let shown = format!("\"{}\"", value.address);
            At { spot, shown, value }
        });
    }
    match address::canary(&value) {
        Ok((address, port)) => {
            Some(At { spot, shown, value: ParsedCanary { address, port, check: None } })
        }
        Err(allowed) => {
            report.refuse(&spot, not_allowed(&shown, &allowed));
            None
        }
    }
}

/// Reads a canary with a check. The file has the keys of the table in any order and case.
fn table(report: &mut Report, spot: &Spot, entries: Vec<WrittenEntry>) -> Option<ParsedCanary> {
    let (mut found, mut check) = (None, None);
    let mut is_good = true;
    for WrittenEntry { name, value: WrittenValue { spot, shown, value } } in entries {
        let read = match name.to_ascii_lowercase().as_str() {
            "address" => address::target(&value).map(|address| found = Some(address)),
            "check" => match as_text(&value).filter(|name| !name.is_empty()) {
                Some(name) => {
                    check = Some(name.to_owned());
                    Ok(())
                }
                None => Err("the name of a check, in quotes".to_owned()),
            },
            _ => {
                report.refuse(&spot, "not a known key; a canary has address and check");
                is_good = false;
                continue;
            }
        };
        if let Err(allowed) = read {
            report.refuse(&spot, not_allowed(&shown, &allowed));
            is_good = false;
        }
    }
    for (is_missing, key, what) in [
        (found.is_none(), "address", "an IP address, such as \"192.0.2.10\""),
        (
            check.is_none(),
            "check",
            "the name of a check; without one a canary is its address alone",
        ),
    ] {
        if is_missing && is_good {
            let key = format!("{}.{key}", disclosure::name(&spot.key));
            let spot = Spot::line(spot.line.unwrap_or_default(), &key);
            report.refuse(&spot, format!("missing; {what}"));
        }
    }
    let address = found.filter(|_| is_good)?;
    Some(ParsedCanary { address, port: None, check: Some(check?) })
}

/// Builds the canaries. One is refused if its check is not known, or cannot be used without a service.
pub(in crate::settings) fn canaries(
    canaries: &List<ParsedCanary>,
    checks: &ParsedChecks,
    file: &mut SectionContext<'_>,
) -> Vec<CanaryConfig> {
    let mut built = Vec::new();
    for ParsedCanary { address, port, check } in file.distinct(canaries.items()) {
        let method = match (&check, port) {
            (None, None) => CheckMethod::Echo,
            (None, Some(port)) => CheckMethod::Connect(port),
            (Some(name), _) => {
                let place =
                    canaries.items().iter().find(|at| at.value.check.as_ref() == Some(name));
                let Some(place) = place else { continue };
                let Some(method) = method_of(name, place, checks, file) else { continue };
                method
            }
        };
        built.push(CanaryConfig { address, method, check });
    }
    built
}

/// Returns how the check with this name asks a canary.
fn method_of(
    name: &str,
    place: &At<ParsedCanary>,
    checks: &ParsedChecks,
    file: &mut SectionContext<'_>,
) -> Option<CheckMethod> {
    let Some(check) = checks.named(name) else {
        let shown = format!("\"{}\"", disclosure::shown(name));
        let reference = Reference { name, shown: &shown, spot: &place.spot };
        checks.refuse_unknown(&reference, file.report);
        return None;
    };
    for spot in check.pace.places().into_iter().filter_map(|(_, spot)| spot) {
        let what =
            "a canary is asked at the pace of the top level, with its timeout and thresholds";
        file.report.warn_once(spot, what);
    }
    let mut context = CheckContext { spot: &check.spot, file };
    Some(check.keys.as_ref()?.question(&Asker::canary(), &mut context)?.method)
}
