//! Figures of clusters, topics and groups as the links last saw them. Put together anew for each page: two who
//! read at once, or one in the middle of a change, see whole figures. What is gone leaves nothing behind.

use std::sync::Arc;

use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec, Registry};

use super::{gauge, int_gauge};
use crate::kafka::groups::GroupObservation;
use crate::kafka::link::{Health, TopicFigures, now_ms};
use crate::names::ObjectKey;

/// Labels of a cluster's figures.
const CLUSTER: [&str; 2] = ["namespace", "name"];
/// Labels of a topic's figures.
const TOPIC: [&str; 4] = ["namespace", "name", "cluster", "topic"];
/// Labels of a group's figures.
const GROUP: [&str; 4] = ["namespace", "name", "cluster", "group"];

/// See the module.
pub struct Figures {
    registry: Registry,
    reachable: IntGaugeVec,
    topics: TopicGauges,
    groups: GroupGauges,
}

struct TopicGauges {
    records_in: GaugeVec,
    bytes_in: GaugeVec,
    bytes_out: GaugeVec,
    size: GaugeVec,
    lag: GaugeVec,
}

struct GroupGauges {
    records: GaugeVec,
    lag: GaugeVec,
    lag_seconds: GaugeVec,
    members: GaugeVec,
    lagging: IntGaugeVec,
}

/// What one link last saw, under the names of the resources.
#[derive(Debug)]
pub struct ClusterFigures {
    /// The BrokerCluster.
    pub cluster: ObjectKey,
    /// Whether its brokers answer.
    pub health: Health,
    /// Topics by resource and name.
    pub topics: Vec<(ObjectKey, String, TopicFigures)>,
    /// Groups.
    pub groups: Vec<GroupFigures>,
}

/// A group of a cluster, as last seen.
#[derive(Debug)]
pub struct GroupFigures {
    /// The ConsumerGroup.
    pub key: ObjectKey,
    /// The group's id.
    pub group: String,
    /// The group.
    pub seen: Arc<GroupObservation>,
    /// Records that it gets on by in a second.
    pub records_per_second: Option<f64>,
    /// Whether it is further behind than its `spec.maxLag`, as its status says; `None` where it has none.
    pub lagging: Option<bool>,
}

impl Figures {
    /// No figures yet.
    ///
    /// # Errors
    /// When two series have one name: only a change to this file can cause it.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        Ok(Self {
            reachable: int_gauge(
                &registry,
                "millrace_broker_cluster_reachable",
                "1 while the brokers answer the operator; 0 leaves out the figures of their topics and groups.",
                &CLUSTER,
            )?,
            topics: TopicGauges::new(&registry)?,
            groups: GroupGauges::new(&registry)?,
            registry,
        })
    }

    /// Adds what one link last saw. Of a cluster that does not answer that is no news: it would stand still on
    /// every board and in every alert, as if all were quiet.
    pub fn add(&self, seen: &ClusterFigures) {
        let labels = [seen.cluster.namespace.as_str(), seen.cluster.name.as_str()];
        let reachable = match seen.health {
            Health::Unknown => return,
            Health::Reachable => true,
            Health::Unreachable(_) => false,
        };
        self.reachable.with_label_values(&labels).set(i64::from(reachable));
        if !reachable {
            return;
        }
        for (key, topic, figures) in &seen.topics {
            self.topics.set([&key.namespace, &key.name, &seen.cluster.name, topic], figures);
        }
        for one in &seen.groups {
            self.groups.set([&one.key.namespace, &one.key.name, &seen.cluster.name, &one.group], one);
        }
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl TopicGauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let one = |name: &str, help: &str| gauge(registry, name, help, &TOPIC);
        Ok(Self {
            records_in: one(
                "millrace_topic_records_in_per_second",
                "Records a second written to the topic.",
            )?,
            bytes_in: one("millrace_topic_bytes_in_per_second", "Bytes a second written to the topic.")?,
            bytes_out: one("millrace_topic_bytes_out_per_second", "Bytes a second read from the topic.")?,
            size: one("millrace_topic_size_bytes", "Bytes on the disks of the partitions' leaders.")?,
            lag: one(
                "millrace_topic_lag_records",
                "Records left to read for the ConsumerGroup furthest behind in the topic, of those with members.",
            )?,
        })
    }

    fn set(&self, labels: [&String; 4], figures: &TopicFigures) {
        let set = |gauge: &GaugeVec, value: Option<f64>| {
            if let Some(value) = value {
                gauge.with_label_values(&labels).set(value);
            }
        };
        set(&self.records_in, figures.records_in_per_second);
        set(&self.bytes_in, figures.bytes_in_per_second);
        set(&self.bytes_out, figures.bytes_out_per_second);
        set(&self.size, figures.size_bytes.map(|bytes| bytes as f64));
        set(&self.lag, figures.lag_records.map(|records| records as f64));
    }
}

impl GroupGauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let one = |name: &str, help: &str| gauge(registry, name, help, &GROUP);
        Ok(Self {
            records: one(
                "millrace_consumer_group_records_per_second",
                "Records a second by which the group's committed offsets grow.",
            )?,
            lag: one(
                "millrace_consumer_group_lag_records",
                "Records between committed offsets and the ends.",
            )?,
            lag_seconds: one(
                "millrace_consumer_group_lag_seconds",
                "Seconds since the next record to read was written, in the partition furthest behind.",
            )?,
            members: one("millrace_consumer_group_members", "Members of the group.")?,
            lagging: int_gauge(
                registry,
                "millrace_consumer_group_lagging",
                "1 while the group is further behind than its spec.maxLag; absent where it has none.",
                &GROUP,
            )?,
        })
    }

    fn set(&self, labels: [&String; 4], figures: &GroupFigures) {
        let seen = &figures.seen;
        if let Some(lagging) = figures.lagging {
            self.lagging.with_label_values(&labels).set(lagging.into());
        }
        self.members.with_label_values(&labels).set(seen.members.into());
        if let Some(records) = figures.records_per_second {
            self.records.with_label_values(&labels).set(records);
        }
        if let Some(lag) = seen.lag_records() {
            self.lag.with_label_values(&labels).set(lag as f64);
        }
        if let Some(ms) = seen.lag_ms(now_ms()) {
            self.lag_seconds.with_label_values(&labels).set(ms as f64 / 1000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    fn group(name: &str, seen: Arc<GroupObservation>, lagging: Option<bool>) -> GroupFigures {
        GroupFigures { key: key(name), group: name.into(), seen, records_per_second: Some(2.5), lagging }
    }

    fn seen(health: Health) -> ClusterFigures {
        let figures = TopicFigures { size_bytes: Some(7), lag_records: Some(3), ..TopicFigures::default() };
        let readers = GroupObservation { members: 2, ..GroupObservation::default() };
        ClusterFigures {
            cluster: key("main"),
            health,
            topics: vec![(key("orders"), "orders".into(), figures)],
            groups: vec![group("readers", readers.into(), None)],
        }
    }

    fn page(seen: &[ClusterFigures]) -> String {
        let figures = Figures::new().unwrap();
        seen.iter().for_each(|one| figures.add(one));
        String::from_utf8(Metrics::new().unwrap().page(&figures).unwrap()).unwrap()
    }

    #[test]
    fn figures_of_a_cluster_that_does_not_answer_are_left_out() {
        let fresh = page(&[seen(Health::Reachable)]);
        assert!(
            fresh.contains("millrace_broker_cluster_reachable{name=\"main\",namespace=\"shop\"} 1"),
            "{fresh}"
        );
        let size = "millrace_topic_size_bytes{cluster=\"main\",name=\"orders\",namespace=\"shop\",topic=\"orders\"} 7";
        assert!(fresh.contains(size), "{fresh}");
        assert!(fresh.contains("millrace_consumer_group_members{"), "{fresh}");
        let read = "millrace_consumer_group_records_per_second{cluster=\"main\",group=\"readers\",name=\"readers\",namespace=\"shop\"} 2.5";
        assert!(fresh.contains(read), "{fresh}");
        let left = "millrace_topic_lag_records{cluster=\"main\",name=\"orders\",namespace=\"shop\",topic=\"orders\"} 3";
        assert!(fresh.contains(left), "{fresh}");
        let frozen = page(&[seen(Health::Unreachable("refused".into()))]);
        assert!(
            frozen.contains("millrace_broker_cluster_reachable{name=\"main\",namespace=\"shop\"} 0"),
            "{frozen}"
        );
        assert!(!frozen.contains("orders") && !frozen.contains("readers"), "{frozen}");
        assert!(!page(&[seen(Health::Unknown)]).contains("main"), "nobody knows yet");
    }

    #[test]
    fn only_groups_with_a_limit_of_their_own_are_said_to_lag_or_not() {
        let groups = [("late", Some(true)), ("quick", Some(false)), ("free", None)];
        let groups = groups.map(|(name, lagging)| group(name, Arc::default(), lagging)).into();
        let page = page(&[ClusterFigures { groups, ..seen(Health::Reachable) }]);
        for (name, value) in [("late", 1), ("quick", 0)] {
            let labels = format!("{{cluster=\"main\",group=\"{name}\",name=\"{name}\",namespace=\"shop\"}}");
            assert!(page.contains(&format!("millrace_consumer_group_lagging{labels} {value}")), "{page}");
        }
        assert_eq!(page.matches("millrace_consumer_group_lagging{").count(), 2, "{page}");
        assert!(page.contains("millrace_consumer_group_members{cluster=\"main\",group=\"free\""), "{page}");
    }

    /// Each page has figures of its own: they were shared once, and cleared by one while another read them.
    #[test]
    fn who_reads_at_the_same_time_sees_whole_figures() {
        let metrics = Metrics::new().unwrap();
        let missing = std::thread::scope(|scope| {
            let read = || {
                let pages = (0..200).map(|_| {
                    let figures = Figures::new().unwrap();
                    figures.add(&seen(Health::Reachable));
                    metrics.page(&figures).unwrap()
                });
                pages
                    .filter(|page| !String::from_utf8_lossy(page).contains("millrace_topic_size_bytes{"))
                    .count()
            };
            let readers = [scope.spawn(read), scope.spawn(read)];
            readers.map(|reader| reader.join().unwrap())
        });
        assert_eq!(missing, [0, 0]);
    }
}
