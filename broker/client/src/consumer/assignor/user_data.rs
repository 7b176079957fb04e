//! What sticky members tell their leader beside the subscription: what they had, and in which
//! generation. In layouts of their own, older than the protocol's fields for the same.

use bytes::Bytes;
use millrace_protocol::wire::{DecodeError, Reader, Writer};

use crate::group_protocol::Subscription;
use crate::topic_partition::{TopicPartition, by_topic};

/// A member's past, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) generation: Option<i32>,
}

/// Generation of members that tell something this does not understand.
const NO_GENERATION: i32 = -1;

/// What a member of an eager sticky group tells (`StickyAssignor.STICKY_ASSIGNOR_USER_DATA_V1`).
pub(crate) fn encode_sticky(partitions: &[TopicPartition], generation: i32) -> Bytes {
    let mut writer = Writer::default();
    let topics = by_topic(partitions.iter().map(|partition| (partition, ())));
    writer.write_i32(topics.len() as i32);
    for (topic, numbers) in topics {
        writer.write_i16(topic.len() as i16);
        writer.write_slice(topic.as_bytes());
        writer.write_i32(numbers.len() as i32);
        numbers.into_iter().for_each(|(number, ())| writer.write_i32(number));
    }
    writer.write_i32(generation);
    writer.finish().0
}

/// What a member of a cooperative sticky group tells, for leaders that do not read the protocol's field
/// (`CooperativeStickyAssignor.COOPERATIVE_STICKY_ASSIGNOR_USER_DATA_V0`).
pub(crate) fn encode_cooperative(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// The past of a member of an eager sticky group: it has given everything back, so only its user data
/// tells what it had.
pub(super) fn sticky_member(subscription: &Subscription) -> Past {
    match subscription.user_data.clone().filter(|data| !data.is_empty()) {
        None => Past::default(),
        Some(data) => {
            decode_sticky(data).unwrap_or(Past { partitions: Vec::new(), generation: Some(NO_GENERATION) })
        }
    }
}

/// The past of a member of a cooperative sticky group.
pub(super) fn cooperative_member(subscription: &Subscription) -> Past {
    let told = || {
        let data = subscription.user_data.as_ref()?;
        let bytes = data.get(..4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        Some(bytes.map_or(NO_GENERATION, i32::from_be_bytes))
    };
    Past { partitions: subscription.owned.clone(), generation: subscription.generation.or_else(told) }
}

/// The generation came with version 1 of the layout, which has no number of its own.
fn decode_sticky(data: Bytes) -> Result<Past, DecodeError> {
    let mut reader = Reader::new(data);
    let mut partitions = Vec::new();
    for _ in 0..reader.read_i32()? {
        let length = usize::try_from(reader.read_i16()?).unwrap_or(0);
        let topic = reader.read_slice(length)?;
        let topic: std::sync::Arc<str> = std::str::from_utf8(&topic).unwrap_or_default().into();
        for _ in 0..reader.read_i32()? {
            partitions.push(TopicPartition::new(std::sync::Arc::clone(&topic), reader.read_i32()?));
        }
    }
    Ok(Past { partitions, generation: reader.read_i32().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(data: Bytes) -> Past {
        sticky_member(&Subscription { user_data: Some(data), ..Subscription::default() })
    }

    #[test]
    fn the_past_survives_the_journey() {
        let partitions = vec![TopicPartition::new("a", 1), TopicPartition::new("b", 0)];
        let data = encode_sticky(&partitions, 7);
        assert_eq!(told(data.clone()), Past { partitions: partitions.clone(), generation: Some(7) });
        let old = data.slice(..data.len() - 4);
        assert_eq!(told(old), Past { partitions, generation: None });
        let cut = data.slice(..data.len() - 7);
        assert_eq!(told(cut), Past { partitions: Vec::new(), generation: Some(-1) });
        let cooperative = Subscription { user_data: Some(encode_cooperative(3)), ..Subscription::default() };
        assert_eq!(cooperative_member(&cooperative).generation, Some(3));
    }

    proptest! {
        #[test]
        fn anything_can_be_told(data: Vec<u8>) {
            prop_assert!(told(data.clone().into()).partitions.len() <= data.len() / 4);
        }
    }
}
