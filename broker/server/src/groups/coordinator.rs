//! One shard and its partition: takes a request in, appends what comes out, replays it, and only then
//! lets the answers go. All of that happens in the requester's own task under a short lock, as in a
//! produce; nobody else changes the shard.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millrace_coordinator::{
    GroupEvent, GroupRecord, Input, Outcome, Reply, Settings, Shard, Token, append_error,
};
use millrace_protocol::ErrorCode;
use millrace_protocol::records::Compression;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::alarm::Alarm;
use super::journal;
use crate::clock::{now, now_ms, steady_ms};
use crate::config::LiveConfig;
use crate::partitions::Partition;
use crate::quorum::MetadataView;
use crate::rate_limit::RateLimited;

/// Things done at once when many are due, so that requests get their turn in between.
const TICKS_MAX: usize = 256;
/// A shard whose log failed, or is nobody's, is tried again after this long.
const RETRY_MS: i64 = 5_000;
/// No deadline.
const NEVER_MS: i64 = i64::MAX;

/// Groups whose members come and go in a loop must not fill the log.
static REBALANCES: RateLimited = RateLimited::new(Duration::from_millis(20));
static GENERATIONS: RateLimited = RateLimited::new(Duration::from_millis(20));
static MEMBERS_LOST: RateLimited = RateLimited::new(Duration::from_millis(20));
static TOO_LARGE: RateLimited = RateLimited::new(Duration::from_secs(1));

/// A shard, or why there is none.
enum State {
    /// Nobody has begun to load it.
    Unloaded,
    /// It is being loaded.
    Loading,
    /// It serves.
    Serving(Box<Serving>),
    /// Its partition cannot be read or written. Tried again after a while.
    Failed { until_ms: i64 },
    /// Another incarnation of the topic took its place, or the broker stops.
    Stopped,
}

/// A shard at work, and those who wait for its answers: never more than connections.
struct Serving {
    shard: Shard,
    parked: HashMap<Token, oneshot::Sender<Reply>>,
    next_token: u64,
}

/// The coordinator of one partition's groups.
pub(super) struct Coordinator {
    /// `None` when the disk that it should be on failed at start.
    partition: Option<Arc<Partition>>,
    settings: Settings,
    handles: Handles,
    state: Mutex<State>,
    /// The shard's next deadline, for the task that watches the time.
    next_ms: AtomicI64,
}

/// What all coordinators share.
#[derive(Clone)]
pub(super) struct Handles {
    pub(super) config: Arc<LiveConfig>,
    pub(super) metadata: MetadataView,
    pub(super) alarm: Arc<Alarm>,
}

/// Answers that may leave once the log is flushed up to `flush_to`, if that is given.
#[derive(Default)]
struct Answers {
    replies: Vec<(oneshot::Sender<Reply>, Reply)>,
    flush_to: Option<i64>,
}

impl Coordinator {
    pub(super) fn new(partition: Option<Arc<Partition>>, settings: Settings, handles: Handles) -> Arc<Self> {
        let state = Mutex::new(State::Unloaded);
        Arc::new(Self { partition, settings, handles, state, next_ms: AtomicI64::new(NEVER_MS) })
    }

    pub(super) fn partition(&self) -> Option<&Arc<Partition>> {
        self.partition.as_ref()
    }

    pub(super) fn load_buffer_bytes(&self) -> usize {
        self.handles.config.load().groups.load_buffer_bytes
    }

    /// When something is due here.
    pub(super) fn next_ms(&self) -> i64 {
        self.next_ms.load(Ordering::SeqCst)
    }

    /// Begins to load, if that is what has to be done. Returns an empty shard to be filled.
    pub(super) fn begin_loading(&self) -> Option<Shard> {
        let mut state = self.state.lock();
        let due = match &*state {
            State::Unloaded => true,
            State::Failed { until_ms } => *until_ms <= steady_ms(),
            State::Loading | State::Serving(_) | State::Stopped => false,
        };
        due.then(|| {
            *state = State::Loading;
            Shard::new(self.settings.clone(), fastrand::u64(..))
        })
    }

    /// Whether it is worth to go on loading.
    pub(super) fn is_loading(&self) -> bool {
        matches!(*self.state.lock(), State::Loading)
    }

    /// Begins to serve a shard that is loaded, or gives up for a while.
    pub(super) fn finish_loading(self: &Arc<Self>, shard: Option<Shard>) {
        let mut state = self.state.lock();
        if !matches!(*state, State::Loading) {
            return;
        }
        let Some(mut shard) = shard else { return self.fail(&mut state, &mut Answers::default()) };
        let outcome = shard.loaded(now());
        let mut serving = Serving { shard, parked: HashMap::new(), next_token: 0 };
        let mut answers = Answers::default();
        let committed = self.commit(&mut serving, outcome, &mut answers);
        *state = State::Serving(Box::new(serving));
        self.settle(&mut state, committed, &mut answers);
        drop(state);
        self.deliver(answers);
    }

    /// Takes a request in. What is returned becomes the answer.
    pub(super) fn handle(self: &Arc<Self>, input: Input) -> Result<oneshot::Receiver<Reply>, ErrorCode> {
        let mut state = self.state.lock();
        let serving = self.serving(&mut state)?;
        let token = Token(serving.next_token);
        serving.next_token += 1;
        let (sender, receiver) = oneshot::channel();
        serving.parked.insert(token, sender);
        self.limit_records(serving);
        let outcome = serving.shard.handle(token, input, now());
        let mut answers = Answers::default();
        let mut committed = self.commit(serving, outcome, &mut answers);
        // A group that does not wait for more members begins at once.
        if committed.is_ok() {
            committed = self.run_due(serving, &mut answers);
        }
        self.settle(&mut state, committed, &mut answers);
        drop(state);
        self.deliver(answers);
        Ok(receiver)
    }

    /// Does what is due.
    pub(super) fn tick(self: &Arc<Self>) {
        let mut state = self.state.lock();
        let State::Serving(serving) = &mut *state else { return };
        if !self.leads() {
            let later_ms = steady_ms().saturating_add(RETRY_MS);
            return self.next_ms.store(later_ms, Ordering::SeqCst);
        }
        self.limit_records(serving);
        let mut answers = Answers::default();
        let committed = self.run_due(serving, &mut answers);
        self.settle(&mut state, committed, &mut answers);
        drop(state);
        self.deliver(answers);
    }

    /// Runs a change that no client asked for.
    fn change(self: &Arc<Self>, decide: impl FnOnce(&Shard) -> Outcome) {
        let mut state = self.state.lock();
        let State::Serving(serving) = &mut *state else { return };
        let outcome = decide(&serving.shard);
        let mut answers = Answers::default();
        let committed = self.commit(serving, outcome, &mut answers);
        self.settle(&mut state, committed, &mut answers);
        drop(state);
        self.deliver(answers);
    }

    /// Looks at the shard.
    pub(super) fn read<T>(self: &Arc<Self>, look: impl FnOnce(&Shard) -> T) -> Result<T, ErrorCode> {
        let mut state = self.state.lock();
        self.serving(&mut state).map(|serving| look(&serving.shard))
    }

    /// Forgets offsets of topics that are gone. One that was made anew under the same name is another
    /// topic.
    pub(super) fn forget_lost_topics(self: &Arc<Self>) {
        let image = self.handles.metadata.load();
        self.change(|shard| {
            shard.forget_topics(|name, id| {
                image.topics.by_name(name).is_some_and(|topic| id.is_zero() || topic.id == id)
            })
        });
    }

    /// Sends everybody away who waits.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        if let State::Serving(serving) = &mut *state {
            serving.unload().into_iter().for_each(|(sender, reply)| answer(sender, reply));
        }
        *state = State::Stopped;
        self.next_ms.store(NEVER_MS, Ordering::SeqCst);
    }

    fn serving<'a>(self: &Arc<Self>, state: &'a mut State) -> Result<&'a mut Serving, ErrorCode> {
        match state {
            State::Serving(serving) if self.leads() => Ok(serving),
            State::Serving(_) => Err(ErrorCode::NOT_COORDINATOR),
            State::Unloaded | State::Loading => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            State::Failed { until_ms } if *until_ms <= steady_ms() => {
                super::load::again(Arc::clone(self));
                Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
            }
            State::Failed { .. } | State::Stopped => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    /// Whether the partition is this broker's to write. It is nobody's when its disk was lost.
    fn leads(&self) -> bool {
        let node_id = self.handles.config.load().node_id;
        self.partition.as_ref().is_some_and(|partition| partition.leader_id() == node_id)
    }

    /// The topic's `max.message.bytes` may change at any time.
    fn limit_records(&self, serving: &mut Serving) {
        if let Some(partition) = &self.partition {
            serving.shard.set_record_bytes_max(journal::record_bytes_max(partition));
        }
    }

    fn run_due(&self, serving: &mut Serving, answers: &mut Answers) -> Result<(), ()> {
        for _ in 0..TICKS_MAX {
            let now = now();
            if serving.shard.next_deadline_ms().is_none_or(|deadline_ms| deadline_ms > now.steady_ms) {
                break;
            }
            let outcome = serving.shard.tick(now);
            self.commit(serving, outcome, answers)?;
        }
        Ok(())
    }

    /// Appends an outcome's records, replays them, and collects its answers.
    fn commit(&self, serving: &mut Serving, outcome: Outcome, answers: &mut Answers) -> Result<(), ()> {
        let Outcome { records, mut replies, events } = outcome;
        let appended = self.append(&records);
        match &appended {
            Ok(flush_to) => {
                records.iter().for_each(|record| serving.shard.replay(record));
                answers.flush_to = flush_to.or(answers.flush_to);
                events.iter().for_each(report);
            }
            Err(code) => replies.iter_mut().for_each(|(_, reply)| reply.refuse(*code)),
        }
        for (token, reply) in replies {
            answers.replies.extend(serving.parked.remove(&token).map(|sender| (sender, reply)));
        }
        appended.map(drop).map_err(drop)
    }

    fn append(&self, records: &[GroupRecord]) -> Result<Option<i64>, ErrorCode> {
        if records.is_empty() {
            return Ok(None);
        }
        let partition = self.partition.as_ref().ok_or(ErrorCode::NOT_COORDINATOR)?;
        let codec = u8::try_from(self.handles.config.load().groups.offsets_topic.compression);
        let compression = codec.ok().and_then(|codec| Compression::from_bits(codec).ok());
        let compression = compression.unwrap_or(Compression::None);
        journal::append(partition, records, compression, now_ms())
            .map_err(|failure| append_error(failure.code))
    }

    /// After a change: tells the alarm what is due next, or unloads a shard whose log has failed. What
    /// is in the log is then the truth, and the shard is loaded from it when the log is well again.
    fn settle(&self, state: &mut State, committed: Result<(), ()>, answers: &mut Answers) {
        if committed.is_err() {
            return self.fail(state, answers);
        }
        let State::Serving(serving) = state else { return };
        let next_ms = serving.shard.next_deadline_ms().unwrap_or(NEVER_MS);
        self.next_ms.store(next_ms, Ordering::SeqCst);
        self.handles.alarm.expect(next_ms);
    }

    fn fail(&self, state: &mut State, answers: &mut Answers) {
        if let State::Serving(serving) = state {
            answers.replies.extend(serving.unload());
        }
        *state = State::Failed { until_ms: steady_ms().saturating_add(RETRY_MS) };
        self.next_ms.store(NEVER_MS, Ordering::SeqCst);
    }

    fn deliver(&self, answers: Answers) {
        let Answers { mut replies, flush_to } = answers;
        let (Some(flush_to), Some(partition)) = (flush_to, self.partition.clone()) else {
            return replies.into_iter().for_each(|(sender, reply)| answer(sender, reply));
        };
        // Not the requester's task: others wait for these answers too, should its connection end.
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = partition.flush(flush_to) {
                let code = append_error(failure.code);
                replies.iter_mut().for_each(|(_, reply)| reply.refuse(code));
            }
            replies.into_iter().for_each(|(sender, reply)| answer(sender, reply));
        });
    }
}

impl Serving {
    /// The shard lets everybody go who waits.
    fn unload(&mut self) -> Vec<(oneshot::Sender<Reply>, Reply)> {
        let replies = self.shard.unload().into_iter();
        replies.filter_map(|(token, reply)| Some((self.parked.remove(&token)?, reply))).collect()
    }
}

/// A client that is gone needs no answer.
fn answer(sender: oneshot::Sender<Reply>, reply: Reply) {
    let _gone = sender.send(reply).is_err();
}

fn report(event: &GroupEvent) {
    let limit = match event {
        GroupEvent::Rebalancing { .. } => &REBALANCES,
        GroupEvent::Joined { .. } => &GENERATIONS,
        GroupEvent::MemberLost { .. } => &MEMBERS_LOST,
        GroupEvent::TooLarge { .. } => &TOO_LARGE,
    };
    let Some(suppressed) = limit.admit() else { return };
    match event {
        GroupEvent::TooLarge { .. } => error!(suppressed, "{event}"),
        GroupEvent::MemberLost { .. } => warn!(suppressed, "{event}"),
        GroupEvent::Rebalancing { .. } | GroupEvent::Joined { .. } => info!(suppressed, "{event}"),
    }
}
