//! The batches of one partition, from the first record to the last answer: which may leave and when,
//! and how an idempotent producer numbers them so that no retry reorders or repeats a record. Pure: the
//! time comes with each call, answers come as verdicts.
//!
//! Numbers belong to the partition: the broker compares them partition by partition, so an epoch that is
//! raised here (KIP-360) concerns no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use millrace_protocol::records::{Compression, ProducerStamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::batch::{Batch, Item, Place, expired};
use super::delivery::{Fate, Written};
use crate::deadline::after;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What holds for the batches of every partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) batch_bytes: usize,
    pub(super) compression: Compression,
    pub(super) linger: Duration,
    pub(super) idempotent: bool,
    /// Unanswered batches of one partition.
    pub(super) in_flight_max: usize,
    pub(super) retries: u32,
    pub(super) delivery_timeout: Duration,
}

/// Producer id and epoch as the broker gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// What an answer says about a batch.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Written(Written),
    /// It may be there or not; sending it again tells.
    Retry(ClientError),
    /// It is not there, because one before it is not, or because the broker forgot the producer.
    OutOfSequence(ClientError),
    /// It is not there; half of it may fit.
    TooLarge(ClientError),
    /// It is not there and never will be.
    Refused(ClientError),
}

/// A batch whose fate is decided.
pub(super) type Finished = (Batch, Result<Written, ClientError>);

#[derive(Debug)]
struct InFlight {
    place: Place,
    count: usize,
    created: Instant,
    fate: Arc<Fate>,
    /// Its time was up before its answer came.
    is_given_up: bool,
}

#[derive(Debug, Clone, Copy)]
struct Numbering {
    identity: Identity,
    next_sequence: i32,
}

/// Whether the numbers of the batches that were sent still follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Whole,
    /// The batch at this place was given up; whether it was written shows by those after it.
    Doubtful(Place),
    /// The first batch in line is not written and its number will not be accepted: it and those after
    /// it, of which none can have been written, start over in a new epoch.
    Broken,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    /// Never sent, in order; only the last may be open.
    fresh: VecDeque<Batch>,
    /// To be sent again, by place.
    again: VecDeque<Batch>,
    in_flight: Vec<InFlight>,
    next_turn: u64,
    numbering: Option<Numbering>,
    /// An id whose epochs are used up here.
    exhausted_id: Option<i64>,
    chain: Chain,
    /// The sender knows that there is something to look after.
    pub(super) is_listed: bool,
    is_shut: bool,
}

/// Where a record went.
#[derive(Debug)]
pub(super) struct Slot {
    /// The batch's fate, if it was asked for.
    pub(super) fate: Option<Arc<Fate>>,
    pub(super) index: i32,
    /// The batch takes no more records.
    pub(super) batch_ended: bool,
    /// There is something new to send, or to wait for.
    pub(super) wakes: bool,
}

/// What came of an attempt to append.
#[derive(Debug)]
pub(super) enum Appended {
    Done(Slot),
    /// A new batch is needed, and memory for it.
    NeedsMemory,
    /// The producer is closed.
    Shut,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            in_flight: Vec::new(),
            next_turn: 0,
            numbering: None,
            exhausted_id: None,
            chain: Chain::Whole,
            is_listed: false,
            is_shut: false,
        }
    }

    /// Adds a record to the open batch, or to a new one if `memory` for it is given.
    pub(super) fn append(
        &mut self,
        item: &Item<'_>,
        partition: &TopicPartition,
        rules: &Rules,
        memory: &mut Option<OwnedSemaphorePermit>,
        wants_fate: bool,
    ) -> Appended {
        if self.is_shut {
            return Appended::Shut;
        }
        let mut is_new = false;
        loop {
            if let Some(batch) = self.fresh.back_mut() {
                if let Some(index) = batch.append(item, rules.batch_bytes) {
                    return Appended::Done(Slot {
                        fate: wants_fate.then(|| Arc::clone(&batch.fate)),
                        index,
                        batch_ended: batch.is_closed,
                        wakes: is_new || batch.is_closed,
                    });
                }
                batch.is_closed = true;
            }
            let Some(share) = memory.take() else { return Appended::NeedsMemory };
            let bytes = rules.batch_bytes.max(item.bytes_max);
            let place = (self.next_turn, 0);
            self.next_turn += 1;
            let batch = Batch::new(place, partition, rules.compression, bytes, Instant::now(), Some(share));
            self.fresh.push_back(batch);
            is_new = true;
        }
    }

    /// When the next batch may leave; `None` when there is none, or an answer must come first. `hurry`
    /// ends the wait for more records.
    pub(super) fn ready_at(&self, rules: &Rules, hurry: bool) -> Option<Instant> {
        if self.in_flight.len() >= rules.in_flight_max {
            return None;
        }
        if let Some(front) = self.again.front() {
            let must_wait = match self.chain {
                Chain::Broken => !self.in_flight.is_empty(),
                _ => rules.idempotent && self.in_flight.iter().any(|other| other.place < front.place),
            };
            return (!must_wait).then_some(front.retry_at);
        }
        let front = self.fresh.front()?;
        if self.chain != Chain::Whole && !self.in_flight.is_empty() {
            return None;
        }
        let is_full = front.is_closed || self.fresh.len() > 1;
        Some(if is_full || hurry { front.created } else { after(front.created, rules.linger) })
    }

    /// Bytes of the next batch in a request, at most.
    pub(super) fn next_bytes(&self) -> usize {
        self.again.front().or(self.fresh.front()).map_or(0, Batch::size_bytes)
    }

    /// Takes the next batch, which must be ready, and numbers it. `None` when a producer id is needed
    /// and `identity` does not serve.
    pub(super) fn take(&mut self, rules: &Rules, identity: Option<Identity>) -> Option<Batch> {
        if rules.idempotent {
            self.prepare_numbers(identity)?;
        }
        let mut batch = self.again.pop_front().or_else(|| self.fresh.pop_front())?;
        batch.attempts += 1;
        batch.is_closed = true;
        if let (None, Some(numbering)) = (batch.stamp, &mut self.numbering) {
            let Identity { id, epoch } = numbering.identity;
            batch.stamp = Some(ProducerStamp { id, epoch, base_sequence: numbering.next_sequence });
            numbering.next_sequence = batch.next_sequence().unwrap_or(0);
        }
        self.in_flight.push(InFlight {
            place: batch.place,
            count: batch.count(),
            created: batch.created,
            fate: Arc::clone(&batch.fate),
            is_given_up: false,
        });
        Some(batch)
    }

    fn prepare_numbers(&mut self, identity: Option<Identity>) -> Option<()> {
        let in_doubt = matches!(self.chain, Chain::Doubtful(_));
        let nothing_will_tell = self.in_flight.is_empty() && self.again.is_empty();
        if self.chain == Chain::Broken || in_doubt && nothing_will_tell {
            self.start_over();
        }
        if self.numbering.is_none() {
            let identity = identity.filter(|identity| Some(identity.id) != self.exhausted_id)?;
            self.numbering = Some(Numbering { identity, next_sequence: 0 });
        }
        Some(())
    }

    /// A new epoch, in which everything that waits is numbered anew.
    fn start_over(&mut self) {
        self.chain = Chain::Whole;
        for batch in &mut self.again {
            batch.stamp = None;
        }
        let Some(Numbering { identity, .. }) = self.numbering.take() else { return };
        match identity.epoch.checked_add(1).filter(|epoch| *epoch < i16::MAX) {
            Some(epoch) => {
                let identity = Identity { epoch, ..identity };
                self.numbering = Some(Numbering { identity, next_sequence: 0 });
            }
            None => self.exhausted_id = Some(identity.id),
        }
    }

    /// Takes in what an answer says. What is to be tried again is ready at `retry_at`; what is decided
    /// is returned.
    pub(super) fn settle(
        &mut self,
        batch: Batch,
        verdict: Verdict,
        rules: &Rules,
        now: Instant,
        retry_at: Instant,
    ) -> Option<Finished> {
        let is_given_up = self.land(batch.place);
        let is_first = !self.is_any_before(batch.place);
        match verdict {
            Verdict::Written(written) => {
                if let Chain::Doubtful(place) = self.chain
                    && place < batch.place
                {
                    self.chain = Chain::Whole;
                }
                let late = || batch.expired(rules.delivery_timeout, None);
                let result = if is_given_up { Err(late()) } else { Ok(written) };
                Some((batch, result))
            }
            Verdict::Retry(error) => self.retry(batch, error, is_given_up, rules, now, retry_at),
            Verdict::OutOfSequence(error) => {
                if is_first {
                    self.chain = Chain::Broken;
                }
                self.retry(batch, error, is_given_up, rules, now, retry_at)
            }
            Verdict::TooLarge(error) => match batch.cut() {
                Ok(halves) => {
                    halves.into_iter().for_each(|half| self.put_back(half, now));
                    None
                }
                Err(batch) => Some(self.refuse(*batch, error, is_first)),
            },
            Verdict::Refused(error) => Some(self.refuse(batch, error, is_first)),
        }
    }

    fn retry(
        &mut self,
        batch: Batch,
        error: ClientError,
        is_given_up: bool,
        rules: &Rules,
        now: Instant,
        retry_at: Instant,
    ) -> Option<Finished> {
        let is_late = is_given_up || batch.is_expired(now, rules.delivery_timeout);
        if !is_late && batch.attempts <= rules.retries {
            self.put_back(batch, retry_at);
            return None;
        }
        self.doubt(&batch);
        let error = if is_late { batch.expired(rules.delivery_timeout, Some(error)) } else { error };
        Some((batch, Err(error)))
    }

    fn refuse(&mut self, batch: Batch, error: ClientError, is_first: bool) -> Finished {
        if is_first && batch.stamp.is_some() {
            self.chain = Chain::Broken;
        } else {
            self.doubt(&batch);
        }
        (batch, Err(error))
    }

    /// A number was used up and perhaps never arrived.
    fn doubt(&mut self, batch: &Batch) {
        if batch.stamp.is_none() {
            return;
        }
        self.chain = match self.chain {
            Chain::Whole => Chain::Doubtful(batch.place),
            Chain::Doubtful(place) => Chain::Doubtful(place.max(batch.place)),
            Chain::Broken => Chain::Broken,
        };
    }

    fn put_back(&mut self, mut batch: Batch, retry_at: Instant) {
        batch.retry_at = retry_at;
        let at = self.again.partition_point(|other| other.place < batch.place);
        self.again.insert(at, batch);
    }

    /// Takes the batch out of those in flight. Returns whether it was given up meanwhile.
    fn land(&mut self, place: Place) -> bool {
        let at = self.in_flight.iter().position(|flight| flight.place == place);
        at.is_some_and(|at| self.in_flight.swap_remove(at).is_given_up)
    }

    fn is_any_before(&self, place: Place) -> bool {
        self.in_flight.iter().any(|flight| flight.place < place)
            || self.again.front().is_some_and(|batch| batch.place < place)
    }

    /// Gives up what is older than the delivery timeout. Those in flight fail now; their answers are
    /// still awaited, because the numbers depend on them.
    pub(super) fn expire(&mut self, rules: &Rules, now: Instant) -> Vec<Finished> {
        let mut finished = Vec::new();
        let timeout = rules.delivery_timeout;
        for flight in &mut self.in_flight {
            if !flight.is_given_up && now.duration_since(flight.created) >= timeout {
                flight.is_given_up = true;
                let error = expired(flight.fate.partition(), flight.count, timeout, None);
                flight.fate.seal(Err(error));
            }
        }
        while let Some(batch) = take_expired(&mut self.again, now, timeout) {
            self.doubt(&batch);
            finished.push(fail_expired(batch, timeout));
        }
        while let Some(batch) = take_expired(&mut self.fresh, now, timeout) {
            finished.push(fail_expired(batch, timeout));
        }
        finished
    }

    /// When `expire` has something to do next.
    pub(super) fn expires_at(&self, rules: &Rules) -> Option<Instant> {
        let waiting = self.again.iter().chain(self.fresh.front()).map(|batch| batch.created);
        let flying = self.in_flight.iter().filter(|flight| !flight.is_given_up).map(|flight| flight.created);
        waiting.chain(flying).min().map(|created| after(created, rules.delivery_timeout))
    }

    /// Nothing waits and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.fresh.is_empty() && self.again.is_empty() && self.in_flight.is_empty()
    }

    /// The fates of all that is not decided.
    pub(super) fn fates(&self) -> impl Iterator<Item = Arc<Fate>> + '_ {
        let waiting = self.again.iter().chain(&self.fresh).map(|batch| &batch.fate);
        waiting.chain(self.in_flight.iter().map(|flight| &flight.fate)).map(Arc::clone)
    }

    /// Takes no more records and gives back what never left.
    pub(super) fn shut(&mut self) -> Vec<Batch> {
        self.is_shut = true;
        self.drain()
    }

    /// Gives back what waits.
    pub(super) fn drain(&mut self) -> Vec<Batch> {
        let again: Vec<Batch> = self.again.drain(..).collect();
        again.iter().for_each(|batch| self.doubt(batch));
        again.into_iter().chain(self.fresh.drain(..)).collect()
    }
}

fn take_expired(batches: &mut VecDeque<Batch>, now: Instant, timeout: Duration) -> Option<Batch> {
    let at = batches.iter().position(|batch| batch.is_expired(now, timeout))?;
    batches.remove(at)
}

fn fail_expired(batch: Batch, timeout: Duration) -> Finished {
    let error = batch.expired(timeout, None);
    (batch, Err(error))
}

#[cfg(test)]
mod tests;
