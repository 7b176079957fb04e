//! Topics and partitions (Kafka's `TopicsImage`, `PartitionRegistration`).

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use millrace_protocol::Uuid;

/// The leader's id while a partition has none.
pub const NO_LEADER: i32 = -1;

/// Directory of a replica whose data directory went offline (Kafka's `DirectoryId.LOST`).
pub const DIRECTORY_LOST: Uuid = directory(1);
/// Directory of a replica from before directories were recorded (`DirectoryId.MIGRATING`).
pub const DIRECTORY_MIGRATING: Uuid = directory(2);

const fn directory(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Uuid(bytes)
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// Brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The data directory on each of them, in the same order; zero is not told yet.
    pub directories: Vec<Uuid>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas on their way out.
    pub removing_replicas: Vec<i32>,
    /// Replicas on their way in.
    pub adding_replicas: Vec<i32>,
    /// The leader, or [`NO_LEADER`].
    pub leader: i32,
    /// 0 recovered, 1 recovering from an unclean election (Kafka's `LeaderRecoveryState`).
    pub leader_recovery_state: i8,
    /// Grows with each election.
    pub leader_epoch: i32,
    /// Grows with each change.
    pub partition_epoch: i32,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, which another topic of the same name will not have.
    pub id: Uuid,
    /// Its partitions by number, which run from 0 without a gap.
    pub partitions: imbl::OrdMap<i32, Arc<PartitionImage>>,
}

impl TopicImage {
    /// How many partitions it has.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// The partition of this number.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&PartitionImage> {
        self.partitions.get(&index).map(Arc::as_ref)
    }
}

/// All topics, by name and by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopicsImage {
    by_name: imbl::OrdMap<Arc<str>, Arc<TopicImage>>,
    names: imbl::HashMap<Uuid, Arc<str>>,
    /// Names that hold a `.` or `_`, by the name in which every `.` is a `_`: two topics of the same
    /// unified name would share the names of their metrics.
    unified: imbl::OrdMap<String, Arc<str>>,
}

impl TopicsImage {
    /// The topic of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name)
    }

    /// The topic of this id.
    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.names.get(&id).and_then(|name| self.by_name.get(name))
    }

    /// All topics in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values()
    }

    /// All topics from a name on, in the order of their names.
    pub fn iter_from<'a>(&'a self, first: &str) -> impl Iterator<Item = &'a Arc<TopicImage>> {
        let first: Arc<str> = first.into();
        self.by_name.range(first..).map(|(_, topic)| topic)
    }

    /// Whether a topic of `older` is no longer here, under the same id. Costs what the two differ in.
    #[must_use]
    pub fn lost_since(&self, older: &Self) -> bool {
        older.by_name.diff(&self.by_name).any(|change| match change {
            DiffItem::Add(..) => false,
            DiffItem::Update { old: (_, old), new: (_, new) } => old.id != new.id,
            DiffItem::Remove(..) => true,
        })
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// There are no topics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A topic whose name differs from `name` only in `.` and `_`, or is the same.
    #[must_use]
    pub fn colliding(&self, name: &str) -> Option<&Arc<str>> {
        self.unified.get(&unify(name))
    }

    pub(super) fn insert(&mut self, topic: TopicImage) {
        self.names.insert(topic.id, Arc::clone(&topic.name));
        if has_collision_chars(&topic.name) {
            self.unified.insert(unify(&topic.name), Arc::clone(&topic.name));
        }
        self.by_name.insert(Arc::clone(&topic.name), Arc::new(topic));
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<TopicImage>> {
        let name = self.names.remove(&id)?;
        let unified = unify(&name);
        if self.unified.get(&unified) == Some(&name) {
            self.unified.remove(&unified);
        }
        self.by_name.remove(&name)
    }

    /// The topic of this id, to be changed.
    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut TopicImage> {
        let name = self.names.get(&id)?;
        self.by_name.get_mut(name).map(Arc::make_mut)
    }
}

/// Whether a name may collide with another one in names of metrics (Kafka's
/// `Topic.hasCollisionChars`).
#[must_use]
pub(crate) fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

fn unify(name: &str) -> String {
    name.replace('.', "_")
}
