//! ApiVersions: what the route table serves, and nothing else.

use millrace_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use millrace_protocol::{ApiKey, ErrorCode, VersionRange};

use crate::context::RequestContext;

/// Feature levels of Kafka 4.1 that clients and tools look at (KIP-584, KIP-778).
const FEATURES: [(&str, i16, i16); 1] = [("metadata.version", 7, 27)];

/// Versions of an API that the broker serves.
pub(crate) fn served(api_key: ApiKey) -> VersionRange {
    api_key.versions()
}

/// The answer to a version of ApiVersions that nobody here knows: readable by every client, and
/// naming the versions to try instead (KIP-511).
pub(crate) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![entry(ApiKey::ApiVersions)],
        ..ApiVersionsResponse::default()
    }
}

pub(crate) fn handle(context: &RequestContext, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    if context.api_version >= 3
        && !(is_valid(&request.client_software_name) && is_valid(&request.client_software_version))
    {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..ApiVersionsResponse::default()
        };
    }
    let [(name, min_version, max_version)] = FEATURES;
    ApiVersionsResponse {
        api_keys: ApiKey::ALL.iter().copied().map(entry).collect(),
        supported_features: vec![SupportedFeatureKey { name: name.into(), min_version, max_version }],
        finalized_features_epoch: 0,
        finalized_features: vec![FinalizedFeatureKey {
            name: name.into(),
            max_version_level: max_version,
            min_version_level: max_version,
        }],
        ..ApiVersionsResponse::default()
    }
}

fn entry(api_key: ApiKey) -> ApiVersion {
    let VersionRange { first, last } = served(api_key);
    ApiVersion { api_key: api_key.number(), min_version: first, max_version: last }
}

/// Letters and digits, with dots and dashes between them (`ApiVersionsRequest.isValid`).
fn is_valid(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_find_what_they_derive_features_from() {
        // KAFKA-18659: without Produce 0 librdkafka stops compressing; KAFKA-19444: without
        // JoinGroup 0 it finds no consumer groups.
        assert_eq!(served(ApiKey::Produce).first, 0);
        assert_eq!(served(ApiKey::JoinGroup).first, 0);
    }

    #[test]
    fn software_names_are_checked_as_kafka_does() {
        assert!(is_valid("apache-kafka-java"));
        assert!(is_valid("4.1.1"));
        assert!(!is_valid(""));
        assert!(!is_valid("-x"));
        assert!(!is_valid("a b"));
    }
}
