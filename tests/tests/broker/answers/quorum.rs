//! Who votes on the metadata. Offsets, epochs and ids of directories are each broker's own.

use millrace_protocol::messages::describe_quorum::{
    DescribeQuorumPartition, DescribeQuorumRequest, DescribeQuorumTopic, QuorumPartition, QuorumReplica,
};
use millrace_tests::Connection;

use super::{Case, PRESENT, shown};

const METADATA: &str = "__cluster_metadata";

pub(super) const CASES: &[Case] = &[
    ("quorum: the metadata's, version 0", |c| described(c, 0, &[(METADATA, &[0])])),
    ("quorum: the metadata's, version 1", |c| described(c, 1, &[(METADATA, &[0])])),
    ("quorum: the metadata's, version 2", |c| described(c, 2, &[(METADATA, &[0])])),
    ("quorum: a partition that the metadata does not have", |c| described(c, 2, &[(METADATA, &[1])])),
    ("quorum: the metadata twice", |c| described(c, 2, &[(METADATA, &[0]), (METADATA, &[0])])),
    ("quorum: the metadata and a partition besides", |c| described(c, 2, &[(METADATA, &[0, 1])])),
    ("quorum: a topic's, version 0", |c| described(c, 0, &[(PRESENT, &[0])])),
    ("quorum: a topic's, version 2", |c| described(c, 2, &[(PRESENT, &[0, 1])])),
    ("quorum: of nothing", |c| described(c, 2, &[])),
];

fn described(connection: &mut Connection, version: i16, topics: &[(&str, &[i32])]) -> String {
    let topics = topics.iter().map(|(name, partitions)| DescribeQuorumTopic {
        topic_name: (*name).to_owned(),
        partitions: partitions
            .iter()
            .map(|partition_index| DescribeQuorumPartition { partition_index: *partition_index })
            .collect(),
    });
    let answer = connection.ask(&DescribeQuorumRequest { topics: topics.collect() }, version);
    let mut lines = vec![shown(answer.error_code, answer.error_message.as_deref())];
    for topic in &answer.topics {
        lines.extend(topic.partitions.iter().map(|one| format!("{} {}", topic.topic_name, partition(one))));
    }
    lines.extend(answer.nodes.iter().map(|node| {
        format!("node {}, can be reached: {}", node.node_id, node.listeners.iter().all(|one| one.port > 0))
    }));
    lines.join("; ")
}

fn partition(answer: &QuorumPartition) -> String {
    let index = answer.partition_index;
    if !answer.error_code.is_ok() {
        return format!("{index}: {}", shown(answer.error_code, answer.error_message.as_deref()));
    }
    let replica = |one: &QuorumReplica| {
        let caught_up = one.log_end_offset >= answer.high_watermark;
        let timely = (one.last_fetch_timestamp > 0, one.last_caught_up_timestamp > 0);
        format!("{} with all: {caught_up}, times: {timely:?}", one.replica_id)
    };
    format!(
        "{index}: leader {}, epoch known: {}, committed: {}, voters [{}], observers [{}]",
        answer.leader_id,
        answer.leader_epoch > 0,
        answer.high_watermark > 0,
        answer.current_voters.iter().map(replica).collect::<Vec<_>>().join(", "),
        answer.observers.iter().map(replica).collect::<Vec<_>>().join(", "),
    )
}
