//! Configurations: describe and change.

use std::collections::BTreeMap;

use millrace_protocol::messages::alter_configs as whole;
use millrace_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use millrace_protocol::messages::incremental_alter_configs as incremental;
use millrace_protocol::{ApiKey, ErrorCode};

use super::types::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, DescribeConfigsOptions, Each,
    ResourceKind,
};
use super::{Admin, Answers, checked};
use crate::client::Target;
use crate::error::ClientError;

/// Keys and values; `None` is Kafka's null.
type Settings = Vec<(String, Option<String>)>;

impl Admin {
    /// Every setting of each resource.
    ///
    /// # Errors
    /// What reaching a broker meets; refusals stand beside each resource.
    pub async fn describe_configs(
        &self,
        resources: Vec<ConfigResource>,
        options: DescribeConfigsOptions,
    ) -> Result<Each<ConfigResource, Vec<ConfigEntry>>, ClientError> {
        let mut answers = Answers::new(&resources);
        let call = self.begun();
        for (target, asked) in by_target(&resources) {
            let make = |version: i16| DescribeConfigsRequest {
                resources: asked
                    .iter()
                    .map(|resource| DescribeConfigsResource {
                        resource_type: resource.kind.on_the_wire(),
                        resource_name: resource.name.clone(),
                        configuration_keys: None,
                    })
                    .collect(),
                include_synonyms: options.synonyms,
                include_documentation: options.documentation && version >= 3,
            };
            let response = call.ask(target, make, |_| ErrorCode::NONE).await?;
            for result in response.results {
                let Some(resource) = find(&asked, result.resource_type, &result.resource_name) else {
                    continue;
                };
                let entries = result.configs.into_iter().map(entry).collect();
                let api = ApiKey::DescribeConfigs;
                let subject = subject(&resource);
                let value = checked(entries, api, result.error_code, result.error_message, subject);
                answers.put(resource, value);
            }
        }
        Ok(answers.finish(resources))
    }

    /// Changes settings one by one and leaves the others alone (KIP-339).
    ///
    /// # Errors
    /// What reaching a broker meets; refusals stand beside each resource.
    pub async fn incremental_alter_configs(
        &self,
        changes: Vec<(ConfigResource, Vec<AlterConfigOp>)>,
        validate_only: bool,
    ) -> Result<Each<ConfigResource, ()>, ClientError> {
        let resources: Vec<ConfigResource> = changes.iter().map(|(resource, _)| resource.clone()).collect();
        let changes: BTreeMap<ConfigResource, Vec<AlterConfigOp>> = changes.into_iter().collect();
        let mut answers = Answers::new(&resources);
        let call = self.begun();
        for (target, asked) in by_target(&resources) {
            let request = incremental::IncrementalAlterConfigsRequest {
                resources: asked.iter().map(|one| incremental_resource(one, &changes)).collect(),
                validate_only,
            };
            let response = call
                .ask(
                    target,
                    |_| request.clone(),
                    |response| response.responses.first().map_or(ErrorCode::NONE, |result| result.error_code),
                )
                .await?;
            for result in response.responses {
                let Some(resource) = find(&asked, result.resource_type, &result.resource_name) else {
                    continue;
                };
                let api = ApiKey::IncrementalAlterConfigs;
                let subject = subject(&resource);
                answers.put(resource, checked((), api, result.error_code, result.error_message, subject));
            }
        }
        Ok(answers.finish(resources))
    }

    /// Replaces all settings of each resource: what is not named goes back to its default.
    ///
    /// # Errors
    /// What reaching a broker meets; refusals stand beside each resource.
    pub async fn alter_configs(
        &self,
        changes: Vec<(ConfigResource, Settings)>,
        validate_only: bool,
    ) -> Result<Each<ConfigResource, ()>, ClientError> {
        let resources: Vec<ConfigResource> = changes.iter().map(|(resource, _)| resource.clone()).collect();
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        let mut answers = Answers::new(&resources);
        let call = self.begun();
        for (target, asked) in by_target(&resources) {
            let request = whole::AlterConfigsRequest {
                resources: asked
                    .iter()
                    .map(|resource| whole::AlterConfigsResource {
                        resource_type: resource.kind.on_the_wire(),
                        resource_name: resource.name.clone(),
                        configs: changes
                            .get(resource)
                            .into_iter()
                            .flatten()
                            .map(|(name, value)| whole::AlterableConfig {
                                name: name.clone(),
                                value: value.clone(),
                            })
                            .collect(),
                    })
                    .collect(),
                validate_only,
            };
            let response = call.ask(target, |_| request.clone(), |_| ErrorCode::NONE).await?;
            for result in response.responses {
                let Some(resource) = find(&asked, result.resource_type, &result.resource_name) else {
                    continue;
                };
                let subject = subject(&resource);
                let api = ApiKey::AlterConfigs;
                answers.put(resource, checked((), api, result.error_code, result.error_message, subject));
            }
        }
        Ok(answers.finish(resources))
    }
}

/// A broker answers for itself and its loggers; everything else any broker knows.
fn by_target(resources: &[ConfigResource]) -> Vec<(Target, Vec<ConfigResource>)> {
    let mut anywhere = Vec::new();
    let mut by_broker = BTreeMap::<i32, Vec<ConfigResource>>::new();
    for resource in resources {
        let own = matches!(resource.kind, ResourceKind::Broker | ResourceKind::BrokerLogger);
        match resource.name.parse() {
            Ok(broker) if own => by_broker.entry(broker).or_default().push(resource.clone()),
            _ => anywhere.push(resource.clone()),
        }
    }
    let mut targets: Vec<_> =
        by_broker.into_iter().map(|(broker, asked)| (Target::Broker(broker), asked)).collect();
    if !anywhere.is_empty() {
        targets.push((Target::Any, anywhere));
    }
    targets
}

/// What an error is about. The empty name stands for the defaults of all brokers (KIP-226).
fn subject(resource: &ConfigResource) -> String {
    match (resource.kind, resource.name.as_str()) {
        (ResourceKind::Broker, "") => "defaults of all brokers".to_owned(),
        (_, name) => name.to_owned(),
    }
}

fn find(asked: &[ConfigResource], kind: i8, name: &str) -> Option<ConfigResource> {
    asked.iter().find(|resource| resource.kind.on_the_wire() == kind && resource.name == name).cloned()
}

fn incremental_resource(
    resource: &ConfigResource,
    changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
) -> incremental::AlterConfigsResource {
    let configs = changes.get(resource).into_iter().flatten().map(|change| incremental::AlterableConfig {
        name: change.name.clone(),
        config_operation: change.op.on_the_wire(),
        value: change.value.clone(),
    });
    incremental::AlterConfigsResource {
        resource_type: resource.kind.on_the_wire(),
        resource_name: resource.name.clone(),
        configs: configs.collect(),
    }
}

fn entry(config: DescribeConfigsResourceResult) -> ConfigEntry {
    let synonyms = config.synonyms.into_iter().map(|synonym| ConfigSynonym {
        name: synonym.name,
        value: synonym.value,
        source: ConfigSource::from_wire(synonym.source),
    });
    ConfigEntry {
        name: config.name,
        value: config.value,
        read_only: config.read_only,
        source: ConfigSource::from_wire(config.config_source),
        sensitive: config.is_sensitive,
        synonyms: synonyms.collect(),
        kind: config.config_type,
        documentation: config.documentation,
    }
}
