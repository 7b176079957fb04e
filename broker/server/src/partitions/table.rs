//! All partitions of this broker, found by topic name or id without a lock, and the two ends of their
//! lives: made when the metadata places one here, removed when it no longer does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use imbl::{HashMap, HashSet};
use millrace_log::{Log, LogConfig, LogError, LogManager, TopicPartition, WantedLog};
use millrace_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;

use super::flushes::Flushes;
use super::partition::Partition;
use super::waiters::FetchWaiter;
use crate::metrics::Metrics;

/// A partition that the metadata places on this broker.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) config: Arc<LogConfig>,
}

/// The partitions of one topic, by number; a number may be missing where others have it.
type Topic = HashMap<i32, Arc<Partition>>;

/// What readers see: immutable, replaced whole, cheap to derive from the one before.
#[derive(Debug, Clone, Default)]
struct Table {
    by_name: HashMap<Arc<str>, Topic>,
    names: HashMap<Uuid, Arc<str>>,
    /// Placed here by the metadata, with a log that could not be opened.
    offline: HashSet<(Arc<str>, i32)>,
}

impl Placement {
    fn partition(&self) -> TopicPartition {
        TopicPartition::new(&*self.topic, self.index)
    }

    fn wanted_log(&self) -> WantedLog {
        WantedLog { partition: self.partition(), topic_id: self.topic_id, config: Arc::clone(&self.config) }
    }

    fn follow(&self, partition: &Partition) -> Result<(), LogError> {
        partition.log().update_config(Arc::clone(&self.config));
        partition.lead(self.leader_id, self.leader_epoch)
    }
}

impl Table {
    fn search(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let found = self.by_name.get(topic).and_then(|topic| topic.get(&index));
        found.cloned().ok_or_else(|| {
            let offline = !self.offline.is_empty() && self.offline.contains(&(Arc::from(topic), index));
            if offline { ErrorCode::KAFKA_STORAGE_ERROR } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION }
        })
    }

    fn find(&self, placement: &Placement) -> Option<&Arc<Partition>> {
        self.by_name.get(&placement.topic)?.get(&placement.index)
    }

    fn fail(&mut self, placement: &Placement) {
        self.offline.insert((Arc::clone(&placement.topic), placement.index));
        self.names.insert(placement.topic_id, Arc::clone(&placement.topic));
    }

    fn insert(&mut self, placement: &Placement, partition: Arc<Partition>) {
        self.offline.remove(&(Arc::clone(&placement.topic), placement.index));
        self.by_name.entry(Arc::clone(&placement.topic)).or_default().insert(placement.index, partition);
        self.names.insert(placement.topic_id, Arc::clone(&placement.topic));
    }
}

/// The partitions of this broker.
#[derive(Debug)]
pub(crate) struct Partitions {
    logs: Arc<LogManager>,
    metrics: Arc<Metrics>,
    table: ArcSwap<Table>,
    /// Held by whoever derives the next table.
    changing: Mutex<()>,
    parked: Arc<AtomicUsize>,
    parked_max: usize,
    flushes: Arc<Flushes>,
}

/// A data directory and the partitions in it.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

impl Partitions {
    pub(crate) fn new(logs: Arc<LogManager>, metrics: Arc<Metrics>, parked_max: usize) -> Arc<Self> {
        Arc::new(Self {
            logs,
            metrics,
            table: ArcSwap::default(),
            changing: Mutex::new(()),
            parked: Arc::default(),
            parked_max,
            flushes: Arc::default(),
        })
    }

    /// The flushes that partitions owe.
    pub(crate) fn flushes(&self) -> &Arc<Flushes> {
        &self.flushes
    }

    pub(crate) fn get(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.table.load().by_name.get(topic)?.get(&index).cloned()
    }

    /// # Errors
    /// `KAFKA_STORAGE_ERROR` when the disk keeps it from being served, `UNKNOWN_TOPIC_OR_PARTITION` when
    /// it is not here.
    pub(crate) fn find(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        self.table.load().search(topic, index)
    }

    /// # Errors
    /// As [`Partitions::find`], with `UNKNOWN_TOPIC_ID` for an id that is not known.
    pub(crate) fn find_by_id(&self, id: &Uuid, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let table = self.table.load();
        let name = table.names.get(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        table.search(name, index)
    }

    /// Partitions that are placed here and have no log, since the disk failed when it was opened.
    pub(crate) fn offline(&self) -> Vec<(Arc<str>, i32)> {
        self.table.load().offline.iter().cloned().collect()
    }

    /// Every partition, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.table.load().by_name.values().flat_map(|topic| topic.values().cloned()).collect()
    }

    pub(crate) fn logs(&self) -> &Arc<LogManager> {
        &self.logs
    }

    /// The data directories, each with its partitions.
    pub(crate) fn directories(&self) -> Vec<Directory> {
        let all = self.all();
        let directories = self.logs.dirs().into_iter().map(|path| {
            let partitions =
                all.iter().filter(|partition| partition.log().dir().starts_with(&path)).cloned().collect();
            Directory { path, partitions }
        });
        directories.collect()
    }

    /// Opens or makes the logs of `placements` and follows their leaders. Blocks on the disk. What
    /// fails is returned with its reason; the others are served.
    pub(crate) fn place(&self, placements: &[Placement]) -> Vec<(TopicPartition, LogError)> {
        let _changing = self.changing.lock();
        let mut table = Table::clone(&self.table.load());
        let mut failed = Vec::new();
        let (here, absent): (Vec<_>, Vec<_>) =
            placements.iter().partition(|placement| table.find(placement).is_some());
        for placement in here {
            if let Some(Err(error)) = table.find(placement).map(|partition| placement.follow(partition)) {
                failed.push((placement.partition(), error));
            }
        }
        let wanted: Vec<_> = absent.iter().map(|placement| placement.wanted_log()).collect();
        let logs = self.logs.create_all(&wanted, crate::clock::now_ms());
        for (placement, log) in absent.into_iter().zip(logs) {
            match log.and_then(|log| self.adopt(placement, log)) {
                Ok(partition) => table.insert(placement, partition),
                Err(error) => {
                    table.fail(placement);
                    failed.push((placement.partition(), error));
                }
            }
        }
        self.table.store(Arc::new(table));
        failed
    }

    fn adopt(&self, placement: &Placement, log: Arc<Log>) -> Result<Arc<Partition>, LogError> {
        log.assign_epoch(placement.leader_epoch)?;
        let metrics = self.metrics.topic(&placement.topic);
        Ok(Arc::new(Partition::new(
            placement.topic_id,
            log,
            placement.leader_id,
            placement.leader_epoch,
            metrics,
            Arc::clone(&self.flushes),
        )))
    }

    /// Takes a topic's partitions out of service and their logs away. Blocks on the disk.
    pub(crate) fn remove(&self, topic_id: &Uuid) -> Vec<(TopicPartition, LogError)> {
        let _changing = self.changing.lock();
        let mut table = Table::clone(&self.table.load());
        let name = table.names.remove(topic_id);
        let removed = name.as_ref().and_then(|name| table.by_name.remove(name));
        table.offline.retain(|(topic, _)| Some(topic) != name.as_ref());
        self.table.store(Arc::new(table));
        let mut failed = Vec::new();
        for partition in removed.iter().flat_map(Topic::values) {
            partition.waiters().wake_all();
            let name = partition.log().partition().clone();
            if let Err(error) = self.logs.delete(&name, crate::clock::now_ms()) {
                failed.push((name, error));
            }
        }
        if let Some(partition) = removed.as_ref().and_then(|topic| topic.values().next()) {
            self.metrics.forget_topic(partition.topic());
        }
        failed
    }

    /// Gives a topic's logs new settings.
    pub(crate) fn configure(&self, topic: &str, config: &Arc<LogConfig>) {
        for partition in self.table.load().by_name.get(topic).iter().flat_map(|topic| topic.values()) {
            partition.log().update_config(Arc::clone(config));
        }
    }

    /// Parks a fetch on the partitions it named; `None` when as many are parked as may be, and the
    /// fetch has to be answered with what there is.
    pub(crate) fn park(&self, named: Vec<Arc<Partition>>, waiter: Arc<FetchWaiter>) -> Option<Parking> {
        let counted = self.parked.fetch_add(1, Ordering::AcqRel);
        let parking = Parking { named, waiter, parked: Arc::clone(&self.parked) };
        if counted >= self.parked_max {
            return None;
        }
        parking.named.iter().for_each(|partition| partition.waiters().park(&parking.waiter));
        Some(parking)
    }

    /// Fetches parked now.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Acquire)
    }

    /// Wakes every parked fetch: the broker is going down and answers what it has.
    pub(crate) fn wake_all(&self) {
        self.all().iter().for_each(|partition| partition.waiters().wake_all());
    }
}

/// A parked fetch; unparked when dropped, however it ended.
#[derive(Debug)]
pub(crate) struct Parking {
    named: Vec<Arc<Partition>>,
    waiter: Arc<FetchWaiter>,
    parked: Arc<AtomicUsize>,
}

impl Parking {
    /// Partitions that it is parked on.
    pub(crate) fn partitions(&self) -> usize {
        self.named.len()
    }

    /// Waits until enough has arrived.
    pub(crate) async fn woken(&self) {
        self.waiter.woken().await;
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        self.named.iter().for_each(|partition| partition.waiters().unpark(&self.waiter));
        self.parked.fetch_sub(1, Ordering::AcqRel);
    }
}
