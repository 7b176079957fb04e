//! What Prometheus reads from the operator. Each thing that happens is one method. Figures of clusters, topics
//! and groups are put together anew for each page ([`Figures`]).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrace_crds::{BrokerCluster, ConsumerGroup, Topic};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::api::error::ReconcileError;
use crate::names::ObjectKey;
use crate::pass::Managed;

mod figures;

pub use figures::{ClusterFigures, Figures};

/// How long reconciles take, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// All kinds.
const KINDS: [&str; 3] = [BrokerCluster::KIND, Topic::KIND, ConsumerGroup::KIND];
/// Labels of a resource.
const OBJECT: [&str; 3] = ["kind", "namespace", "name"];

/// See the module.
pub struct Metrics {
    registry: Registry,
    reconciles: Reconciles,
    ready: IntGaugeVec,
}

struct Reconciles {
    total: IntCounterVec,
    errors: IntCounterVec,
    duration: HistogramVec,
    under_way: IntGaugeVec,
    last_start: GaugeVec,
    last_success: GaugeVec,
}

impl Metrics {
    /// All series, empty.
    ///
    /// # Errors
    /// When two series have one name: only a change to this file can cause it.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self {
            reconciles: Reconciles::new(&registry)?,
            ready: int_gauge(
                &registry,
                "millrace_resource_ready",
                "1 while the resource is as its spec says.",
                &OBJECT,
            )?,
            registry,
        })
    }

    /// A reconcile began.
    pub fn started(&self, kind: &str) {
        self.reconciles.under_way.with_label_values(&[kind]).inc();
        self.reconciles.last_start.with_label_values(&[kind]).set(now_seconds());
    }

    /// A reconcile came to its end.
    pub fn succeeded(&self, kind: &str, key: &ObjectKey, took: Duration) {
        self.ended(kind, took);
        let labels = [kind, key.namespace.as_str(), key.name.as_str()];
        self.reconciles.last_success.with_label_values(&labels).set(now_seconds());
    }

    /// A reconcile failed. `class` says on whose side.
    pub fn failed(&self, kind: &str, class: &str, took: Duration) {
        self.ended(kind, took);
        self.reconciles.errors.with_label_values(&[kind, class]).inc();
    }

    fn ended(&self, kind: &str, took: Duration) {
        self.reconciles.under_way.with_label_values(&[kind]).dec();
        self.reconciles.total.with_label_values(&[kind]).inc();
        self.reconciles.duration.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// A resource is as its spec says, or is not.
    pub fn ready(&self, kind: &str, key: &ObjectKey, ready: bool) {
        let labels = [kind, key.namespace.as_str(), key.name.as_str()];
        self.ready.with_label_values(&labels).set(i64::from(ready));
    }

    /// A resource is gone.
    pub fn forget(&self, kind: &str, key: &ObjectKey) {
        let labels = [kind, key.namespace.as_str(), key.name.as_str()];
        // That it was never seen is fine.
        let _ = self.ready.remove_label_values(&labels);
        let _ = self.reconciles.last_success.remove_label_values(&labels);
    }

    /// All series in Prometheus' text format, those of `figures` with them.
    ///
    /// # Errors
    /// When a series has no sample type: only a change to this module can cause it.
    pub fn page(&self, figures: &Figures) -> Result<Vec<u8>, prometheus::Error> {
        let mut page = Vec::new();
        let mut series = self.registry.gather();
        series.extend(figures.gather());
        TextEncoder::new().encode(&series, &mut page)?;
        Ok(page)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Reconciles {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let total =
            IntCounterVec::new(Opts::new("millrace_reconcile_total", "Reconciles that ended."), &["kind"])?;
        let errors = IntCounterVec::new(
            Opts::new(
                "millrace_reconcile_errors_total",
                "Reconciles that failed, by whose answer was missing.",
            ),
            &["kind", "class"],
        )?;
        let options = HistogramOpts::new("millrace_reconcile_duration_seconds", "How long reconciles took.");
        let duration = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["kind"])?;
        registry.register(Box::new(total.clone()))?;
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        // What never happened is 0, not absent: an alert or a board can tell it from a typing error.
        for kind in KINDS {
            total.with_label_values(&[kind]);
            duration.with_label_values(&[kind]);
            for class in ReconcileError::CLASSES {
                errors.with_label_values(&[kind, class]);
            }
        }
        Ok(Self {
            total,
            errors,
            duration,
            under_way: int_gauge(
                registry,
                "millrace_reconcile_in_progress",
                "Reconciles under way.",
                &["kind"],
            )?,
            last_start: gauge(
                registry,
                "millrace_reconcile_last_start_timestamp_seconds",
                "When the last reconcile began, in seconds since 1970.",
                &["kind"],
            )?,
            last_success: gauge(
                registry,
                "millrace_resource_last_success_timestamp_seconds",
                "When the resource was last reconciled without an error, in seconds since 1970.",
                &OBJECT,
            )?,
        })
    }
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn int_gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(metrics: &Metrics) -> String {
        String::from_utf8(metrics.page(&Figures::new().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_resource_that_is_gone_leaves_no_series_behind() {
        let metrics = Metrics::new().unwrap();
        let key = ObjectKey { namespace: "shop".into(), name: "orders".into() };
        metrics.started("Topic");
        metrics.succeeded("Topic", &key, Duration::from_millis(3));
        metrics.ready("Topic", &key, true);
        let full = page(&metrics);
        assert!(
            full.contains("millrace_resource_ready{kind=\"Topic\",name=\"orders\",namespace=\"shop\"} 1"),
            "{full}"
        );
        assert!(full.contains("millrace_reconcile_total{kind=\"Topic\"} 1"));
        assert!(full.contains("millrace_reconcile_in_progress{kind=\"Topic\"} 0"));
        metrics.forget("Topic", &key);
        assert!(!page(&metrics).contains("orders"));
    }
}
