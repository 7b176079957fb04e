//! How far groups are behind: records between what is committed and the end, and the age of the first
//! of them.

use std::collections::{BTreeMap, BTreeSet};

use millrace_client::{GroupDescription, OffsetSpec, TopicPartition};
use serde::Serialize;

use crate::people::failure::Failure;
use crate::people::peek;
use crate::people::session::Session;
use crate::people::units;

/// How far a group is in one partition.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Progress {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// What is committed.
    pub(super) committed: Option<i64>,
    /// Behind the last record; `None` when the partition is gone or without leader.
    pub(super) end: Option<i64>,
    /// Records that are not read yet.
    pub(super) lag: Option<i64>,
    /// Age of the first of them in seconds.
    pub(super) lag_seconds: Option<f64>,
    pub(super) client_id: Option<String>,
    pub(super) member_id: Option<String>,
    pub(super) host: Option<String>,
}

/// How far a group is in all partitions that it committed for or reads.
pub(super) async fn progress(session: &Session, group: &GroupDescription) -> Result<Vec<Progress>, Failure> {
    let mut committed = BTreeMap::new();
    for (partition, offset) in session.admin().list_group_offsets(&group.group, None).await? {
        if let Some(offset) = offset? {
            committed.insert(partition, offset.offset);
        }
    }
    let assigned = group.members.iter().flat_map(|member| &member.assignment);
    let partitions: BTreeSet<TopicPartition> = committed.keys().chain(assigned).cloned().collect();
    let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
    let end = session.offsets(&partitions, OffsetSpec::Latest).await?;
    let first = session.offsets(&partitions, OffsetSpec::Earliest).await?;
    let behind = committed.iter().filter(|(partition, offset)| end.get(*partition) > Some(offset));
    // What was deleted unread is not waiting any more.
    let waiting = |(partition, offset): (&TopicPartition, &i64)| {
        (partition.clone(), first.get(partition).map_or(*offset, |first| *offset.max(first)))
    };
    let behind = behind.map(waiting).collect();
    let times = peek::record_times(session, behind).await?;
    let now_ms = units::now_ms();
    let rows = partitions.into_iter().map(|partition| {
        let member = group.members.iter().find(|member| member.assignment.contains(&partition));
        let (committed, end) = (committed.get(&partition).copied(), end.get(&partition).copied());
        let lag = committed.zip(end).map(|(committed, end)| (end - committed).max(0));
        Progress {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            committed,
            end,
            lag,
            lag_seconds: lag_seconds(lag, times.get(&partition).copied(), now_ms),
            client_id: member.map(|member| member.client_id.clone()),
            member_id: member.map(|member| member.member_id.clone()),
            host: member.map(|member| member.host.trim_start_matches('/').to_owned()),
        }
    });
    Ok(rows.collect())
}

/// Zero when nothing is left to read; unknown when the record's time is.
fn lag_seconds(lag: Option<i64>, record_ms: Option<i64>, now_ms: i64) -> Option<f64> {
    match (lag?, record_ms) {
        (0, _) => Some(0.0),
        (_, Some(record_ms)) if record_ms >= 0 => Some((now_ms - record_ms).max(0) as f64 / 1000.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_of_the_first_unread_record() {
        assert_eq!(lag_seconds(Some(0), None, 10_000), Some(0.0));
        assert_eq!(lag_seconds(Some(3), Some(8_500), 10_000), Some(1.5));
        assert_eq!(lag_seconds(Some(3), Some(11_000), 10_000), Some(0.0), "clocks differ");
        assert_eq!(lag_seconds(Some(3), Some(-1), 10_000), None, "the record has no time");
        assert_eq!(lag_seconds(Some(3), None, 10_000), None);
        assert_eq!(lag_seconds(None, Some(1), 10_000), None);
    }
}
