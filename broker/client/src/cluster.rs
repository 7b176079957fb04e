//! What the client knows of the cluster: brokers, topics, leaders. An immutable view; a metadata
//! answer makes the next one. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_protocol::messages::metadata::{
    MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};
use millrace_protocol::{ErrorCode, Uuid};

use crate::net::NodeAddress;
use crate::topic_partition::TopicPartition;

/// A broker as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerNode {
    /// Its id.
    pub id: i32,
    /// The host it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: u16,
    /// Where it stands.
    pub rack: Option<String>,
}

/// A partition as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// Its number, from 0.
    pub partition: i32,
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// The leader's epoch, when known.
    pub leader_epoch: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
    /// Those whose broker or disk is down.
    pub offline: Vec<i32>,
    /// Why it cannot be used, if so.
    pub error: ErrorCode,
}

/// A topic as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; zero from brokers that have none.
    pub id: Uuid,
    /// Whether it belongs to the broker itself, such as `__consumer_offsets`.
    pub is_internal: bool,
    /// Why it cannot be used, if so; the partitions are then empty.
    pub error: ErrorCode,
    /// Ascending by number.
    pub partitions: Vec<PartitionView>,
}

/// The cluster as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, if one is known.
    pub controller: Option<i32>,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, BrokerNode>,
    /// Topics that were asked about, by name.
    pub topics: BTreeMap<Arc<str>, Arc<TopicView>>,
}

/// Which topics a metadata request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicScope {
    /// All of them.
    All,
    /// None: brokers and controller only.
    None,
    /// These.
    Named(Vec<String>),
}

impl ClusterView {
    /// The view after an answer to a request about `scope`. Topics outside the scope stay as they were.
    #[must_use]
    pub fn updated(&self, response: MetadataResponse, scope: &TopicScope) -> Self {
        let mut topics = match scope {
            TopicScope::All => BTreeMap::new(),
            TopicScope::None | TopicScope::Named(_) => self.topics.clone(),
        };
        for topic in response.topics {
            let Some(name) = topic.name.clone() else { continue };
            let view = topic_view(topic, self.topics.get(name.as_str()));
            topics.insert(Arc::clone(&view.name), Arc::new(view));
        }
        let brokers = response
            .brokers
            .into_iter()
            .map(|broker| {
                let port = u16::try_from(broker.port).unwrap_or(0);
                let node = BrokerNode { id: broker.node_id, host: broker.host, port, rack: broker.rack };
                (node.id, node)
            })
            .collect();
        Self {
            cluster_id: response.cluster_id,
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers,
            topics,
        }
    }

    /// The view without topics that `keep` does not name.
    pub(crate) fn retain_topics(&mut self, keep: impl Fn(&str) -> bool) {
        self.topics.retain(|name, _| keep(name));
    }

    /// The topic, if it was asked about and exists.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicView>> {
        self.topics.get(name).filter(|topic| topic.error.is_ok())
    }

    /// The partition, if its topic is known.
    #[must_use]
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionView> {
        self.topic(&partition.topic)?.partition(partition.partition)
    }

    /// The broker that leads the partition, if that is known.
    #[must_use]
    pub fn leader(&self, partition: &TopicPartition) -> Option<i32> {
        self.partition(partition)?.leader
    }

    pub(crate) fn address(&self, broker: i32) -> Option<NodeAddress> {
        let node = self.brokers.get(&broker)?;
        Some(NodeAddress { id: Some(node.id), host: Arc::from(node.host.as_str()), port: node.port })
    }
}

impl TopicView {
    /// The partition with this number.
    #[must_use]
    pub fn partition(&self, number: i32) -> Option<&PartitionView> {
        let place = self.partitions.binary_search_by_key(&number, |partition| partition.partition).ok()?;
        self.partitions.get(place)
    }
}

fn topic_view(topic: MetadataResponseTopic, before: Option<&Arc<TopicView>>) -> TopicView {
    // A topic that was deleted and made again starts its epochs anew.
    let same = before.filter(|before| before.id == topic.topic_id);
    let mut partitions: Vec<PartitionView> = topic
        .partitions
        .into_iter()
        .map(|partition| {
            let known = same.and_then(|before| before.partition(partition.partition_index));
            partition_view(partition, known)
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicView {
        name: Arc::from(topic.name.unwrap_or_default()),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        error: topic.error_code,
        partitions,
    }
}

/// A broker that lags behind may answer with an older epoch than one that was seen; what was seen then
/// stays (KIP-320).
fn partition_view(partition: MetadataResponsePartition, known: Option<&PartitionView>) -> PartitionView {
    let epoch = Some(partition.leader_epoch).filter(|epoch| *epoch >= 0);
    if let Some(known) = known
        && known.leader_epoch > epoch
        && epoch.is_some()
    {
        return known.clone();
    }
    PartitionView {
        partition: partition.partition_index,
        leader: Some(partition.leader_id).filter(|leader| *leader >= 0),
        leader_epoch: epoch,
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        offline: partition.offline_replicas,
        error: partition.error_code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_protocol::messages::metadata::MetadataResponseBroker;

    fn answer(topic: &str, id: u8, leader: i32, epoch: i32) -> MetadataResponse {
        MetadataResponse {
            brokers: vec![MetadataResponseBroker { node_id: leader, host: "h".into(), port: 9, rack: None }],
            controller_id: leader,
            topics: vec![MetadataResponseTopic {
                name: Some(topic.to_owned()),
                topic_id: Uuid([id; 16]),
                partitions: vec![MetadataResponsePartition {
                    partition_index: 0,
                    leader_id: leader,
                    leader_epoch: epoch,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn epochs_do_not_go_backwards_unless_the_topic_is_another() {
        let scope = TopicScope::Named(vec!["t".into()]);
        let first = ClusterView::default().updated(answer("t", 1, 2, 5), &scope);
        let partition = TopicPartition::new("t", 0);
        assert_eq!(first.leader(&partition), Some(2));
        let older = first.updated(answer("t", 1, 3, 4), &scope);
        assert_eq!(older.leader(&partition), Some(2), "an older epoch is not believed");
        let newer = first.updated(answer("t", 1, 3, 6), &scope);
        assert_eq!(newer.leader(&partition), Some(3));
        let another = first.updated(answer("t", 9, 3, 0), &scope);
        assert_eq!(another.leader(&partition), Some(3), "a topic made anew starts over");
    }

    #[test]
    fn a_named_scope_keeps_the_other_topics() {
        let both = ClusterView::default()
            .updated(answer("a", 1, 1, 0), &TopicScope::Named(vec!["a".into()]))
            .updated(answer("b", 2, 1, 0), &TopicScope::Named(vec!["b".into()]));
        assert!(both.topic("a").is_some() && both.topic("b").is_some());
        let all = both.updated(answer("b", 2, 1, 0), &TopicScope::All);
        assert!(all.topic("a").is_none(), "an answer about all topics is the whole truth");
    }
}
