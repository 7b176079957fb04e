//! PushTelemetry: a client's metrics (KIP-714).

use bytes::Bytes;
use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;
use crate::wire::Uuid;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::PushTelemetry,
    response = PushTelemetryResponse,
    versions = "0",
    flexible = "0+"
)]
pub struct PushTelemetryRequest {
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub terminating: bool,
    pub compression_type: i8,
    pub metrics: Bytes,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct PushTelemetryResponse {
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
}
