//! Hands out producer ids from this broker's block, and takes the next block when it is used up
//! (`RPCProducerIdManager`).

use std::ops::Range;

use millrace_metadata::controller::{Decision, allocate_producer_ids};
use millrace_protocol::ErrorCode;
use tokio::sync::Mutex;
use tracing::warn;

use crate::quorum::Quorum;

/// This broker's block.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    node_id: i32,
    block: Mutex<Range<i64>>,
}

impl ProducerIds {
    pub(crate) fn new(node_id: i32) -> Self {
        Self { node_id, block: Mutex::new(0..0) }
    }

    /// An id that no other producer has or will have.
    pub(crate) async fn next(&self, quorum: &Quorum) -> Result<i64, ErrorCode> {
        let mut block = self.block.lock().await;
        if block.is_empty() {
            *block = self.allocate(quorum).await?;
        }
        block.next().ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)
    }

    async fn allocate(&self, quorum: &Quorum) -> Result<Range<i64>, ErrorCode> {
        let allocated = quorum.propose(|image, _| {
            let epoch = image.broker(self.node_id).map_or(-1, |broker| broker.epoch);
            match allocate_producer_ids(image, self.node_id, epoch) {
                Ok(Decision { records, reply }) => Decision { records, reply: Ok(reply) },
                Err(error) => Decision::unchanged(Err(error)),
            }
        });
        match allocated.await {
            Ok(Ok(block)) => Ok(block),
            Ok(Err(error)) => {
                warn!("no producer ids: {error}");
                Err(error.code)
            }
            Err(error) => {
                warn!("no producer ids: {error}");
                Err(error.code())
            }
        }
    }
}
