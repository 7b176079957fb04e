//! Groups as brokers know them, many at a time: members, committed offsets, and how far behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_client::{
    Admin, ClientError, CommittedOffset, GroupDescription, GroupOffsets, IsolationLevel, OffsetSpec,
    TopicPartition, TopicView,
};
use millrace_protocol::ErrorCode;

use super::connect::steady;
use super::record_times::RecordTimes;
use super::topics;

mod observation;

pub use observation::{DEAD, GroupInterest, GroupObservation, Position, STABLE, Unaged};

/// Observes groups; `times` remembers when records were written, between calls. What brokers do not answer within
/// the limit of `admin` is missing in those groups alone that it concerns.
pub async fn observe(
    admin: &Admin,
    interests: &[GroupInterest],
    times: &mut RecordTimes,
) -> Vec<Result<GroupObservation, ClientError>> {
    let asked: BTreeSet<String> = interests.iter().map(|interest| interest.group.clone()).collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let seen = tokio::try_join!(
        describe(admin, asked.clone()),
        admin.list_offsets_of_groups(asked),
        expected_partitions(admin, interests)
    );
    let (described, offsets, expected) = match seen {
        Ok((described, offsets, expected)) => (described, BTreeMap::from_iter(offsets), expected),
        Err(error) => return interests.iter().map(|_| Err(ClientError::clone(&error))).collect(),
    };
    let mut counts = expected;
    counts.extend(partitions_read(admin, interests, &described, &offsets, &counts).await);
    let mut observations: Vec<Result<GroupObservation, ClientError>> = interests
        .iter()
        .map(|interest| {
            // Who is asked about twice is answered twice.
            let description = described.get(&interest.group).cloned().unwrap_or(Ok(None))?;
            let unasked = || Err(ClientError::Unknown { what: format!("group {}", interest.group) });
            let offsets = offsets.get(&interest.group).cloned().unwrap_or_else(unasked)?;
            Ok(observation(interest, description, offsets, &counts))
        })
        .collect();
    fill_ends(admin, &mut observations).await;
    fill_times(admin, &mut observations, times).await;
    observations
}

/// What is told of groups; `None` for one that does not exist.
type Described = BTreeMap<String, Result<Option<GroupDescription>, ClientError>>;

async fn describe(admin: &Admin, groups: Vec<String>) -> Result<Described, ClientError> {
    let described = admin.describe_groups(groups).await?;
    let absent = |result: Result<GroupDescription, ClientError>| match result {
        Ok(group) if group.state == DEAD => Ok(None),
        Ok(group) => Ok(Some(group)),
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    };
    Ok(described.into_iter().map(|(group, result)| (group, absent(result))).collect())
}

/// Partition counts of topics; `None` for a topic that does not exist.
type Counts = BTreeMap<String, Result<Option<i32>, ClientError>>;

/// Partition counts of all topics that somebody expects to be read.
async fn expected_partitions(admin: &Admin, interests: &[GroupInterest]) -> Result<Counts, ClientError> {
    let names: BTreeSet<String> = interests.iter().flat_map(named).cloned().collect();
    Ok(counted(topics::partitions(admin, names.into_iter().collect()).await?))
}

fn counted(views: BTreeMap<String, Result<Option<TopicView>, ClientError>>) -> Counts {
    let count = |view: TopicView| i32::try_from(view.partitions.len()).unwrap_or(i32::MAX);
    views.into_iter().map(|(name, view)| (name, view.map(|view| view.map(count)))).collect()
}

/// Partition counts of the topics that groups read for which nobody names any. That they cannot be asked keeps nothing
/// from being seen.
async fn partitions_read(
    admin: &Admin,
    interests: &[GroupInterest],
    described: &Described,
    offsets: &BTreeMap<String, Result<GroupOffsets, ClientError>>,
    known: &Counts,
) -> Counts {
    let mut names = BTreeSet::new();
    for interest in interests.iter().filter(|interest| interest.topics.is_none()) {
        let committed = offsets.get(&interest.group).and_then(|offsets| offsets.as_ref().ok());
        let description = described.get(&interest.group).and_then(|group| group.as_ref().ok()?.as_ref());
        names.extend(
            topics_read(description, committed).into_iter().filter(|name| !known.contains_key(&**name)),
        );
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return Counts::new();
    }
    topics::partitions(admin, names).await.map(counted).unwrap_or_default()
}

/// Topics that a group committed for, or whose partitions its members have or ask for.
fn topics_read(description: Option<&GroupDescription>, offsets: Option<&GroupOffsets>) -> BTreeSet<Arc<str>> {
    let mut topics = description.map(subscribed).unwrap_or_default();
    let committed = offsets.into_iter().flatten().filter(|(_, committed)| matches!(committed, Ok(Some(_))));
    topics.extend(committed.map(|(partition, _)| Arc::clone(&partition.topic)));
    topics
}

fn subscribed(description: &GroupDescription) -> BTreeSet<Arc<str>> {
    let mut topics = BTreeSet::new();
    for member in &description.members {
        topics.extend(member.subscription.iter().map(|topic| Arc::from(topic.as_str())));
        topics.extend(member.assignment.iter().map(|partition| Arc::clone(&partition.topic)));
    }
    topics
}

/// The sum over topics; topics that are not there have none.
fn partition_count<'a>(topics: impl Iterator<Item = &'a str>, counts: &Counts) -> Option<i32> {
    topics.map(|topic| counts.get(topic)?.as_ref().ok().map(|count| count.unwrap_or(0))).sum()
}

/// The topics that somebody names.
fn named(interest: &GroupInterest) -> impl Iterator<Item = &String> {
    interest.topics.iter().flatten().chain(&interest.aside)
}

fn observation(
    interest: &GroupInterest,
    description: Option<GroupDescription>,
    offsets: GroupOffsets,
    expected: &Counts,
) -> GroupObservation {
    let (mut positions, mut unanswered) = (BTreeMap::new(), BTreeMap::new());
    let aside = |topic: &str| interest.aside.contains(topic);
    for topic in named(interest) {
        let name: Arc<str> = Arc::from(topic.as_str());
        let place = Position { aside: aside(topic), ..Position::default() };
        match expected.get(topic) {
            Some(Ok(count)) => positions.extend(
                (0..count.unwrap_or(0))
                    .map(|number| (TopicPartition::new(Arc::clone(&name), number), place.clone())),
            ),
            Some(Err(error)) => {
                unanswered.insert(name, error.clone());
            }
            None => {}
        }
    }
    let partitions = match &interest.topics {
        Some(topics) => partition_count(topics.iter().map(String::as_str), expected),
        None => {
            let read = topics_read(description.as_ref(), Some(&offsets));
            partition_count(read.iter().map(|topic| &**topic), expected)
        }
    };
    for (partition, committed) in offsets.into_iter().filter(|(one, _)| interest.concerns(&one.topic)) {
        match committed {
            Ok(Some(CommittedOffset { offset, metadata, .. })) => {
                let aside = aside(&partition.topic);
                let position =
                    Position { committed: Some(offset), note: metadata, aside, ..Position::default() };
                positions.insert(partition, position);
            }
            Ok(None) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                positions.remove(&partition);
                unanswered.entry(Arc::clone(&partition.topic)).or_insert(error);
            }
        }
    }
    let Some(description) = description else {
        let state = DEAD.to_owned();
        return GroupObservation { state, positions, partitions, unanswered, ..GroupObservation::default() };
    };
    GroupObservation {
        members: i32::try_from(description.members.len()).unwrap_or(i32::MAX),
        subscribed: subscribed(&description),
        state: description.state,
        assignor: description.protocol,
        positions,
        partitions,
        unanswered,
    }
}

/// First and last offsets of every partition that any group stands in. Partitions that no longer exist are
/// left out of the groups; those that could not be asked are named there.
async fn fill_ends(admin: &Admin, observations: &mut [Result<GroupObservation, ClientError>]) {
    let partitions: BTreeSet<TopicPartition> =
        observations.iter().flatten().flat_map(|group| group.positions.keys().cloned()).collect();
    let (starts, ends) = tokio::join!(
        offsets_at(admin, &partitions, OffsetSpec::Earliest),
        offsets_at(admin, &partitions, OffsetSpec::Latest)
    );
    for group in observations.iter_mut().flatten() {
        take_ends(group, &starts, &ends);
    }
}

fn take_ends(group: &mut GroupObservation, starts: &Offsets, ends: &Offsets) {
    let unanswered = &mut group.unanswered;
    group.positions.retain(|partition, position| match (starts.get(partition), ends.get(partition)) {
        (Some(Ok(start)), Some(Ok(end))) => {
            (position.start, position.end) = (*start, *end);
            true
        }
        (Some(Err(error)), _) | (_, Some(Err(error))) if !is_gone(error) => {
            unanswered.entry(Arc::clone(&partition.topic)).or_insert_with(|| error.clone());
            false
        }
        _ => false,
    });
}

/// There is no such topic, or partition.
fn is_gone(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// An offset of each partition, or why it could not be asked.
pub type Offsets = BTreeMap<TopicPartition, Result<i64, ClientError>>;

/// Offsets of partitions. Every error names its partition.
pub async fn offsets_at(admin: &Admin, partitions: &BTreeSet<TopicPartition>, spec: OffsetSpec) -> Offsets {
    if partitions.is_empty() {
        return Offsets::new();
    }
    let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    match admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await {
        Ok(listed) => listed
            .into_iter()
            .map(|(partition, result)| {
                let offset = result.map(|listed| listed.offset).map_err(|error| about(&partition, error));
                (partition, offset)
            })
            .collect(),
        Err(error) => {
            let failed = |partition: &TopicPartition| Err(about(partition, error.clone()));
            partitions.iter().map(|partition| (partition.clone(), failed(partition))).collect()
        }
    }
}

/// What a broker refused names its subject; other errors are about a broker and all that it was asked.
fn about(partition: &TopicPartition, error: ClientError) -> ClientError {
    match error {
        ClientError::Api { .. } => error,
        error => ClientError::Usage(format!("{partition} could not be asked: {}", steady(&error))),
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
        let Some(next) = position.next_record() else { continue };
        position.waiting_since_ms = times.get(partition, next);
        position.unaged = times.gap(partition, next);
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

    fn leaderless(partition: &str) -> ClientError {
        ClientError::Usage(format!("{partition} has no leader"))
    }

    fn place(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    #[test]
    fn a_partition_that_could_not_be_asked_is_named_and_not_left_out_in_silence() {
        let committed = |offset| Position { committed: Some(offset), ..Position::default() };
        let positions = (0..3).map(|number| (place(number), committed(5)));
        let mut group = GroupObservation { positions: positions.collect(), ..GroupObservation::default() };
        let starts = Offsets::from([(place(0), Ok(0)), (place(1), Ok(0)), (place(2), Ok(0))]);
        let ends = Offsets::from([(place(0), Ok(9)), (place(1), Err(leaderless("t-1"))), (place(2), Ok(5))]);
        take_ends(&mut group, &starts, &ends);
        assert_eq!(group.unanswered, BTreeMap::from([(Arc::from("t"), leaderless("t-1"))]));
        assert_eq!((group.lag_records(), group.lag_at_least(), group.lag_ms(0)), (None, Some(4), None));
        assert!(!group.is_whole());
    }

    #[test]
    fn offsets_that_could_not_be_fetched_are_not_taken_for_nothing_committed() {
        let interest = GroupInterest {
            group: "g".into(),
            topics: Some(["t".to_owned()].into()),
            ..GroupInterest::default()
        };
        let expected = Counts::from([("t".to_owned(), Ok(Some(2)))]);
        let offsets = GroupOffsets::from([(place(1), Err(leaderless("t-1")))]);
        let group = observation(&interest, None, offsets, &expected);
        assert_eq!(group.positions.keys().cloned().collect::<Vec<_>>(), [place(0)]);
        assert!(group.unanswered.contains_key("t"));
        let unknown = Counts::from([("t".to_owned(), Err(leaderless("t")))]);
        assert!(!observation(&interest, None, GroupOffsets::new(), &unknown).is_whole());
        let missing = Counts::from([("t".to_owned(), Ok(None))]);
        assert!(observation(&interest, None, GroupOffsets::new(), &missing).is_whole());
    }
}
