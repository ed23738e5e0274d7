//! Writes the numbers in the formats of Prometheus. `prometheus-client` does both formats and their quoting.
//!
//! Only this file uses that crate.
//!
//! Spec: Prometheus text format 0.0.4; `OpenMetrics` 1.0.0.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::family::{ALL, MetricDescription, MetricKind};
use super::histogram::bounds;
use super::sample::{Samples, Value};

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// The default, which every reader understands.
    Prometheus,
    /// For clients that ask for it, as Prometheus does.
    OpenMetrics,
}

impl TextFormat {
    /// The format for a client with this `Accept`.
    pub fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes the numbers.
    ///
    /// # Errors
    /// None in practice, because writing to a string does not fail.
    pub fn write(self, samples: Samples) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(samples)));
        let mut text = String::new();
        match self {
            Self::Prometheus => prometheus_text::encode(&mut text, &registry)?,
            Self::OpenMetrics => text::encode(&mut text, &registry)?,
        }
        Ok(text)
    }
}

#[derive(Debug)]
struct Scrape(Samples);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for family in ALL {
            let MetricDescription { name, kind, labels, help, .. } = family.description();
            let kind = match kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for (values, value) in self.0.of(*family) {
                let pairs: Vec<_> = labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
                if pairs.is_empty() {
                    write(&mut metric, kind, value)?;
                } else {
                    write(&mut metric.encode_family(&pairs)?, kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn write(metric: &mut MetricEncoder<'_>, kind: MetricType, value: &Value) -> Result<(), std::fmt::Error> {
    let no_exemplar: Option<&Exemplar<NoLabelSet, f64>> = None;
    match (value, kind) {
        (Value::Count(count), MetricType::Counter) => metric.encode_counter(count, no_exemplar),
        (Value::Count(count), _) => metric.encode_gauge(count),
        (Value::Seconds(seconds), MetricType::Counter) => metric.encode_counter(seconds, no_exemplar),
        (Value::Seconds(seconds), _) => metric.encode_gauge(seconds),
        (Value::Times { nanoseconds, buckets }, _) => {
            let sum = std::time::Duration::from_nanos(*nanoseconds).as_secs_f64();
            let buckets: Vec<_> = bounds().zip(buckets.iter().copied()).collect();
            metric.encode_histogram::<NoLabelSet>(sum, buckets.iter().map(|(_, count)| count).sum(), &buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::Family;
    use super::super::sample::Sample;
    use super::*;

    #[test]
    fn a_label_that_a_client_or_an_operator_chose_cannot_end_its_place() {
        let mut samples = Samples::default();
        samples.add("1", &[Sample::count(Family::InFlight, &[("app", "a\"}\n\\")], 1)]);
        for format in [TextFormat::Prometheus, TextFormat::OpenMetrics] {
            let text = format.write(samples.clone()).unwrap_or_default();
            assert!(text.contains("rsgi_http_requests_in_flight{app=\"a\\\"}\\n\\\\\"} 1\n"), "{text}");
            assert_eq!(text.ends_with("# EOF\n"), format == TextFormat::OpenMetrics);
        }
    }
}
