//! ListConfigResources: what has configurations, by kind (`KafkaApis.handleListConfigResources`). Groups and
//! clients' metrics have none here.

use std::collections::BTreeSet;

use millrace_metadata::image::ResourceType;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::audience::Audience;
use crate::context::RequestContext;
use crate::quorum::MetadataView;

/// The first version that tells of other kinds than clients' metrics.
const FIRST_WITH_TYPES: i16 = 1;

const ALL: [ResourceType; 5] = [
    ResourceType::Group,
    ResourceType::ClientMetrics,
    ResourceType::BrokerLogger,
    ResourceType::Broker,
    ResourceType::Topic,
];

pub(crate) fn handle(
    metadata: &MetadataView,
    context: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let wanted: BTreeSet<i8> = match request.resource_types {
        _ if context.api_version < FIRST_WITH_TYPES => [ResourceType::ClientMetrics.wire_id()].into(),
        types if types.is_empty() => ALL.into_iter().map(ResourceType::wire_id).collect(),
        types => types.into_iter().collect(),
    };
    if wanted.iter().any(|id| ResourceType::from_wire(*id).is_none()) {
        let error_code = ErrorCode::UNSUPPORTED_VERSION;
        return ListConfigResourcesResponse { error_code, ..ListConfigResourcesResponse::default() };
    }
    let image = metadata.load();
    let audience = Audience { image: &image, listener: &context.peer.listener };
    let mut config_resources = Vec::new();
    for kind in ALL.into_iter().filter(|kind| wanted.contains(&kind.wire_id())) {
        let resource = |resource_name| ConfigResource { resource_name, resource_type: kind.wire_id() };
        match kind {
            ResourceType::Topic => {
                config_resources.extend(image.topics.iter().map(|topic| resource(topic.name.to_string())));
            }
            ResourceType::Broker | ResourceType::BrokerLogger => {
                config_resources
                    .extend(audience.brokers().map(|(broker, _)| resource(broker.id.to_string())));
            }
            ResourceType::Group | ResourceType::ClientMetrics => {}
        }
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
