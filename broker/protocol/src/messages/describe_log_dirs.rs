//! DescribeLogDirs: data directories and the size of what is in them (KIP-113).

use millrace_protocol_derive::Message;

use crate::api_key::ApiKey;
use crate::error_code::ErrorCode;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(
    api_key = ApiKey::DescribeLogDirs,
    response = DescribeLogDirsResponse,
    versions = "1-4",
    flexible = "2+"
)]
pub struct DescribeLogDirsRequest {
    #[field(nullable = "0+")]
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribableLogDirTopic {
    pub topic: String,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1-4", flexible = "2+")]
pub struct DescribeLogDirsResponse {
    pub throttle_time_ms: i32,
    #[field(versions = "3+", ignorable)]
    pub error_code: ErrorCode,
    pub results: Vec<DescribeLogDirsResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsResult {
    pub error_code: ErrorCode,
    pub log_dir: String,
    pub topics: Vec<DescribeLogDirsTopic>,
    #[field(versions = "4+", default = -1, ignorable)]
    pub total_bytes: i64,
    #[field(versions = "4+", default = -1, ignorable)]
    pub usable_bytes: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsTopic {
    pub name: String,
    pub partitions: Vec<DescribeLogDirsPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribeLogDirsPartition {
    pub partition_index: i32,
    pub partition_size: i64,
    pub offset_lag: i64,
    pub is_future_key: bool,
}
