//! Topics as brokers know them, many in one request; and the calls that change one.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_client::{
    Admin, AlterConfigOp, ClientError, ConfigResource, ConfigSource, DescribeConfigsOptions, Each,
    NewPartitions, ResourceKind, TopicView,
};
use millrace_protocol::ErrorCode;

use super::settings::{Settings, made_at};

/// Topics in one DescribeConfigs: the answer names every setting of each.
const DESCRIBED_MAX: usize = 100;

/// A topic, as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicObservation {
    /// Its id; empty from brokers that have none.
    pub id: String,
    /// Its partitions, ascending by number.
    pub partitions: Vec<PartitionObservation>,
    /// The settings that were made for it.
    pub settings: Settings,
}

/// A partition, as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionObservation {
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// Its replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// What was seen of a topic; `None` when there is no such topic.
pub type Seen = Result<Option<Arc<TopicObservation>>, ClientError>;

impl TopicObservation {
    /// How many partitions.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Replicas of the partition with the fewest.
    #[must_use]
    pub fn replication_factor(&self) -> i32 {
        let fewest = self.partitions.iter().map(|partition| partition.replicas.len()).min();
        i32::try_from(fewest.unwrap_or(0)).unwrap_or(i32::MAX)
    }

    /// Partitions with fewer replicas in sync than replicas.
    #[must_use]
    pub fn under_replicated(&self) -> i32 {
        let under = self.partitions.iter().filter(|one| one.isr.len() < one.replicas.len()).count();
        i32::try_from(under).unwrap_or(i32::MAX)
    }

    /// Numbers of partitions without a leader.
    #[must_use]
    pub fn leaderless(&self) -> Vec<i32> {
        (0..)
            .zip(&self.partitions)
            .filter(|(_, one)| one.leader.is_none())
            .map(|(number, _)| number)
            .collect()
    }
}

/// Partitions of topics, without their settings.
///
/// # Errors
/// What reaching a broker meets.
pub async fn partitions(
    admin: &Admin,
    names: Vec<String>,
) -> Result<BTreeMap<String, Result<Option<TopicView>, ClientError>>, ClientError> {
    let described = admin.describe_topics(names).await?;
    Ok(described.into_iter().map(|(name, result)| (name, present(result))).collect())
}

/// Topics with the settings that were made for them, in the order asked.
pub async fn observe(admin: &Admin, names: Vec<String>) -> Vec<Seen> {
    let mut views = match partitions(admin, names.clone()).await {
        Ok(views) => views,
        Err(error) => return names.iter().map(|_| Err(error.clone())).collect(),
    };
    let existing =
        names.iter().filter(|name| matches!(views.get(*name), Some(Ok(Some(_))))).cloned().collect();
    let mut settings = settings(admin, existing).await;
    names
        .into_iter()
        .map(|name| {
            // Who is asked about twice in one batch is answered twice.
            let Some(view) = views.get_mut(&name) else { return Ok(None) };
            let Some(view) = view.clone()? else { return Ok(None) };
            match settings.get_mut(&name).cloned() {
                Some(settings) => Ok(settings?.map(|settings| Arc::new(observation(&view, settings)))),
                None => Ok(None),
            }
        })
        .collect()
}

/// The settings made for topics; `None` for a topic that went away meanwhile.
pub async fn settings(
    admin: &Admin,
    names: Vec<String>,
) -> BTreeMap<String, Result<Option<Settings>, ClientError>> {
    let mut settings = BTreeMap::new();
    for names in names.chunks(DESCRIBED_MAX) {
        let resources = names.iter().map(|name| topic_resource(name)).collect();
        match admin.describe_configs(resources, DescribeConfigsOptions::default()).await {
            Ok(described) => {
                for (resource, result) in described {
                    let made = result.map(|entries| made_at(ConfigSource::DynamicTopic, entries));
                    settings.insert(resource.name, present(made));
                }
            }
            Err(error) => {
                settings.extend(names.iter().map(|name| (name.clone(), Err(error.clone()))));
            }
        }
    }
    settings
}

/// View and settings together.
#[must_use]
pub fn observation(view: &TopicView, settings: Settings) -> TopicObservation {
    let partitions = view.partitions.iter().map(|partition| PartitionObservation {
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
    });
    let id = if view.id.is_zero() { String::new() } else { view.id.to_string() };
    TopicObservation { id, partitions: partitions.collect(), settings }
}

/// Grows a topic to `total` partitions, or only asks whether it could be.
///
/// # Errors
/// The broker's refusal.
pub async fn add_partitions(
    admin: &Admin,
    name: &str,
    total: i32,
    rehearsal: bool,
) -> Result<(), ClientError> {
    let change = NewPartitions { topic: name.to_owned(), total_count: total, assignments: None };
    only(admin.create_partitions(vec![change], rehearsal).await?)
}

/// Changes settings of a topic, or only asks whether they could be changed.
///
/// # Errors
/// The broker's refusal, which names the setting.
pub async fn alter_settings(
    admin: &Admin,
    name: &str,
    operations: Vec<AlterConfigOp>,
    rehearsal: bool,
) -> Result<(), ClientError> {
    only(admin.incremental_alter_configs(vec![(topic_resource(name), operations)], rehearsal).await?)
}

/// Deletes a topic. That it was gone already is fine.
///
/// # Errors
/// The broker's refusal.
pub async fn delete(admin: &Admin, name: &str) -> Result<(), ClientError> {
    present(only(admin.delete_topics(vec![name.to_owned()]).await?)).map(|_| ())
}

fn topic_resource(name: &str) -> ConfigResource {
    ConfigResource { kind: ResourceKind::Topic, name: name.to_owned() }
}

/// The result about the one thing that was asked about.
pub(crate) fn only<N, T>(results: Each<N, T>) -> Result<T, ClientError> {
    let missing = || Err(ClientError::Usage("the broker left this out of its answer".to_owned()));
    results.into_iter().next().map_or_else(missing, |(_, result)| result)
}

/// `None` for what does not exist.
fn present<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(None),
        Err(error) => Err(error),
    }
}
