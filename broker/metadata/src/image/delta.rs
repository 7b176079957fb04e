//! What a batch of records changed, so that a server looks at that and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_protocol::Uuid;

use super::TopicImage;

/// Changes of one topic that exists in the new image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicDelta {
    /// It did not exist before.
    pub created: bool,
    /// Partitions that are new or have changed.
    pub partitions: BTreeSet<i32>,
}

/// What changed from one image to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageDelta {
    /// Topics that are new or of which a partition changed, by id.
    pub topics: BTreeMap<Uuid, TopicDelta>,
    /// Topics that are gone, as they were last.
    pub deleted_topics: Vec<Arc<TopicImage>>,
    /// Topics, by name, whose own settings changed.
    pub topic_configs: BTreeSet<String>,
    /// Settings of this or any broker changed, or those of all brokers: every topic that does not
    /// set a value itself may be touched.
    pub broker_configs: bool,
    /// Brokers that registered, changed or left.
    pub brokers: BTreeSet<i32>,
}

impl ImageDelta {
    /// Nothing that a server acts on has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
