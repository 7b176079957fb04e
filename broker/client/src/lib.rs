//! Async Kafka client: a [`Client`] that finds brokers and retries, an [`Admin`] with typed calls, a
//! [`Producer`] and a [`Consumer`]. Speaks PLAINTEXT to any broker that speaks the Kafka protocol, and
//! knows nothing of how a broker works inside.

mod admin;
mod backoff;
mod client;
mod cluster;
pub mod config;
mod consumer;
mod deadline;
mod errand;
mod error;
mod group_protocol;
mod list_offsets;
mod net;
mod offset_fetch;
mod producer;
mod topic_partition;

pub use admin::{Admin, types::*};
pub use backoff::Backoff;
pub use client::{Client, Target};
pub use cluster::{BrokerNode, ClusterView, PartitionView, TopicScope, TopicView};
pub use config::{ClientConfig, ConsumerConfig, ProducerConfig};
pub use consumer::{Consumer, ConsumerRecord, FetchedBatch, Membership, Rebalance, TopicFilter};
pub use error::ClientError;
pub use millrace_protocol::records::{Header, TimestampType};
pub use net::ApiVersionTable;
pub use producer::{Delivery, Producer, Record, RecordMetadata, partition_for_key};
pub use topic_partition::{CommittedOffset, IsolationLevel, TopicPartition};
