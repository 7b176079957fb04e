//! Incremental fetch sessions
//! ([KIP-227](https://cwiki.apache.org/confluence/display/KAFKA/KIP-227)): what a client fetches is
//! kept here between its requests, so that they name only what has changed. Knows partitions by
//! name and number, never logs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_metadata::controller::TOPIC_NAME_LENGTH_MAX;
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millrace_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Partitions kept over all sessions. What goes beyond is served without a session.
const PARTITIONS_MAX: usize = 1_000_000;
/// Partitions of a request among which those that are named again are looked for without making a map.
const FEW_PARTITIONS: usize = 64;
/// The epoch of a request outside any session.
const FINAL_EPOCH: i32 = -1;
/// The epoch of a request that asks for a new session.
const INITIAL_EPOCH: i32 = 0;

/// A topic as the client names it: by name before version 13, by id from there (and the other is
/// empty).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TopicKey {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
}

/// One partition that a client wants, and what it was last told about it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicKey,
    pub(crate) request: FetchPartition,
    /// High watermark and log start that the client knows; -1 when it knows none.
    told_high_watermark: i64,
    told_log_start: i64,
    /// The last answer was an error, so the next has to say that there is none.
    told_error: bool,
}

impl Wanted {
    fn new(topic: &TopicKey, request: FetchPartition) -> Self {
        Self { topic: topic.clone(), request, told_high_watermark: -1, told_log_start: -1, told_error: false }
    }

    /// Whether an answer without records says anything new; remembers what it says.
    pub(crate) fn tell(
        &mut self,
        error: ErrorCode,
        high_watermark: i64,
        log_start: i64,
        records: bool,
    ) -> bool {
        let news = records
            || error.is_err()
            || self.told_error
            || (high_watermark, log_start) != (self.told_high_watermark, self.told_log_start);
        self.told_error = error.is_err();
        self.told_high_watermark = high_watermark;
        self.told_log_start = log_start;
        news
    }
}

/// One client's session, taken by its request while that runs.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: i32,
    epoch: i32,
    by_id: bool,
    pub(crate) wanted: Vec<Wanted>,
    index: HashMap<(TopicKey, i32), usize>,
    /// Where the next answer begins, so that the first partitions do not starve the last.
    start: usize,
}

/// How a request is to be answered.
#[derive(Debug)]
pub(crate) enum FetchContext {
    /// Everything asked for, once.
    Sessionless(Vec<Wanted>),
    /// Everything asked for, and remembered under the session's id.
    Full(Arc<Mutex<Session>>),
    /// Only what has changed.
    Incremental(Arc<Mutex<Session>>),
}

/// Open sessions, bounded (`max.incremental.fetch.session.cache.slots`).
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots_max: usize,
    partitions_max: usize,
    eviction_min: Duration,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    sessions: HashMap<i32, Slot>,
    partitions: usize,
}

#[derive(Debug)]
struct Slot {
    session: Arc<Mutex<Session>>,
    partitions: usize,
    last_used: Instant,
}

impl Session {
    fn wanting(wanted: Vec<Wanted>) -> Self {
        let mut session = Self::default();
        wanted.into_iter().for_each(|wanted| session.upsert(&wanted.topic, wanted.request));
        session
    }

    fn upsert(&mut self, topic: &TopicKey, request: FetchPartition) {
        let key = (topic.clone(), request.partition);
        match self.index.get(&key) {
            Some(at) => self.wanted[*at].request = request,
            None => {
                self.index.insert(key, self.wanted.len());
                self.wanted.push(Wanted::new(topic, request));
            }
        }
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        let Some(at) = self.index.remove(&(topic.clone(), partition)) else { return };
        self.wanted.swap_remove(at);
        if let Some(moved) = self.wanted.get(at) {
            self.index.insert((moved.topic.clone(), moved.request.partition), at);
        }
    }

    /// Positions of the wanted partitions, beginning after those that were served last.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, start) = (self.wanted.len(), self.start);
        (0..count).map(move |step| (start + step) % count)
    }

    /// What is wanted of a partition that was found at `position` earlier: in between, another request of the
    /// session may have put something else there.
    pub(crate) fn wanted_at(
        &mut self,
        position: usize,
        topic: &TopicKey,
        partition: i32,
    ) -> Option<&mut Wanted> {
        let wanted = self.wanted.get_mut(position)?;
        (wanted.topic == *topic && wanted.request.partition == partition).then_some(wanted)
    }

    /// The next answer begins behind `position`.
    pub(crate) fn served(&mut self, position: usize) {
        self.start = (position + 1) % self.wanted.len().max(1);
    }
}

impl FetchSessions {
    pub(crate) fn new(slots_max: usize, eviction_min: Duration) -> Self {
        Self { slots_max, partitions_max: PARTITIONS_MAX, eviction_min, cache: Mutex::default() }
    }

    /// Sessions open now.
    pub(crate) fn open(&self) -> usize {
        self.cache.lock().sessions.len()
    }

    /// Finds or opens the session that `request` belongs to (`FetchManager.newContext`).
    pub(crate) fn context(&self, request: &FetchRequest, by_id: bool) -> Result<FetchContext, ErrorCode> {
        let key = |topic: &str, id: &Uuid| {
            if by_id {
                TopicKey { name: Arc::default(), id: *id }
            } else {
                TopicKey { name: topic.into(), id: Uuid::ZERO }
            }
        };
        if request.session_epoch == FINAL_EPOCH || request.session_epoch == INITIAL_EPOCH {
            if request.session_id != 0 {
                self.close(request.session_id);
            }
            return Ok(self.open_full(request, by_id, &key));
        }
        self.resume(request, by_id, &key)
    }

    fn open_full(
        &self,
        request: &FetchRequest,
        by_id: bool,
        key: &impl Fn(&str, &Uuid) -> TopicKey,
    ) -> FetchContext {
        let wanted = |topics: &[FetchTopic]| -> Vec<Wanted> {
            let topics = topics.iter().flat_map(|topic| {
                let key = key(&topic.topic, &topic.topic_id);
                topic.partitions.iter().map(move |partition| Wanted::new(&key, partition.clone()))
            });
            topics.collect()
        };
        let wanted = wanted(&request.topics);
        if request.session_epoch == FINAL_EPOCH || wanted.is_empty() {
            return FetchContext::Sessionless(distinct(wanted));
        }
        let has_long_names = request.topics.iter().any(has_long_name);
        let mut cache = self.cache.lock();
        if has_long_names
            || cache.partitions + wanted.len() > self.partitions_max
            || !cache.make_room(self.slots_max, self.eviction_min)
        {
            drop(cache);
            return FetchContext::Sessionless(distinct(wanted));
        }
        FetchContext::Full(cache.insert(Session { epoch: 1, by_id, ..Session::wanting(wanted) }))
    }

    fn resume(
        &self,
        request: &FetchRequest,
        by_id: bool,
        key: &impl Fn(&str, &Uuid) -> TopicKey,
    ) -> Result<FetchContext, ErrorCode> {
        let session = {
            let mut cache = self.cache.lock();
            let slot =
                cache.sessions.get_mut(&request.session_id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
            slot.last_used = Instant::now();
            Arc::clone(&slot.session)
        };
        let partitions = {
            let mut held = session.lock();
            if held.by_id != by_id {
                return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
            }
            if held.epoch != request.session_epoch {
                return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
            }
            held.epoch = held.epoch.checked_add(1).unwrap_or(1);
            for topic in &request.topics {
                let key = key(&topic.topic, &topic.topic_id);
                topic.partitions.iter().for_each(|partition| held.upsert(&key, partition.clone()));
            }
            for topic in &request.forgotten_topics_data {
                let key = key(&topic.topic, &topic.topic_id);
                topic.partitions.iter().for_each(|partition| held.forget(&key, *partition));
            }
            held.wanted.len()
        };
        let has_long_names = request.topics.iter().any(has_long_name);
        let mut cache = self.cache.lock();
        cache.resize(request.session_id, partitions);
        if cache.partitions > self.partitions_max || has_long_names {
            // The client begins anew, and is served without a session where there is no room for one.
            cache.remove(request.session_id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        Ok(FetchContext::Incremental(session))
    }

    fn close(&self, id: i32) {
        self.cache.lock().remove(id);
    }
}

/// Each partition once. The last word about it counts, at the place of the first (`FetchRequest.fetchData`).
fn distinct(wanted: Vec<Wanted>) -> Vec<Wanted> {
    let is_again = |(at, later): (usize, &Wanted)| {
        let mut before = wanted[..at].iter();
        before.any(|first| first.request.partition == later.request.partition && first.topic == later.topic)
    };
    if wanted.len() <= FEW_PARTITIONS && !wanted.iter().enumerate().any(is_again) {
        return wanted;
    }
    Session::wanting(wanted).wanted
}

/// No topic has such a name, and a frame has room for enough of them to fill the memory of all sessions.
fn has_long_name(topic: &FetchTopic) -> bool {
    topic.topic.len() > TOPIC_NAME_LENGTH_MAX
}

impl Cache {
    /// Whether another session fits, after putting out the one unused for longest if it may go.
    fn make_room(&mut self, slots_max: usize, eviction_min: Duration) -> bool {
        if self.sessions.len() < slots_max {
            return true;
        }
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(_, slot)| slot.last_used)
            .map(|(id, slot)| (*id, slot.last_used));
        match oldest {
            Some((id, last_used)) if last_used.elapsed() >= eviction_min => {
                self.remove(id);
                true
            }
            _ => false,
        }
    }

    fn insert(&mut self, mut session: Session) -> Arc<Mutex<Session>> {
        // Ids are random, so that a client cannot guess into the session of another.
        let id = std::iter::repeat_with(|| fastrand::i32(1..))
            .find(|id| !self.sessions.contains_key(id))
            .unwrap_or(1);
        session.id = id;
        let partitions = session.wanted.len();
        let session = Arc::new(Mutex::new(session));
        self.sessions
            .insert(id, Slot { session: Arc::clone(&session), partitions, last_used: Instant::now() });
        self.partitions += partitions;
        session
    }

    fn resize(&mut self, id: i32, partitions: usize) {
        if let Some(slot) = self.sessions.get_mut(&id) {
            self.partitions = self.partitions + partitions - slot.partitions;
            slot.partitions = partitions;
        }
    }

    fn remove(&mut self, id: i32) {
        if let Some(slot) = self.sessions.remove(&id) {
            self.partitions -= slot.partitions;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> FetchRequest {
        let partitions = partitions
            .iter()
            .map(|&partition| FetchPartition { partition, ..FetchPartition::default() })
            .collect();
        let topics = vec![FetchTopic { topic: "logs".into(), partitions, ..FetchTopic::default() }];
        FetchRequest { session_id, session_epoch, topics, ..FetchRequest::default() }
    }

    fn open(sessions: &FetchSessions, request: &FetchRequest) -> Result<FetchContext, ErrorCode> {
        sessions.context(request, false)
    }

    fn id_of(context: &FetchContext) -> i32 {
        match context {
            FetchContext::Full(session) | FetchContext::Incremental(session) => session.lock().id,
            FetchContext::Sessionless(_) => 0,
        }
    }

    /// A request of another connection forgets a partition while an answer about it is being made: what was
    /// found is not told of the partition that has moved to its place.
    #[test]
    fn what_moved_in_between_is_not_mistaken() {
        let mut session = Session::default();
        let keys: Vec<_> = ["first", "second", "third"]
            .map(|name| TopicKey { name: name.into(), id: Uuid::ZERO })
            .into_iter()
            .collect();
        for key in &keys {
            session.upsert(key, FetchPartition { partition: 4, ..FetchPartition::default() });
        }
        assert!(session.wanted_at(0, &keys[0], 4).is_some());
        session.forget(&keys[0], 4);
        assert!(session.wanted_at(0, &keys[0], 4).is_none(), "forgotten");
        assert!(session.wanted_at(0, &keys[2], 4).is_some(), "moved here");
        assert!(session.wanted_at(0, &keys[2], 5).is_none(), "another partition");
        assert!(session.wanted_at(2, &keys[2], 4).is_none(), "moved away");
    }

    #[test]
    fn a_session_remembers_and_counts_its_epochs() {
        let sessions = FetchSessions::new(10, Duration::ZERO);
        let id = id_of(&open(&sessions, &request(0, 0, &[0, 1])).unwrap());
        assert!(id > 0);
        let mut next = request(id, 1, &[2]);
        next.forgotten_topics_data = vec![millrace_protocol::messages::fetch::ForgottenTopic {
            topic: "logs".into(),
            partitions: vec![0],
            ..Default::default()
        }];
        let FetchContext::Incremental(session) = open(&sessions, &next).unwrap() else {
            panic!("incremental")
        };
        let mut partitions: Vec<_> =
            session.lock().wanted.iter().map(|wanted| wanted.request.partition).collect();
        partitions.sort_unstable();
        assert_eq!(partitions, [1, 2]);
        assert_eq!(
            open(&sessions, &request(id, 1, &[])).unwrap_err(),
            ErrorCode::INVALID_FETCH_SESSION_EPOCH
        );
        assert_eq!(
            open(&sessions, &request(id + 1, 1, &[])).unwrap_err(),
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND
        );
    }

    #[test]
    fn leaked_sessions_are_bounded() {
        let sessions = FetchSessions::new(3, Duration::ZERO);
        for _ in 0..100 {
            assert!(id_of(&open(&sessions, &request(0, 0, &[0])).unwrap()) > 0);
        }
        assert_eq!(sessions.open(), 3);
        let patient = FetchSessions::new(1, Duration::from_secs(120));
        assert!(id_of(&open(&patient, &request(0, 0, &[0])).unwrap()) > 0);
        assert_eq!(id_of(&open(&patient, &request(0, 0, &[0])).unwrap()), 0, "the first is too young to go");
    }

    /// A session grows by what its requests add, and is given up when all of them together hold too much.
    #[test]
    fn sessions_that_grow_are_bounded() {
        let sessions = FetchSessions { partitions_max: 10, ..FetchSessions::new(10, Duration::ZERO) };
        let greedy = id_of(&open(&sessions, &request(0, 0, &[0, 1])).unwrap());
        let modest = id_of(&open(&sessions, &request(0, 0, &[0])).unwrap());
        let partitions: Vec<_> = (0..9).collect();
        let grown = open(&sessions, &request(greedy, 1, &partitions)).unwrap();
        assert_eq!((id_of(&grown), sessions.cache.lock().partitions), (greedy, 10));
        // What it knows already takes nothing more.
        assert_eq!(id_of(&open(&sessions, &request(greedy, 2, &partitions)).unwrap()), greedy);
        let one_more = open(&sessions, &request(greedy, 3, &[9])).unwrap_err();
        assert_eq!(one_more, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!((sessions.open(), sessions.cache.lock().partitions), (1, 1), "it takes nothing any more");
        let gone = open(&sessions, &request(greedy, 4, &[])).unwrap_err();
        assert_eq!(gone, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(id_of(&open(&sessions, &request(modest, 1, &[1])).unwrap()), modest, "others go on");
        assert_eq!(
            id_of(&open(&sessions, &request(0, 0, &partitions)).unwrap()),
            0,
            "served without a session"
        );
    }

    /// A frame has room for names of which a few thousand would fill the memory.
    #[test]
    fn names_that_no_topic_has_are_not_kept() {
        let sessions = FetchSessions::new(10, Duration::ZERO);
        let named = |session_id, session_epoch| {
            let mut request = request(session_id, session_epoch, &[0]);
            request.topics[0].topic = "t".repeat(TOPIC_NAME_LENGTH_MAX + 1);
            request
        };
        assert_eq!(id_of(&open(&sessions, &named(0, 0)).unwrap()), 0);
        let id = id_of(&open(&sessions, &request(0, 0, &[0])).unwrap());
        assert_eq!(open(&sessions, &named(id, 1)).unwrap_err(), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(sessions.open(), 0);
    }

    /// As Kafka reads such requests, into a map: the last word counts, at the place of the first.
    #[test]
    fn what_is_named_again_is_wanted_once() {
        let sessions = FetchSessions::new(0, Duration::ZERO);
        for (length, session_epoch) in [(20, -1), (20, 0), (1_000, -1), (1_000, 0)] {
            let partitions: Vec<_> = (0..length / 2).chain(0..length / 2).collect();
            let mut request = request(0, session_epoch, &partitions);
            let named = &mut request.topics[0].partitions;
            (0..).zip(named).for_each(|(at, partition)| partition.fetch_offset = at);
            let FetchContext::Sessionless(wanted) = open(&sessions, &request).unwrap() else {
                panic!("there is no room for a session")
            };
            let seen: Vec<_> =
                wanted.iter().map(|each| (each.request.partition, each.request.fetch_offset)).collect();
            let expected: Vec<_> = (0..length / 2).map(|at| (at, i64::from(length / 2 + at))).collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn the_last_partitions_get_their_turn() {
        let mut session = Session::default();
        let key = TopicKey { name: "logs".into(), id: Uuid::ZERO };
        for partition in 0..3 {
            session.upsert(&key, FetchPartition { partition, ..FetchPartition::default() });
        }
        assert_eq!(session.order().collect::<Vec<_>>(), [0, 1, 2]);
        session.served(0);
        assert_eq!(session.order().collect::<Vec<_>>(), [1, 2, 0]);
    }
}
