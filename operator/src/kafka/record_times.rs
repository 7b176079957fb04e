//! When the record at an offset was written, read from the log. A record's time does not change, so each
//! is read once while somebody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::join_all;
use millrace_client::{Admin, ClientError, ClusterView, Target, TopicPartition};
use millrace_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use millrace_protocol::records::Batches;
use millrace_protocol::wire::RecordSet;

use super::groups::Unaged;

/// Partitions in one request, and bytes asked of each: enough for a batch of a few records, then for one of a busy
/// producer, which has 16 KiB by default.
const TOGETHER: [(usize, i32); 2] = [(256, 4 * 1024), (64, 64 * 1024)];
/// Those whose first batch is larger still are asked one by one: the first batch of a request comes whole, whatever
/// its size (KIP-74). So many in one round; the others have their turn in the next ones.
const ALONE_MAX: usize = 64;
/// Asked of one alone: a batch without records, such as the mark of a transaction's end, is followed by others.
const ALONE_BYTES: i32 = 64 * 1024;
/// A batch that unpacks to more is not looked into.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Topic ids take the place of names from here on (KIP-516).
const FETCH_BY_ID: i16 = 13;

/// An offset of a partition.
type Place = (TopicPartition, i64);

/// Times by partition and offset: only of offsets that somebody waits for.
#[derive(Debug, Default)]
pub struct RecordTimes {
    known: BTreeMap<TopicPartition, BTreeMap<i64, i64>>,
    /// What was wanted in the last round and is not known.
    gaps: BTreeMap<Place, Unaged>,
    /// The partition that was asked alone last, of each leader: the next round goes on behind it.
    last_alone: BTreeMap<i32, TopicPartition>,
}

/// What was read at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// A record, written at that time, in milliseconds since 1970.
    Record(i64),
    /// Nothing that a consumer would be given.
    Empty,
}

/// What one leader told in a round.
#[derive(Debug, Default)]
struct Told {
    /// `None` for what was asked and could not be read.
    places: Vec<(Place, Option<Read>)>,
    last_alone: Option<TopicPartition>,
}

impl RecordTimes {
    /// When the first record at or after `offset` was written, in milliseconds since 1970.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition, offset: i64) -> Option<i64> {
        self.known.get(partition)?.get(&offset).copied()
    }

    /// Why that is not known, of what was wanted last; `None` as well where no record stands there.
    #[must_use]
    pub fn gap(&self, partition: &TopicPartition, offset: i64) -> Option<Unaged> {
        self.gaps.get(&(partition.clone(), offset)).copied()
    }

    /// Reads the times that are `wanted` and not known, as far as they can be read within the limit of `admin`,
    /// and forgets those that are not wanted. All leaders are asked at the same time.
    pub async fn look_up(&mut self, admin: &Admin, wanted: &BTreeSet<Place>) {
        self.forget_all_but(wanted);
        let missing: Vec<&Place> =
            wanted.iter().filter(|(partition, offset)| self.get(partition, *offset).is_none()).collect();
        self.gaps = missing.iter().map(|place| ((*place).clone(), Unaged::NotAsked)).collect();
        let cluster = admin.client().cluster();
        let mut by_leader: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
        for place in missing {
            if let Some(leader) = cluster.leader(&place.0) {
                by_leader.entry(leader).or_default().push(place.clone());
            }
        }
        let deadline = Instant::now() + admin.limit();
        let asking = by_leader.into_iter().map(|(leader, places)| {
            let last_alone = self.last_alone.get(&leader).cloned();
            let round = Round { admin, cluster: &cluster, leader, deadline };
            async move { (leader, round.read(places, last_alone).await) }
        });
        for (leader, told) in join_all(asking).await {
            self.take(leader, told);
        }
    }

    fn take(&mut self, leader: i32, told: Told) {
        for (place, read) in told.places {
            match read {
                Some(Read::Record(time_ms)) => {
                    self.gaps.remove(&place);
                    self.known.entry(place.0).or_default().insert(place.1, time_ms);
                }
                Some(Read::Empty) => {
                    self.gaps.remove(&place);
                }
                None => {
                    self.gaps.insert(place, Unaged::Unread);
                }
            }
        }
        self.last_alone.extend(told.last_alone.map(|last| (leader, last)));
    }

    fn forget_all_but(&mut self, wanted: &BTreeSet<Place>) {
        self.known.retain(|partition, times| {
            times.retain(|offset, _| wanted.contains(&(partition.clone(), *offset)));
            !times.is_empty()
        });
    }
}

/// One leader is asked, for as long as there is time.
struct Round<'a> {
    admin: &'a Admin,
    cluster: &'a ClusterView,
    leader: i32,
    deadline: Instant,
}

impl Round<'_> {
    async fn read(&self, places: Vec<Place>, last_alone: Option<TopicPartition>) -> Told {
        let mut told = Told { last_alone, ..Told::default() };
        let mut open = places;
        for (together, bytes) in TOGETHER {
            let mut larger = Vec::new();
            for some in waves(open).iter().flat_map(|wave| wave.chunks(together)) {
                let Some(found) = self.ask(some, bytes).await else { return told };
                for place in some {
                    match found.as_ref().map(|found| found.get(&place.0)) {
                        Some(Some(Read::Record(time_ms))) => {
                            told.places.push((place.clone(), Some(Read::Record(*time_ms))));
                        }
                        Some(_) => larger.push(place.clone()),
                        None => told.places.push((place.clone(), None)),
                    }
                }
            }
            open = larger;
        }
        self.read_alone(open, told).await
    }

    async fn read_alone(&self, mut open: Vec<Place>, mut told: Told) -> Told {
        // By partition: who comes behind the last one of the round before is first.
        open.sort_unstable();
        if let Some(last) = &told.last_alone {
            let served = open.partition_point(|(partition, _)| partition <= last);
            open.rotate_left(served);
        }
        for place in open.into_iter().take(ALONE_MAX) {
            let Some(found) = self.ask(std::slice::from_ref(&place), ALONE_BYTES).await else { return told };
            told.last_alone = Some(place.0.clone());
            let read = found.and_then(|found| found.get(&place.0).copied());
            told.places.push((place, read));
        }
        told
    }

    /// What stands at places of different partitions. `None` when the time is up; `Some(None)` when the leader did
    /// not answer.
    async fn ask(&self, places: &[Place], bytes: i32) -> Option<Option<BTreeMap<TopicPartition, Read>>> {
        let asked = fetch(self.admin, self.cluster, self.leader, places, bytes);
        match tokio::time::timeout_at(self.deadline.into(), asked).await {
            Ok(Ok(found)) => Some(Some(found)),
            Ok(Err(error)) => {
                tracing::debug!(%error, leader = self.leader, "times of records cannot be read");
                Some(None)
            }
            Err(_) => None,
        }
    }
}

/// Places in as few groups as there are places of one partition: twice in one request, one confuses brokers.
fn waves(places: Vec<Place>) -> Vec<Vec<Place>> {
    let mut waves: Vec<Vec<Place>> = Vec::new();
    let mut seen: BTreeMap<TopicPartition, usize> = BTreeMap::new();
    for place in places {
        let wave = seen.entry(place.0.clone()).or_default();
        if *wave == waves.len() {
            waves.push(Vec::new());
        }
        waves[*wave].push(place);
        *wave += 1;
    }
    waves
}

/// The first record at or after each offset, where the answer tells.
async fn fetch(
    admin: &Admin,
    cluster: &ClusterView,
    leader: i32,
    asked: &[(TopicPartition, i64)],
    partition_bytes: i32,
) -> Result<BTreeMap<TopicPartition, Read>, ClientError> {
    let make = |version: i16| request(cluster, asked, partition_bytes, version);
    let response = admin.client().send_with(Target::Broker(leader), make).await?;
    Ok(times(cluster, asked, response))
}

fn request(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    partition_bytes: i32,
    version: i16,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (partition, offset) in asked {
        let known = cluster.partition(partition);
        let wanted = FetchPartition {
            partition: partition.partition,
            current_leader_epoch: known.and_then(|known| known.leader_epoch).unwrap_or(-1),
            fetch_offset: *offset,
            partition_max_bytes: partition_bytes,
            ..FetchPartition::default()
        };
        match topics.last_mut() {
            Some(topic) if topic.topic == *partition.topic => topic.partitions.push(wanted),
            _ => topics.push(FetchTopic {
                topic: partition.topic.to_string(),
                topic_id: cluster.topic(&partition.topic).map(|topic| topic.id).unwrap_or_default(),
                partitions: vec![wanted],
            }),
        }
    }
    if version >= FETCH_BY_ID {
        topics.retain(|topic| !topic.topic_id.is_zero());
    }
    FetchRequest { max_wait_ms: 0, min_bytes: 0, topics, ..FetchRequest::default() }
}

fn times(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    response: FetchResponse,
) -> BTreeMap<TopicPartition, Read> {
    let offsets: BTreeMap<&TopicPartition, i64> =
        asked.iter().map(|(partition, offset)| (partition, *offset)).collect();
    let mut found = BTreeMap::new();
    for topic in response.responses {
        let Some(name) = name_of(cluster, asked, &topic) else { continue };
        for data in topic.partitions {
            let partition = TopicPartition::new(name.as_str(), data.partition_index);
            if let Some(offset) = offsets.get(&partition)
                && let Some(read) = first_record(data, *offset)
            {
                found.insert(partition, read);
            }
        }
    }
    found
}

fn name_of(
    cluster: &ClusterView,
    asked: &[(TopicPartition, i64)],
    topic: &FetchableTopicResponse,
) -> Option<String> {
    if !topic.topic.is_empty() {
        return Some(topic.topic.clone());
    }
    let names = asked.iter().map(|(partition, _)| &partition.topic);
    let mut same = names.filter(|name| cluster.topic(name).is_some_and(|known| known.id == topic.topic_id));
    same.next().map(|name| name.to_string())
}

/// The first record at or after `offset`; `None` when that cannot be said: an error, no batch that is whole, or
/// one that cannot be read.
fn first_record(data: PartitionData, offset: i64) -> Option<Read> {
    if !data.error_code.is_ok() {
        return None;
    }
    let Some(RecordSet::Memory(bytes)) = data.records else { return None };
    let mut read = None;
    for batch in Batches::new(bytes).whole() {
        let batch = batch.ok().filter(|batch| batch.validate().is_ok())?;
        read = Some(Read::Empty);
        if batch.header.attributes.is_control() || batch.header.last_offset() < offset {
            continue;
        }
        let body = batch.body(BATCH_BYTES_MAX).ok()?;
        let mut records = body.refs().flatten();
        if let Some(record) = records.find(|record| record.offset >= offset) {
            return Some(Read::Record(record.timestamp_ms));
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: i32, offset: i64) -> Place {
        (TopicPartition::new("t", number), offset)
    }

    #[test]
    fn no_request_names_a_partition_twice_and_every_offset_has_its_turn() {
        let places = vec![place(0, 5), place(0, 7), place(0, 9), place(1, 5), place(2, 1), place(2, 2)];
        let waves = waves(places);
        let first = vec![place(0, 5), place(1, 5), place(2, 1)];
        assert_eq!(waves, [first, vec![place(0, 7), place(2, 2)], vec![place(0, 9)]]);
    }

    #[test]
    fn what_was_asked_and_not_read_is_told_from_what_had_no_turn() {
        let mut times = RecordTimes::default();
        let wanted: Vec<Place> = (0..4).map(|number| place(number, 1)).collect();
        times.gaps = wanted.iter().map(|place| (place.clone(), Unaged::NotAsked)).collect();
        let told =
            vec![(place(0, 1), Some(Read::Record(5))), (place(1, 1), Some(Read::Empty)), (place(2, 1), None)];
        times.take(7, Told { places: told, last_alone: Some(TopicPartition::new("t", 2)) });
        let seen = |number| {
            let partition = TopicPartition::new("t", number);
            (times.get(&partition, 1), times.gap(&partition, 1))
        };
        assert_eq!(seen(0), (Some(5), None));
        assert_eq!(seen(1), (None, None), "nothing waits there");
        assert_eq!((seen(2).1, seen(3).1), (Some(Unaged::Unread), Some(Unaged::NotAsked)));
        assert_eq!(times.last_alone.get(&7), Some(&TopicPartition::new("t", 2)));
    }
}
