//! GetTelemetrySubscriptions: which metrics the broker wants from a client (KIP-714).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;
use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::GetTelemetrySubscriptions,
    response = GetTelemetrySubscriptionsResponse,
    versions = "0",
    flexible = "0+"
)]
pub struct GetTelemetrySubscriptionsRequest {
    pub client_instance_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct GetTelemetrySubscriptionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub accepted_compression_types: Vec<i8>,
    pub push_interval_ms: i32,
    pub telemetry_max_bytes: i32,
    pub delta_temporality: bool,
    pub requested_metrics: Vec<String>,
}
