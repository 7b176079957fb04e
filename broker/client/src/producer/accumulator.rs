//! Where senders and the producer's task meet: the queues of all partitions, the memory they may take,
//! and what wakes the task. Appending waits for nothing: what is missing is said, and the caller gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::batch::{Batch, Item};
use super::delivery::Fate;
use super::partitioner::{Sticky, partition_for_key};
use super::queue::{Appended, Queue, Rules, Slot};
use crate::cluster::{ClusterView, TopicView};
use crate::config::Partitioning;
use crate::topic_partition::TopicPartition;

/// No leader is known.
pub(super) const NO_LEADER: i32 = -1;

/// A partition, for as long as anything of it is to be sent.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: TopicPartition,
    leader: AtomicI32,
    pub(super) queue: Mutex<Queue>,
}

impl Partition {
    pub(super) fn leader(&self) -> i32 {
        self.leader.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Topic {
    partitions: Vec<Arc<Partition>>,
    /// Numbers of those with a leader.
    available: Vec<i32>,
    sticky: Sticky,
    /// When a record was last appended, in milliseconds since 1970.
    used_at_ms: AtomicI64,
}

/// How far a producer is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// What was appended is still delivered.
    Closing,
    /// Nothing more is done.
    Abandoned,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Accumulator {
    pub(super) rules: Rules,
    partitioning: Partitioning,
    topics: RwLock<FxHashMap<Arc<str>, Topic>>,
    memory: Arc<Semaphore>,
    memory_bytes: usize,
    /// Partitions that the task does not look after yet.
    arrivals: Mutex<Vec<Arc<Partition>>>,
    pub(super) wake: Notify,
    /// Flushes, and senders that wait for memory: while there are any, no batch waits for more records.
    hurries: AtomicUsize,
    phase: AtomicU8,
}

/// A record and where it is to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressed<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) item: Item<'a>,
    pub(super) now_ms: i64,
    pub(super) wants_fate: bool,
}

/// What came of an attempt to add a record.
#[derive(Debug)]
pub(super) enum Added {
    Done(Slot),
    UnknownTopic,
    /// The topic has fewer partitions than that.
    UnknownPartition,
    NeedsMemory,
    Shut,
}

impl Accumulator {
    pub(super) fn new(rules: Rules, partitioning: Partitioning, memory_bytes: usize) -> Self {
        let memory_bytes = memory_bytes.min(Semaphore::MAX_PERMITS);
        Self {
            rules,
            partitioning,
            topics: RwLock::new(FxHashMap::default()),
            memory: Arc::new(Semaphore::new(memory_bytes)),
            memory_bytes,
            arrivals: Mutex::new(Vec::new()),
            wake: Notify::new(),
            hurries: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Open as u8),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Adds a record to its partition's batch; `memory` is used if a new batch is needed.
    pub(super) fn add(&self, record: &Addressed<'_>, memory: &mut Option<OwnedSemaphorePermit>) -> Added {
        if self.phase() != Phase::Open {
            return Added::Shut;
        }
        let topics = self.topics.read();
        let Some(topic) = topics.get(record.topic).filter(|topic| !topic.partitions.is_empty()) else {
            return Added::UnknownTopic;
        };
        let (chosen, is_sticky) = self.choose(topic, record);
        let Some(partition) = usize::try_from(chosen).ok().and_then(|at| topic.partitions.get(at)) else {
            return Added::UnknownPartition;
        };
        let mut queue = partition.queue.lock();
        let slot = match queue.append(&record.item, &partition.id, &self.rules, memory, record.wants_fate) {
            Appended::Done(slot) => slot,
            Appended::NeedsMemory => {
                // The batch before has ended: a good place to go on elsewhere.
                if is_sticky {
                    self.count_sticky(topic, 0, true);
                }
                return Added::NeedsMemory;
            }
            Appended::Shut => return Added::Shut,
        };
        let is_new = !std::mem::replace(&mut queue.is_listed, true);
        drop(queue);
        if is_sticky {
            self.count_sticky(topic, record.item.bytes_max, slot.batch_ended);
        }
        if topic.used_at_ms.load(Ordering::Relaxed) != record.now_ms {
            topic.used_at_ms.store(record.now_ms, Ordering::Relaxed);
        }
        if is_new {
            self.arrivals.lock().push(Arc::clone(partition));
        }
        if is_new || slot.wakes {
            self.wake.notify_one();
        }
        Added::Done(slot)
    }

    fn count_sticky(&self, topic: &Topic, bytes: usize, batch_ended: bool) {
        let count = topic.partitions.len() as i32;
        topic.sticky.count(bytes, batch_ended, self.rules.batch_bytes, &topic.available, count);
    }

    /// The partition's number, and whether it was the sticky partitioner that chose it.
    fn choose(&self, topic: &Topic, record: &Addressed<'_>) -> (i32, bool) {
        let count = topic.partitions.len() as i32;
        match (record.partition, record.item.key, self.partitioning) {
            (Some(partition), ..) => (partition, false),
            (None, _, Partitioning::RoundRobin) => {
                (topic.sticky.next_in_turn(&topic.available, count), false)
            }
            (None, Some(key), Partitioning::Default { ignore_keys: false }) => {
                (partition_for_key(key, count), false)
            }
            (None, _, Partitioning::Default { .. }) => (topic.sticky.current(&topic.available, count), true),
        }
    }

    /// Bytes of memory that a batch takes whose first record is `item`.
    pub(super) fn batch_memory(&self, item: &Item<'_>) -> u32 {
        let bytes = self.rules.batch_bytes.max(item.bytes_max).min(self.memory_bytes);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Memory for a batch, once there is some. While anybody waits, batches leave early.
    pub(super) async fn allocate(self: &Arc<Self>, bytes: u32) -> Option<OwnedSemaphorePermit> {
        let memory = Arc::clone(&self.memory);
        if let Ok(share) = Arc::clone(&memory).try_acquire_many_owned(bytes) {
            return Some(share);
        }
        let _hurry = self.hurry();
        memory.acquire_many_owned(bytes).await.ok()
    }

    /// Makes every batch leave as soon as it can, until the guard is dropped.
    pub(super) fn hurry(self: &Arc<Self>) -> Hurry {
        self.hurries.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
        Hurry(Arc::clone(self))
    }

    pub(super) fn is_in_a_hurry(&self) -> bool {
        self.hurries.load(Ordering::Acquire) > 0 || self.phase() != Phase::Open
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Closing,
            _ => Phase::Abandoned,
        }
    }

    /// Moves towards the end; there is no way back.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        if phase == Phase::Abandoned {
            self.memory.close();
        }
        self.wake.notify_one();
    }

    /// Hands over the partitions that came up since.
    pub(super) fn take_arrivals(&self, active: &mut Vec<Arc<Partition>>) {
        active.append(&mut self.arrivals.lock());
    }

    pub(super) fn has_arrivals(&self) -> bool {
        !self.arrivals.lock().is_empty()
    }

    /// The fates of everything that is not decided.
    pub(super) fn open_fates(&self) -> Vec<Arc<Fate>> {
        let topics = self.topics.read();
        let partitions = topics.values().flat_map(|topic| &topic.partitions);
        partitions.flat_map(|partition| partition.queue.lock().fates().collect::<Vec<_>>()).collect()
    }

    /// Takes no more records and gives back those that never left.
    pub(super) fn shut(&self) -> Vec<Batch> {
        self.enter(Phase::Closing);
        let topics = self.topics.read();
        let partitions = topics.values().flat_map(|topic| &topic.partitions);
        partitions.flat_map(|partition| partition.queue.lock().shut()).collect()
    }

    /// Knows the topic from now on, with the partitions of the view.
    pub(super) fn learn(&self, view: &TopicView, now_ms: i64) {
        let mut topics = self.topics.write();
        let topic = topics.entry(Arc::clone(&view.name)).or_insert_with(|| Topic {
            partitions: Vec::new(),
            available: Vec::new(),
            sticky: Sticky::new(),
            used_at_ms: AtomicI64::new(now_ms),
        });
        update(topic, view);
    }

    /// Takes over what changed about the topics in use.
    pub(super) fn follow(&self, cluster: &ClusterView) {
        let mut topics = self.topics.write();
        for (name, topic) in topics.iter_mut() {
            match cluster.topic(name) {
                Some(view) => update(topic, view),
                None => topic.forget_leaders(),
            }
        }
    }

    /// Names of the topics in use, without those that nobody sent to since `since_ms`.
    pub(super) fn topics_in_use(&self, since_ms: i64) -> Vec<String> {
        let mut topics = self.topics.write();
        topics.retain(|_, topic| {
            topic.used_at_ms.load(Ordering::Relaxed) >= since_ms
                || topic.partitions.iter().any(|partition| partition.queue.lock().is_listed)
        });
        topics.keys().map(|name| name.to_string()).collect()
    }
}

impl Topic {
    fn forget_leaders(&mut self) {
        self.available.clear();
        for partition in &self.partitions {
            partition.leader.store(NO_LEADER, Ordering::Release);
        }
    }
}

/// Partitions keep their queues; new ones are added, and those that are gone lose their leader.
fn update(topic: &mut Topic, view: &TopicView) {
    topic.forget_leaders();
    let count = view.partitions.last().map_or(0, |last| last.partition + 1);
    for number in topic.partitions.len() as i32..count {
        topic.partitions.push(Arc::new(Partition {
            id: TopicPartition::new(Arc::clone(&view.name), number),
            leader: AtomicI32::new(NO_LEADER),
            queue: Mutex::new(Queue::new()),
        }));
    }
    topic.partitions.truncate(usize::try_from(count).unwrap_or(0));
    for partition in &topic.partitions {
        let number = partition.id.partition;
        if let Some(leader) = view.partition(number).and_then(|known| known.leader) {
            partition.leader.store(leader, Ordering::Release);
            topic.available.push(number);
        }
    }
}

/// See [`Accumulator::hurry`].
#[derive(Debug)]
pub(super) struct Hurry(Arc<Accumulator>);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.hurries.fetch_sub(1, Ordering::AcqRel);
    }
}
