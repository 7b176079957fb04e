//! DeleteTopics, by name or by id (Kafka's `ControllerApis.deleteTopics`).

use std::collections::HashMap;

use millrace_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use millrace_protocol::messages::metadata_records::RemoveTopicRecord;
use millrace_protocol::{ErrorCode, Uuid};

use super::{ApiError, Decision};
use crate::image::ClusterImage;

/// One topic of the request, however it is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Named {
    Name(String),
    Id(Uuid),
}

/// Decide a DeleteTopics request. Whether topics may be deleted at all (`delete.topic.enable`) is
/// for the caller to ask first.
///
/// The reply is in the order of the request, with one result for a name or id that appears twice.
pub fn delete_topics(image: &ClusterImage, request: &DeleteTopicsRequest) -> Decision<DeleteTopicsResponse> {
    let mut responses = Vec::new();
    let mut named = request.topic_names.iter().cloned().map(Named::Name).collect::<Vec<_>>();
    for topic in &request.topics {
        match (&topic.name, topic.topic_id) {
            (None, Uuid::ZERO) => responses.push(refused(
                None,
                Uuid::ZERO,
                ApiError::new(ErrorCode::INVALID_REQUEST, "Neither topic name nor id were specified."),
            )),
            (None, id) => named.push(Named::Id(id)),
            (Some(name), Uuid::ZERO) => named.push(Named::Name(name.clone())),
            (Some(name), id) => responses.push(refused(
                Some(name),
                id,
                ApiError::new(
                    ErrorCode::INVALID_REQUEST,
                    "You may not specify both topic name and topic id.",
                ),
            )),
        }
    }
    let mut times = HashMap::new();
    for topic in &named {
        *times.entry(topic.clone()).or_insert(0_usize) += 1;
    }
    let mut records = Vec::new();
    let mut removed = std::collections::HashSet::new();
    for topic in named {
        // Absent once it is answered, so that a duplicate gets one result.
        let Some(times) = times.remove(&topic) else { continue };
        let result = match resolve(image, &topic, times) {
            Err(error) => match &topic {
                Named::Name(name) => refused(Some(name), Uuid::ZERO, error),
                Named::Id(id) => refused(None, *id, error),
            },
            Ok((name, id)) if !removed.insert(id) => {
                let message = "The provided topic name maps to an ID that was already supplied.";
                refused(Some(name), id, ApiError::new(ErrorCode::INVALID_REQUEST, message))
            }
            Ok((name, id)) => {
                records.push(RemoveTopicRecord { topic_id: id }.into());
                DeletableTopicResult {
                    name: Some(name.to_owned()),
                    topic_id: id,
                    ..DeletableTopicResult::default()
                }
            }
        };
        responses.push(result);
    }
    Decision { records, reply: DeleteTopicsResponse { throttle_time_ms: 0, responses } }
}

fn resolve<'a>(image: &'a ClusterImage, topic: &Named, times: usize) -> Result<(&'a str, Uuid), ApiError> {
    if times > 1 {
        let what = match topic {
            Named::Name(_) => "Duplicate topic name.",
            Named::Id(_) => "Duplicate topic id.",
        };
        return Err(ApiError::new(ErrorCode::INVALID_REQUEST, what));
    }
    let found = match topic {
        Named::Name(name) => {
            image.topics.by_name(name).ok_or(spelt_out(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?
        }
        Named::Id(id) => image.topics.by_id(*id).ok_or(spelt_out(ErrorCode::UNKNOWN_TOPIC_ID))?,
    };
    Ok((&found.name, found.id))
}

/// Kafka sends the code's own text along here.
fn spelt_out(code: ErrorCode) -> ApiError {
    ApiError::new(code, code.message())
}

fn refused(name: Option<&str>, topic_id: Uuid, error: ApiError) -> DeletableTopicResult {
    DeletableTopicResult {
        name: name.map(str::to_owned),
        topic_id,
        error_code: error.code,
        error_message: error.message,
    }
}
