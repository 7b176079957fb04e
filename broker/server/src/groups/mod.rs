//! Consumer groups: the coordinator's shards over the partitions of `__consumer_offsets`. Which shard a
//! group belongs to, who creates the topic, who watches the time. Decides nothing about groups.

mod alarm;
mod coordinator;
mod journal;
mod keeper;
mod load;
mod topic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use millrace_coordinator::{GroupSummary, Input, Reply, Settings, Shard};
use millrace_metadata::image::GROUP_METADATA_TOPIC;
use millrace_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;

use self::alarm::Alarm;
use self::coordinator::{Coordinator, Handles};
pub(crate) use self::keeper::keep;
use crate::config::{GroupsConfig, LiveConfig};
use crate::partitions::Partitions;
use crate::quorum::{MetadataView, Quorum};

/// The groups that this broker coordinates.
pub(crate) struct Groups {
    partitions: Arc<Partitions>,
    quorum: Arc<Quorum>,
    metadata: MetadataView,
    config: Arc<LiveConfig>,
    /// One coordinator for each partition of the topic; nothing while there is no topic.
    table: ArcSwapOption<Table>,
    /// Held by whoever makes the next table.
    changing: Mutex<()>,
    alarm: Arc<Alarm>,
    closed: AtomicBool,
}

/// The coordinators of one incarnation of the topic. How many there are is settled when it is found: a
/// group's name says where it belongs, so partitions added later hold nothing.
struct Table {
    topic_id: Uuid,
    coordinators: Vec<Arc<Coordinator>>,
}

impl Groups {
    /// Finds the topic, if there is one, and begins to load what is in it.
    pub(crate) fn open(
        partitions: Arc<Partitions>,
        quorum: Arc<Quorum>,
        config: Arc<LiveConfig>,
    ) -> Arc<Self> {
        let groups = Arc::new(Self {
            metadata: quorum.view(),
            partitions,
            quorum,
            config,
            table: ArcSwapOption::empty(),
            changing: Mutex::new(()),
            alarm: Arc::default(),
            closed: AtomicBool::new(false),
        });
        groups.follow();
        groups
    }

    /// Hands a request to its group. Ends when the group answers, which for a JoinGroup may take as long
    /// as a rebalance.
    ///
    /// # Errors
    /// Why the group cannot be asked: nobody coordinates it here, or it is not loaded yet.
    pub(crate) async fn handle(&self, group: &str, input: Input) -> Result<Reply, ErrorCode> {
        let answer = self.coordinator(group)?.handle(input)?;
        // Dropped only with its shard: the client has to look for the coordinator anew.
        answer.await.map_err(|_| ErrorCode::NOT_COORDINATOR)
    }

    /// Looks at the group's shard.
    ///
    /// # Errors
    /// As [`Groups::handle`].
    pub(crate) fn read<T>(&self, group: &str, look: impl FnOnce(&Shard) -> T) -> Result<T, ErrorCode> {
        self.coordinator(group)?.read(look)
    }

    /// Looks at every shard there is. Those that nobody serves are left out.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS` when the answer would be incomplete for a while only.
    pub(crate) fn read_all<T>(&self, look: impl Fn(&Shard) -> T) -> Result<Vec<T>, ErrorCode> {
        let mut seen = Vec::new();
        for coordinator in self.coordinators() {
            match coordinator.read(&look) {
                Ok(one) => seen.push(one),
                Err(ErrorCode::NOT_COORDINATOR) => {}
                Err(code) => return Err(code),
            }
        }
        Ok(seen)
    }

    /// All groups that are loaded, with their members and committed offsets, for metrics.
    pub(crate) fn snapshot(&self) -> Vec<GroupSummary> {
        let mut summaries = Vec::new();
        for coordinator in self.coordinators() {
            // What is not loaded yet is not shown yet.
            let _absent = coordinator.read(|shard| summaries.extend(shard.summaries())).is_err();
        }
        summaries
    }

    /// The partition of the topic that a group belongs to, or `None` while there is no topic.
    pub(crate) fn partition_of(&self, group: &str) -> Option<i32> {
        let table = self.table.load();
        i32::try_from(place(group, table.as_ref()?.coordinators.len())).ok()
    }

    /// Answers everybody who waits, and serves nobody any more.
    pub(crate) fn close(&self) {
        let _changing = self.changing.lock();
        self.closed.store(true, Ordering::Release);
        if let Some(table) = self.table.swap(None) {
            table.coordinators.iter().for_each(|coordinator| coordinator.stop());
        }
    }

    fn coordinators(&self) -> Vec<Arc<Coordinator>> {
        self.table.load().as_ref().map(|table| table.coordinators.clone()).unwrap_or_default()
    }

    fn coordinator(&self, group: &str) -> Result<Arc<Coordinator>, ErrorCode> {
        let table = self.table.load();
        let table = table.as_ref().ok_or(ErrorCode::NOT_COORDINATOR)?;
        table
            .coordinators
            .get(place(group, table.coordinators.len()))
            .cloned()
            .ok_or(ErrorCode::NOT_COORDINATOR)
    }

    /// Brings the table in line with the metadata: the topic may be new, gone, or another one.
    fn follow(&self) {
        let _changing = self.changing.lock();
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        // Loaded under the lock: of two that follow at once the later sees the newer image.
        let image = self.metadata.load();
        let topic = image.topics.by_name(GROUP_METADATA_TOPIC);
        let current = self.table.load_full();
        if current.as_ref().map(|table| table.topic_id) == topic.map(|topic| topic.id) {
            return;
        }
        if let Some(table) = current {
            table.coordinators.iter().for_each(|coordinator| coordinator.stop());
        }
        let table = topic.map(|topic| {
            let count = topic.partition_count();
            let settings = settings(&self.config.load().groups);
            let handles = Handles {
                config: Arc::clone(&self.config),
                metadata: self.metadata.clone(),
                alarm: Arc::clone(&self.alarm),
            };
            let coordinators = (0..count).map(|index| {
                let partition = self.partitions.get(GROUP_METADATA_TOPIC, index);
                Coordinator::new(partition, settings.clone(), handles.clone())
            });
            Arc::new(Table { topic_id: topic.id, coordinators: coordinators.collect() })
        });
        let coordinators = table.as_ref().map(|table| table.coordinators.clone()).unwrap_or_default();
        self.table.store(table);
        load::start(coordinators);
    }
}

/// Which of `count` partitions a group belongs to: the hash of Java's `String`, made positive.
fn place(group: &str, count: usize) -> usize {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    let positive = hash.checked_abs().unwrap_or(0);
    usize::try_from(positive).unwrap_or(0) % count.max(1)
}

fn settings(config: &GroupsConfig) -> Settings {
    let interval = config.offsets_retention_check_interval;
    Settings {
        initial_rebalance_delay_ms: config.initial_rebalance_delay_ms,
        session_timeout_min_ms: config.session_timeout_min_ms,
        session_timeout_max_ms: config.session_timeout_max_ms,
        size_max: config.size_max,
        offset_metadata_max: config.offset_metadata_bytes_max,
        offsets_retention_ms: config.offsets_retention_ms,
        offsets_retention_check_interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn groups_go_where_kafka_puts_them() {
        // Java: Utils.abs(name.hashCode()) % 50.
        let expected = [("", 0), ("a", 47), ("console-consumer-1", 24), ("gruppe-\u{e4}\u{1f600}", 19)];
        for (group, partition) in expected {
            assert_eq!(place(group, 50), partition, "{group}");
        }
        // Its hash is the one int that has no positive counterpart.
        assert_eq!(place("polygenelubricants", 50), 0);
    }
}
