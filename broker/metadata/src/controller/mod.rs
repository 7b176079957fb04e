//! The controller's decisions: pure functions from the image and a request to records and a reply.
//!
//! A decision changes nothing. Whoever asked appends the records, replays them, and only then gives
//! the reply away. Texts of errors are Kafka 4.1's, since clients show them to people.

mod alter_configs;
mod assignment;
mod auto_create;
mod brokers;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod names;
mod placement;
mod producer_ids;

use millrace_protocol::ErrorCode;

use crate::config::{ConfigMap, broker_def, effective};
use crate::image::ClusterImage;
use crate::record::MetadataRecord;

pub use self::alter_configs::{alter_configs, incremental_alter_configs};
pub use self::auto_create::auto_created_topic;
pub use self::brokers::{Registration, found_cluster, register_broker};
pub use self::create_partitions::create_partitions;
pub use self::create_topics::create_topics;
pub use self::delete_topics::delete_topics;
pub use self::names::{TOPIC_NAME_LENGTH_MAX, validate_topic_name};
pub use self::producer_ids::{PRODUCER_ID_BLOCK_LEN, ProducerIdBlock, allocate_producer_ids};

/// Partitions that one request may create (Kafka's `ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`).
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<T> {
    /// To be committed together, in this order; empty when nothing changes.
    pub records: Vec<MetadataRecord>,
    /// To be given once the records are committed and replayed.
    pub reply: T,
}

impl<T> Decision<T> {
    /// A reply that needs nothing to happen.
    pub const fn unchanged(reply: T) -> Self {
        Self { records: Vec::new(), reply }
    }
}

/// Why one item of a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.name(), message.as_deref().unwrap_or_else(|| code.message()))]
pub struct ApiError {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What went wrong, in Kafka's words; `None` leaves it to the client to spell the code out.
    pub message: Option<String>,
}

impl ApiError {
    /// A code with a text of its own.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// A code that says it all.
    #[must_use]
    pub const fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// Code and text of an outcome, as responses carry them.
    fn parts(outcome: Result<(), Self>) -> (ErrorCode, Option<String>) {
        match outcome {
            Ok(()) => (ErrorCode::NONE, None),
            Err(error) => (error.code, error.message),
        }
    }
}

/// What decisions need to know about the node that takes them.
#[derive(Debug, Clone, Copy)]
pub struct ControllerSettings<'a> {
    /// The node's id.
    pub node_id: i32,
    /// Its settings from the file, the environment and the command line.
    pub static_broker: &'a ConfigMap,
}

impl ControllerSettings<'_> {
    /// A whole number from the broker's configuration; the table's tests hold that the keys asked
    /// for here are there and have defaults.
    fn number(&self, image: &ClusterImage, key: &str) -> i64 {
        let layers = image.configs.broker_layers(&self.node_id.to_string(), self.static_broker);
        broker_def(key)
            .and_then(|def| effective(def, &layers))
            .and_then(|value| value.as_i64())
            .unwrap_or_default()
    }
}
