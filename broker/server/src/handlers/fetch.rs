//! Fetch: ranges of segment files for the partitions a client wants, now or when there is enough of
//! them (`KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`). Records
//! are never decoded here, except for clients from before record batches.

use std::sync::Arc;
use std::time::Duration;

use millrace_log::FileRange;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use millrace_protocol::records::legacy::{self, Room};
use millrace_protocol::wire::RecordSet;

use crate::context::RequestContext;
use crate::partitions::{
    Failure, FetchContext, FetchSessions, FetchWaiter, Parking, Partition, Partitions, Session, Slice,
    TopicKey, Wanted,
};

#[cfg(test)]
mod tests;

/// The first version that names topics by id (KIP-516).
const FIRST_WITH_IDS: i16 = 13;
/// The first version whose limit in bytes yields to a first batch that is larger (KIP-74).
const FIRST_WITH_SOFT_LIMIT: i16 = 3;
/// The first version whose clients read record batches; 2 and 3 read messages of magic 1.
const FIRST_WITH_BATCHES: i16 = 4;
const FIRST_WITH_MAGIC_1: i16 = 2;
/// The first version that tells clients who leads, where they are wrong about it (KIP-951).
const FIRST_WITH_LEADER: i16 = 12;
const READ_COMMITTED: i8 = 1;
/// What one fetch of an older version takes from the logs, but for a first batch that is larger.
const OLD_BYTES_MAX: usize = 1 << 20;
/// What its records may become: those of the first batch, and all others together.
const OLD_ROOM: Room = Room { first_bytes: 100 << 20, rest_bytes: 4 << 20 };
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// A response, and the ranges of files that fill its holes.
pub(crate) struct FetchAnswer {
    pub(crate) response: FetchResponse,
    pub(crate) files: Vec<FileRange>,
    /// The offsets that were asked for, in the order of the files.
    offsets: Vec<i64>,
}

/// What became of a request.
pub(crate) enum FetchStarted {
    Ready(FetchAnswer),
    Parked(ParkedFetch),
}

/// A fetch that waits for more to read.
pub(crate) struct ParkedFetch {
    fetch: Fetch,
    parking: Parking,
    wait_max: Duration,
}

/// The parts of a request that its passes over the partitions need.
struct Fetch {
    partitions: Arc<Partitions>,
    context: FetchContext,
    version: i16,
    read_committed: bool,
    /// Where among its partitions a request without a session begins.
    first: usize,
    bytes_max: usize,
}

/// One pass over the wanted partitions: what each of them has to say.
struct Pass {
    /// Position among the wanted, and what was found.
    found: Vec<(usize, Found)>,
    bytes: usize,
    /// Something has to be said at once, however little there is to read.
    urgent: bool,
}

struct Found {
    topic: TopicKey,
    data: PartitionData,
    fetch_offset: i64,
    slice: Option<Slice>,
    partition: Option<Arc<Partition>>,
}

pub(crate) fn start(
    partitions: &Arc<Partitions>,
    sessions: &FetchSessions,
    bytes_max: i32,
    context: &RequestContext,
    request: FetchRequest,
) -> FetchStarted {
    let version = context.api_version;
    let session = match sessions.context(&request, version >= FIRST_WITH_IDS) {
        Ok(session) => session,
        Err(error_code) => {
            let response = FetchResponse { error_code, ..FetchResponse::default() };
            return FetchStarted::Ready(FetchAnswer { response, files: Vec::new(), offsets: Vec::new() });
        }
    };
    let fetch = Fetch {
        partitions: Arc::clone(partitions),
        context: session,
        version,
        read_committed: request.isolation_level == READ_COMMITTED,
        first: if version < FIRST_WITH_BATCHES { context.correlation_id.unsigned_abs() as usize } else { 0 },
        bytes_max: usize::try_from(request.max_bytes.min(bytes_max)).unwrap_or(0),
    };
    let first = fetch.pass();
    let mut wanted_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    if version < FIRST_WITH_BATCHES {
        // More than it may take would be waited for in vain.
        wanted_bytes = wanted_bytes.min(OLD_BYTES_MAX / 2);
    }
    if first.urgent || first.bytes >= wanted_bytes || request.max_wait_ms <= 0 || first.found.is_empty() {
        return FetchStarted::Ready(fetch.answer(first));
    }
    let wait_max = Duration::from_millis(request.max_wait_ms.unsigned_abs().into()).min(WAIT_MAX);
    fetch.park(&first, wanted_bytes - first.bytes, wait_max)
}

impl Fetch {
    /// Parks on the partitions of `first`. What arrived since that pass is answered at once.
    fn park(self, first: &Pass, missing_bytes: usize, wait_max: Duration) -> FetchStarted {
        let waiter = FetchWaiter::new(i64::try_from(missing_bytes).unwrap_or(i64::MAX));
        let named: Vec<_> = first.found.iter().filter_map(|(_, found)| found.partition.clone()).collect();
        let Some(parking) = self.partitions.park(named, waiter) else {
            return FetchStarted::Ready(self.answer_now());
        };
        if first.found.iter().any(|(_, found)| self.has_moved(found)) {
            drop(parking);
            return FetchStarted::Ready(self.answer_now());
        }
        FetchStarted::Parked(ParkedFetch { fetch: self, parking, wait_max })
    }

    /// Whether there is more to read than was found, or the partition is no longer this one: whoever appends to
    /// it or removes it from now on sees that the fetch is parked.
    fn has_moved(&self, found: &Found) -> bool {
        let Some(partition) = &found.partition else { return false };
        partition.high_watermark() != found.data.high_watermark
            || !self
                .find(&found.topic, found.data.partition_index)
                .is_ok_and(|now| Arc::ptr_eq(&now, partition))
    }

    fn find(&self, topic: &TopicKey, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        if self.version >= FIRST_WITH_IDS {
            self.partitions.find_by_id(&topic.id, index)
        } else {
            self.partitions.find(&topic.name, index)
        }
    }

    fn answer_now(&self) -> FetchAnswer {
        self.answer(self.pass())
    }

    fn pass(&self) -> Pass {
        match &self.context {
            FetchContext::Sessionless(wanted) => {
                // What an older version may take is little: its partitions take turns.
                let (count, first) = (wanted.len(), self.first);
                self.read_all(wanted, (0..count).map(move |step| (first + step) % count))
            }
            FetchContext::Full(session) | FetchContext::Incremental(session) => {
                let session = session.lock();
                self.read_all(&session.wanted, session.order())
            }
        }
    }

    fn read_all(&self, wanted: &[Wanted], order: impl Iterator<Item = usize>) -> Pass {
        let mut pass = Pass { found: Vec::with_capacity(wanted.len()), bytes: 0, urgent: false };
        for position in order {
            let found = self.read_one(&wanted[position], pass.bytes);
            pass.bytes += found.slice.as_ref().map_or(0, |slice| slice.len);
            pass.urgent |= found.data.error_code.is_err() || found.data.diverging_epoch.epoch >= 0;
            pass.found.push((position, found));
        }
        pass
    }

    fn read_one(&self, wanted: &Wanted, bytes_before: usize) -> Found {
        let request = &wanted.request;
        let topic = wanted.topic.clone();
        let mut data = PartitionData {
            partition_index: request.partition,
            high_watermark: -1,
            records: Some(RecordSet::default()),
            aborted_transactions: self.read_committed.then(Vec::new),
            ..PartitionData::default()
        };
        let partition = match self.find(&wanted.topic, request.partition) {
            Ok(partition) => partition,
            Err(code) => {
                data.error_code = code;
                return Found {
                    topic,
                    data,
                    fetch_offset: request.fetch_offset,
                    slice: None,
                    partition: None,
                };
            }
        };
        let slice = self.read_partition(&partition, wanted, bytes_before, &mut data);
        Found { topic, data, fetch_offset: request.fetch_offset, slice, partition: Some(partition) }
    }

    fn read_partition(
        &self,
        partition: &Partition,
        wanted: &Wanted,
        bytes_before: usize,
        data: &mut PartitionData,
    ) -> Option<Slice> {
        let request = &wanted.request;
        if let Err(code) = partition.check_leader_epoch(request.current_leader_epoch) {
            data.error_code = code;
            if self.version >= FIRST_WITH_LEADER {
                let (leader_id, leader_epoch) = (partition.leader_id(), partition.leader_epoch());
                data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
            }
            return None;
        }
        data.high_watermark = partition.high_watermark();
        data.last_stable_offset = data.high_watermark;
        data.log_start_offset = partition.log_start_offset();
        if let Some((epoch, end_offset)) =
            partition.diverging(request.last_fetched_epoch, request.fetch_offset)
        {
            data.diverging_epoch = EpochEndOffset { epoch, end_offset };
            return None;
        }
        let left = self.bytes_max.saturating_sub(bytes_before);
        let limit = left.min(usize::try_from(request.partition_max_bytes).unwrap_or(0));
        let is_first = bytes_before == 0;
        let yields = is_first && self.version >= FIRST_WITH_SOFT_LIMIT;
        let read = if self.version < FIRST_WITH_BATCHES {
            let limit = limit.min(OLD_BYTES_MAX.saturating_sub(bytes_before));
            partition.read(request.fetch_offset, limit, is_first)
        } else {
            partition.read(request.fetch_offset, limit, yields)
        };
        match read {
            Ok(slice) => slice.filter(|slice| yields || slice.len <= limit),
            Err(failure) => {
                data.error_code = failure.code;
                // An error says nothing of the log (`FetchResponse.INVALID_HIGH_WATERMARK`).
                (data.high_watermark, data.last_stable_offset, data.log_start_offset) = (-1, -1, -1);
                None
            }
        }
    }

    fn answer(&self, pass: Pass) -> FetchAnswer {
        match &self.context {
            FetchContext::Sessionless(_) => compose(0, pass.found.into_iter().map(|(_, found)| found)),
            FetchContext::Full(session) => answer_in_session(&mut session.lock(), pass, true),
            FetchContext::Incremental(session) => answer_in_session(&mut session.lock(), pass, false),
        }
    }
}

fn answer_in_session(session: &mut Session, pass: Pass, full: bool) -> FetchAnswer {
    let mut told = Vec::with_capacity(pass.found.len());
    let mut last_served = None;
    for (position, found) in pass.found {
        let data = &found.data;
        let Some(wanted) = session.wanted_at(position, &found.topic, data.partition_index) else { continue };
        let records = found.slice.is_some() || data.diverging_epoch.epoch >= 0;
        let news = wanted.tell(data.error_code, data.high_watermark, data.log_start_offset, records);
        if found.slice.is_some() {
            last_served = Some(position);
        }
        if full || news {
            told.push(found);
        }
    }
    if let Some(position) = last_served {
        session.served(position);
    }
    compose(session.id, told.into_iter())
}

/// Puts what was found into the response's order: partitions of one topic together as long as they come
/// together.
fn compose(session_id: i32, told: impl Iterator<Item = Found>) -> FetchAnswer {
    let (mut files, mut offsets) = (Vec::new(), Vec::new());
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for Found { topic, mut data, fetch_offset, slice, partition } in told {
        if let Some(slice) = slice {
            if let Some(partition) = partition {
                partition.observe_read(slice.len);
            }
            data.records = Some(RecordSet::External(slice.len));
            files.push(slice);
            offsets.push(fetch_offset);
        }
        match responses.last_mut() {
            Some(last) if last.topic == *topic.name && last.topic_id == topic.id => {
                last.partitions.push(data)
            }
            _ => responses.push(FetchableTopicResponse {
                topic: topic.name.to_string(),
                topic_id: topic.id,
                partitions: vec![data],
            }),
        }
    }
    let response = FetchResponse { session_id, responses, ..FetchResponse::default() };
    FetchAnswer { response, files, offsets }
}

impl FetchAnswer {
    /// Whether the client is from before record batches, so that there are records to convert.
    pub(crate) fn wants_conversion(&self, version: i16) -> bool {
        version < FIRST_WITH_BATCHES && !self.files.is_empty()
    }

    /// Clients from before 0.11 get message sets, without record headers. Reads from the disk and decompresses.
    pub(crate) fn converted(self, version: i16) -> Self {
        let Self { mut response, files, offsets } = self;
        let mut room = OLD_ROOM;
        let all = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
        let with_records = all.filter(|data| matches!(data.records, Some(RecordSet::External(_))));
        for (data, (slice, fetch_offset)) in with_records.zip(files.into_iter().zip(offsets)) {
            match down_converted(slice, version, fetch_offset, &mut room) {
                Ok(records) => data.records = Some(records),
                Err(code) => {
                    (data.error_code, data.records) = (code, Some(RecordSet::default()));
                    (data.high_watermark, data.last_stable_offset, data.log_start_offset) = (-1, -1, -1);
                }
            }
        }
        Self { response, files: Vec::new(), offsets: Vec::new() }
    }
}

fn down_converted(
    slice: Slice,
    version: i16,
    fetch_offset: i64,
    room: &mut Room,
) -> Result<RecordSet, ErrorCode> {
    let magic = if version >= FIRST_WITH_MAGIC_1 { 1 } else { 0 };
    let bytes = slice.read_to_bytes().map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    let set = legacy::from_batches(bytes, magic, fetch_offset, room);
    set.map(RecordSet::Memory).map_err(|error| Failure::from_records(&error).code)
}

impl ParkedFetch {
    /// Partitions that it waits for.
    pub(crate) fn partitions(&self) -> usize {
        self.parking.partitions()
    }

    /// Waits for enough to arrive, or for the client's patience to end, and reads once more.
    pub(crate) async fn wait(self) -> FetchAnswer {
        let Self { fetch, parking, wait_max } = self;
        // Either way there is an answer; only what it holds differs.
        let _timed_out = tokio::time::timeout(wait_max, parking.woken()).await.is_err();
        drop(parking);
        fetch.answer_now()
    }
}
