//! The cluster itself: brokers, their disks, the versions they serve.

use std::sync::Arc;

use futures_util::future::join_all;
use millrace_protocol::messages::describe_cluster::DescribeClusterRequest;
use millrace_protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use millrace_protocol::messages::describe_quorum::{
    self, DescribeQuorumPartition, DescribeQuorumRequest, DescribeQuorumTopic, QuorumPartition,
};
use millrace_protocol::{ApiKey, ErrorCode};

use super::Admin;
use super::types::{ClusterDescription, Each, LogDir, LogDirReplica, QuorumDescription, QuorumReplica};
use crate::client::Target;
use crate::cluster::{BrokerNode, TopicScope};
use crate::error::ClientError;
use crate::net::ApiVersionTable;
use crate::topic_partition::TopicPartition;

/// The topic whose records are the cluster's metadata.
const CLUSTER_METADATA: &str = "__cluster_metadata";

impl Admin {
    /// The cluster's id, controller and brokers.
    ///
    /// # Errors
    /// What reaching a broker meets.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let call = self.begun();
        let versions = call.api_versions(Target::Any).await?;
        if versions.usable(ApiKey::DescribeCluster).is_none() {
            return call.cluster_from_metadata().await;
        }
        let request = DescribeClusterRequest::default();
        let response = call.ask(Target::Any, |_| request.clone(), |response| response.error_code).await?;
        let api = ApiKey::DescribeCluster;
        super::checked((), api, response.error_code, response.error_message, "cluster")?;
        let mut brokers: Vec<BrokerNode> = response
            .brokers
            .into_iter()
            .map(|broker| BrokerNode {
                id: broker.broker_id,
                host: broker.host,
                port: u16::try_from(broker.port).unwrap_or(0),
                rack: broker.rack,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(ClusterDescription {
            cluster_id: response.cluster_id,
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            brokers,
        })
    }

    async fn api_versions(&self, target: Target) -> Result<ApiVersionTable, ClientError> {
        self.client.api_versions_with(target, self.retry("ApiVersions")).await
    }

    async fn cluster_from_metadata(&self) -> Result<ClusterDescription, ClientError> {
        let view = self.view(TopicScope::None).await?;
        Ok(ClusterDescription {
            cluster_id: view.cluster_id.clone().unwrap_or_default(),
            controller: view.controller,
            brokers: view.brokers.values().cloned().collect(),
        })
    }

    /// Who votes on the cluster's metadata, and the ids of their data directories (KIP-595, KIP-853).
    ///
    /// # Errors
    /// What reaching a broker meets; `UNSUPPORTED_VERSION` from brokers that do not tell.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, ClientError> {
        let topic = DescribeQuorumTopic {
            topic_name: CLUSTER_METADATA.to_owned(),
            partitions: vec![DescribeQuorumPartition { partition_index: 0 }],
        };
        let request = DescribeQuorumRequest { topics: vec![topic] };
        let response = self.ask(Target::Any, |_| request.clone(), |response| response.error_code).await?;
        let api = ApiKey::DescribeQuorum;
        super::checked((), api, response.error_code, response.error_message, CLUSTER_METADATA)?;
        let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
        let partition = partitions.into_iter().next().unwrap_or_else(|| QuorumPartition {
            error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
            ..QuorumPartition::default()
        });
        super::checked((), api, partition.error_code, partition.error_message, CLUSTER_METADATA)?;
        Ok(QuorumDescription {
            leader: Some(partition.leader_id).filter(|id| *id >= 0),
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: partition.current_voters.into_iter().map(quorum_replica).collect(),
            observers: partition.observers.into_iter().map(quorum_replica).collect(),
        })
    }

    /// The log directories of brokers; an empty list means all brokers.
    ///
    /// # Errors
    /// What asking for metadata meets; what a broker meets stands beside it.
    pub async fn describe_log_dirs(&self, brokers: Vec<i32>) -> Result<Each<i32, Vec<LogDir>>, ClientError> {
        let call = &self.begun();
        let brokers = if brokers.is_empty() {
            call.view(TopicScope::None).await?.brokers.keys().copied().collect()
        } else {
            brokers
        };
        let asking = brokers.into_iter().map(|broker| async move {
            let request = DescribeLogDirsRequest { topics: None };
            let answer = call
                .ask(Target::Broker(broker), |_| request.clone(), |_| ErrorCode::NONE)
                .await
                .and_then(|response| {
                    let code = response.error_code;
                    ClientError::check(ApiKey::DescribeLogDirs, code, format!("broker {broker}"))
                        .map(|()| response.results.into_iter().map(log_dir).collect())
                });
            (broker, answer)
        });
        Ok(join_all(asking).await)
    }

    /// Which versions each broker serves.
    ///
    /// # Errors
    /// What asking for metadata meets; what a broker meets stands beside it.
    pub async fn api_versions_of_all(&self) -> Result<Each<BrokerNode, ApiVersionTable>, ClientError> {
        let call = &self.begun();
        let view = call.view(TopicScope::None).await?;
        let asking = view.brokers.values().map(|broker| async move {
            (broker.clone(), call.api_versions(Target::Broker(broker.id)).await)
        });
        Ok(join_all(asking).await)
    }
}

fn quorum_replica(replica: describe_quorum::QuorumReplica) -> QuorumReplica {
    QuorumReplica {
        id: replica.replica_id,
        directory_id: Some(replica.replica_directory_id).filter(|id| !id.is_zero()),
        log_end_offset: replica.log_end_offset,
    }
}

fn log_dir(result: DescribeLogDirsResult) -> LogDir {
    let mut replicas = Vec::new();
    for topic in result.topics {
        let name: Arc<str> = Arc::from(topic.name);
        replicas.extend(topic.partitions.into_iter().map(|one| LogDirReplica {
            partition: TopicPartition::new(Arc::clone(&name), one.partition_index),
            size_bytes: one.partition_size,
            offset_lag: one.offset_lag,
            is_future: one.is_future_key,
        }));
    }
    LogDir {
        path: result.log_dir,
        error: result.error_code,
        total_bytes: Some(result.total_bytes).filter(|bytes| *bytes >= 0),
        usable_bytes: Some(result.usable_bytes).filter(|bytes| *bytes >= 0),
        replicas,
    }
}
