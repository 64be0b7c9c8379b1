//! The metrics of a snapshot, in the formats of Prometheus.
//!
//! All of them come from one snapshot, so that a scrape never delays the event loop, and the series of
//! a target that was removed vanish.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, exemplar::Exemplar};
use prometheus_client::registry::Registry;

use super::counters::LabelledCounts;
use super::histogram::Histogram;
use super::model::Health;
use super::snapshot::Snapshot;
use super::view::{TargetCounters, View};

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
    registry.register_collector(Box::new(Scrape(Arc::clone(snapshot))));
    let mut out = String::with_capacity(4096 + snapshot.rows.len() * 1_200);
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
type Series = (&'static str, fn(&TargetCounters) -> u64);

#[derive(Debug)]
struct Scrape(Arc<Snapshot>);

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
        let agent = &self.0.agent;
        let alive = self.0.peers.iter().filter(|peer| peer.alive).count();
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
            flag(self.0.isolation.is_some()),
        )?;
        let alive = f64::from(u32::try_from(alive).unwrap_or(u32::MAX));
        families.gauge("goavail_peers_alive", "Peers whose votes count.", alive)
    }

    fn targets(&self, families: &mut Families<'_>) -> fmt::Result {
        let rows = &self.0.rows;
        families.gauges(
            "goavail_target_up",
            "1 if the target is up or assumed up, 0 if it is down; absent if its health is unknown.",
            rows.iter()
                .filter(|row| row.health != Health::Unknown)
                .map(|row| ([target(row)], flag(row.health != Health::Down))),
        )?;
        families.gauges(
            "goavail_target_evidence_age_seconds",
            "Time since a probe of the target was judged a reply or a loss.",
            rows.iter().filter_map(|row| Some(([target(row)], self.0.evidence_age(row)?))),
        )?;
        families.gauges(
            "goavail_target_limits_replies",
            "1 if the target answers fewer probes than retry_interval asks for; absent otherwise.",
            rows.iter().filter(|row| row.limits.is_some()).map(|row| ([target(row)], 1.0)),
        )?;
        families.gauges(
            "goavail_target_in_service",
            "1 if the target's record is present at the name, 0 if not; absent while this is not known.",
            rows.iter().flat_map(|row| self.presence(row)),
        )?;
        families.gauges(
            "goavail_target_rtt_seconds",
            "Round-trip time of the newest reply.",
            rows.iter().filter_map(|row| Some(([target(row)], row.last_rtt?.as_secs_f64()))),
        )
    }

    fn presence(&self, row: &View) -> Vec<([(&'static str, String); 2], f64)> {
        let names = self.0.names.iter().zip(row.present.iter());
        let known = names.filter_map(|(name, present)| Some((name, (*present)?)));
        known
            .map(|(name, present)| ([target(row), ("name", name.clone())], flag(present)))
            .collect()
    }

    fn target_counters(&self, families: &mut Families<'_>) -> fmt::Result {
        let all: [(&str, &str, &'static str, &[Series]); 3] = [
            (
                "goavail_probes",
                "Probes by outcome; a late reply was counted as a loss before.",
                "outcome",
                &[
                    ("reply", |counts| counts.replies),
                    ("loss", |counts| counts.losses),
                    ("fault", |counts| counts.faults),
                    ("late", |counts| counts.late),
                ],
            ),
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
        for (name, help, label, series) in all {
            let samples = self.0.rows.iter().flat_map(|row| {
                series.iter().map(|(value, count)| {
                    ([target(row), (label, (*value).to_owned())], count(&row.counters))
                })
            });
            families.counters(name, help, samples)?;
        }
        Ok(())
    }

    fn dns(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.0.counters;
        families.gauges(
            "goavail_name_failing",
            "1 while a name is left alone because of a problem of its own, 0 otherwise.",
            self.0.names.iter().map(|name| {
                ([("name", name.clone())], flag(counters.failing_names.contains(name)))
            }),
        )?;
        families.labelled(
            "goavail_refusals",
            "Refusals of a change, by reason.",
            ["reason"],
            &counters.refusals,
        )?;
        families.labelled(
            "goavail_dns_changes",
            "Records withdrawn and restored, by outcome.",
            ["provider", "action", "outcome"],
            &counters.dns_changes,
        )?;
        families.labelled(
            "goavail_dns_requests",
            "Requests to the provider, by outcome.",
            ["provider", "outcome"],
            &counters.dns_requests,
        )
    }

    fn parts(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = &self.0.counters;
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
        let counters = &self.0.counters;
        families.histogram("goavail_probe_rtt_seconds", "Round-trip times.", &counters.rtt)?;
        families.histogram(
            "goavail_failover_seconds",
            "Time from the last reply to the confirmed withdrawal.",
            &counters.failover,
        )
    }
}

type NoLabels = [(&'static str, &'static str); 0];

fn target(row: &View) -> (&'static str, String) {
    ("target", row.address.to_string())
}

fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

/// Writes metric families.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let out = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(out)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut out = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            ConstGauge::new(value).encode(out.encode_family(&labels)?)
        })
    }

    /// Writes counters. `name` is without `_total`, which the encoder appends.
    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut out = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            ConstCounter::new(value).encode(out.encode_family(&labels)?)
        })
    }

    /// Writes counters with fixed labels.
    fn labelled<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        counts: &LabelledCounts<N>,
    ) -> fmt::Result {
        let samples = counts.iter().map(|(values, count)| {
            let labels: [(&str, &str); N] = std::array::from_fn(|nth| (labels[nth], values[nth]));
            (labels, *count)
        });
        self.counters(name, help, samples)
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let mut out = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count, buckets) = histogram.read();
        out.encode_histogram::<NoLabels>(
            sum,
            count,
            &buckets,
            None::<&std::collections::HashMap<usize, Exemplar<NoLabels, f64>>>,
        )
    }
}
