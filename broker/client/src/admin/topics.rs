//! Topics: create, delete, list, describe, grow.

use millrace_protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use millrace_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs,
    CreatableTopicResult, CreateTopicsRequest,
};
use millrace_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millrace_protocol::{ApiKey, ErrorCode};

use super::types::{ConfigEntry, ConfigSource, CreatedTopic, Each, NewPartitions, NewTopic, TopicListing};
use super::{Admin, checked, in_order};
use crate::client::Target;
use crate::cluster::{TopicScope, TopicView};
use crate::error::ClientError;

impl Admin {
    /// Creates topics, or only checks whether they could be created.
    ///
    /// # Errors
    /// What reaching the controller meets; refusals stand beside each topic.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Result<Each<String, CreatedTopic>, ClientError> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let request = CreateTopicsRequest {
            topics: topics.into_iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self
            .ask(
                Target::Controller,
                |_| request.clone(),
                |response| first_code(response.topics.iter().map(|topic| topic.error_code)),
            )
            .await?;
        let answered = response.topics.into_iter().map(|topic| (topic.name.clone(), created(topic)));
        Ok(in_order(names, answered.collect()))
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// What reaching the controller meets; refusals stand beside each topic.
    pub async fn delete_topics(&self, names: Vec<String>) -> Result<Each<String, ()>, ClientError> {
        let timeout_ms = self.timeout_ms();
        let make = |version: i16| {
            if version >= 6 {
                let topics = names
                    .iter()
                    .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() });
                DeleteTopicsRequest { topics: topics.collect(), timeout_ms, ..Default::default() }
            } else {
                DeleteTopicsRequest { topic_names: names.clone(), timeout_ms, ..Default::default() }
            }
        };
        let response = self
            .ask(Target::Controller, make, |response| {
                first_code(response.responses.iter().map(|topic| topic.error_code))
            })
            .await?;
        let answered = response.responses.into_iter().map(|topic| {
            let name = topic.name.unwrap_or_default();
            let result =
                checked((), ApiKey::DeleteTopics, topic.error_code, topic.error_message, name.clone());
            (name, result)
        });
        Ok(in_order(names.clone(), answered.collect()))
    }

    /// All topics, internal ones too, by name.
    ///
    /// # Errors
    /// What asking for metadata meets.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, ClientError> {
        let cluster = self.view(TopicScope::All).await?;
        let listings = cluster.topics.values().map(|topic| TopicListing {
            name: topic.name.to_string(),
            id: topic.id,
            is_internal: topic.is_internal,
        });
        Ok(listings.collect())
    }

    /// Topics with their partitions.
    ///
    /// # Errors
    /// What asking for metadata meets; unknown topics stand beside their name.
    pub async fn describe_topics(&self, names: Vec<String>) -> Result<Each<String, TopicView>, ClientError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let cluster = self.view(TopicScope::Named(names.clone())).await?;
        let described = names.into_iter().map(|name| {
            let missing =
                || ClientError::api(ApiKey::Metadata, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, &*name);
            let result = match cluster.topics.get(name.as_str()) {
                None => Err(missing()),
                Some(topic) => ClientError::check(ApiKey::Metadata, topic.error, &*name)
                    .map(|()| TopicView::clone(topic)),
            };
            (name, result)
        });
        Ok(described.collect())
    }

    /// Adds partitions to topics, or only checks whether they could be added.
    ///
    /// # Errors
    /// What reaching the controller meets; refusals stand beside each topic.
    pub async fn create_partitions(
        &self,
        changes: Vec<NewPartitions>,
        validate_only: bool,
    ) -> Result<Each<String, ()>, ClientError> {
        let names: Vec<String> = changes.iter().map(|change| change.topic.clone()).collect();
        let topics = changes.into_iter().map(|change| CreatePartitionsTopic {
            name: change.topic,
            count: change.total_count,
            assignments: change.assignments.map(|all| {
                all.into_iter().map(|broker_ids| CreatePartitionsAssignment { broker_ids }).collect()
            }),
        });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self
            .ask(
                Target::Controller,
                |_| request.clone(),
                |response| first_code(response.results.iter().map(|topic| topic.error_code)),
            )
            .await?;
        let answered = response.results.into_iter().map(|topic| {
            let api = ApiKey::CreatePartitions;
            let result = checked((), api, topic.error_code, topic.error_message, topic.name.clone());
            (topic.name, result)
        });
        Ok(in_order(names, answered.collect()))
    }

    /// The cluster as a broker sees it now, with retries.
    pub(super) async fn view(
        &self,
        scope: TopicScope,
    ) -> Result<std::sync::Arc<crate::cluster::ClusterView>, ClientError> {
        let mut retry = self.retry("Metadata");
        loop {
            match retry.attempt(self.client.metadata(scope.clone())).await? {
                Err(error) if error.is_retriable() => retry.after(error).await?,
                done => return done,
            }
        }
    }
}

fn first_code(codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    codes.into_iter().find(|code| super::is_misplaced(*code)).unwrap_or(ErrorCode::NONE)
}

fn creatable(topic: NewTopic) -> CreatableTopic {
    // With replicas given by hand both counts must be -1.
    let by_hand = !topic.assignments.is_empty();
    CreatableTopic {
        name: topic.name,
        num_partitions: topic.num_partitions.filter(|_| !by_hand).unwrap_or(-1),
        replication_factor: topic.replication_factor.filter(|_| !by_hand).unwrap_or(-1),
        assignments: (0..)
            .zip(topic.assignments)
            .map(|(partition_index, broker_ids)| CreatableReplicaAssignment { partition_index, broker_ids })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|(name, value)| CreatableTopicConfig { name, value: Some(value) })
            .collect(),
    }
}

fn created(topic: CreatableTopicResult) -> Result<CreatedTopic, ClientError> {
    let value = CreatedTopic {
        id: topic.topic_id,
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        configs: topic.configs.unwrap_or_default().into_iter().map(config_entry).collect(),
    };
    checked(value, ApiKey::CreateTopics, topic.error_code, topic.error_message, topic.name)
}

fn config_entry(config: CreatableTopicConfigs) -> ConfigEntry {
    ConfigEntry {
        name: config.name,
        value: config.value,
        read_only: config.read_only,
        source: ConfigSource::from_wire(config.config_source),
        sensitive: config.is_sensitive,
        synonyms: Vec::new(),
        kind: 0,
        documentation: None,
    }
}
