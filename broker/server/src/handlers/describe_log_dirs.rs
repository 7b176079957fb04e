//! DescribeLogDirs: the data directories, the partitions in them and their sizes in bytes (KIP-113).

use std::collections::{BTreeMap, HashSet};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::context::RequestContext;
use crate::partitions::{Partitions, space};

pub(crate) fn handle(
    partitions: &Partitions,
    _: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted = request.topics.as_deref().map(named);
    let results = partitions.directories().into_iter().map(|directory| {
        let mut topics = BTreeMap::<String, Vec<DescribeLogDirsPartition>>::new();
        for partition in directory
            .partitions
            .iter()
            .filter(|partition| is_wanted(wanted.as_ref(), partition.topic(), partition.index()))
        {
            topics.entry(partition.topic().to_owned()).or_default().push(DescribeLogDirsPartition {
                partition_index: partition.index(),
                partition_size: i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            });
        }
        let space = space(&directory.path);
        DescribeLogDirsResult {
            error_code: if space.is_some() { ErrorCode::NONE } else { ErrorCode::KAFKA_STORAGE_ERROR },
            log_dir: directory.path.display().to_string(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions })
                .collect(),
            total_bytes: space.map_or(-1, |space| space.total_bytes),
            usable_bytes: space.map_or(-1, |space| space.usable_bytes),
        }
    });
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}

type Named<'a> = HashSet<(&'a str, i32)>;

fn named(topics: &[DescribableLogDirTopic]) -> Named<'_> {
    let partitions =
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic.as_str(), *index)));
    partitions.collect()
}

fn is_wanted(named: Option<&Named<'_>>, topic: &str, index: i32) -> bool {
    named.is_none_or(|named| named.contains(&(topic, index)))
}
