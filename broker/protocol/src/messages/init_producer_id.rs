//! InitProducerId: an id and epoch for an idempotent or transactional producer (KIP-98, KIP-360).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::InitProducerId,
    response = InitProducerIdResponse,
    versions = "0-5",
    flexible = "2+"
)]
pub struct InitProducerIdRequest {
    #[field(nullable = "0+")]
    pub transactional_id: Option<String>,
    pub transaction_timeout_ms: i32,
    #[field(versions = "3+", default = -1)]
    pub producer_id: i64,
    #[field(versions = "3+", default = -1)]
    pub producer_epoch: i16,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-5", flexible = "2+")]
pub struct InitProducerIdResponse {
    pub throttle_time_ms: i32,
    pub error_code: ErrorCode,
    #[field(default = -1)]
    pub producer_id: i64,
    pub producer_epoch: i16,
}
