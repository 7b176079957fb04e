//! What a topic looks like that is created because somebody used it (Kafka's
//! `AutoTopicCreationManager`).

use millrace_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};

use super::ControllerSettings;
use crate::image::{ClusterImage, GROUP_METADATA_TOPIC};

const OFFSETS_REPLICATION_FACTOR: &str = "offsets.topic.replication.factor";

/// The request for a topic that does not exist yet: the defaults for an ordinary one, and the
/// broker's own settings for `__consumer_offsets`.
#[must_use]
pub fn auto_created_topic(
    image: &ClusterImage,
    name: &str,
    settings: &ControllerSettings<'_>,
) -> CreatableTopic {
    let name = name.to_owned();
    if name != GROUP_METADATA_TOPIC {
        return CreatableTopic {
            name,
            num_partitions: -1,
            replication_factor: -1,
            ..CreatableTopic::default()
        };
    }
    let number = |key: &str| settings.number(image, key);
    let wanted = number(OFFSETS_REPLICATION_FACTOR);
    // A default of three must not keep a broker alone from serving groups; whoever sets a number
    // means it.
    let replication_factor = if settings.static_broker.contains_key(OFFSETS_REPLICATION_FACTOR) {
        wanted
    } else {
        wanted.min(i64::try_from(image.brokers.len()).unwrap_or(i64::MAX)).max(1)
    };
    let config =
        |name: &str, value: String| CreatableTopicConfig { name: name.to_owned(), value: Some(value) };
    // Segments below the topic's minimum would be refused, and then no group could be served.
    let segment_bytes = number("offsets.topic.segment.bytes").max(1_048_576);
    CreatableTopic {
        name,
        num_partitions: i32::try_from(number("offsets.topic.num.partitions")).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
        assignments: Vec::new(),
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", segment_bytes.to_string()),
        ],
    }
}
