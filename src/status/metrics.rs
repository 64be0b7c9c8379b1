//! The metrics of a snapshot, in the formats of Prometheus.
//!
//! All of them come from one snapshot, so that a scrape never delays the event loop, and the series of
//! a target that was removed vanish.

mod families;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::families::{Families, flag};
use super::counters::ZoneCounts;
use super::model::Health;
use super::probes::{ProbeCounters, ProbeView};
use super::row::{ServiceRows, TargetCounters, TargetRow};
use super::snapshot::Snapshot;
use crate::engine::ids::ZoneId;

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

/// Encodes all metrics of `snapshot`.
pub fn encode(snapshot: &Arc<Snapshot>, format: MetricsFormat) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape::new(Arc::clone(snapshot))));
    let mut out = String::with_capacity(4096 + snapshot.targets().count() * 1_200);
    text::encode(&mut out, &registry).expect("writing to a String does not fail");
    match format {
        MetricsFormat::OpenMetrics => out,
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

/// The value of a label, and the counter for it.
type Series<T> = (&'static str, fn(&T) -> u64);

/// A family of counters of targets: its name, its help, its label, and its series.
type CounterFamily<T> = (&'static str, &'static str, &'static str, &'static [Series<T>]);

/// The labels of one series.
type Labels = Vec<(&'static str, Arc<str>)>;

#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    /// The labels of each target, in the order of the targets.
    targets: Vec<Labels>,
    /// Whether series have the labels `service` and `zone`.
    is_named: bool,
}

impl Scrape {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let is_named = snapshot.names_services();
        let mut targets = Vec::new();
        for (service, row) in snapshot.targets() {
            let mut labels = vec![("target", row.address.to_string().into())];
            labels.extend(is_named.then(|| ("service", Arc::clone(&service.name))));
            targets.push(labels);
        }
        Self { snapshot, targets, is_named }
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.agent(&mut families)?;
        self.targets(&mut families)?;
        self.target_counters(&mut families)?;
        self.dns(&mut families)?;
        self.parts(&mut families)?;
        self.durations(&mut families)
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

    /// Iterates over the targets with their labels, services and probes.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.targets.iter().zip(self.snapshot.targets()).map(|(labels, (service, row))| Row {
            labels,
            service,
            decided: row,
            probe: self.snapshot.probe(row),
        })
    }

    fn targets(&self, families: &mut Families<'_>) -> fmt::Result {
        families.gauges(
            "goavail_target_up",
            "1 if the target is up or assumed up, 0 if it is down; absent if its health is unknown.",
            self.rows()
                .filter(|it| it.decided.health != Health::Unknown)
                .map(|it| (it.labels.as_slice(), flag(it.decided.health != Health::Down))),
        )?;
        families.gauges(
            "goavail_target_evidence_age_seconds",
            "Time since a probe of the target was judged a reply or a loss.",
            self.rows().filter_map(|it| {
                Some((it.labels.as_slice(), self.snapshot.evidence_age(it.probe)?))
            }),
        )?;
        families.gauges(
            "goavail_target_limits_replies",
            "1 if the target answers fewer probes than retry_interval asks for; absent otherwise.",
            self.rows()
                .filter(|it| it.probe.limits.is_some())
                .map(|it| (it.labels.as_slice(), 1.0)),
        )?;
        families.gauges(
            "goavail_target_in_service",
            "1 if the target's record is present at the name, 0 if not; absent while this is not known.",
            self.rows().flat_map(Row::presence),
        )?;
        families.gauges(
            "goavail_target_rtt_seconds",
            "Round-trip time of the newest reply.",
            self.rows()
                .filter_map(|it| Some((it.labels.as_slice(), it.probe.last_rtt?.as_secs_f64()))),
        )
    }

    fn target_counters(&self, families: &mut Families<'_>) -> fmt::Result {
        const PROBES: CounterFamily<ProbeCounters> = (
            "goavail_probes",
            "Probes by outcome; a late reply was counted as a loss before.",
            "outcome",
            &[
                ("reply", |counts| counts.replies),
                ("loss", |counts| counts.losses),
                ("fault", |counts| counts.faults),
                ("late", |counts| counts.late),
            ],
        );
        const DECISIONS: [CounterFamily<TargetCounters>; 2] = [
            (
                "goavail_flips",
                "Changes of health, as seen by this agent.",
                "to",
                &[("up", |counts| counts.flips_up), ("down", |counts| counts.flips_down)],
            ),
            (
                "goavail_verdicts",
                "Verdicts: up is in service, down is not.",
                "to",
                &[("up", |counts| counts.verdicts_up), ("down", |counts| counts.verdicts_down)],
            ),
        ];
        let probes = self.rows().flat_map(|it| it.series(&PROBES, &it.probe.counters));
        families.counters(PROBES.0, PROBES.1, probes)?;
        for family in &DECISIONS {
            let decisions = self.rows().flat_map(|it| it.series(family, &it.decided.counters));
            families.counters(family.0, family.1, decisions)?;
        }
        Ok(())
    }

    fn dns(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.snapshot.counters;
        families.gauges(
            "goavail_name_failing",
            "1 while a name is left alone because of a problem of its own, 0 otherwise.",
            self.failing_names(),
        )?;
        families.labelled(
            "goavail_refusals",
            "Refusals of a change, by reason.",
            ["reason"],
            &counters.refusals,
        )?;
        families.counters(
            "goavail_dns_changes",
            "Records withdrawn and restored, by outcome.",
            self.by_zone(["action", "outcome"], &counters.dns_changes),
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

    /// Returns the label of a zone, if zones are named.
    fn zone_label(&self, zone: ZoneId) -> Option<(&'static str, Arc<str>)> {
        let setup = self.snapshot.zone_setup(zone).filter(|_| self.is_named)?;
        Some(("zone", setup.name.as_str().into()))
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
        families.labelled(
            "goavail_notices",
            "Notices by channel and outcome.",
            ["channel", "outcome"],
            &counters.notices,
        )?;
        families.labelled(
            "goavail_reloads",
            "Configurations put in force or refused while running.",
            ["outcome"],
            &counters.reloads,
        )?;
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
        )
    }
}

/// One target in a scrape.
struct Row<'a> {
    labels: &'a Labels,
    service: &'a ServiceRows,
    decided: &'a TargetRow,
    probe: &'a ProbeView,
}

impl Row<'_> {
    /// Returns whether the target's record is present at each name, as far as it is known.
    fn presence(self) -> Vec<(Labels, f64)> {
        let mut series = Vec::new();
        for (name, present) in self.service.names.iter().zip(self.decided.present.iter()) {
            if let Some(present) = present {
                series.push((self.with("name", name), flag(*present)));
            }
        }
        series
    }

    /// Returns the series of a family of counters.
    fn series<T>(&self, family: &CounterFamily<T>, counters: &T) -> Vec<(Labels, u64)> {
        let (_, _, label, series) = family;
        series.iter().map(|(value, count)| (self.with(label, value), count(counters))).collect()
    }

    /// Returns the labels of the target with one more after its address.
    fn with(&self, label: &'static str, value: &str) -> Labels {
        let mut labels = self.labels.clone();
        labels.insert(1, (label, value.into()));
        labels
    }
}
