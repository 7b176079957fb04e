//! CreatePartitions: topics grow (`ControllerApis.createPartitions`, KIP-195).

use millrace_metadata::controller::create_partitions;
use millrace_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use crate::context::RequestContext;
use crate::quorum::Quorum;

pub(crate) async fn handle(
    quorum: &Quorum,
    _: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let decided = quorum.propose(|image, _| create_partitions(image, &request, &mut fastrand::Rng::new()));
    decided.await.unwrap_or_else(|error| {
        let results = request.topics.iter().map(|topic| CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: error.code(),
            error_message: Some(error.to_string()),
        });
        CreatePartitionsResponse { results: results.collect(), ..CreatePartitionsResponse::default() }
    })
}
