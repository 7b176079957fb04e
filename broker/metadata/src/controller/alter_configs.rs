//! AlterConfigs and IncrementalAlterConfigs (Kafka's `ConfigurationControlManager`,
//! `ConfigAdminManager`): both become the same list of changes, and a resource changes as a whole or
//! not at all.

use std::collections::{HashMap, HashSet};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::metadata_records::ConfigRecord;
use millrace_protocol::messages::{alter_configs as legacy, incremental_alter_configs as incremental};

use super::names::validate_topic_name;
use super::{ApiError, ControllerSettings, Decision};
use crate::config::{
    BrokerKey, ConfigDef, ConfigError, ConfigMap, ConfigType, UpdateMode, broker_def, classify_broker_key,
    topic_def, validate_topic_configs,
};
use crate::image::{ClusterImage, ResourceType};
use crate::record::MetadataRecord;

/// The longest value: what a record's text can say.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// One operation on one key (Kafka's `AlterConfigOp.OpType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn from_wire(id: i8) -> Result<Self, ApiError> {
        match id {
            0 => Ok(Self::Set),
            1 => Ok(Self::Delete),
            2 => Ok(Self::Append),
            3 => Ok(Self::Subtract),
            _ => Err(invalid_request(format!("Unknown operations type {id}"))),
        }
    }
}

struct Change<'a> {
    key: &'a str,
    operation: Operation,
    value: Option<&'a str>,
}

/// Decide an IncrementalAlterConfigs request; with `validate_only` there are no records.
pub fn incremental_alter_configs(
    image: &ClusterImage,
    request: &incremental::IncrementalAlterConfigsRequest,
    settings: &ControllerSettings<'_>,
) -> Decision<incremental::IncrementalAlterConfigsResponse> {
    let identities = request.resources.iter().map(|it| (it.resource_type, it.resource_name.as_str()));
    let repeated = repeated(identities);
    let mut records = Vec::new();
    let responses = request.resources.iter().map(|resource| {
        let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
        let changes = resource.configs.iter().map(|config| {
            Ok(Change {
                key: &config.name,
                operation: Operation::from_wire(config.config_operation)?,
                value: config.value.as_deref(),
            })
        });
        let outcome = once(&repeated, kind, name)
            .and_then(|()| changes.collect::<Result<Vec<_>, ApiError>>())
            .and_then(|changes| Resource { image, kind, name, settings }.alter(&changes))
            .map(|changed| records.extend(changed));
        let (error_code, error_message) = ApiError::parts(outcome);
        let resource_name = name.to_owned();
        incremental::AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: kind,
            resource_name,
        }
    });
    let responses = responses.collect();
    if request.validate_only {
        records.clear();
    }
    Decision {
        records,
        reply: incremental::IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses },
    }
}

/// Decide an AlterConfigs request, which replaces all settings of a resource; with `validate_only`
/// there are no records.
pub fn alter_configs(
    image: &ClusterImage,
    request: &legacy::AlterConfigsRequest,
    settings: &ControllerSettings<'_>,
) -> Decision<legacy::AlterConfigsResponse> {
    let identities = request.resources.iter().map(|it| (it.resource_type, it.resource_name.as_str()));
    let repeated = repeated(identities);
    let mut records = Vec::new();
    let responses = request.resources.iter().map(|resource| {
        let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
        let named: Vec<_> = resource
            .configs
            .iter()
            .map(|config| Change {
                key: &config.name,
                operation: Operation::Set,
                value: config.value.as_deref(),
            })
            .collect();
        let outcome = once(&repeated, kind, name)
            .and_then(|()| Resource { image, kind, name, settings }.replace(named))
            .map(|changed| records.extend(changed));
        let (error_code, error_message) = ApiError::parts(outcome);
        let resource_name = name.to_owned();
        legacy::AlterConfigsResourceResponse { error_code, error_message, resource_type: kind, resource_name }
    });
    let responses = responses.collect();
    if request.validate_only {
        records.clear();
    }
    Decision { records, reply: legacy::AlterConfigsResponse { throttle_time_ms: 0, responses } }
}

fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, message)
}

fn invalid_config(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::INVALID_CONFIG, message)
}

/// The resources that a request names more than once.
fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a str)>) -> HashSet<(i8, &'a str)> {
    let mut times = HashMap::new();
    for resource in resources {
        *times.entry(resource).or_insert(0_usize) += 1;
    }
    times.into_iter().filter(|(_, times)| *times > 1).map(|(resource, _)| resource).collect()
}

fn once(repeated: &HashSet<(i8, &str)>, kind: i8, name: &str) -> Result<(), ApiError> {
    if repeated.contains(&(kind, name)) {
        return Err(invalid_request("Each resource must appear at most once."));
    }
    Ok(())
}

/// One resource of a request.
struct Resource<'a> {
    image: &'a ClusterImage,
    kind: i8,
    name: &'a str,
    settings: &'a ControllerSettings<'a>,
}

impl<'a> Resource<'a> {
    /// All settings replaced by those that are named.
    fn replace(&self, mut named: Vec<Change<'a>>) -> Result<Vec<MetadataRecord>, ApiError> {
        let kind = self.known_kind()?;
        // Before the settings that are not named join as deletions.
        check_keys(&named)?;
        let current = self.image.configs.of(kind, self.name);
        let keys: HashSet<&str> = named.iter().map(|change| change.key).collect();
        let unnamed = current.keys().filter(|key| !keys.contains(key.as_str()));
        named.extend(unnamed.map(|key| Change { key, operation: Operation::Delete, value: None }));
        self.alter(&named)
    }

    fn alter(&self, changes: &[Change<'_>]) -> Result<Vec<MetadataRecord>, ApiError> {
        check_keys(changes)?;
        let kind = self.known_kind()?;
        if kind == ResourceType::Broker {
            self.check_broker(changes)?;
        }
        let current = self.image.configs.of(kind, self.name);
        let mut next = current.clone();
        for change in changes {
            match change.new_value(kind, current)? {
                Some(value) => next.insert(change.key.to_owned(), value),
                None => next.remove(change.key),
            };
        }
        match kind {
            ResourceType::Topic => self.check_topic(&next)?,
            _ => self.check_broker_values(changes, &next)?,
        }
        Ok(changes
            .iter()
            .filter(|change| current.get(change.key) != next.get(change.key))
            .map(|change| {
                ConfigRecord {
                    resource_type: self.kind,
                    resource_name: self.name.to_owned(),
                    name: change.key.to_owned(),
                    value: next.get(change.key).cloned(),
                }
                .into()
            })
            .collect())
    }

    /// Topics and brokers have settings here; groups and subscriptions to metrics have none.
    fn known_kind(&self) -> Result<ResourceType, ApiError> {
        match ResourceType::from_wire(self.kind) {
            Some(kind @ (ResourceType::Topic | ResourceType::Broker)) => Ok(kind),
            Some(other) => Err(invalid_request(format!("Unknown resource type {}", other.name()))),
            None => Err(invalid_request(format!("Unknown resource type {}", self.kind))),
        }
    }

    fn check_topic(&self, next: &ConfigMap) -> Result<(), ApiError> {
        if self.name.is_empty() {
            return Err(invalid_request("Default topic resources are not allowed."));
        }
        validate_topic_name(self.name)?;
        validate_topic_configs(next).map_err(|error| invalid_config(error.to_string()))?;
        if self.image.topics.by_name(self.name).is_none() {
            let message = format!("The topic '{}' does not exist.", self.name);
            return Err(ApiError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
        }
        Ok(())
    }

    /// The name must be a broker of the cluster, or empty for all; every key must be one that may
    /// change at run time, there.
    fn check_broker(&self, changes: &[Change<'_>]) -> Result<(), ApiError> {
        let for_all = self.name.is_empty();
        if !for_all {
            let id: i32 = self.name.parse().map_err(|_| {
                invalid_request(format!("Node id must be an integer, but it is: {}", self.name))
            })?;
            if id != self.settings.node_id {
                let expected = self.settings.node_id;
                return Err(invalid_request(format!(
                    "Unexpected broker id, expected {expected}, but received {}",
                    self.name
                )));
            }
        }
        let mut read_only = Vec::new();
        let mut per_broker = Vec::new();
        for change in changes.iter().filter(|change| change.operation != Operation::Delete) {
            match classify_broker_key(change.key) {
                Ok(BrokerKey::Known(def)) => match def.update {
                    UpdateMode::ReadOnly => read_only.push(change.key),
                    UpdateMode::PerBroker if for_all => per_broker.push(change.key),
                    UpdateMode::PerBroker | UpdateMode::ClusterWide => {}
                },
                // It has no effect from a file either.
                Ok(BrokerKey::Ignored { .. }) => {}
                Ok(BrokerKey::Refused { name, reason }) => {
                    return Err(invalid_request(ConfigError::Unsupported { name, reason }.to_string()));
                }
                // Kafka keeps what it does not know, and a misspelt key then does nothing for ever.
                Err(error) => {
                    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                    return Err(invalid_config(format!("{error}{hint}")));
                }
            }
        }
        if !read_only.is_empty() {
            let message = format!("Cannot update these configs dynamically: Set({})", read_only.join(", "));
            return Err(invalid_request(message));
        }
        if !per_broker.is_empty() {
            return Err(invalid_request(format!(
                "Cannot update these configs at default cluster level, broker id must be specified: Set({})",
                per_broker.join(", ")
            )));
        }
        Ok(())
    }

    fn check_broker_values(&self, changes: &[Change<'_>], next: &ConfigMap) -> Result<(), ApiError> {
        for change in changes {
            if let (Some(def), Some(value)) = (broker_def(change.key), next.get(change.key)) {
                // Kafka answers INVALID_REQUEST here and INVALID_CONFIG for topics (KAFKA-13609).
                def.parse(value).map_err(|error| invalid_request(error.to_string()))?;
            }
        }
        Ok(())
    }
}

impl Change<'_> {
    /// The key's value after the change; `None` when it is then not set.
    fn new_value(&self, kind: ResourceType, current: &ConfigMap) -> Result<Option<String>, ApiError> {
        let given = self.value.unwrap_or_default();
        let value = match self.operation {
            Operation::Delete => return Ok(None),
            Operation::Set => given.to_owned(),
            Operation::Append | Operation::Subtract => {
                let def = self.list_def(kind)?;
                let set = current.get(self.key).map(String::as_str).or(def.default).unwrap_or_default();
                let mut elements: Vec<&str> = set.split(',').filter(|element| !element.is_empty()).collect();
                for element in given.split(',').filter(|element| !element.is_empty()) {
                    match self.operation {
                        Operation::Subtract => elements.retain(|present| *present != element),
                        _ if elements.contains(&element) => {}
                        _ => elements.push(element),
                    }
                }
                elements.join(",")
            }
        };
        if value.len() > VALUE_BYTES_MAX {
            return Err(invalid_config(format!(
                "The configuration value cannot be added because it exceeds the maximum value size of \
                 {VALUE_BYTES_MAX} bytes."
            )));
        }
        Ok(Some(value))
    }

    fn list_def(&self, kind: ResourceType) -> Result<&'static ConfigDef, ApiError> {
        let (def, message) = match (kind, self.operation) {
            (ResourceType::Topic, operation) => {
                let operation = if operation == Operation::Append { "APPEND" } else { "SUBTRACT" };
                let message = format!("Can't {operation} to key {} because its type is not LIST.", self.key);
                (topic_def(self.key), message)
            }
            (_, operation) => {
                let operation = if operation == Operation::Append { "append" } else { "subtract" };
                let message = format!("Config value {operation} is not allowed for config key: {}", self.key);
                (broker_def(self.key), message)
            }
        };
        def.filter(|def| def.kind == ConfigType::List).ok_or_else(|| invalid_config(message))
    }
}

fn check_keys(changes: &[Change<'_>]) -> Result<(), ApiError> {
    let mut keys = HashSet::new();
    if !changes.iter().all(|change| keys.insert(change.key)) {
        return Err(invalid_request("Error due to duplicate config keys"));
    }
    let nulls: Vec<_> = changes
        .iter()
        .filter(|change| change.operation != Operation::Delete && change.value.is_none())
        .map(|change| change.key)
        .collect();
    if nulls.is_empty() {
        return Ok(());
    }
    Err(invalid_request(format!("Null value not supported for : {}", nulls.join(", "))))
}
