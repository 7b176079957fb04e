//! DescribeConfigs: every setting with its value, source, synonyms and meaning
//! (`org.apache.kafka` `ConfigHelper`; KIP-226, KIP-569).

use std::collections::HashSet;

use millrace_metadata::config::{
    ConfigDef, ConfigLayers, ConfigSource, Resolved, SynonymValue, UpdateMode, broker_def, broker_defs,
    resolve, topic_defs,
};
use millrace_metadata::controller::{ApiError, validate_topic_name};
use millrace_metadata::image::{ClusterImage, ResourceType};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::loggers;
use crate::config::{LiveConfig, ServerConfig};
use crate::context::RequestContext;
use crate::logging::LogLevels;
use crate::quorum::MetadataView;

/// What a request wants to know besides values.
#[derive(Clone, Copy)]
struct Wanted {
    synonyms: bool,
    documentation: bool,
}

type Entries = Vec<DescribeConfigsResourceResult>;

pub(crate) fn describe(
    metadata: &MetadataView,
    config: &LiveConfig,
    levels: &LogLevels,
    _: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = metadata.load();
    let config = config.load();
    let wanted = Wanted { synonyms: request.include_synonyms, documentation: request.include_documentation };
    // A resource is described once, however often it is named: the answer stays as large as the cluster.
    let mut seen = HashSet::new();
    let once = |resource: &DescribeConfigsResource| {
        seen.insert((resource.resource_type, resource.resource_name.clone()))
    };
    let results = request.resources.into_iter().filter(once).map(|resource| {
        let described = entries(&image, &config, levels, &resource, wanted);
        let DescribeConfigsResource { resource_type, resource_name, configuration_keys } = resource;
        match described {
            Ok(mut configs) => {
                if let Some(keys) = configuration_keys.filter(|keys| !keys.is_empty()) {
                    configs.retain(|entry| keys.contains(&entry.name));
                }
                DescribeConfigsResult {
                    // Kafka leaves the text empty, not null, where there is nothing to say.
                    error_message: Some(String::new()),
                    resource_type,
                    resource_name,
                    configs,
                    ..DescribeConfigsResult::default()
                }
            }
            Err(ApiError { code, message }) => DescribeConfigsResult {
                error_code: code,
                error_message: Some(message.unwrap_or_default()),
                resource_type,
                resource_name,
                ..DescribeConfigsResult::default()
            },
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

fn entries(
    image: &ClusterImage,
    config: &ServerConfig,
    levels: &LogLevels,
    resource: &DescribeConfigsResource,
    wanted: Wanted,
) -> Result<Entries, ApiError> {
    let invalid = |text: String| ApiError::new(ErrorCode::INVALID_REQUEST, text);
    let (name, node) = (resource.resource_name.as_str(), config.node_id.to_string());
    match ResourceType::from_wire(resource.resource_type) {
        Some(ResourceType::Topic) => {
            validate_topic_name(name)?;
            if image.topics.by_name(name).is_none() {
                return Err(ApiError::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
            }
            let layers = image.configs.topic_layers(name, &node, &config.properties);
            Ok(topic_defs().map(|def| entry(def, resolve(def, &layers), wanted)).collect())
        }
        Some(ResourceType::Broker) if name.is_empty() => Ok(of_all_brokers(image, wanted)),
        Some(ResourceType::Broker) => {
            check_broker(name, config.node_id, " or empty string,")?;
            let layers = image.configs.broker_layers(&node, &config.properties);
            Ok(of_one_broker(&layers, wanted))
        }
        Some(ResourceType::BrokerLogger) => {
            if name.is_empty() {
                return Err(invalid("Broker id must not be empty".to_owned()));
            }
            check_broker(name, config.node_id, "")?;
            Ok(loggers::describe(levels))
        }
        // Nobody can subscribe to clients' metrics, and groups have no settings of their own: there is
        // nothing to show, which is no error in Kafka either.
        Some(ResourceType::ClientMetrics) if name.is_empty() => {
            Err(invalid("Client metrics subscription name must not be empty".to_owned()))
        }
        Some(ResourceType::Group) if name.is_empty() => {
            Err(invalid("Group name must not be empty".to_owned()))
        }
        Some(ResourceType::ClientMetrics | ResourceType::Group) => Ok(Entries::new()),
        None => Err(invalid(format!("Unexpected resource type UNKNOWN for resource {name}"))),
    }
}

fn check_broker(name: &str, node_id: i32, or: &str) -> Result<(), ApiError> {
    let invalid = |text: String| Err(ApiError::new(ErrorCode::INVALID_REQUEST, text));
    match name.parse::<i32>() {
        Ok(id) if id == node_id => Ok(()),
        Ok(_) => invalid(format!("Unexpected broker id, expected {node_id}{or} but received {name}")),
        Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
    }
}

fn of_one_broker(layers: &ConfigLayers<'_>, wanted: Wanted) -> Entries {
    broker_defs().map(|def| entry(def, resolve(def, layers), wanted)).collect()
}

/// What was set for all brokers at run time, and nothing else.
fn of_all_brokers(image: &ClusterImage, wanted: Wanted) -> Entries {
    let set = image.configs.of(ResourceType::Broker, "");
    let source = ConfigSource::DynamicDefaultBroker;
    let entries = set.iter().map(|(name, value)| match broker_def(name) {
        Some(def) => {
            let synonyms = vec![SynonymValue { name: def.name, value: value.clone(), source }];
            entry(def, Resolved { value: Some(value.clone()), source, synonyms }, wanted)
        }
        None => DescribeConfigsResourceResult {
            name: name.clone(),
            value: Some(value.clone()),
            config_source: source.wire_id(),
            ..DescribeConfigsResourceResult::default()
        },
    });
    entries.collect()
}

fn entry(def: &ConfigDef, resolved: Resolved, wanted: Wanted) -> DescribeConfigsResourceResult {
    let shown = |value: String| (!def.is_sensitive()).then_some(value);
    let synonyms = resolved.synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.to_owned(),
        value: shown(synonym.value),
        source: synonym.source.wire_id(),
    });
    DescribeConfigsResourceResult {
        name: def.name.to_owned(),
        value: resolved.value.and_then(shown),
        read_only: def.update == UpdateMode::ReadOnly,
        config_source: resolved.source.wire_id(),
        is_sensitive: def.is_sensitive(),
        synonyms: if wanted.synonyms { synonyms.collect() } else { Vec::new() },
        config_type: def.kind.wire_id(),
        documentation: wanted.documentation.then(|| def.doc.to_owned()),
    }
}
