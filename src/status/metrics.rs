//! The metrics of a snapshot, in the formats of Prometheus.
//!
//! All of them come from one snapshot, so that a scrape never delays the event loop, and the series of
//! a target that was removed vanish.

mod check_samples;
mod families;
mod target_samples;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::families::{Families, flag};
use super::counters::{DNS_ACTIONS, ZoneCounts};
use super::model::Reason;
use super::snapshot::Snapshot;
use crate::engine::ids::ZoneId;
use crate::notify::Severity;

/// The format of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus text, version 0.0.4: the default.
    Text,
    /// `OpenMetrics` text, version 1.0.0: the format that Prometheus requests.
    OpenMetrics,
}

impl MetricsFormat {
    /// Returns the format for a request with this `Accept` header.
    pub fn wanted(accept: &str) -> Self {
        let open = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next() == Some("application/openmetrics-text");
            named && parts.all(|part| !matches!(part, "q=0" | "q=0.0" | "version=0.0.1"))
        });
        if open { Self::OpenMetrics } else { Self::Text }
    }

    /// Returns the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Encodes all metrics of `snapshot` at the end of `out`.
pub fn encode(snapshot: &Arc<Snapshot>, format: MetricsFormat, mut out: String) -> String {
    out.reserve(target_samples::bytes(snapshot));
    out.push_str(&encoded(snapshot, format, ScrapePart::Agent));
    target_samples::write(&mut out, snapshot, format);
    check_samples::write(&mut out, snapshot, format);
    out.push_str(&encoded(snapshot, format, ScrapePart::Rest));
    if format == MetricsFormat::OpenMetrics {
        out.push_str(END);
    }
    out
}

/// The last line of a text in the format `OpenMetrics`.
const END: &str = "# EOF\n";

/// Encodes some of the metrics that belong to no single target, without the end mark.
fn encoded(snapshot: &Arc<Snapshot>, format: MetricsFormat, part: ScrapePart) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape::new(Arc::clone(snapshot), part)));
    let mut out = String::with_capacity(16 * 1024);
    text::encode(&mut out, &registry).expect("writing to a String does not fail");
    match format {
        MetricsFormat::OpenMetrics => out.trim_end_matches(END).to_owned(),
        MetricsFormat::Text => as_prometheus_text(&out),
    }
}

/// Converts `OpenMetrics` to the older format, which names a family of counters with `_total`, like its
/// samples, and has no end mark.
fn as_prometheus_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len() + 512);
    let mut families = open_metrics.lines().filter(|line| *line != "# EOF").peekable();
    while let Some(line) = families.next() {
        let family = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let counter = families.peek().is_some_and(|next| next.ends_with(" counter"));
        if let (Some((name, help)), true) = (family, counter) {
            families.next();
            let (named, typed) =
                (["# HELP ", name, "_total ", help], ["# TYPE ", name, "_total counter"]);
            out.extend(named.into_iter().chain(["\n"]).chain(typed).chain(["\n"]));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The labels of one series.
type Labels = Vec<(&'static str, Arc<str>)>;

/// The metrics that belong to no single target, before and after those of the targets.
#[derive(Debug, Clone, Copy)]
enum ScrapePart {
    Agent,
    Rest,
}

#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    part: ScrapePart,
    /// Whether series have the labels `service` and `zone`.
    is_named: bool,
}

impl Scrape {
    fn new(snapshot: Arc<Snapshot>, part: ScrapePart) -> Self {
        let is_named = snapshot.names_services();
        Self { snapshot, part, is_named }
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        match self.part {
            ScrapePart::Agent => self.agent(&mut families),
            ScrapePart::Rest => {
                self.dns(&mut families)?;
                self.parts(&mut families)?;
                self.durations(&mut families)
            }
        }
    }
}

impl Scrape {
    fn agent(&self, families: &mut Families<'_>) -> fmt::Result {
        let agent = &self.snapshot.agent;
        let alive = self.snapshot.peers.iter().filter(|peer| peer.alive).count();
        families.gauges(
            "goavail_build_info",
            "The running version; always 1.",
            [([("version", agent.version.clone())], 1.0)],
        )?;
        families.gauge("goavail_dry_run", "1 if nothing is written at the provider.", {
            flag(agent.dry_run)
        })?;
        families.gauge(
            "goavail_isolated",
            "1 while this agent considers its own network the cause of its losses.",
            flag(self.snapshot.isolation.is_some()),
        )?;
        let alive = f64::from(u32::try_from(alive).unwrap_or(u32::MAX));
        families.gauge("goavail_peers_alive", "Peers whose votes count.", alive)
    }

    /// Returns the number of open incidents of each severity.
    fn open_incidents(&self) -> Vec<([(&'static str, &'static str); 1], f64)> {
        let mut samples = Vec::new();
        for severity in Severity::ALL {
            let open = self.snapshot.incidents.iter().filter(|it| it.severity == severity).count();
            let open = f64::from(u32::try_from(open).unwrap_or(u32::MAX));
            samples.push(([("severity", severity.word())], open));
        }
        samples
    }

    fn dns(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.snapshot.counters;
        families.gauges(
            "goavail_incidents_open",
            "Open incidents, by their highest severity.",
            self.open_incidents(),
        )?;
        families.gauges(
            "goavail_name_failing",
            "1 while a name is left alone because of a problem of its own, 0 otherwise.",
            self.failing_names(),
        )?;
        if self.snapshot.services.iter().any(|service| service.has_standbys()) {
            families.gauges(
                "goavail_standby_in",
                "Standbys in service by their verdicts.",
                self.standbys_in(),
            )?;
        }
        families.counters(
            "goavail_refusals",
            "Refusals of a change, by reason.",
            self.refusals(),
        )?;
        families.counters(
            "goavail_dns_changes",
            "Records withdrawn and restored, by outcome.",
            self.by_zone(["action", "outcome"], &self.dns_changes()),
        )?;
        families.counters(
            "goavail_dns_requests",
            "Requests to the provider, by outcome.",
            self.by_zone(["outcome"], &counters.dns_requests),
        )
    }

    /// Returns whether each name of each zone fails. A name of several services is there once.
    fn failing_names(&self) -> Vec<(Labels, f64)> {
        let mut seen = BTreeSet::new();
        let mut series = Vec::new();
        for service in &self.snapshot.services {
            for name in service.names.iter().filter(|name| seen.insert((service.zone, *name))) {
                let failing = &self.snapshot.counters.failing_names;
                let mut labels = vec![("name", name.as_str().into())];
                labels.extend(self.zone_label(service.zone));
                series.push((labels, flag(failing.contains(&(service.zone, name.clone())))));
            }
        }
        series
    }

    /// Returns the number of standbys in service, of each service that has any.
    fn standbys_in(&self) -> Vec<(Labels, f64)> {
        let mut series = Vec::new();
        for service in self.snapshot.services.iter().filter(|service| service.has_standbys()) {
            let standbys = service.rows.iter().filter(|row| row.standby.is_some());
            let count = standbys.filter(|row| row.in_service).count();
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            series.push((vec![("service", Arc::clone(&service.name))], count));
        }
        series
    }

    /// Returns the number of refusals of each service by reason, also those that never occurred.
    fn refusals(&self) -> Vec<(Labels, u64)> {
        let mut series = Vec::new();
        for service in &self.snapshot.services {
            for reason in Reason::ALL.map(Reason::as_label) {
                // In a service without standbys the reason cannot occur.
                if reason == Reason::Standby.as_label() && !service.has_standbys() {
                    continue;
                }
                let mut labels: Labels = vec![("reason", reason.into())];
                labels.extend(self.is_named.then(|| ("service", Arc::clone(&service.name))));
                let count = self.snapshot.counters.refusals.get(&(service.id, reason));
                series.push((labels, count.copied().unwrap_or_default()));
            }
        }
        series
    }

    /// Writes the number of changes that are not visible, of each zone with the proof of effect.
    fn not_visible(&self, families: &mut Families<'_>) -> fmt::Result {
        let name = "goavail_dns_not_visible";
        let help = "Changes that a name server does not show after confirm_timeout.";
        let counts = &self.snapshot.counters.not_visible;
        if !self.is_named {
            return families.gauge(name, help, counts.values().copied().map(f64::from).sum());
        }
        let series = counts.iter().filter_map(|(zone, count)| {
            let labels: Labels = vec![self.zone_label(*zone)?];
            Some((labels, f64::from(*count)))
        });
        families.gauges(name, help, series)
    }

    /// Returns the label of a zone, if zones are named.
    fn zone_label(&self, zone: ZoneId) -> Option<(&'static str, Arc<str>)> {
        let setup = self.snapshot.zone_setup(zone).filter(|_| self.is_named)?;
        Some(("zone", setup.name.as_str().into()))
    }

    /// Returns the number of changes of each zone, also of those that never occurred.
    fn dns_changes(&self) -> ZoneCounts<2> {
        let outcome = if self.snapshot.agent.dry_run { "dry_run" } else { "ok" };
        let mut counts = ZoneCounts::new();
        for service in &self.snapshot.services {
            let zeros = DNS_ACTIONS.map(|action| ((service.zone, [action, outcome]), 0));
            counts.extend(zeros);
        }
        let counted = &self.snapshot.counters.dns_changes;
        counts.extend(counted.iter().map(|(change, count)| (*change, *count)));
        counts
    }

    /// Returns the counts of each zone with its provider and these other labels.
    fn by_zone<const N: usize>(
        &self,
        names: [&'static str; N],
        counts: &ZoneCounts<N>,
    ) -> Vec<(Labels, u64)> {
        let mut series = Vec::new();
        for ((zone, values), count) in counts {
            let Some(setup) = self.snapshot.zone_setup(*zone) else { continue };
            let mut labels: Labels = vec![("provider", setup.word.into())];
            labels.extend(names.into_iter().zip(values.iter().map(|value| Arc::from(*value))));
            labels.extend(self.zone_label(*zone));
            series.push((labels, *count));
        }
        series
    }

    fn parts(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.snapshot.counters;
        families.counters(
            "goavail_votes",
            "Votes exchanged with a peer, by outcome.",
            counters.votes.iter().map(|((peer, outcome), count)| {
                ([("peer", peer.as_ref()), ("outcome", *outcome)], *count)
            }),
        )?;
        families.counters(
            "goavail_notices",
            "Notices by channel and outcome.",
            counters.notices.iter().map(|((channel, outcome), count)| {
                ([("channel", channel.as_ref()), ("outcome", *outcome)], *count)
            }),
        )?;
        families.labelled(
            "goavail_reloads",
            "Configurations put in force or refused while running.",
            ["outcome"],
            &counters.reloads,
        )?;
        if !counters.history.is_empty() {
            families.labelled(
                "goavail_history_blocks",
                "Blocks of the history, by outcome.",
                ["outcome"],
                &counters.history,
            )?;
        }
        families.labelled(
            "goavail_caught_panics",
            "Panics that were caught, by the part that was restarted.",
            ["part"],
            &counters.panics,
        )
    }

    fn durations(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.snapshot.counters;
        families.histogram("goavail_probe_rtt_seconds", "Round-trip times.", &counters.rtt)?;
        families.histogram(
            "goavail_failover_seconds",
            "Time from the last reply to the confirmed withdrawal.",
            &counters.failover,
        )?;
        // Without the proof of effect there is nothing to see.
        if counters.not_visible.is_empty() {
            return Ok(());
        }
        self.not_visible(families)?;
        families.histogram(
            "goavail_dns_visible_seconds",
            "Time from the provider's confirmation until all name servers show a change.",
            &counters.visible,
        )
    }
}
