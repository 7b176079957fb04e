//! Groups as brokers know them, many at a time: members, committed offsets, and how far behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use millrace_client::{
    Admin, ClientError, CommittedOffset, GroupDescription, GroupOffsets, IsolationLevel, OffsetSpec,
    TopicPartition,
};
use millrace_protocol::ErrorCode;

use super::record_times::RecordTimes;
use super::topics;

/// Groups asked for their offsets at the same time.
const ASKED_TOGETHER: usize = 8;
/// The state of a group that does not exist (`ClassicGroupState.DEAD`).
pub const DEAD: &str = "Dead";

/// A group to observe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInterest {
    /// Its id.
    pub group: String,
    /// Topics to count whether or not the group committed for them; `None` counts what it committed for.
    pub topics: Option<BTreeSet<String>>,
}

/// A group, as seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupObservation {
    /// Its state by Kafka's name; [`DEAD`] when there is no such group.
    pub state: String,
    /// How its members share partitions.
    pub assignor: String,
    /// How many members.
    pub members: i32,
    /// Topics that members subscribed to or were given partitions of.
    pub subscribed: BTreeSet<Arc<str>>,
    /// Where it stands in each partition that counts.
    pub positions: BTreeMap<TopicPartition, Position>,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The committed offset; `None` when nothing was committed.
    pub committed: Option<i64>,
    /// The text committed with it.
    pub note: String,
    /// The first offset that is there.
    pub start: i64,
    /// The offset after the last record.
    pub end: i64,
    /// When the next record to read was written, in milliseconds since 1970; `None` when all is read, or
    /// the record cannot be read.
    pub waiting_since_ms: Option<i64>,
}

impl Position {
    /// Records behind, as Kafka counts them: end less committed. `None` when nothing was committed.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.end - committed).max(0))
    }

    /// Records that a member would find: the lag, or everything where nothing was committed.
    #[must_use]
    pub fn backlog(&self) -> i64 {
        self.lag().unwrap_or_else(|| (self.end - self.start).max(0))
    }

    /// The offset of the next record, if there is one.
    fn next_record(&self) -> Option<i64> {
        let next = self.committed?.max(self.start);
        (next < self.end).then_some(next)
    }
}

impl GroupObservation {
    /// The group does not exist: nobody joined yet, or its offsets expired.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.state == DEAD && self.positions.values().all(|position| position.committed.is_none())
    }

    /// Records behind over all partitions with a committed offset.
    #[must_use]
    pub fn lag_records(&self) -> Option<i64> {
        let lags: Vec<i64> = self.positions.values().filter_map(Position::lag).collect();
        (!lags.is_empty()).then(|| lags.iter().sum())
    }

    /// Records that members would find over all partitions.
    #[must_use]
    pub fn backlog(&self) -> i64 {
        self.positions.values().map(Position::backlog).sum()
    }

    /// Milliseconds that the oldest unread record has waited; 0 when all is read.
    #[must_use]
    pub fn lag_ms(&self, now_ms: i64) -> Option<i64> {
        self.lag_records()?;
        let waits = self.positions.values().filter_map(|position| position.waiting_since_ms);
        Some(waits.map(|since| (now_ms - since).max(0)).max().unwrap_or(0))
    }

    /// The partition with the greatest lag, when there is any lag.
    #[must_use]
    pub fn worst(&self) -> Option<(&TopicPartition, i64)> {
        let lags =
            self.positions.iter().filter_map(|(partition, position)| Some((partition, position.lag()?)));
        lags.filter(|(_, lag)| *lag > 0).max_by_key(|(_, lag)| *lag)
    }
}

/// Observes groups. `times` remembers when records were written, between calls.
pub async fn observe(
    admin: &Admin,
    interests: &[GroupInterest],
    times: &mut RecordTimes,
) -> Vec<Result<GroupObservation, ClientError>> {
    let mut described = match describe(admin, interests).await {
        Ok(described) => described,
        Err(error) => return interests.iter().map(|_| Err(error.clone())).collect(),
    };
    let offsets = offsets(admin, interests).await;
    let expected = match expected_partitions(admin, interests).await {
        Ok(expected) => expected,
        Err(error) => return interests.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut observations: Vec<Result<GroupObservation, ClientError>> = interests
        .iter()
        .zip(offsets)
        .map(|(interest, offsets)| {
            let description = described.remove(&interest.group).unwrap_or(Ok(None))?;
            Ok(observation(interest, description, offsets?, &expected))
        })
        .collect();
    fill_ends(admin, &mut observations).await;
    fill_times(admin, &mut observations, times).await;
    observations
}

async fn describe(
    admin: &Admin,
    interests: &[GroupInterest],
) -> Result<BTreeMap<String, Result<Option<GroupDescription>, ClientError>>, ClientError> {
    let groups = interests.iter().map(|interest| interest.group.clone()).collect();
    let described = admin.describe_groups(groups).await?;
    let absent = |result: Result<GroupDescription, ClientError>| match result {
        Ok(group) if group.state == DEAD => Ok(None),
        Ok(group) => Ok(Some(group)),
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    };
    Ok(described.into_iter().map(|(group, result)| (group, absent(result))).collect())
}

async fn offsets(admin: &Admin, interests: &[GroupInterest]) -> Vec<Result<GroupOffsets, ClientError>> {
    // Owned, so that the future does not borrow what it walks over.
    let groups: Vec<String> = interests.iter().map(|interest| interest.group.clone()).collect();
    futures_util::stream::iter(groups)
        .map(|group| async move { admin.list_group_offsets(&group, None).await })
        .buffered(ASKED_TOGETHER)
        .collect()
        .await
}

/// Partition counts of all topics that somebody expects to be read; topics that do not exist are left out.
async fn expected_partitions(
    admin: &Admin,
    interests: &[GroupInterest],
) -> Result<BTreeMap<String, i32>, ClientError> {
    let names: BTreeSet<String> =
        interests.iter().filter_map(|interest| interest.topics.clone()).flatten().collect();
    let views = topics::partitions(admin, names.into_iter().collect()).await?;
    let counts = views.into_iter().filter_map(|(name, view)| {
        let count = i32::try_from(view.ok()??.partitions.len()).ok()?;
        Some((name, count))
    });
    Ok(counts.collect())
}

fn observation(
    interest: &GroupInterest,
    description: Option<GroupDescription>,
    offsets: GroupOffsets,
    expected: &BTreeMap<String, i32>,
) -> GroupObservation {
    let mut positions = BTreeMap::new();
    for topic in interest.topics.iter().flatten() {
        let count = expected.get(topic).copied().unwrap_or(0);
        let name: Arc<str> = Arc::from(topic.as_str());
        for number in 0..count {
            positions.insert(TopicPartition::new(Arc::clone(&name), number), Position::default());
        }
    }
    let counts = |topic: &str| interest.topics.as_ref().is_none_or(|topics| topics.contains(topic));
    for (partition, committed) in offsets {
        if let Ok(Some(CommittedOffset { offset, metadata, .. })) = committed
            && counts(&partition.topic)
        {
            let position = Position { committed: Some(offset), note: metadata, ..Position::default() };
            positions.insert(partition, position);
        }
    }
    let Some(description) = description else {
        return GroupObservation { state: DEAD.to_owned(), positions, ..GroupObservation::default() };
    };
    let mut subscribed = BTreeSet::new();
    for member in &description.members {
        subscribed.extend(member.subscription.iter().map(|topic| Arc::from(topic.as_str())));
        subscribed.extend(member.assignment.iter().map(|partition| Arc::clone(&partition.topic)));
    }
    GroupObservation {
        state: description.state,
        assignor: description.protocol,
        members: i32::try_from(description.members.len()).unwrap_or(i32::MAX),
        subscribed,
        positions,
    }
}

/// First and last offsets of every partition that any group stands in. Partitions that no longer exist, or
/// have no leader at the moment, are left out of the groups.
async fn fill_ends(admin: &Admin, observations: &mut [Result<GroupObservation, ClientError>]) {
    let partitions: BTreeSet<TopicPartition> =
        observations.iter().flatten().flat_map(|group| group.positions.keys().cloned()).collect();
    let starts = offsets_at(admin, &partitions, OffsetSpec::Earliest).await;
    let ends = offsets_at(admin, &partitions, OffsetSpec::Latest).await;
    for group in observations.iter_mut().flatten() {
        group.positions.retain(|partition, position| {
            let (Some(start), Some(end)) = (starts.get(partition), ends.get(partition)) else { return false };
            (position.start, position.end) = (*start, *end);
            true
        });
    }
}

/// Offsets of partitions; those that could not be asked are left out.
pub async fn offsets_at(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> BTreeMap<TopicPartition, i64> {
    if partitions.is_empty() {
        return BTreeMap::new();
    }
    let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    match admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await {
        Ok(listed) => listed
            .into_iter()
            .filter_map(|(partition, result)| Some((partition, result.ok()?.offset)))
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "offsets cannot be listed");
            BTreeMap::new()
        }
    }
}

async fn fill_times(
    admin: &Admin,
    observations: &mut [Result<GroupObservation, ClientError>],
    times: &mut RecordTimes,
) {
    let wanted: BTreeSet<(TopicPartition, i64)> = observations
        .iter()
        .flatten()
        .flat_map(|group| &group.positions)
        .filter_map(|(partition, position)| Some((partition.clone(), position.next_record()?)))
        .collect();
    times.look_up(admin, &wanted).await;
    for position in observations.iter_mut().flatten().flat_map(|group| &mut group.positions) {
        let (partition, position) = position;
        position.waiting_since_ms = position.next_record().and_then(|next| times.get(partition, next));
    }
}

/// Commits offsets for a group without members. `note` is kept beside each.
///
/// # Errors
/// What reaching the coordinator meets, and the first refusal.
pub async fn commit(
    admin: &Admin,
    group: &str,
    offsets: &BTreeMap<TopicPartition, i64>,
    note: &str,
) -> Result<(), ClientError> {
    let committed = offsets.iter().map(|(partition, offset)| {
        let committed = CommittedOffset { metadata: note.to_owned(), ..CommittedOffset::at(*offset) };
        (partition.clone(), committed)
    });
    let results = admin.alter_group_offsets(group, committed.collect()).await?;
    results.into_iter().try_for_each(|(_, result)| result)
}

/// Deletes a group without members. That it was gone already is fine.
///
/// # Errors
/// The coordinator's refusal.
pub async fn delete(admin: &Admin, group: &str) -> Result<(), ClientError> {
    let results = admin.delete_groups(vec![group.to_owned()]).await?;
    match topics::only(results) {
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(committed: Option<i64>, start: i64, end: i64, since: Option<i64>) -> Position {
        Position { committed, start, end, waiting_since_ms: since, note: String::new() }
    }

    fn group(positions: Vec<(i32, Position)>) -> GroupObservation {
        let positions = positions.into_iter().map(|(number, one)| (TopicPartition::new("t", number), one));
        GroupObservation { positions: positions.collect(), ..GroupObservation::default() }
    }

    #[test]
    fn lag_is_counted_as_kafka_counts_it() {
        let group = group(vec![
            (0, position(Some(90), 0, 100, Some(5_000))),
            (1, position(Some(40), 0, 40, None)),
            (2, position(None, 10, 25, None)),
            (3, position(Some(5), 20, 30, Some(9_000))),
        ]);
        assert_eq!(group.lag_records(), Some(10 + 25), "records that retention removed count, as in Kafka");
        assert_eq!(group.backlog(), 10 + 15 + 25, "without a committed offset all that is there waits");
        assert_eq!(group.lag_ms(10_000), Some(5_000));
        assert_eq!(group.worst().map(|(partition, lag)| (partition.partition, lag)), Some((3, 25)));
    }

    #[test]
    fn a_group_that_committed_nothing_has_no_lag_and_one_that_read_all_has_none_left() {
        assert_eq!(group(vec![(0, position(None, 0, 10, None))]).lag_records(), None);
        let done = group(vec![(0, position(Some(10), 0, 10, None))]);
        assert_eq!((done.lag_records(), done.lag_ms(99), done.worst()), (Some(0), Some(0), None));
    }

    #[test]
    fn the_next_record_is_the_first_that_is_still_there() {
        assert_eq!(position(Some(3), 7, 10, None).next_record(), Some(7));
        assert_eq!(position(Some(10), 7, 10, None).next_record(), None);
        assert_eq!(position(None, 7, 10, None).next_record(), None);
    }
}
