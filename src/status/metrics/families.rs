//! Writing of metric families.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, exemplar::Exemplar};

use crate::status::counters::LabelledCounts;
use crate::status::histogram::Histogram;

type NoLabels = [(&'static str, &'static str); 0];

pub(super) fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

/// Writes metric families.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let out = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(out)
    }

    pub(super) fn gauges<L: EncodeLabelSet>(
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
    pub(super) fn counters<L: EncodeLabelSet>(
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
    pub(super) fn labelled<const N: usize>(
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

    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram,
    ) -> fmt::Result {
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
