//! What Prometheus reads from the operator. Each thing that happens is one method. Figures of clusters, topics
//! and groups are put together anew for each page ([`Figures`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millrace_crds::{BrokerCluster, Condition, ConsumerGroup, Topic};
use parking_lot::Mutex;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::api::error::ReconcileError;
use crate::conditions::{LAGGING, READY, find, is_true};
use crate::names::ObjectKey;
use crate::pass::Managed;

mod figures;

pub use figures::{ClusterFigures, Figures, GroupFigures};

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
    /// Of groups whose owner limits the lag: whether they are further behind. Shown among the figures.
    lagging: Mutex<HashMap<ObjectKey, bool>>,
}

struct Reconciles {
    total: IntCounterVec,
    errors: IntCounterVec,
    duration: HistogramVec,
    under_way: Arc<Starts>,
    last_success: GaugeVec,
}

/// When the reconciles began that are under way. Their gauges move with it, so that every page shows what is.
struct Starts {
    count: IntGaugeVec,
    oldest: GaugeVec,
    inner: Mutex<StartsInner>,
}

#[derive(Default)]
struct StartsInner {
    /// By kind, in the order in which they began: a clock that is set back does not change it.
    seconds: BTreeMap<(&'static str, u64), f64>,
    /// How many began, ever.
    began: u64,
}

/// A reconcile that is under way until this is dropped.
#[must_use]
pub struct UnderWay {
    starts: Arc<Starts>,
    kind: &'static str,
    number: u64,
    began: Instant,
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
            lagging: Mutex::default(),
            registry,
        })
    }

    /// A reconcile began.
    pub fn started(&self, kind: &'static str) -> UnderWay {
        UnderWay::begin(Arc::clone(&self.reconciles.under_way), kind)
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
        self.reconciles.total.with_label_values(&[kind]).inc();
        self.reconciles.duration.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// A resource is as its spec says, or is not.
    pub fn ready(&self, kind: &str, key: &ObjectKey, ready: bool) {
        let labels = [kind, key.namespace.as_str(), key.name.as_str()];
        self.ready.with_label_values(&labels).set(i64::from(ready));
    }

    /// What a status says of a resource.
    pub fn said(&self, kind: &str, key: &ObjectKey, conditions: &[Condition]) {
        self.ready(kind, key, is_true(conditions, READY));
        if kind != ConsumerGroup::KIND {
            return;
        }
        let mut lagging = self.lagging.lock();
        if find(conditions, LAGGING).is_some() {
            lagging.insert(key.clone(), is_true(conditions, LAGGING));
        } else {
            lagging.remove(key);
        }
    }

    /// What was said last of a group's lag; `None` where nothing limits it.
    #[must_use]
    pub fn is_lagging(&self, key: &ObjectKey) -> Option<bool> {
        self.lagging.lock().get(key).copied()
    }

    /// A resource is gone.
    pub fn forget(&self, kind: &str, key: &ObjectKey) {
        let labels = [kind, key.namespace.as_str(), key.name.as_str()];
        // That it was never seen is fine.
        let _ = self.ready.remove_label_values(&labels);
        let _ = self.reconciles.last_success.remove_label_values(&labels);
        if kind == ConsumerGroup::KIND {
            self.lagging.lock().remove(key);
        }
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
            under_way: Arc::new(Starts::new(registry)?),
            last_success: gauge(
                registry,
                "millrace_resource_last_success_timestamp_seconds",
                "When the resource was last reconciled without an error, in seconds since 1970.",
                &OBJECT,
            )?,
        })
    }
}

impl Starts {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let count =
            int_gauge(registry, "millrace_reconcile_in_progress", "Reconciles under way.", &["kind"])?;
        for kind in KINDS {
            count.with_label_values(&[kind]);
        }
        Ok(Self {
            count,
            oldest: gauge(
                registry,
                "millrace_reconcile_oldest_start_timestamp_seconds",
                "When the oldest reconcile that is under way began, in seconds since 1970; absent while none is.",
                &["kind"],
            )?,
            inner: Mutex::default(),
        })
    }

    fn begin(&self, kind: &'static str) -> u64 {
        let mut inner = self.inner.lock();
        inner.began += 1;
        let number = inner.began;
        inner.seconds.insert((kind, number), now_seconds());
        self.show(kind, &inner);
        number
    }

    fn end(&self, kind: &'static str, number: u64) {
        let mut inner = self.inner.lock();
        inner.seconds.remove(&(kind, number));
        self.show(kind, &inner);
    }

    /// With the lock held: who comes later shows what is later.
    fn show(&self, kind: &'static str, inner: &StartsInner) {
        let mut of_kind = inner.seconds.range((kind, 0)..=(kind, u64::MAX)).map(|(_, seconds)| *seconds);
        match of_kind.next() {
            Some(oldest) => self.oldest.with_label_values(&[kind]).set(oldest),
            // Zero would read like a reconcile of half a century. That there was none before is fine.
            None => {
                let _ = self.oldest.remove_label_values(&[kind]);
            }
        }
        let left = inner.seconds.range((kind, 0)..=(kind, u64::MAX)).count();
        self.count.with_label_values(&[kind]).set(i64::try_from(left).unwrap_or(i64::MAX));
    }
}

impl UnderWay {
    fn begin(starts: Arc<Starts>, kind: &'static str) -> Self {
        let number = starts.begin(kind);
        Self { starts, kind, number, began: Instant::now() }
    }

    /// For how long it has been.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.starts.end(self.kind, self.number);
    }
}

impl std::fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnderWay").field("kind", &self.kind).finish_non_exhaustive()
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
    use crate::conditions::{Verdict, merged};

    fn page(metrics: &Metrics) -> String {
        String::from_utf8(metrics.page(&Figures::new().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_resource_that_is_gone_leaves_no_series_behind() {
        let metrics = Metrics::new().unwrap();
        let key = ObjectKey { namespace: "shop".into(), name: "orders".into() };
        let under_way = metrics.started("Topic");
        metrics.succeeded("Topic", &key, under_way.elapsed());
        drop(under_way);
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

    #[test]
    fn a_group_lags_as_its_status_says_whatever_else_has_its_name() {
        let metrics = Metrics::new().unwrap();
        let key = ObjectKey { namespace: "shop".into(), name: "orders".into() };
        let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        let said = |kind: &str, verdicts: Vec<Verdict>| {
            metrics.said(kind, &key, &merged(&[], verdicts, None, now));
            metrics.is_lagging(&key)
        };
        let ready = || Verdict::yes(READY, "Ready", "");
        assert_eq!(said("ConsumerGroup", vec![ready()]), None);
        assert_eq!(
            said("ConsumerGroup", vec![ready(), Verdict::yes(LAGGING, "SecondsBehind", "")]),
            Some(true)
        );
        assert_eq!(said("Topic", vec![ready()]), Some(true));
        metrics.forget("Topic", &key);
        assert_eq!(metrics.is_lagging(&key), Some(true));
        assert_eq!(
            said("ConsumerGroup", vec![Verdict::unknown(LAGGING, "PartitionsUnknown", "")]),
            Some(false)
        );
        metrics.forget("ConsumerGroup", &key);
        assert_eq!(metrics.is_lagging(&key), None);
    }

    #[test]
    fn the_oldest_reconcile_under_way_is_shown_while_younger_ones_come_and_go() {
        const OLDEST: &str = "millrace_reconcile_oldest_start_timestamp_seconds{kind=\"Topic\"}";
        let oldest = |metrics: &Metrics| {
            let page = page(metrics);
            let shown = page.lines().find_map(|line| line.strip_prefix(OLDEST));
            shown.map(|seconds| seconds.trim().parse::<f64>().unwrap())
        };
        let metrics = Metrics::new().unwrap();
        assert_eq!(oldest(&metrics), None);
        let before = now_seconds();
        let stuck = metrics.started("Topic");
        let began = oldest(&metrics).unwrap();
        assert!((before..=now_seconds()).contains(&began), "{began}");
        while now_seconds() <= began {
            std::thread::yield_now();
        }
        for _ in 0..3 {
            let _younger = (metrics.started("Topic"), metrics.started("BrokerCluster"));
            assert_eq!(oldest(&metrics), Some(began));
            assert!(page(&metrics).contains("millrace_reconcile_in_progress{kind=\"Topic\"} 2"));
        }
        let younger = metrics.started("Topic");
        drop(stuck);
        assert!(oldest(&metrics).unwrap() > began);
        drop(younger);
        assert_eq!(oldest(&metrics), None);
        assert!(page(&metrics).contains("millrace_reconcile_in_progress{kind=\"Topic\"} 0"));
    }
}
