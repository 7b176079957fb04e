//! What leaders answer about their partitions: offsets, deletion of records, producers.

use std::collections::HashMap;
use std::sync::Arc;

use millrace_protocol::ApiKey;
use millrace_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use millrace_protocol::messages::describe_producers::{
    DescribeProducersRequest, ProducerState, TopicRequest,
};

use super::Admin;
use super::types::{Each, ListedOffset, OffsetSpec, ProducerDescription};
use crate::error::ClientError;
use crate::list_offsets::{list_offsets_request, listed_offsets};
use crate::topic_partition::{IsolationLevel, TopicPartition, by_topic};

impl Admin {
    /// Looks up offsets. With [`IsolationLevel::ReadCommitted`] the latest is the last stable offset.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when a broker cannot look up what is asked; refusals stand beside
    /// each partition.
    pub async fn list_offsets(
        &self,
        wanted: Vec<(TopicPartition, OffsetSpec)>,
        isolation: IsolationLevel,
    ) -> Result<Each<TopicPartition, ListedOffset>, ClientError> {
        let partitions: Vec<TopicPartition> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
        let specs: HashMap<TopicPartition, OffsetSpec> = wanted.into_iter().collect();
        let timeout_ms = self.timeout_ms();
        let version_min = specs.values().map(|spec| spec.since_version()).max().unwrap_or(0);
        let make = |asked: &[TopicPartition], version| {
            list_offsets_request(asked, &specs, isolation, timeout_ms, version)
        };
        let results = self.ask_leaders(partitions, version_min, make, listed_offsets).await?;
        match results.iter().find_map(|(_, result)| match result {
            Err(error @ ClientError::Unsupported { .. }) => Some(error.clone()),
            _ => None,
        }) {
            Some(error) => Err(error),
            None => Ok(results),
        }
    }

    /// Deletes the records before each offset; -1 stands for the high watermark. Gives the first offset
    /// that is left.
    ///
    /// # Errors
    /// Refusals stand beside each partition.
    pub async fn delete_records(
        &self,
        before: Vec<(TopicPartition, i64)>,
    ) -> Result<Each<TopicPartition, i64>, ClientError> {
        let partitions: Vec<TopicPartition> = before.iter().map(|(partition, _)| partition.clone()).collect();
        let offsets: HashMap<TopicPartition, i64> = before.into_iter().collect();
        let timeout_ms = self.timeout_ms();
        let make = |asked: &[TopicPartition], _| {
            let with_offset = asked.iter().map(|one| (one, offsets.get(one).copied().unwrap_or(-1)));
            let topics = by_topic(with_offset).into_iter().map(|(name, partitions)| DeleteRecordsTopic {
                name: name.to_string(),
                partitions: partitions
                    .into_iter()
                    .map(|(partition_index, offset)| DeleteRecordsPartition { partition_index, offset })
                    .collect(),
            });
            DeleteRecordsRequest { topics: topics.collect(), timeout_ms }
        };
        self.ask_leaders(partitions, 0, make, |response| {
            let mut results = Vec::new();
            for topic in response.topics {
                let name: Arc<str> = Arc::from(topic.name);
                for one in topic.partitions {
                    let partition = TopicPartition::new(Arc::clone(&name), one.partition_index);
                    let code = one.error_code;
                    let checked = ClientError::check(ApiKey::DeleteRecords, code, partition.to_string());
                    results.push((partition, checked.map(|()| one.low_watermark)));
                }
            }
            results
        })
        .await
    }

    /// The producers that partitions remember.
    ///
    /// # Errors
    /// Refusals stand beside each partition.
    pub async fn describe_producers(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Each<TopicPartition, Vec<ProducerDescription>>, ClientError> {
        let make = |asked: &[TopicPartition], _| {
            let grouped = by_topic(asked.iter().map(|partition| (partition, ())));
            let topics = grouped.into_iter().map(|(name, numbers)| TopicRequest {
                name: name.to_string(),
                partition_indexes: numbers.into_iter().map(|(number, ())| number).collect(),
            });
            DescribeProducersRequest { topics: topics.collect() }
        };
        self.ask_leaders(partitions, 0, make, |response| {
            let mut results = Vec::new();
            for topic in response.topics {
                let name: Arc<str> = Arc::from(topic.name);
                for one in topic.partitions {
                    let partition = TopicPartition::new(Arc::clone(&name), one.partition_index);
                    let producers = one.active_producers.into_iter().map(producer).collect();
                    let api = ApiKey::DescribeProducers;
                    let subject = partition.to_string();
                    let result = super::checked(producers, api, one.error_code, one.error_message, subject);
                    results.push((partition, result));
                }
            }
            results
        })
        .await
    }
}

fn producer(state: ProducerState) -> ProducerDescription {
    ProducerDescription {
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        last_sequence: state.last_sequence,
        last_timestamp_ms: state.last_timestamp,
        coordinator_epoch: state.coordinator_epoch,
        transaction_start_offset: Some(state.current_txn_start_offset).filter(|offset| *offset >= 0),
    }
}
