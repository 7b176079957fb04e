//! AlterConfigs and IncrementalAlterConfigs: the controller decides about topics and brokers, levels of
//! loggers change here and now (`ConfigAdminManager`).

use std::sync::Arc;

use millrace_metadata::controller::{ApiError, ControllerSettings, alter_configs, incremental_alter_configs};
use millrace_metadata::image::ResourceType;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::{alter_configs as legacy, incremental_alter_configs as incremental};

use super::loggers;
use crate::config::LiveConfig;
use crate::context::RequestContext;
use crate::logging::LogLevels;
use crate::quorum::{Quorum, QuorumError};

pub(crate) async fn alter(
    quorum: &Quorum,
    config: &LiveConfig,
    _: &RequestContext,
    request: legacy::AlterConfigsRequest,
) -> legacy::AlterConfigsResponse {
    let config = Arc::clone(&config.load());
    let settings = ControllerSettings { node_id: config.node_id, static_broker: &config.properties };
    let decided = quorum.propose(|image, _| alter_configs(image, &request, &settings)).await;
    decided.unwrap_or_else(|error| {
        let responses = request.resources.iter().map(|resource| legacy::AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: Some(error.to_string()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
        legacy::AlterConfigsResponse {
            responses: responses.collect(),
            ..legacy::AlterConfigsResponse::default()
        }
    })
}

pub(crate) async fn alter_incrementally(
    quorum: &Quorum,
    config: &LiveConfig,
    levels: &LogLevels,
    _: &RequestContext,
    request: incremental::IncrementalAlterConfigsRequest,
) -> incremental::IncrementalAlterConfigsResponse {
    let config = Arc::clone(&config.load());
    let settings = ControllerSettings { node_id: config.node_id, static_broker: &config.properties };
    let decided = quorum.propose(|image, _| incremental_alter_configs(image, &request, &settings)).await;
    let mut response = decided.unwrap_or_else(|error| failed(&request, &error));
    // The controller refuses resources that it does not keep; those of them that live here get their
    // own answer. One that the request names twice stays refused.
    for (resource, answer) in request.resources.iter().zip(&mut response.responses) {
        let is_logger = ResourceType::from_wire(resource.resource_type) == Some(ResourceType::BrokerLogger);
        if is_logger && times(&request, resource) == 1 {
            let altered = loggers::alter(levels, config.node_id, resource, request.validate_only);
            (answer.error_code, answer.error_message) = match altered {
                Ok(()) => (ErrorCode::NONE, None),
                Err(ApiError { code, message }) => (code, message),
            };
        }
    }
    response
}

fn times(
    request: &incremental::IncrementalAlterConfigsRequest,
    resource: &incremental::AlterConfigsResource,
) -> usize {
    let same = |other: &&incremental::AlterConfigsResource| {
        (other.resource_type, &other.resource_name) == (resource.resource_type, &resource.resource_name)
    };
    request.resources.iter().filter(same).count()
}

fn failed(
    request: &incremental::IncrementalAlterConfigsRequest,
    error: &QuorumError,
) -> incremental::IncrementalAlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| incremental::AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: Some(error.to_string()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    });
    incremental::IncrementalAlterConfigsResponse {
        responses: responses.collect(),
        ..incremental::IncrementalAlterConfigsResponse::default()
    }
}
