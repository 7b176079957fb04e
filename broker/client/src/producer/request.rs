//! Batches to a Produce request, and its answer to verdicts. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use millrace_protocol::{ApiKey, ErrorCode, Uuid};

use super::delivery::Written;
use super::queue::Verdict;
use crate::cluster::ClusterView;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// The last version that names topics; later ones have only ids.
const NAMES_UNTIL_VERSION: i16 = 12;

/// Bytes beside the batches: header, topic and partition fields of an ordinary request.
const OVERHEAD_BYTES: usize = 256;

/// Bytes of each partition beside its batch, about.
const PARTITION_BYTES: usize = 64;

/// One batch for one partition.
pub(super) type Part = (TopicPartition, Bytes);

/// A request that is ready to be sent in any version up to `version_max`.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: ProduceRequest,
    pub(super) version_max: i16,
    pub(super) size_hint: usize,
}

pub(super) fn prepare(parts: Vec<Part>, acks: i16, timeout_ms: i32, cluster: &ClusterView) -> Prepared {
    let size_hint =
        OVERHEAD_BYTES + parts.iter().map(|(_, bytes)| PARTITION_BYTES + bytes.len()).sum::<usize>();
    let mut topic_data: Vec<TopicProduceData> = Vec::new();
    let mut places = HashMap::<Arc<str>, usize>::new();
    let mut has_ids = true;
    for (partition, bytes) in parts {
        let place = *places.entry(Arc::clone(&partition.topic)).or_insert_with(|| {
            let topic_id = cluster.topic(&partition.topic).map_or(Uuid::ZERO, |topic| topic.id);
            has_ids &= !topic_id.is_zero();
            let name = partition.topic.to_string();
            topic_data.push(TopicProduceData { name, topic_id, partition_data: Vec::new() });
            topic_data.len() - 1
        });
        topic_data[place]
            .partition_data
            .push(PartitionProduceData { index: partition.partition, records: Some(bytes) });
    }
    Prepared {
        request: ProduceRequest { transactional_id: None, acks, timeout_ms, topic_data },
        version_max: if has_ids { i16::MAX } else { NAMES_UNTIL_VERSION },
        size_hint,
    }
}

/// Verdicts by partition, for what is asked about afterwards.
#[derive(Debug)]
pub(super) struct Answer {
    by_partition: HashMap<(Arc<str>, i32), PartitionProduceResponse>,
}

impl Answer {
    /// `names` are the topics of the request with their ids then.
    pub(super) fn read(response: ProduceResponse, names: &[(Arc<str>, Uuid)]) -> Self {
        let mut by_partition = HashMap::new();
        for topic in response.responses {
            let name = names.iter().find(|(name, id)| match topic.name.is_empty() {
                true => *id == topic.topic_id,
                false => **name == *topic.name,
            });
            let Some((name, _)) = name else { continue };
            for one in topic.partition_responses {
                by_partition.insert((Arc::clone(name), one.index), one);
            }
        }
        Self { by_partition }
    }

    /// What the answer says about the batch for `partition`.
    pub(super) fn verdict(&mut self, partition: &TopicPartition) -> Verdict {
        let key = (Arc::clone(&partition.topic), partition.partition);
        match self.by_partition.remove(&key) {
            Some(answer) => verdict(partition, answer),
            None => Verdict::Retry(ClientError::api_with(
                ApiKey::Produce,
                ErrorCode::UNKNOWN_SERVER_ERROR,
                Some("the broker left the partition out of its answer".to_owned()),
                partition.to_string(),
            )),
        }
    }
}

fn verdict(partition: &TopicPartition, answer: PartitionProduceResponse) -> Verdict {
    let code = answer.error_code;
    if code.is_ok() {
        let append_time_ms = Some(answer.log_append_time_ms).filter(|time| *time >= 0);
        return Verdict::Written(Written { base_offset: answer.base_offset, append_time_ms });
    }
    // The broker has it from an earlier attempt, too long ago to know the offset.
    if code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
        return Verdict::Written(Written { base_offset: -1, append_time_ms: None });
    }
    let of_records =
        || answer.record_errors.iter().find_map(|record| record.batch_index_error_message.clone());
    let message = answer.error_message.clone().or_else(of_records);
    let error = ClientError::api_with(ApiKey::Produce, code, message, partition.to_string());
    match code {
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => {
            Verdict::OutOfSequence(error)
        }
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => Verdict::TooLarge(error),
        code if code.is_retriable() => Verdict::Retry(error),
        _ => Verdict::Refused(error),
    }
}

/// The broker was not the right one, or metadata has grown old.
pub(super) fn is_stale_metadata(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, .. } => matches!(
            *code,
            ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::LEADER_NOT_AVAILABLE
                | ErrorCode::UNKNOWN_TOPIC_ID
                | ErrorCode::INCONSISTENT_TOPIC_ID
                | ErrorCode::KAFKA_STORAGE_ERROR
                | ErrorCode::FENCED_LEADER_EPOCH
                | ErrorCode::UNKNOWN_LEADER_EPOCH
                | ErrorCode::REPLICA_NOT_AVAILABLE
        ),
        other => other.is_retriable(),
    }
}

/// What a request that got no answer says about its batches.
pub(super) fn verdict_without_answer(error: &ClientError) -> Verdict {
    if error.is_retriable() { Verdict::Retry(error.clone()) } else { Verdict::Refused(error.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::TopicScope;
    use millrace_protocol::messages::metadata::{MetadataResponse, MetadataResponseTopic};
    use millrace_protocol::messages::produce::TopicProduceResponse;

    fn cluster(id: u8) -> ClusterView {
        let topic =
            MetadataResponseTopic { name: Some("t".into()), topic_id: Uuid([id; 16]), ..Default::default() };
        let response = MetadataResponse { topics: vec![topic], ..Default::default() };
        ClusterView::default().updated(response, &TopicScope::All)
    }

    #[test]
    fn ids_are_used_only_when_every_topic_has_one() {
        let parts = |topics: &[&str]| -> Vec<Part> {
            topics.iter().map(|topic| (TopicPartition::new(*topic, 0), Bytes::from_static(b"x"))).collect()
        };
        assert_eq!(prepare(parts(&["t", "t"]), 1, 1, &cluster(1)).version_max, i16::MAX);
        assert_eq!(prepare(parts(&["t"]), 1, 1, &cluster(0)).version_max, NAMES_UNTIL_VERSION);
        let prepared = prepare(parts(&["t", "u"]), 1, 1, &cluster(1));
        assert_eq!(prepared.version_max, NAMES_UNTIL_VERSION);
        assert_eq!(prepared.request.topic_data.len(), 2);
    }

    #[test]
    fn answers_are_found_by_name_and_by_id() {
        let names = [(Arc::from("t"), Uuid([1; 16]))];
        let partition = TopicPartition::new("t", 3);
        for (name, topic_id) in [("t", Uuid::ZERO), ("", Uuid([1; 16]))] {
            let one = PartitionProduceResponse { index: 3, base_offset: 42, ..Default::default() };
            let topic =
                TopicProduceResponse { name: name.to_owned(), topic_id, partition_responses: vec![one] };
            let response = ProduceResponse { responses: vec![topic], ..Default::default() };
            let mut answer = Answer::read(response, &names);
            assert!(
                matches!(answer.verdict(&partition), Verdict::Written(written) if written.base_offset == 42)
            );
            assert!(matches!(answer.verdict(&partition), Verdict::Retry(_)), "answered only once");
        }
    }

    #[test]
    fn codes_lead_to_verdicts() {
        let of = |code: ErrorCode| {
            let answer = PartitionProduceResponse { error_code: code, ..Default::default() };
            verdict(&TopicPartition::new("t", 0), answer)
        };
        assert!(
            matches!(of(ErrorCode::DUPLICATE_SEQUENCE_NUMBER), Verdict::Written(w) if w.base_offset == -1)
        );
        assert!(matches!(of(ErrorCode::UNKNOWN_PRODUCER_ID), Verdict::OutOfSequence(_)));
        assert!(matches!(of(ErrorCode::MESSAGE_TOO_LARGE), Verdict::TooLarge(_)));
        assert!(matches!(of(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), Verdict::Retry(_)));
        assert!(matches!(of(ErrorCode::INVALID_RECORD), Verdict::Refused(_)));
    }
}
