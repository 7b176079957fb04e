//! Async Kafka client: a [`Client`] that finds brokers and retries, an [`Admin`] with typed calls, a
//! [`Producer`] and a [`Consumer`]. Speaks PLAINTEXT to any broker that speaks the Kafka protocol, and
//! knows nothing of how a broker works inside.

mod backoff;
pub mod config;
mod error;
mod topic_partition;

pub use backoff::Backoff;
pub use config::{ClientConfig, ConsumerConfig, ProducerConfig};
pub use error::ClientError;
pub use topic_partition::{CommittedOffset, IsolationLevel, TopicPartition};
