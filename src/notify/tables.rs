//! The tables `[[notify]]` of the configuration file, a channel each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::channels::{ChannelKeys, ChannelKind};
use super::heartbeat;
use super::receiver::Receiver;
use super::route::{Route, RouteServices};
use super::severity::Severity;
use crate::config::document::{Document, Table};
use crate::config::field::{At, Field, FieldReader, List};
use crate::config::keys::{GroupKind, Key, Section, TableForm, TableGroup, nearest};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{duration, label, text};
use crate::config::section::SectionContext;
use crate::config::value::as_text;

/// The name of the group.
pub(crate) const GROUP: &str = "notify";

/// The section under which the keys of a table of an unknown kind are kept.
const HOME: Section = Section::new(GROUP);

/// Least and most time after which an open incident is said again.
const REMIND: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(30 * 24));

/// The services of a configuration, with the name of the zone of each.
pub(crate) struct ServiceZones<'a> {
    /// The names of the services, with those of their zones.
    pub(crate) zones: BTreeMap<&'a str, &'a str>,
    /// Whether the file names its services.
    pub(crate) are_named: bool,
}

/// A channel in the file, each of its values validated alone.
pub(crate) struct ParsedChannel {
    /// The place of the header.
    spot: Spot,
    to: Field<&'static str>,
    /// The words for a table without a kind.
    allowed: String,
    name: Field<String>,
    min_severity: Field<Severity>,
    services: List<String>,
    remind_after: Field<Duration>,
    channel: Option<(ChannelKind, Box<dyn ChannelKeys>)>,
    document: Document,
}

/// Returns the tables of these kinds of channels.
pub(crate) fn group(channels: &[ChannelKind]) -> TableGroup {
    const KEYS: &[Key] = &[
        Key::new("to"),
        Key::new("name"),
        Key::new("min_severity"),
        Key::new("services"),
        Key::new("remind_after"),
    ];
    let mut kinds = Vec::new();
    for channel in channels {
        kinds.push(GroupKind { kind: channel.word, home: channel.home(), keys: channel.keys });
    }
    TableGroup {
        name: GROUP,
        form: TableForm::Listed,
        home: HOME,
        keys: KEYS,
        selector: "to",
        value_keys: None,
        kinds,
    }
}

impl ParsedChannel {
    /// Takes the values out of a table.
    pub(crate) fn parse(table: Table, channels: &[ChannelKind], report: &mut Report) -> Self {
        let Table { spot, home, document, .. } = table;
        let words: Vec<&'static str> = channels.iter().map(|channel| channel.word).collect();
        let allowed = format!("a kind of channel: {}", words.join(", "));
        let mut values = FieldReader { document, report };
        let to = values.one(home, "to", |value| {
            let word = as_text(value);
            words.iter().find(|known| Some(**known) == word).copied().ok_or_else(|| allowed.clone())
        });
        let name = values.one(home, "name", label);
        let severities = "\"info\", \"warning\" or \"critical\"";
        let min_severity = values.one(home, "min_severity", text(severities, Severity::from_word));
        let services = values.each(home, "services", "[\"www\"]", label);
        let remind_after = values.one(home, "remind_after", duration(REMIND.0, REMIND.1));
        let known = channels.iter().find(|channel| Some(&channel.word) == to.value());
        let channel = known.map(|known| (*known, (known.parse)(home, &mut values)));
        let document = values.document;
        if channel.is_some() {
            document.assert_all_taken();
        }
        Self { spot, to, allowed, name, min_severity, services, remind_after, channel, document }
    }

    /// Returns the name of the channel, if the table has one.
    pub(crate) fn name(&self) -> Option<&At<String>> {
        self.name.present()
    }

    /// Returns the receiver, and its kind as the default of its label; `None` if a value was refused or
    /// is missing, which was reported.
    pub(crate) fn build(
        &self,
        services: &ServiceZones<'_>,
        context: &mut SectionContext<'_>,
    ) -> Option<Receiver> {
        if self.to.is_absent() {
            let spot = self.document.missing(HOME, "to");
            context.report.refuse(&spot, format!("missing; {}", self.allowed));
        }
        let services = self.route_services(services, context);
        let (kind, keys) = self.channel.as_ref()?;
        let mut table = context.of_table(&self.document);
        let settings = keys.build(&mut table)?;
        let route = Route {
            min_severity: self.min_severity.or(Severity::default()),
            services,
            remind_after: self.remind_after.value().copied(),
        };
        Some(Receiver { label: kind.word.into(), kind: *kind, settings, route })
    }

    /// Returns the services of the channel, and refuses those that the file does not have.
    fn route_services(
        &self,
        known: &ServiceZones<'_>,
        context: &mut SectionContext<'_>,
    ) -> Option<RouteServices> {
        let at = self.services.present()?;
        if !known.are_named {
            context.report.refuse(&at.spot, "not used, because the file has no [[service]]");
        } else if at.value.is_empty() {
            let what =
                "empty, so that the channel would get nothing; leave it out for all services";
            context.report.refuse(&at.spot, what);
        }
        let (mut names, mut zones) = (BTreeSet::new(), BTreeSet::new());
        for name in context.distinct(&at.value) {
            if let Some(zone) = known.zones.get(name.as_str()) {
                zones.insert((*zone).to_owned());
                names.insert(name);
            }
        }
        for item in at.value.iter().filter(|item| known.are_named && !names.contains(&item.value)) {
            let near = nearest(&item.value, known.zones.keys().copied());
            let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            context.report.refuse(&item.spot, format!("there is no service {}{near}", item.shown));
        }
        Some(RouteServices { names, zones })
    }
}

/// Gives each channel a label of its own: its name, or its kind with a number after the first.
/// `receivers` are those above the first section, which have theirs.
pub(crate) fn label_all(
    mut receivers: Vec<Receiver>,
    tables: &[(&ParsedChannel, Option<Receiver>)],
    report: &mut Report,
) -> Vec<Receiver> {
    let mut taken: BTreeMap<String, Option<&Spot>> = BTreeMap::new();
    taken.insert(heartbeat::NAME.to_owned(), None);
    for receiver in &receivers {
        taken.insert(receiver.label.to_string(), None);
    }
    for at in tables.iter().filter_map(|(table, _)| table.name()) {
        match taken.get(&at.value) {
            Some(Some(first)) => {
                let line = first.line.unwrap_or_default();
                let what = format!("{} is the name of the channel in line {line}", at.shown);
                report.refuse(&at.spot, what);
            }
            Some(None) => {
                let what = format!("{} is taken by another key of the file", at.shown);
                report.refuse(&at.spot, what);
            }
            None => drop(taken.insert(at.value.clone(), Some(&at.spot))),
        }
    }
    for (table, receiver) in tables {
        let Some(receiver) = receiver else { continue };
        let label = match table.name() {
            Some(at) => at.value.clone(),
            None => free_label(&receiver.label, &taken),
        };
        taken.insert(label.clone(), Some(&table.spot));
        receivers.push(Receiver { label: label.into(), ..receiver.clone() });
    }
    receivers
}

/// Returns the kind of a channel, or the kind with the first number that is free.
fn free_label(kind: &str, taken: &BTreeMap<String, Option<&Spot>>) -> String {
    let mut label = kind.to_owned();
    let mut number = 2;
    while taken.contains_key(&label) {
        label = format!("{kind}-{number}");
        number += 1;
    }
    label
}
