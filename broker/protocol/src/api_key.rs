//! The APIs that have declarations here: their numbers, and the versions that can be read and
//! written. Whether the broker serves one is its route table's business.

use crate::message::{Message, VersionRange};
use crate::messages as m;

/// Calls `$callback!` with one row for each API, `Name = number, module::Request;`, ascending by
/// number: for tables that must not forget one. The response is the request's
/// [`Response`](crate::Request::Response).
#[macro_export]
macro_rules! every_api {
    ($callback:ident) => {
        $callback! {
            Produce = 0, produce::ProduceRequest;
            Fetch = 1, fetch::FetchRequest;
            ListOffsets = 2, list_offsets::ListOffsetsRequest;
            Metadata = 3, metadata::MetadataRequest;
            OffsetCommit = 8, offset_commit::OffsetCommitRequest;
            OffsetFetch = 9, offset_fetch::OffsetFetchRequest;
            FindCoordinator = 10, find_coordinator::FindCoordinatorRequest;
            JoinGroup = 11, join_group::JoinGroupRequest;
            Heartbeat = 12, heartbeat::HeartbeatRequest;
            LeaveGroup = 13, leave_group::LeaveGroupRequest;
            SyncGroup = 14, sync_group::SyncGroupRequest;
            DescribeGroups = 15, describe_groups::DescribeGroupsRequest;
            ListGroups = 16, list_groups::ListGroupsRequest;
            ApiVersions = 18, api_versions::ApiVersionsRequest;
            CreateTopics = 19, create_topics::CreateTopicsRequest;
            DeleteTopics = 20, delete_topics::DeleteTopicsRequest;
            DeleteRecords = 21, delete_records::DeleteRecordsRequest;
            InitProducerId = 22, init_producer_id::InitProducerIdRequest;
            OffsetForLeaderEpoch = 23, offset_for_leader_epoch::OffsetForLeaderEpochRequest;
            DescribeConfigs = 32, describe_configs::DescribeConfigsRequest;
            AlterConfigs = 33, alter_configs::AlterConfigsRequest;
            DescribeLogDirs = 35, describe_log_dirs::DescribeLogDirsRequest;
            CreatePartitions = 37, create_partitions::CreatePartitionsRequest;
            DeleteGroups = 42, delete_groups::DeleteGroupsRequest;
            IncrementalAlterConfigs = 44, incremental_alter_configs::IncrementalAlterConfigsRequest;
            OffsetDelete = 47, offset_delete::OffsetDeleteRequest;
            DescribeQuorum = 55, describe_quorum::DescribeQuorumRequest;
            DescribeCluster = 60, describe_cluster::DescribeClusterRequest;
            DescribeProducers = 61, describe_producers::DescribeProducersRequest;
            GetTelemetrySubscriptions = 71, get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest;
            PushTelemetry = 72, push_telemetry::PushTelemetryRequest;
            ListConfigResources = 74, list_config_resources::ListConfigResourcesRequest;
            DescribeTopicPartitions = 75, describe_topic_partitions::DescribeTopicPartitionsRequest;
        }
    };
}

macro_rules! api_keys {
    ($($name:ident = $number:literal, $module:ident :: $request:ident;)*) => {
        /// An API, by Kafka's name of it (`org.apache.kafka.common.protocol.ApiKeys`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!("Number ", $number, ".")]
                $name = $number,
            )*
        }

        impl ApiKey {
            /// Every API with a declaration, ascending by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The API with this number.
            #[must_use]
            pub fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name of it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Versions that can be read and written.
            #[must_use]
            pub fn versions(self) -> VersionRange {
                match self {
                    $(Self::$name => m::$module::$request::VERSIONS,)*
                }
            }

            /// The first version with compact lengths and tagged fields.
            #[must_use]
            pub fn flexible_from(self) -> Option<i16> {
                match self {
                    $(Self::$name => m::$module::$request::FLEXIBLE_FROM,)*
                }
            }
        }
    };
}

impl ApiKey {
    /// The number in a request header.
    #[must_use]
    pub fn number(self) -> i16 {
        self as i16
    }
}

every_api!(api_keys);
