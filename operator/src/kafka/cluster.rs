//! The cluster as its brokers know it: who is in it, and the settings made for all brokers.

use std::collections::BTreeMap;

use millrace_client::{
    Admin, AlterConfigOp, BrokerNode, ClientError, ConfigResource, ConfigSource, DescribeConfigsOptions,
    ResourceKind, TopicScope,
};
use millrace_protocol::Uuid;

use super::settings::{Settings, made_at};
use super::topics::only;

/// Who is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterObservation {
    /// The cluster's id.
    pub id: String,
    /// The controller, when there is one.
    pub controller: Option<i32>,
    /// The brokers, by id.
    pub brokers: Vec<BrokerNode>,
    /// Ids of their data directories, by broker, of those that tell.
    pub directories: BTreeMap<i32, Uuid>,
}

/// A partition's replicas, for deciding whether a broker may be restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSet {
    /// `topic-partition`.
    pub partition: String,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

/// Asks one broker about all.
///
/// # Errors
/// What reaching a broker meets.
pub async fn observe(admin: &Admin) -> Result<ClusterObservation, ClientError> {
    let described = admin.describe_cluster().await?;
    let mut brokers = described.brokers;
    brokers.sort_by_key(|broker| broker.id);
    let directories = directories(admin).await?;
    Ok(ClusterObservation {
        id: described.cluster_id,
        controller: described.controller,
        brokers,
        directories,
    })
}

/// Empty where the brokers do not tell: Kafka's before 3.9, and whoever keeps its quorum to itself.
async fn directories(admin: &Admin) -> Result<BTreeMap<i32, Uuid>, ClientError> {
    match admin.describe_quorum().await {
        Ok(quorum) => {
            let replicas = quorum.voters.into_iter().chain(quorum.observers);
            Ok(replicas.filter_map(|replica| Some((replica.id, replica.directory_id?))).collect())
        }
        Err(ClientError::Unsupported { .. }) => Ok(BTreeMap::new()),
        Err(error) if error.code().is_some() => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// The settings made for all brokers at run time.
///
/// # Errors
/// What reaching a broker meets.
pub async fn settings(admin: &Admin) -> Result<Settings, ClientError> {
    let described = admin.describe_configs(vec![all_brokers()], DescribeConfigsOptions::default()).await?;
    Ok(made_at(ConfigSource::DynamicDefaultBroker, only(described)?))
}

/// Changes settings of all brokers at run time.
///
/// # Errors
/// The brokers' refusal, which names the setting.
pub async fn alter_settings(admin: &Admin, operations: Vec<AlterConfigOp>) -> Result<(), ClientError> {
    only(admin.incremental_alter_configs(vec![(all_brokers(), operations)], false).await?)
}

/// What the brokers say to settings of all of them, without taking any.
///
/// # Errors
/// The brokers' refusal, which names the setting.
pub async fn try_settings(admin: &Admin, operations: Vec<AlterConfigOp>) -> Result<(), ClientError> {
    only(admin.incremental_alter_configs(vec![(all_brokers(), operations)], true).await?)
}

/// The replicas of every partition.
///
/// # Errors
/// What reaching a broker meets.
pub async fn replica_sets(admin: &Admin) -> Result<Vec<ReplicaSet>, ClientError> {
    let view = admin.client().metadata(TopicScope::All).await?;
    let sets = view.topics.values().flat_map(|topic| {
        topic.partitions.iter().map(|partition| ReplicaSet {
            partition: format!("{}-{}", topic.name, partition.partition),
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
        })
    });
    Ok(sets.collect())
}

/// The empty name stands for the defaults of all brokers (KIP-226).
fn all_brokers() -> ConfigResource {
    ConfigResource { kind: ResourceKind::Broker, name: String::new() }
}
