//! DescribeLogDirs: the data directories, the partitions in them and their sizes in bytes (KIP-113).

use std::collections::BTreeMap;

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
    let wanted = request.topics.as_deref();
    let results = partitions.directories().into_iter().map(|directory| {
        let mut topics = BTreeMap::<String, Vec<DescribeLogDirsPartition>>::new();
        for partition in directory
            .partitions
            .iter()
            .filter(|partition| is_wanted(wanted, partition.topic(), partition.index()))
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

fn is_wanted(wanted: Option<&[DescribableLogDirTopic]>, topic: &str, index: i32) -> bool {
    wanted.is_none_or(|topics| {
        topics.iter().any(|wanted| wanted.topic == topic && wanted.partitions.contains(&index))
    })
}
