//! DescribeCluster: the cluster's id, a broker to send admin requests to, and the brokers (KIP-700;
//! `AuthHelper.computeDescribeClusterResponse`).

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::audience::{Audience, CLUSTER_OPERATIONS};
use crate::context::RequestContext;
use crate::quorum::MetadataView;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) fn handle(
    metadata: &MetadataView,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return refused(context, request.endpoint_type);
    }
    let image = metadata.load();
    let audience = Audience { image: &image, listener: &context.peer.listener };
    let mut brokers: Vec<_> =
        audience.brokers().map(|(broker, endpoint)| broker_entry(broker, endpoint)).collect();
    if request.include_fenced_brokers {
        let fenced = image.brokers.values().filter(|broker| broker.fenced);
        brokers.extend(
            fenced.filter_map(|broker| Some(broker_entry(broker, broker.endpoint(audience.listener)?))),
        );
    }
    let mut response = DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: image.cluster_id.to_string(),
        controller_id: audience.controller_id(),
        brokers,
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn broker_entry(
    broker: &millrace_metadata::image::BrokerImage,
    endpoint: &millrace_metadata::image::EndpointImage,
) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id: broker.id,
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        rack: broker.rack.clone(),
        is_fenced: broker.fenced,
    }
}

fn refused(context: &RequestContext, endpoint_type: i8) -> DescribeClusterResponse {
    let (code, text) = if endpoint_type == CONTROLLERS {
        let text = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER".to_owned();
        (ErrorCode::MISMATCHED_ENDPOINT_TYPE, text)
    } else {
        (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, format!("Unsupported endpoint type {endpoint_type}"))
    };
    DescribeClusterResponse {
        error_code: if context.api_version == 0 { ErrorCode::INVALID_REQUEST } else { code },
        error_message: Some(text),
        ..DescribeClusterResponse::default()
    }
}
