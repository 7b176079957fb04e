//! What becomes of a batch, and who waits for it. One fate for all records of a batch: a record's
//! delivery is a place in it. Never knows how batches travel.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::RecordMetadata;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Where a batch was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Offset of its first record; -1 when the broker did not tell.
    pub(super) base_offset: i64,
    /// The log's own time in milliseconds since 1970, where it keeps one.
    pub(super) append_time_ms: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fate {
    partition: TopicPartition,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing is known; these are to be woken.
    Open(Vec<Waker>),
    Sealed(Result<Written, ClientError>),
    /// The batch was cut because it was too large: records from `at` on have the second fate.
    Cut {
        at: i32,
        before: Arc<Fate>,
        after: Arc<Fate>,
    },
}

impl Fate {
    pub(super) fn new(partition: TopicPartition) -> Arc<Self> {
        Arc::new(Self { partition, state: Mutex::new(State::Open(Vec::new())) })
    }

    pub(super) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Decides it, once: whoever comes second changes nothing. Returns whether this was the first.
    pub(super) fn seal(&self, result: Result<Written, ClientError>) -> bool {
        self.decide(State::Sealed(result))
    }

    /// The records go on in two batches.
    pub(super) fn cut(&self, at: i32, before: Arc<Fate>, after: Arc<Fate>) {
        self.decide(State::Cut { at, before, after });
    }

    fn decide(&self, decided: State) -> bool {
        let mut state = self.state.lock();
        let State::Open(waiting) = &mut *state else { return false };
        let waiting = std::mem::take(waiting);
        *state = decided;
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.state.lock(), State::Open(_))
    }

    /// Returns when every record of the batch was delivered or failed.
    pub(super) async fn finished(self: Arc<Self>) {
        let mut open = vec![self];
        while let Some(fate) = open.pop() {
            let mut slot = None;
            let cut = std::future::poll_fn(|context| {
                let mut state = fate.state.lock();
                match &mut *state {
                    State::Open(waiting) => {
                        enlist(waiting, &mut slot, context);
                        Poll::Pending
                    }
                    State::Sealed(_) => Poll::Ready(None),
                    State::Cut { before, after, .. } => {
                        Poll::Ready(Some([Arc::clone(before), Arc::clone(after)]))
                    }
                }
            });
            open.extend(cut.await.into_iter().flatten());
        }
    }
}

fn enlist(waiting: &mut Vec<Waker>, slot: &mut Option<usize>, context: &Context<'_>) {
    match slot.and_then(|slot| waiting.get_mut(slot)) {
        Some(waker) => waker.clone_from(context.waker()),
        None => {
            *slot = Some(waiting.len());
            waiting.push(context.waker().clone());
        }
    }
}

/// Resolves when the record was acknowledged, or finally failed. May be dropped: the record is sent all
/// the same.
#[derive(Debug)]
pub struct Delivery {
    fate: Arc<Fate>,
    /// The record's place in its batch.
    index: i32,
    timestamp_ms: i64,
    slot: Option<usize>,
}

impl Delivery {
    pub(super) fn new(fate: Arc<Fate>, index: i32, timestamp_ms: i64) -> Self {
        Self { fate, index, timestamp_ms, slot: None }
    }

    /// Where the record is to be written.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        self.fate.partition()
    }

    fn metadata(&self, written: Written) -> RecordMetadata {
        let offset = match written.base_offset {
            -1 => -1,
            base => base.saturating_add(i64::from(self.index)),
        };
        RecordMetadata {
            partition: self.fate.partition.clone(),
            offset,
            timestamp_ms: written.append_time_ms.unwrap_or(self.timestamp_ms),
        }
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ClientError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let fate = Arc::clone(&this.fate);
            let mut state = fate.state.lock();
            match &mut *state {
                State::Open(waiting) => {
                    enlist(waiting, &mut this.slot, context);
                    return Poll::Pending;
                }
                State::Sealed(result) => {
                    let result = result.clone();
                    return Poll::Ready(result.map(|written| this.metadata(written)));
                }
                State::Cut { at, before, after } => {
                    this.slot = None;
                    if this.index < *at {
                        this.fate = Arc::clone(before);
                    } else {
                        this.index -= *at;
                        this.fate = Arc::clone(after);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(base_offset: i64) -> Result<Written, ClientError> {
        Ok(Written { base_offset, append_time_ms: None })
    }

    #[tokio::test]
    async fn records_of_a_cut_batch_find_their_half() {
        let fate = Fate::new(TopicPartition::new("t", 0));
        let waiting: Vec<_> =
            (0..4).map(|index| tokio::spawn(Delivery::new(Arc::clone(&fate), index, 7))).collect();
        tokio::task::yield_now().await;
        let halves = [Fate::new(TopicPartition::new("t", 0)), Fate::new(TopicPartition::new("t", 0))];
        fate.cut(3, Arc::clone(&halves[0]), Arc::clone(&halves[1]));
        let finished = tokio::spawn(Arc::clone(&fate).finished());
        assert!(halves[0].seal(written(100)));
        assert!(halves[1].seal(Err(ClientError::Closed)));
        assert!(!halves[1].seal(written(1)), "the first decision stands");
        let mut results = Vec::new();
        for one in waiting {
            results.push(one.await.unwrap().map(|metadata| metadata.offset));
        }
        assert_eq!(results, [Ok(100), Ok(101), Ok(102), Err(ClientError::Closed)]);
        finished.await.unwrap();
    }
}
