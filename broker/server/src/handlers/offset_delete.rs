//! OffsetDelete: remove committed offsets of topics that a group no longer reads (KIP-496).

use std::collections::HashMap;

use millrace_coordinator::{Input, Reply};
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use crate::context::RequestContext;
use crate::groups::Groups;
use crate::quorum::MetadataView;

pub(crate) async fn handle(
    groups: &Groups,
    metadata: &MetadataView,
    _: &RequestContext,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let image = metadata.load();
    let mut unknown = Vec::new();
    for topic in &mut request.topics {
        let found = image.topics.by_name(&topic.name);
        let (known, absent): (Vec<_>, Vec<_>) =
            std::mem::take(&mut topic.partitions).into_iter().partition(|partition| {
                found.is_some_and(|topic| topic.partition(partition.partition_index).is_some())
            });
        topic.partitions = known;
        let absent = absent.into_iter().map(|partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        });
        unknown.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: absent.collect() });
    }
    request.topics.retain(|topic: &OffsetDeleteRequestTopic| !topic.partitions.is_empty());
    let group = request.group_id.clone();
    let mut response = match groups.handle(&group, Input::DeleteOffsets(request)).await {
        Ok(Reply::DeleteOffsets(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(code),
    };
    // An error of the whole answer stands alone.
    if response.error_code.is_ok() {
        let topics = &mut response.topics;
        let places: HashMap<String, usize> =
            topics.iter().enumerate().map(|(place, topic)| (topic.name.clone(), place)).collect();
        for topic in unknown.into_iter().filter(|topic| !topic.partitions.is_empty()) {
            match places.get(&topic.name) {
                Some(place) => topics[*place].partitions.extend(topic.partitions),
                None => topics.push(topic),
            }
        }
    }
    response
}

fn refused(error_code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }
}
