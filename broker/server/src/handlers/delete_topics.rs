//! DeleteTopics, by name or id (`ControllerApis.deleteTopics`). By the time the answer leaves the
//! topics are gone; their files follow in the background.

use millrace_metadata::controller::delete_topics;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};

use crate::config::LiveConfig;
use crate::context::RequestContext;
use crate::quorum::Quorum;

/// The first version whose clients know TOPIC_DELETION_DISABLED.
const FIRST_WITH_DISABLED: i16 = 3;

pub(crate) async fn handle(
    quorum: &Quorum,
    config: &LiveConfig,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    if !config.load().topics.deletable {
        let knows = context.api_version >= FIRST_WITH_DISABLED;
        return refused(
            &request,
            if knows { ErrorCode::TOPIC_DELETION_DISABLED } else { ErrorCode::INVALID_REQUEST },
            None,
        );
    }
    let decided = quorum.propose(|image, _| delete_topics(image, &request));
    decided.await.unwrap_or_else(|error| refused(&request, error.code(), Some(error.to_string())))
}

fn refused(request: &DeleteTopicsRequest, code: ErrorCode, message: Option<String>) -> DeleteTopicsResponse {
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), millrace_protocol::Uuid::ZERO));
    let by_either = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let responses = by_name.chain(by_either).map(|(name, topic_id)| DeletableTopicResult {
        name,
        topic_id,
        error_code: code,
        error_message: message.clone(),
    });
    DeleteTopicsResponse { responses: responses.collect(), ..DeleteTopicsResponse::default() }
}
