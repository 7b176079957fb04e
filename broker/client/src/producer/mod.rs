//! The producer.

mod record;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pub use record::{Record, RecordMetadata};

use crate::client::Client;
use crate::cluster::PartitionView;
use crate::config::ProducerConfig;
use crate::error::ClientError;

/// Sends records, in batches, in the background. See [`crate::config::ProducerConfig`] for what can be
/// set. Dropped without [`Producer::close`], it gives up what is not delivered yet.
#[derive(Debug)]
pub struct Producer {
    client: Client,
}

/// Resolves when the record was acknowledged, or finally failed. May be dropped: the record is sent all
/// the same.
#[derive(Debug)]
pub struct Delivery {
    _private: (),
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ClientError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(ClientError::Closed))
    }
}

impl Producer {
    /// A producer with these settings. Connects when first used. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::Config`] when a bootstrap server is not `host:port`.
    pub async fn new(config: ProducerConfig) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(config.client.clone())? })
    }

    /// The client underneath: its connections and metadata are this producer's.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Puts a record into its partition's batch. Waits, at most `max.block.ms`, while the topic is not
    /// known or memory is short. The delivery is another wait: that of [`Delivery`].
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] after `max.block.ms`, [`ClientError::RecordTooLarge`],
    /// [`ClientError::Api`] when the topic's name is invalid or the topic is not authorised,
    /// [`ClientError::Closed`].
    pub async fn send(&self, _record: Record<'_>) -> Result<Delivery, ClientError> {
        Err(ClientError::Closed)
    }

    /// As [`Producer::send`] for callers that learn of deliveries through
    /// [`ProducerConfig::on_batch`]: nothing is kept for the single record.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn append(&self, _record: Record<'_>) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// The partitions of a topic, which the broker may create for it.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn partitions_for(&self, _topic: &str) -> Result<Vec<PartitionView>, ClientError> {
        Err(ClientError::Closed)
    }

    /// Sends everything now and returns when all that was appended before is delivered or failed; which
    /// of both, each [`Delivery`] tells.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn flush(&self) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }

    /// Takes no more records, delivers what was appended, and closes the connections. What is left after
    /// `timeout` fails with [`ClientError::Closed`].
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when something was left.
    pub async fn close(&self, _timeout: Duration) -> Result<(), ClientError> {
        Err(ClientError::Closed)
    }
}
