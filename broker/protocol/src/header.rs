//! Headers in front of requests and responses
//! ([KIP-482](https://cwiki.apache.org/confluence/display/KAFKA/KIP-482)).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;

/// In front of each request. Version 1 for classic request versions, 2 for flexible ones.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-2", flexible = "2+")]
pub struct RequestHeader {
    /// The API's number; it may be one that nobody knows.
    pub request_api_key: i16,
    /// The version of the request behind the header.
    pub request_api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself; keeps its classic length in every version.
    #[field(nullable = "1+", inflexible)]
    pub client_id: Option<String>,
}

/// In front of each response. Version 0 for classic response versions, 1 for flexible ones.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct ResponseHeader {
    /// The request's.
    pub correlation_id: i32,
}

/// Version of the request header for a request version.
#[must_use]
pub fn request_header_version(api_key: ApiKey, version: i16) -> i16 {
    if api_key.flexible_from().is_some_and(|first| version >= first) { 2 } else { 1 }
}

/// Version of the response header. That of ApiVersions is 0 for ever, since a client that has not
/// seen the answer cannot know which versions the broker speaks (KIP-511).
#[must_use]
pub fn response_header_version(api_key: ApiKey, version: i16) -> i16 {
    if api_key == ApiKey::ApiVersions { 0 } else { request_header_version(api_key, version) - 1 }
}
