//! The tables, with a registry that has one more line.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::keys::Schema;
use crate::config::rule::text;
use crate::config::section::testing;
use crate::notify::channels::{ChannelError, ChannelKeys, ChannelSettings};
use crate::notify::delivery::{Channel, Posting};
use crate::notify::route::Route;
use crate::notify::tests::notice;
use crate::notify::{DeliveryPace, Notice, NoticeKind, Notifier, Severity};

/// Everything that a new channel needs beside its line in the registry.
struct DummyChannel {
    tone: String,
}

/// The texts that the channel received, each with its tone.
static RECEIVED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Channel for DummyChannel {
    fn post<'a>(&'a self, notice: &'a Notice) -> Posting<'a> {
        Box::pin(async {
            RECEIVED.lock().unwrap().push(format!("{}: {}", self.tone, notice.text()));
            Ok(())
        })
    }
}

/// The values of a dummy channel.
struct DummyToneKeys {
    tone: Field<String>,
}

impl ChannelKeys for DummyToneKeys {
    fn build(&self, table: &mut SectionContext<'_>) -> Option<Arc<dyn ChannelSettings>> {
        if self.tone.is_absent() {
            let spot = table.missing(DUMMY.home(), "tone");
            table.report.refuse(&spot, "missing; a tone");
        }
        Some(Arc::new(DummyTone(self.tone.value()?.clone())))
    }
}

/// The settings of a dummy channel.
#[derive(Debug, PartialEq)]
struct DummyTone(String);

impl ChannelSettings for DummyTone {
    fn open(&self) -> Result<Box<dyn Channel>, ChannelError> {
        Ok(Box::new(DummyChannel { tone: self.0.clone() }))
    }

    fn url(&self) -> Option<&Secret> {
        None
    }

    fn is_same_as(&self, other: &dyn ChannelSettings) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref::<Self>() == Some(self)
    }
}

const DUMMY: ChannelKind = ChannelKind {
    word: "dummy",
    top: None,
    destination: "to a dummy",
    party: "the dummy",
    keys: &[Key::new("tone")],
    parse: |section, values| {
        let tone = values.one(section, "tone", text("\"low\" or \"high\"", tone));
        Box::new(DummyToneKeys { tone })
    },
};

fn tone(text: &str) -> Option<String> {
    ["low", "high"].contains(&text).then(|| text.to_owned())
}

/// A table with this line.
fn table(line: &str) -> String {
    format!("[[notify]]\nto = \"dummy\"\ntone = \"low\"\n{line}\n")
}

/// The registry, with its last line replaced.
const LONGER_REGISTRY: [ChannelKind; 3] = [CHANNELS[0], CHANNELS[1], DUMMY];

/// Reads a file with the longer registry, and services called www and mx in zones called main and far:
/// its warnings and settings, or its problems.
fn read(text: &str) -> Result<(Vec<String>, NotifyConfig), String> {
    let mut schema = Schema::default();
    schema.add(Section::TOP, NoticesSection::KEYS);
    schema.add_group(tables::group(&LONGER_REGISTRY));
    testing::read(
        text,
        schema,
        |values| {
            let mut channels = Vec::new();
            for table in values.document.take_tables() {
                channels.push(ParsedChannel::parse(table, &LONGER_REGISTRY, values.report));
            }
            (NoticesSection::parse(values), channels)
        },
        |(section, channels), context| {
            let zones = BTreeMap::from([("www", "main"), ("mx", "far")]);
            let services = ServiceZones { zones, are_named: true };
            let built = section.build(context).with_tables(channels, &services, context);
            section.advise(&built, context);
            built
        },
    )
}

fn labels(config: &NotifyConfig) -> Vec<&str> {
    config.receivers().iter().map(|receiver| &*receiver.label).collect()
}

#[tokio::test]
async fn a_channel_is_a_file_and_a_line_in_the_registry() {
    let dummy = "[[notify]]\nto = \"dummy\"\ntone = \"low\"\n";
    let (_, config) = read(&format!("slack_addr = \"T0/B0/x\"\n{dummy}")).unwrap();
    assert_eq!(config.in_words(), "to Slack and to a dummy");
    let rows = [
        ("[[notify]]\nto = \"dummy\"\n", "x:1: notify[1].tone: missing; a tone"),
        (
            "[[notify]]\nto = \"dummy\"\ntone = \"deep\"\n",
            "x:3: notify[1].tone: \"deep\" is not allowed; \"low\" or \"high\"",
        ),
        (
            "[[notify]]\nto = \"dumy\"\n",
            "x:2: notify[1].to: \"dumy\" is not allowed; a kind of channel: slack, webhook, dummy",
        ),
        (
            "[[notify]]\ntone = \"low\"\n",
            "x:1: notify[1].to: missing; a kind of channel: slack, webhook, dummy",
        ),
        (
            "[[notify]]\nto = \"slack\"\ntone = \"low\"\nurl_file = \"u\"\n",
            "x:3: notify[1].tone: belongs to to = \"dummy\" only",
        ),
    ];
    for (text, want) in rows {
        let problems = read(text).unwrap_err();
        assert_eq!(problems.lines().next().unwrap(), want, "{text}");
    }

    let (_, config) = read(dummy).unwrap();
    let pace = DeliveryPace { window: Duration::ZERO, ..DeliveryPace::default() };
    let notifier = Notifier::with_pace(&config, pace);
    notifier.send(&notice(NoticeKind::Isolated, &[]));
    let counters = notifier.counters().clone();
    notifier.close(Duration::from_secs(30)).await;
    assert_eq!(counters.counts()[&("dummy".into(), "delivered")], 1);
    let received = RECEIVED.lock().unwrap().join("\n");
    assert!(received.starts_with("low: sfo-1: isolated"), "{received}");
}

#[test]
fn each_channel_has_a_label_of_its_own() {
    let text =
        [table(""), table("name = \"dummy-2\""), table(""), table("name = \"ops\"")].concat();
    let (_, config) = read(&text).unwrap();
    assert_eq!(labels(&config), ["dummy", "dummy-2", "dummy-3", "ops"]);
    let twice = [table("name = \"ops\""), table("name = \"ops\"")].concat();
    let want = "x:8: notify.ops.name: \"ops\" is the name of the channel in line 4";
    assert_eq!(read(&twice).unwrap_err(), want);
    let top = format!("slack_addr = \"T0/B0/x\"\n{}", table("name = \"slack\""));
    let want = "x:5: notify.slack.name: \"slack\" is taken by another key of the file";
    assert_eq!(read(&top).unwrap_err(), want);
}

#[test]
fn a_channel_has_a_severity_services_and_reminders() {
    let table = "[[notify]]\nto = \"dummy\"\ntone = \"low\"\n";
    let (_, config) = read(table).unwrap();
    assert_eq!(config.receivers()[0].route, Route::default());
    let keys = "min_severity = \"critical\"\nservices = [\"www\"]\nremind_after = \"2h\"\n";
    let (_, config) = read(&format!("{table}{keys}")).unwrap();
    let route = &config.receivers()[0].route;
    assert_eq!(route.min_severity, Severity::Critical);
    assert_eq!(route.remind_after, Some(Duration::from_hours(2)));
    let services = route.services.as_ref().unwrap();
    assert!(services.names.contains("www") && services.zones.contains("main"), "{services:?}");
    let rows = [
        (
            "min_severity = \"fatal\"",
            "x:4: notify[1].min_severity: \"fatal\" is not allowed; \"info\", \"warning\" or \"critical\"",
        ),
        (
            "services = [\"ww\"]",
            "x:4: notify[1].services: there is no service \"ww\"; did you mean \"www\"?",
        ),
        (
            "services = []",
            "x:4: notify[1].services: empty, so that the channel would get nothing; leave it out for \
             all services",
        ),
        (
            "remind_after = 1",
            "x:4: notify[1].remind_after: 1 is not allowed; from 60 s to 2592000 s, as a number of \
             seconds or a text such as \"250ms\"",
        ),
    ];
    for (line, want) in rows {
        assert_eq!(read(&format!("{table}{line}\n")).unwrap_err(), want, "{line}");
    }
}

fn channel(name: &str, tone: &str, more: &str) -> Receiver {
    let text =
        format!("[[notify]]\nto = \"dummy\"\nname = \"{name}\"\ntone = \"{tone}\"\n{more}\n");
    read(&text).unwrap().1.receivers()[0].clone()
}

#[test]
fn a_channel_is_the_same_while_its_name_and_its_receiver_are() {
    let before = channel("a", "low", "");
    let rows = [
        ("a", "low", "", true),
        ("b", "low", "", false),
        ("a", "high", "", false),
        ("a", "low", "min_severity = \"critical\"", true),
    ];
    for (name, tone, more, want) in rows {
        assert_eq!(before.is_same_as(&channel(name, tone, more)), want, "{name} {tone} {more}");
    }
}
