//! A snapshot as Prometheus reads it.
//!
//! Everything is encoded from one snapshot, so a scrape takes no lock that the driver wants, and
//! the series of a target that is no longer watched are simply not there.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, exemplar::Exemplar};
use prometheus_client::registry::Registry;

use super::ledger::Spread;
use super::model::Health;
use super::row::{Counts, View};
use super::snapshot::Snapshot;

/// How the figures are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4: what a scraper gets that does not ask for anything else.
    Text,
    /// `OpenMetrics` text, version 1.0.0: what Prometheus asks for by itself.
    OpenMetrics,
}

impl Format {
    /// What a request with this `Accept` header is answered with.
    pub fn wanted(accept: &str) -> Self {
        let open = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next() == Some("application/openmetrics-text");
            named && parts.all(|part| !matches!(part, "q=0" | "q=0.0" | "version=0.0.1"))
        });
        if open { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Every metric of `snapshot`.
pub fn encode(snapshot: &Arc<Snapshot>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(Arc::clone(snapshot))));
    let mut out = String::with_capacity(4096 + snapshot.rows.len() * 1_200);
    text::encode(&mut out, &registry).expect("writing to a String does not fail");
    match format {
        Format::OpenMetrics => out,
        Format::Text => as_prometheus_text(&out),
    }
}

/// `OpenMetrics` names a family of counters without `_total`; the older format knows families by
/// the names of their samples, and has no end mark.
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

/// A label's value, and the counter that it names.
type Pick = (&'static str, fn(&Counts) -> u64);

#[derive(Debug)]
struct Scrape(Arc<Snapshot>);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.agent(&mut families)?;
        self.targets(&mut families)?;
        self.counted_by_target(&mut families)?;
        self.ledger(&mut families)
    }
}

impl Scrape {
    fn agent(&self, families: &mut Families<'_>) -> fmt::Result {
        let agent = &self.0.agent;
        let alive = self.0.peers.iter().filter(|peer| peer.alive).count();
        families.gauges(
            "goavail_build_info",
            "The version that runs; always 1.",
            [([("version", agent.version.clone())], 1.0)],
        )?;
        families.gauge("goavail_dry_run", "1 if nothing is written at the provider.", {
            flag(agent.dry_run)
        })?;
        families.gauge(
            "goavail_isolated",
            "1 while this agent takes its own network for the cause of what it misses.",
            flag(self.0.isolation.is_some()),
        )?;
        let alive = f64::from(u32::try_from(alive).unwrap_or(u32::MAX));
        families.gauge("goavail_peers_alive", "Peers whose votes count.", alive)
    }

    fn targets(&self, families: &mut Families<'_>) -> fmt::Result {
        let rows = || self.0.rows.iter();
        families.gauges(
            "goavail_target_up",
            "1 if this agent sees the target up or assumes so, 0 if it sees it down; absent if it does \
             not see it.",
            rows()
                .filter(|row| row.health != Health::Unknown)
                .map(|row| ([target(row)], flag(row.health != Health::Down))),
        )?;
        families.gauges(
            "goavail_target_evidence_age_seconds",
            "Time since a probe of the target was judged a reply or a loss.",
            rows().filter_map(|row| Some(([target(row)], self.0.evidence_age(row)?))),
        )?;
        families.gauges(
            "goavail_target_limits_replies",
            "1 if the target answers fewer probes than retry_interval asks for; absent otherwise.",
            rows().filter(|row| row.limits.is_some()).map(|row| ([target(row)], 1.0)),
        )?;
        families.gauges(
            "goavail_target_in_service",
            "1 if the name holds the target's record, 0 if not; absent while that is not known.",
            rows().flat_map(|row| self.presence(row)),
        )?;
        families.gauges(
            "goavail_target_rtt_seconds",
            "Round-trip time of the newest reply.",
            rows().filter_map(|row| Some(([target(row)], row.last_rtt?.as_secs_f64()))),
        )
    }

    fn presence(&self, row: &View) -> Vec<([(&'static str, String); 2], f64)> {
        let names = self.0.names.iter().zip(row.present.iter());
        let known = names.filter_map(|(name, present)| Some((name, (*present)?)));
        known
            .map(|(name, present)| ([target(row), ("name", name.clone())], flag(present)))
            .collect()
    }

    fn counted_by_target(&self, families: &mut Families<'_>) -> fmt::Result {
        let mut counters = |name: &str, help: &str, label: &'static str, picks: &[Pick]| {
            let samples = self.0.rows.iter().flat_map(|row| {
                picks.iter().map(|(value, pick)| {
                    ([target(row), (label, (*value).to_owned())], pick(&row.counts))
                })
            });
            families.counters(name, help, samples)
        };
        counters(
            "goavail_probes",
            "Probes by what became of them; a late reply is counted as a loss before.",
            "outcome",
            &[
                ("reply", |counts| counts.replies),
                ("loss", |counts| counts.losses),
                ("fault", |counts| counts.faults),
                ("late", |counts| counts.late),
            ],
        )?;
        counters(
            "goavail_flips",
            "Changes of health as this agent sees it.",
            "to",
            &[("up", |counts| counts.flips_up), ("down", |counts| counts.flips_down)],
        )?;
        counters(
            "goavail_verdicts",
            "Verdicts: up belongs in DNS, down does not.",
            "to",
            &[("up", |counts| counts.verdicts_up), ("down", |counts| counts.verdicts_down)],
        )
    }

    fn ledger(&self, families: &mut Families<'_>) -> fmt::Result {
        let ledger = &self.0.ledger;
        families.gauges(
            "goavail_name_failing",
            "1 while a name is left alone for trouble of its own, 0 while it is looked after.",
            self.0
                .names
                .iter()
                .map(|name| ([("name", name.clone())], flag(ledger.failing_names.contains(name)))),
        )?;
        families.counters(
            "goavail_refusals",
            "Times that something began to stand in the way of a change.",
            ledger.refusals.iter().map(|(reason, count)| ([("reason", *reason)], *count)),
        )?;
        families.counters(
            "goavail_dns_changes",
            "Records withdrawn and restored, by what became of it.",
            ledger.dns_changes.iter().map(|([provider, action, outcome], count)| {
                ([("provider", *provider), ("action", *action), ("outcome", *outcome)], *count)
            }),
        )?;
        families.counters(
            "goavail_dns_requests",
            "Calls to the provider, by how they ended.",
            ledger.dns_requests.iter().map(|([provider, outcome], count)| {
                ([("provider", *provider), ("outcome", *outcome)], *count)
            }),
        )?;
        families.counters(
            "goavail_votes",
            "Votes exchanged with a peer, by what became of them.",
            ledger.votes.iter().map(|((peer, outcome), count)| {
                ([("peer", peer.as_ref()), ("outcome", *outcome)], *count)
            }),
        )?;
        families.counters(
            "goavail_notices",
            "Notices by channel and by what became of them.",
            ledger.notices.iter().map(|([channel, outcome], count)| {
                ([("channel", *channel), ("outcome", *outcome)], *count)
            }),
        )?;
        families.counters(
            "goavail_reloads",
            "Configurations taken over or refused while running.",
            ledger.reloads.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count)),
        )?;
        families.counters(
            "goavail_caught_panics",
            "Panics that were caught, by the part that was built anew.",
            ledger.panics.iter().map(|(part, count)| ([("part", *part)], *count)),
        )?;
        families.histogram("goavail_probe_rtt_seconds", "Round-trip times.", &ledger.rtt)?;
        families.histogram(
            "goavail_failover_seconds",
            "From the last reply heard until the provider confirmed the withdrawal.",
            &ledger.failover,
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

/// Writes one family after the other.
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

    /// `name` is without `_total`, which the encoder appends.
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

    fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let mut out = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count, buckets) = spread.read();
        out.encode_histogram::<NoLabels>(
            sum,
            count,
            &buckets,
            None::<&std::collections::HashMap<usize, Exemplar<NoLabels, f64>>>,
        )
    }
}
