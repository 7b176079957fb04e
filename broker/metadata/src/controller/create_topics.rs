//! CreateTopics (Kafka's `ReplicationControlManager.createTopics`, `ControllerApis.createTopics`).

use std::collections::{BTreeMap, HashMap, HashSet};

use fastrand::Rng;
use millrace_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use millrace_protocol::messages::metadata_records as r;
use millrace_protocol::{ErrorCode, Uuid};

use super::assignment::{new_manual_partition, new_placed_partition, validate_manual};
use super::names::validate_topic_name;
use super::placement::Placer;
use super::{ApiError, ControllerSettings, Decision, PARTITIONS_PER_REQUEST_MAX};
use crate::config::{ConfigLayers, ConfigMap, resolve, topic_defs, validate_topic_configs};
use crate::image::{CLUSTER_METADATA_TOPIC, ClusterImage, PartitionImage, ResourceType};
use crate::image::{has_collision_chars, partition_record};
use crate::record::MetadataRecord;

/// Decide a CreateTopics request; with `validate_only` the reply is the same and there are no
/// records.
///
/// Each topic succeeds or fails alone. The reply has one result for each distinct name: those of
/// names that appear once in the order of the request, then those that appear twice.
pub fn create_topics(
    image: &ClusterImage,
    request: &CreateTopicsRequest,
    settings: &ControllerSettings<'_>,
    rng: &mut Rng,
) -> Decision<CreateTopicsResponse> {
    let mut seen = HashMap::new();
    for topic in &request.topics {
        *seen.entry(topic.name.as_str()).or_insert(0_usize) += 1;
    }
    let mut results = Vec::with_capacity(request.topics.len());
    let mut records = Vec::new();
    let once = |topic: &&CreatableTopic| seen.get(topic.name.as_str()) == Some(&1);
    let too_many = exceeds_partition_limit(image, request, settings);
    let mut unified = HashSet::new();
    for topic in request.topics.iter().filter(once) {
        let outcome = if too_many {
            let message = "Excessively large number of partitions per request.";
            Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message))
        } else {
            check_name(image, &topic.name, &mut unified)
                .and_then(|()| create_topic(image, topic, settings, rng, &mut records))
        };
        results.push(outcome.unwrap_or_else(|error| failed(&topic.name, error)));
    }
    let mut reported = HashSet::new();
    for topic in request.topics.iter().filter(|topic| !once(topic)) {
        if reported.insert(topic.name.as_str()) {
            let error = ApiError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
            results.push(failed(&topic.name, error));
        }
    }
    if request.validate_only {
        records.clear();
    }
    Decision { records, reply: CreateTopicsResponse { throttle_time_ms: 0, topics: results } }
}

fn failed(name: &str, error: ApiError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: error.code,
        error_message: error.message,
        ..CreatableTopicResult::default()
    }
}

fn exceeds_partition_limit(
    image: &ClusterImage,
    request: &CreateTopicsRequest,
    settings: &ControllerSettings<'_>,
) -> bool {
    let default = settings.number(image, "num.partitions");
    let partitions = |topic: &CreatableTopic| match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => usize::try_from(default).unwrap_or_default(),
        (0, count) => usize::try_from(count).unwrap_or_default(),
        (assigned, _) => assigned,
    };
    let total = request.topics.iter().map(partitions).fold(0, usize::saturating_add);
    total > PARTITIONS_PER_REQUEST_MAX
}

/// `unified` holds the names of this request so far, `.` as `_`: Kafka lets two names of one request
/// collide, which leaves the cluster in a state that it would refuse to be brought into.
fn check_name(image: &ClusterImage, name: &str, unified: &mut HashSet<String>) -> Result<(), ApiError> {
    if name == CLUSTER_METADATA_TOPIC {
        let message = format!("Creation of internal topic {CLUSTER_METADATA_TOPIC} is prohibited.");
        return Err(ApiError::new(ErrorCode::INVALID_REQUEST, message));
    }
    if image.topics.by_name(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(ApiError::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
    }
    validate_topic_name(name)?;
    if !has_collision_chars(name) {
        return Ok(());
    }
    let collides = |with: &str| {
        let message = format!("Topic '{name}' collides with existing topic: {with}");
        Err(ApiError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message))
    };
    if let Some(existing) = image.topics.colliding(name) {
        return collides(existing);
    }
    match unified.insert(name.replace('.', "_")) {
        true => Ok(()),
        false => collides("another one of the same request"),
    }
}

/// Decide one topic whose name is good: its records, appended, and its result.
fn create_topic(
    image: &ClusterImage,
    topic: &CreatableTopic,
    settings: &ControllerSettings<'_>,
    rng: &mut Rng,
    records: &mut Vec<MetadataRecord>,
) -> Result<CreatableTopicResult, ApiError> {
    let configs = creation_configs(topic)?;
    let partitions = if topic.assignments.is_empty() {
        placed_partitions(image, topic, settings, rng)?
    } else {
        manual_partitions(image, topic)?
    };
    let topic_id = random_topic_id(rng);
    records.push(r::TopicRecord { name: topic.name.clone(), topic_id }.into());
    records.extend(configs.iter().map(|(name, value)| {
        MetadataRecord::from(r::ConfigRecord {
            resource_type: ResourceType::Topic.wire_id(),
            resource_name: topic.name.clone(),
            name: name.clone(),
            value: Some(value.clone()),
        })
    }));
    let numbered = (0..).zip(&partitions);
    records.extend(numbered.map(|(index, partition)| partition_record(topic_id, index, partition).into()));
    let replicas = partitions.first().map_or(0, |partition| partition.replicas.len());
    Ok(CreatableTopicResult {
        name: topic.name.clone(),
        topic_id,
        num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
        configs: Some(effective_configs(image, &configs, settings)),
        ..CreatableTopicResult::default()
    })
}

/// The topic's own settings, checked.
fn creation_configs(topic: &CreatableTopic) -> Result<ConfigMap, ApiError> {
    let invalid = |message: String| ApiError::new(ErrorCode::INVALID_CONFIG, message);
    let nulls: Vec<_> = topic.configs.iter().filter(|config| config.value.is_none()).collect();
    if !nulls.is_empty() {
        let names: Vec<_> = nulls.iter().map(|config| config.name.as_str()).collect();
        return Err(invalid(format!("Null value not supported for topic configs: {}", names.join(","))));
    }
    let set = |config: &millrace_protocol::messages::create_topics::CreatableTopicConfig| {
        Some((config.name.clone(), config.value.clone()?))
    };
    let configs: ConfigMap = topic.configs.iter().filter_map(set).collect();
    validate_topic_configs(&configs).map_err(|error| invalid(error.to_string()))?;
    Ok(configs)
}

fn placed_partitions(
    image: &ClusterImage,
    topic: &CreatableTopic,
    settings: &ControllerSettings<'_>,
    rng: &mut Rng,
) -> Result<Vec<PartitionImage>, ApiError> {
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    if topic.num_partitions < -1 || topic.num_partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(ApiError::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    let or_default = |given: i64, key: &str| if given == -1 { settings.number(image, key) } else { given };
    let count = or_default(topic.num_partitions.into(), "num.partitions");
    let replication_factor = or_default(topic.replication_factor.into(), "default.replication.factor");
    let replication_factor = usize::try_from(replication_factor).unwrap_or_default();
    let mut placer = Placer::new(image, replication_factor, rng).map_err(|reason| {
        let message = format!("Unable to replicate the partition {replication_factor} time(s): {reason}");
        ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message)
    })?;
    (0..count).map(|_| new_placed_partition(image, placer.place(replication_factor, rng))).collect()
}

fn manual_partitions(image: &ClusterImage, topic: &CreatableTopic) -> Result<Vec<PartitionImage>, ApiError> {
    for (given, what) in [
        (i32::from(topic.replication_factor), "replication factor was"),
        (topic.num_partitions, "numPartitions was"),
    ] {
        if given != -1 {
            let message = format!("A manual partition assignment was specified, but {what} not set to -1.");
            return Err(ApiError::new(ErrorCode::INVALID_REQUEST, message));
        }
    }
    let invalid = |message: String| ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
    let mut partitions = BTreeMap::new();
    let mut replication_factor = None;
    for assignment in &topic.assignments {
        let (index, replicas) = (assignment.partition_index, &assignment.broker_ids);
        if partitions.contains_key(&index) {
            return Err(invalid(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
        validate_manual(image, replicas, replication_factor)?;
        replication_factor = Some(replicas.len());
        partitions.insert(index, new_manual_partition(image, index, replicas)?);
    }
    if !partitions.keys().copied().eq((0..).take(partitions.len())) {
        return Err(invalid("partitions should be a consecutive 0-based integer sequence".to_owned()));
    }
    Ok(partitions.into_values().collect())
}

/// A version 4 UUID whose text does not begin with a dash, which tools would take for a flag
/// (Kafka's `Uuid.randomUuid`).
fn random_topic_id(rng: &mut Rng) -> Uuid {
    let mut bytes = rng.u128(..).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    // The first character is the first six bits, and 62 is the dash.
    if bytes[0] >> 2 == 62 {
        bytes[0] &= 0x7f;
    }
    Uuid(bytes)
}

/// Every setting of the new topic as it will count, in the order of names.
fn effective_configs(
    image: &ClusterImage,
    configs: &ConfigMap,
    settings: &ControllerSettings<'_>,
) -> Vec<CreatableTopicConfigs> {
    let broker = image.configs.broker_layers(&settings.node_id.to_string(), settings.static_broker);
    let layers = ConfigLayers { topic: Some(configs), ..broker };
    topic_defs()
        .map(|def| {
            let resolved = resolve(def, &layers);
            CreatableTopicConfigs {
                name: def.name.to_owned(),
                value: resolved.value,
                read_only: false,
                config_source: resolved.source.wire_id(),
                is_sensitive: def.is_sensitive(),
            }
        })
        .collect()
}
