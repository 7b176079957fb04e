//! CreateTopics: the controller decides, and by the time the answer leaves the topics have leaders
//! (`ControllerApis.createTopics`).

use std::sync::Arc;

use millrace_metadata::controller::{ControllerSettings, create_topics};
use millrace_protocol::messages::create_topics::{
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};

use crate::config::LiveConfig;
use crate::context::RequestContext;
use crate::quorum::Quorum;

pub(crate) async fn handle(
    quorum: &Quorum,
    config: &LiveConfig,
    _: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let config = Arc::clone(&config.load());
    let settings = ControllerSettings { node_id: config.node_id, static_broker: &config.properties };
    let decided =
        quorum.propose(|image, _| create_topics(image, &request, &settings, &mut fastrand::Rng::new()));
    decided.await.unwrap_or_else(|error| {
        let topics = request.topics.iter().map(|topic| CreatableTopicResult {
            name: topic.name.clone(),
            error_code: error.code(),
            error_message: Some(error.to_string()),
            ..CreatableTopicResult::default()
        });
        CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
    })
}
