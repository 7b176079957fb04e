//! The client's admin calls as Kafka's own `Admin` gives them to its tools: failures are the exceptions
//! that those tools print, and topics come with their eligible leaders (KIP-966).
//!
//! Commands for people use `millrace_client::Admin` itself, whose errors carry hints.

use std::collections::BTreeMap;

use millrace_client::{
    Admin as ClientAdmin, AlterConfigOp, AlterOp, Client, ClientConfig, ClientError, CommittedOffset,
    ConfigEntry, ConfigResource, DescribeConfigsOptions, GroupDescription, GroupListing, IsolationLevel,
    ListGroupsOptions, ListedOffset, NewPartitions, NewTopic, OffsetSpec, ResourceKind, Target, TopicListing,
    TopicPartition,
};
use millrace_protocol::messages::describe_topic_partitions as dtp;
use millrace_protocol::messages::metadata as md;
use millrace_protocol::{ApiKey, ErrorCode, Uuid};

use crate::io::Io;
use crate::kafka::{Properties, Seeker, Throwable, Unreached, load_properties, no_host, reach};

/// Topics by name, each on its own.
pub(crate) type EachTopic = BTreeMap<String, Result<TopicDescription, Throwable>>;

/// A topic with its partitions.
#[derive(Debug, Clone)]
pub(crate) struct TopicDescription {
    /// Its name.
    pub(crate) name: String,
    /// Its id; zero where the broker gives none.
    pub(crate) id: Uuid,
    /// Partitions, ascending.
    pub(crate) partitions: Vec<PartitionInfo>,
}

/// Where a partition lives.
#[derive(Debug, Clone)]
pub(crate) struct PartitionInfo {
    /// Its number.
    pub(crate) index: i32,
    /// The leading broker.
    pub(crate) leader: Option<i32>,
    /// Every replica.
    pub(crate) replicas: Vec<i32>,
    /// Replicas in sync.
    pub(crate) isr: Vec<i32>,
    /// Eligible leader replicas, where the broker tells.
    pub(crate) elr: Option<Vec<i32>>,
    /// The last known of those.
    pub(crate) last_known_elr: Option<Vec<i32>>,
}

/// Why no broker answered.
#[derive(Debug)]
pub(crate) enum Unreachable {
    /// Kafka's admin client could not even be made.
    NoHost(Throwable),
    /// The first call failed.
    Silence(Throwable),
}

impl Unreachable {
    /// The exception, in the wrapping that a call's failures have where this is caught.
    pub(crate) fn wrapped(self, wrap: impl FnOnce(Throwable) -> Throwable) -> Throwable {
        match self {
            Self::NoHost(error) => error,
            Self::Silence(error) => wrap(error),
        }
    }
}

/// `listGroups` asks every broker: its failure is that there is none to ask.
pub(crate) fn no_brokers_to_ask(error: Throwable) -> Throwable {
    Throwable::new("org.apache.kafka.common.KafkaException", "Failed to find brokers to send ListGroups")
        .caused_by(error)
}

/// What the tools ask a cluster.
#[derive(Debug)]
pub(crate) struct Admin {
    inner: ClientAdmin,
}

impl Admin {
    /// For a tool with `--bootstrap-server` and perhaps `--command-config`. Does not connect.
    pub(crate) fn for_tool(config_file: Option<String>, servers: Option<String>) -> Result<Self, Throwable> {
        let mut properties = match config_file {
            Some(path) => load_properties(&path)?,
            None => Properties::new(),
        };
        properties.insert("bootstrap.servers".to_owned(), servers.unwrap_or_default());
        Self::from_properties(properties)
    }

    /// With these settings.
    pub(crate) fn from_properties(mut properties: Properties) -> Result<Self, Throwable> {
        properties.entry("client.id".to_owned()).or_insert_with(|| "adminclient-1".to_owned());
        let failed = |error: ClientError| {
            Throwable::new("org.apache.kafka.common.KafkaException", "Failed to create new KafkaAdminClient")
                .caused_by(throwable(error))
        };
        let config = ClientConfig::from_properties(properties).map_err(failed)?;
        let client = Client::new(config).map_err(failed)?;
        Ok(Self { inner: ClientAdmin::new(client) })
    }

    /// Waits until a broker answers, for as long as a call may take, and says meanwhile that none does.
    /// `call` is what Kafka's admin client would be waiting with.
    pub(crate) async fn reach(&self, call: &str, io: &mut Io) -> Result<(), Unreachable> {
        let client = self.inner.client();
        let seeker = Seeker::Admin(format!("AdminClient clientId={}", client.config().client_id));
        reach(client, &seeker, client.config().timeouts.api, io).await.map_err(|unreached| match unreached {
            Unreached::NoHost => Unreachable::NoHost(no_host("Failed to create new KafkaAdminClient")),
            Unreached::Silence => {
                let message = format!("Timed out waiting for a node assignment. Call: {call}");
                Unreachable::Silence(Throwable::kafka("TimeoutException", message))
            }
        })
    }

    /// The calls underneath.
    pub(crate) fn inner(&self) -> &ClientAdmin {
        &self.inner
    }

    /// The ids of the brokers that are up.
    pub(crate) async fn broker_ids(&self) -> Result<Vec<i32>, Throwable> {
        let cluster = self.inner.describe_cluster().await.map_err(throwable)?;
        Ok(cluster.brokers.into_iter().map(|broker| broker.id).collect())
    }

    /// Every topic.
    pub(crate) async fn list_topics(&self, with_internal: bool) -> Result<Vec<TopicListing>, Throwable> {
        let mut topics = self.inner.list_topics().await.map_err(throwable)?;
        topics.retain(|topic| with_internal || !topic.is_internal);
        Ok(topics)
    }

    /// Topics by name, each on its own.
    pub(crate) async fn describe_each(&self, names: &[String], page: i32) -> Result<EachTopic, Throwable> {
        if names.is_empty() {
            return Ok(EachTopic::new());
        }
        let versions = self.inner.client().api_versions(Target::Any).await.map_err(throwable)?;
        if versions.usable(ApiKey::DescribeTopicPartitions).is_some() {
            return self.describe_by_partitions(names, page).await;
        }
        let topics = names
            .iter()
            .map(|name| md::MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(name.clone()) })
            .collect();
        let topics = self.describe_by_metadata(topics).await?;
        Ok(topics
            .into_iter()
            .map(|topic| (topic.name.clone().unwrap_or_default(), from_metadata(topic)))
            .collect())
    }

    /// Topics by name, all or none.
    pub(crate) async fn describe_topics(&self, names: &[String]) -> Result<Vec<TopicDescription>, Throwable> {
        let mut found = self.describe_each(names, 2000).await?;
        names.iter().map(|name| found.remove(name).unwrap_or_else(|| Err(unknown_topic()))).collect()
    }

    /// A topic by its id.
    pub(crate) async fn describe_by_id(&self, id: Uuid) -> Result<TopicDescription, Throwable> {
        let wanted = vec![md::MetadataRequestTopic { topic_id: id, name: None }];
        let topics = self.describe_by_metadata(wanted).await?;
        topics.into_iter().next().map_or_else(|| Err(unknown_topic()), from_metadata)
    }

    async fn describe_by_metadata(
        &self,
        topics: Vec<md::MetadataRequestTopic>,
    ) -> Result<Vec<md::MetadataResponseTopic>, Throwable> {
        let request = md::MetadataRequest {
            topics: Some(topics),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let response = self.inner.client().send(Target::Any, request).await.map_err(throwable)?;
        checked(response.error_code)?;
        Ok(response.topics)
    }

    async fn describe_by_partitions(&self, names: &[String], page: i32) -> Result<EachTopic, Throwable> {
        let mut sorted = names.to_vec();
        sorted.sort();
        let mut found = EachTopic::new();
        let mut cursor: Option<dtp::DescribeTopicPartitionsRequestCursor> = None;
        loop {
            let request = dtp::DescribeTopicPartitionsRequest {
                topics: sorted.iter().map(|name| dtp::TopicRequest { name: name.clone() }).collect(),
                response_partition_limit: page,
                cursor: cursor.take(),
            };
            let response = self.inner.client().send(Target::Any, request).await.map_err(throwable)?;
            for topic in response.topics {
                let name = topic.name.clone().unwrap_or_default();
                match (found.get_mut(&name), from_partitions(topic)) {
                    (Some(Ok(before)), Ok(more)) => before.partitions.extend(more.partitions),
                    (_, result) => {
                        found.insert(name, result);
                    }
                }
            }
            let Some(next) = response.next_cursor else {
                return Ok(found);
            };
            sorted.retain(|name| *name >= next.topic_name);
            cursor = Some(dtp::DescribeTopicPartitionsRequestCursor {
                topic_name: next.topic_name,
                partition_index: next.partition_index,
            });
        }
    }

    /// Makes a topic.
    pub(crate) async fn create_topic(&self, topic: NewTopic) -> Result<(), Throwable> {
        if topic.name.is_empty() {
            let message = "The given topic name '' cannot be represented in a request.";
            return Err(Throwable::kafka("InvalidTopicException", message));
        }
        let results = self.inner.create_topics(vec![topic], false).await.map_err(throwable)?;
        first_failure(results)
    }

    /// Deletes topics; the first failure is the result.
    pub(crate) async fn delete_topics(&self, names: &[String]) -> Result<(), Throwable> {
        first_failure(self.inner.delete_topics(names.to_vec()).await.map_err(throwable)?)
    }

    /// Grows topics; the first failure is the result.
    pub(crate) async fn create_partitions(&self, changes: Vec<NewPartitions>) -> Result<(), Throwable> {
        first_failure(self.inner.create_partitions(changes, false).await.map_err(throwable)?)
    }

    /// The settings of resources, in the order asked; the first failure is the result.
    pub(crate) async fn describe_configs(
        &self,
        kind: ResourceKind,
        names: &[String],
        synonyms: bool,
    ) -> Result<Vec<Vec<ConfigEntry>>, Throwable> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let resources = names.iter().map(|name| ConfigResource { kind, name: name.clone() }).collect();
        let options = DescribeConfigsOptions { synonyms, documentation: false };
        let results = self.inner.describe_configs(resources, options).await.map_err(throwable)?;
        results.into_iter().map(|(_, entries)| entries.map_err(throwable)).collect()
    }

    /// Sets (`Some`) and removes (`None`) settings of one resource.
    pub(crate) async fn alter_config(
        &self,
        kind: ResourceKind,
        name: &str,
        changes: Vec<(String, Option<String>)>,
    ) -> Result<(), Throwable> {
        let operations = changes
            .into_iter()
            .map(|(name, value)| AlterConfigOp {
                name,
                op: if value.is_some() { AlterOp::Set } else { AlterOp::Delete },
                value: Some(value.unwrap_or_default()),
            })
            .collect();
        let resource = ConfigResource { kind, name: name.to_owned() };
        let changes = vec![(resource, operations)];
        first_failure(self.inner.incremental_alter_configs(changes, false).await.map_err(throwable)?)
    }

    /// Groups of every kind; the first failure is the result.
    pub(crate) async fn list_groups(
        &self,
        options: ListGroupsOptions,
    ) -> Result<Vec<GroupListing>, Throwable> {
        let listings = self.inner.list_groups(options).await.map_err(throwable)?;
        match listings.errors.into_iter().next() {
            Some(error) => Err(throwable(error)),
            None => Ok(listings.groups),
        }
    }

    /// A group with its members.
    pub(crate) async fn describe_group(&self, group: &str) -> Result<GroupDescription, Throwable> {
        let results = self.inner.describe_groups(vec![group.to_owned()]).await.map_err(throwable)?;
        let description = results.into_iter().next().ok_or_else(|| missing(group))?.1.map_err(throwable)?;
        if !description.protocol_type.is_empty() && description.protocol_type != "consumer" {
            return Err(Throwable::illegal_argument(format!(
                "GroupId {group} is not a consumer group ({}).",
                description.protocol_type
            )));
        }
        Ok(description)
    }

    /// Deletes a group.
    pub(crate) async fn delete_group(&self, group: &str) -> Result<(), Throwable> {
        first_failure(self.inner.delete_groups(vec![group.to_owned()]).await.map_err(throwable)?)
    }

    /// Every offset that a group has committed.
    pub(crate) async fn committed(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Throwable> {
        let found = self.inner.list_group_offsets(group, None).await.map_err(throwable)?;
        let mut offsets = BTreeMap::new();
        for (partition, committed) in found {
            if let Some(committed) = committed.map_err(throwable)? {
                offsets.insert(partition, committed);
            }
        }
        Ok(offsets)
    }

    /// Commits offsets for a group without members; the first failure is the result.
    pub(crate) async fn alter_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), Throwable> {
        let offsets = offsets
            .iter()
            .map(|(partition, offset)| (partition.clone(), CommittedOffset::at(*offset)))
            .collect();
        first_failure(self.inner.alter_group_offsets(group, offsets).await.map_err(throwable)?)
    }

    /// Offsets of partitions; the first failure is the result. -1 where there is none.
    pub(crate) async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, i64>, Throwable> {
        let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let found =
            self.inner.list_offsets(wanted, IsolationLevel::ReadUncommitted).await.map_err(throwable)?;
        let offset = |(partition, listed): (TopicPartition, Result<ListedOffset, ClientError>)| match listed {
            Ok(listed) => Ok((partition, listed.offset)),
            Err(error) => Err(no_offset(&partition, error)),
        };
        found.into_iter().map(offset).collect()
    }
}

/// The exception that Kafka's clients throw where this one fails.
pub(crate) fn throwable(error: ClientError) -> Throwable {
    let text = error.to_string();
    match error {
        ClientError::Api { code, message, .. } => Throwable::from_code(code, message.as_deref()),
        ClientError::Config { message, .. } => {
            Throwable::new("org.apache.kafka.common.config.ConfigException", message)
        }
        ClientError::TimedOut { .. } | ClientError::NoBrokers { .. } | ClientError::Unreachable { .. } => {
            Throwable::kafka("TimeoutException", text)
        }
        ClientError::Disconnected { .. } => Throwable::kafka("DisconnectException", text),
        ClientError::Unsupported { .. } => Throwable::kafka("UnsupportedVersionException", text),
        ClientError::RecordTooLarge { .. } => Throwable::kafka("RecordTooLargeException", text),
        ClientError::Usage(_) => Throwable::new("java.lang.IllegalStateException", text),
        _ => Throwable::new("org.apache.kafka.common.KafkaException", text),
    }
}

fn first_failure<N, T>(results: Vec<(N, Result<T, ClientError>)>) -> Result<(), Throwable> {
    results.into_iter().try_for_each(|(_, result)| result.map(drop).map_err(throwable))
}

fn checked(code: ErrorCode) -> Result<(), Throwable> {
    if code.is_ok() { Ok(()) } else { Err(Throwable::from_code(code, None)) }
}

fn unknown_topic() -> Throwable {
    Throwable::from_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None)
}

/// What begins the message about a partition of a topic that does not exist.
pub(crate) const NO_METADATA: &str = "Failed to fetch metadata for partition ";

fn no_offset(partition: &TopicPartition, error: ClientError) -> Throwable {
    match error.code() {
        Some(code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Throwable::from_code(
            code,
            Some(&format!(
                "{NO_METADATA}{partition} because metadata for topic `{}` could not be found",
                partition.topic
            )),
        ),
        _ => throwable(error),
    }
}

fn missing(group: &str) -> Throwable {
    Throwable::from_code(ErrorCode::GROUP_ID_NOT_FOUND, Some(&format!("Group {group} not found.")))
}

fn leader(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}

fn from_partitions(topic: dtp::DescribeTopicPartitionsResponseTopic) -> Result<TopicDescription, Throwable> {
    checked(topic.error_code)?;
    let info = |partition: dtp::DescribeTopicPartitionsResponsePartition| PartitionInfo {
        index: partition.partition_index,
        leader: leader(partition.leader_id),
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        elr: partition.eligible_leader_replicas,
        last_known_elr: partition.last_known_elr,
    };
    let partitions = topic.partitions.into_iter().map(info).collect();
    Ok(TopicDescription { name: topic.name.unwrap_or_default(), id: topic.topic_id, partitions })
}

fn from_metadata(topic: md::MetadataResponseTopic) -> Result<TopicDescription, Throwable> {
    checked(topic.error_code)?;
    let info = |partition: md::MetadataResponsePartition| PartitionInfo {
        index: partition.partition_index,
        leader: leader(partition.leader_id),
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        elr: None,
        last_known_elr: None,
    };
    let mut partitions: Vec<PartitionInfo> = topic.partitions.into_iter().map(info).collect();
    partitions.sort_by_key(|partition| partition.index);
    Ok(TopicDescription { name: topic.name.unwrap_or_default(), id: topic.topic_id, partitions })
}
