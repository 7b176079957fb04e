//! Metadata: brokers, topics and their leaders. A topic that does not exist is created on the way,
//! where the client and the broker allow it (`KafkaApis.handleTopicMetadataRequest`,
//! `AutoTopicCreationManager`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millrace_metadata::controller::{
    ControllerSettings, auto_created_topic, create_topics, validate_topic_name,
};
use millrace_metadata::image::{ClusterImage, PartitionImage, TopicImage, is_internal_topic};
use millrace_protocol::messages::create_topics::CreateTopicsRequest;
use millrace_protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use millrace_protocol::{ErrorCode, Uuid};
use tracing::{info, warn};

use super::audience::{Audience, CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use crate::config::LiveConfig;
use crate::context::RequestContext;
use crate::quorum::{MetadataView, Quorum};
use crate::rate_limit::RateLimited;

/// The first version in which an empty list asks for nothing instead of everything.
const FIRST_WITH_NULL_FOR_ALL: i16 = 1;
/// The first version in which partitions on unreachable brokers are no error.
const FIRST_WITH_UNAVAILABLE_REPLICAS: i16 = 1;
/// The first version that tells a missing listener from a missing leader.
const FIRST_WITH_LISTENER_ERROR: i16 = 6;
/// The first version that finds topics by id (KIP-516).
const FIRST_BY_ID: i16 = 12;

/// One line for all the topics that cannot be created.
static REFUSED: RateLimited = RateLimited::new(Duration::from_secs(5));

/// What a request asks for.
enum Wanted {
    All,
    ById(BTreeSet<Uuid>),
    ByName(BTreeSet<String>),
}

pub(crate) async fn handle(
    metadata: &MetadataView,
    quorum: &Quorum,
    config: &LiveConfig,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let mut image = metadata.load();
    let wanted = match wanted(&request, context.api_version) {
        Ok(wanted) => wanted,
        Err(code) => return refused(&image, context, &request, code),
    };
    if let Wanted::ByName(names) = &wanted
        && request.allow_auto_topic_creation
        && config.load().topics.auto_create
        && create_missing(&image, quorum, config, names).await
    {
        image = metadata.load();
    }
    let answer = Answer {
        audience: Audience { image: &image, listener: &context.peer.listener },
        version: context.api_version,
        topic_operations: request.include_topic_authorized_operations,
    };
    let topics = answer.topics(&wanted);
    let mut response = answer.response(topics);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn wanted(request: &MetadataRequest, version: i16) -> Result<Wanted, ErrorCode> {
    let Some(topics) = &request.topics else { return Ok(Wanted::All) };
    if topics.is_empty() && version < FIRST_WITH_NULL_FOR_ALL {
        return Ok(Wanted::All);
    }
    if version < FIRST_BY_ID && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero()) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let ids: BTreeSet<_> = topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        return Ok(Wanted::ById(ids));
    }
    let names: Option<BTreeSet<_>> = topics.iter().map(|topic| topic.name.clone()).collect();
    names.map(Wanted::ByName).ok_or(ErrorCode::INVALID_REQUEST)
}

/// An answer that says the same about all topics of the request (`MetadataRequest.getErrorResponse`).
fn refused(
    image: &ClusterImage,
    context: &RequestContext,
    request: &MetadataRequest,
    code: ErrorCode,
) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| MetadataResponseTopic {
        error_code: code,
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    });
    let audience = Audience { image, listener: &context.peer.listener };
    let topics = topics.collect();
    Answer { audience, version: context.api_version, topic_operations: false }.response(topics)
}

/// Creates the topics that are not there. By the time this ends they have leaders, so that the first
/// answer already names them. True when there may be a newer image.
async fn create_missing(
    image: &ClusterImage,
    quorum: &Quorum,
    config: &LiveConfig,
    names: &BTreeSet<String>,
) -> bool {
    let absent = |name: &&String| image.topics.by_name(name).is_none() && validate_topic_name(name).is_ok();
    let missing: Vec<&String> = names.iter().filter(absent).collect();
    if missing.is_empty() {
        return false;
    }
    let config = Arc::clone(&config.load());
    let created = quorum.propose(|image, _| {
        let settings = ControllerSettings { node_id: config.node_id, static_broker: &config.properties };
        let absent = missing.iter().filter(|name| image.topics.by_name(name).is_none());
        let topics = absent.map(|name| auto_created_topic(image, name, &settings)).collect();
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        create_topics(image, &request, &settings, &mut fastrand::Rng::new())
    });
    match created.await {
        Ok(response) => response.topics.iter().for_each(|topic| {
            if topic.error_code.is_ok() {
                info!(topic = topic.name, partitions = topic.num_partitions, "topic created on first use");
            } else if let Some(suppressed) = REFUSED.admit() {
                let reason = topic.error_message.as_deref().unwrap_or_else(|| topic.error_code.message());
                warn!(topic = topic.name, suppressed, "topic cannot be created on first use: {reason}");
            }
        }),
        Err(error) => {
            if let Some(suppressed) = REFUSED.admit() {
                warn!(suppressed, "topics cannot be created on first use: {error}");
            }
        }
    }
    true
}

/// Whom an answer is for.
struct Answer<'a> {
    audience: Audience<'a>,
    version: i16,
    topic_operations: bool,
}

impl Answer<'_> {
    fn response(&self, topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
        let brokers = self.audience.brokers().map(|(broker, endpoint)| MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            rack: broker.rack.clone(),
        });
        MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some(self.audience.image.cluster_id.to_string()),
            controller_id: self.audience.controller_id(),
            topics,
            ..MetadataResponse::default()
        }
    }

    fn topics(&self, wanted: &Wanted) -> Vec<MetadataResponseTopic> {
        let topics = &self.audience.image.topics;
        match wanted {
            Wanted::All => topics.iter().map(|topic| self.topic(topic)).collect(),
            Wanted::ById(ids) => {
                let found =
                    |id: &Uuid| topics.by_id(*id).map_or_else(|| unknown_id(*id), |topic| self.topic(topic));
                ids.iter().map(found).collect()
            }
            Wanted::ByName(names) => {
                let found = |name: &String| {
                    topics.by_name(name).map_or_else(|| unknown(name), |topic| self.topic(topic))
                };
                names.iter().map(found).collect()
            }
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter().map(|(index, partition)| self.partition(*index, partition));
        let mut answer = MetadataResponseTopic {
            error_code: ErrorCode::NONE,
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: is_internal_topic(&topic.name),
            partitions: partitions.collect(),
            ..MetadataResponseTopic::default()
        };
        if self.topic_operations {
            answer.topic_authorized_operations = TOPIC_OPERATIONS;
        }
        answer
    }

    fn partition(&self, partition_index: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        let only_reachable = self.version < FIRST_WITH_UNAVAILABLE_REPLICAS;
        let reachable = |brokers: &[i32]| -> Vec<i32> {
            brokers
                .iter()
                .copied()
                .filter(|broker| !only_reachable || self.audience.reaches(*broker))
                .collect()
        };
        let (replica_nodes, isr_nodes) = (reachable(&partition.replicas), reachable(&partition.isr));
        let known = self.audience.image.broker(partition.leader);
        let led = known.is_some_and(|leader| leader.endpoint(self.audience.listener).is_some());
        let error_code = if !led {
            let without_listener = known.is_some() && self.version >= FIRST_WITH_LISTENER_ERROR;
            if without_listener { ErrorCode::LISTENER_NOT_FOUND } else { ErrorCode::LEADER_NOT_AVAILABLE }
        } else if replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len() {
            ErrorCode::REPLICA_NOT_AVAILABLE
        } else {
            ErrorCode::NONE
        };
        MetadataResponsePartition {
            error_code,
            partition_index,
            leader_id: if led { partition.leader } else { -1 },
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: self.audience.offline_replicas(partition),
        }
    }
}

fn unknown(name: &str) -> MetadataResponseTopic {
    let valid = validate_topic_name(name).is_ok();
    MetadataResponseTopic {
        error_code: if valid {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        },
        name: Some(name.to_owned()),
        is_internal: is_internal_topic(name),
        ..MetadataResponseTopic::default()
    }
}

fn unknown_id(topic_id: Uuid) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_ID,
        name: None,
        topic_id,
        ..MetadataResponseTopic::default()
    }
}
