//! FindCoordinator: which broker keeps a group; several at once from version 4 (KIP-699). The first who
//! asks makes the topic that groups are kept in (`KafkaApis.getCoordinator`).

use millrace_metadata::image::{ClusterImage, EndpointImage, GROUP_METADATA_TOPIC};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

use super::audience::Audience;
use crate::context::RequestContext;
use crate::groups::Groups;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// The first version that asks for several keys.
const FIRST_WITH_KEYS: i16 = 4;

/// The broker that was found: its id and address.
type Found<'a> = Result<(i32, &'a EndpointImage), ErrorCode>;

pub(crate) async fn handle(
    groups: &Groups,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let single = context.api_version < FIRST_WITH_KEYS;
    let keys = if single { vec![request.key] } else { request.coordinator_keys };
    if let Err(code) = check_key_type(request.key_type) {
        return respond(single, keys.into_iter().map(|key| (key, Err(code))).collect());
    }
    let image = groups.ensure_topic().await;
    let audience = Audience { image: &image, listener: &context.peer.listener };
    let found = keys.into_iter().map(|key| {
        let coordinator = find(groups, audience, &key);
        (key, coordinator)
    });
    respond(single, found.collect())
}

fn check_key_type(key_type: i8) -> Result<(), ErrorCode> {
    match key_type {
        GROUP => Ok(()),
        // There are no transactions yet. The one error that producers neither retry nor misread.
        TRANSACTION => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        // Share groups, whose coordinator a Kafka may lack as well, and what has no meaning.
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

fn find<'a>(groups: &Groups, audience: Audience<'a>, key: &str) -> Found<'a> {
    let index = groups.partition_of(key).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    let image: &'a ClusterImage = audience.image;
    let topic = image.topics.by_name(GROUP_METADATA_TOPIC);
    let leader = topic.and_then(|topic| topic.partition(index)).map(|partition| partition.leader);
    let leader = leader.filter(|leader| audience.reaches(*leader));
    leader
        .and_then(|leader| Some((leader, image.broker(leader)?.endpoint(audience.listener)?)))
        .ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

fn respond(single: bool, found: Vec<(String, Found<'_>)>) -> FindCoordinatorResponse {
    let coordinators = found.into_iter().map(|(key, found)| match found {
        Ok((node_id, endpoint)) => Coordinator {
            key,
            node_id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            ..Coordinator::default()
        },
        Err(error_code) => Coordinator { key, node_id: -1, port: -1, error_code, ..Coordinator::default() },
    });
    let mut coordinators: Vec<_> = coordinators.collect();
    match coordinators.pop() {
        Some(Coordinator { node_id, host, port, error_code, .. }) if single => FindCoordinatorResponse {
            error_code,
            error_message: Some(error_code.message().to_owned()),
            node_id,
            host,
            port,
            ..FindCoordinatorResponse::default()
        },
        last => {
            coordinators.extend(last);
            FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
        }
    }
}
