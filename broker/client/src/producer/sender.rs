//! The producer's task: takes batches that are ready, sends them to the leaders of their partitions, and
//! takes in the answers. It alone owns connections, the producer id and the care for metadata; queues it
//! shares with the senders. Sleeps until an answer, a full batch or a deadline wakes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use millrace_protocol::Uuid;
use millrace_protocol::messages::produce::ProduceResponse;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::accumulator::{Accumulator, NO_LEADER, Partition, Phase};
use super::batch::Batch;
use super::delivery::Written;
use super::jobs::{Event, Sent, ask, connect, identify, post, refresh};
use super::node::{Link, Node, Readiness};
use super::queue::{Finished, Identity, Verdict};
use super::request::{Answer, Part, is_stale_metadata, prepare, verdict_without_answer};
use crate::client::Client;
use crate::cluster::ClusterView;
use crate::config::{Acks, BatchReport, ProducerConfig};
use crate::deadline::after;
use crate::errand::Errand;
use crate::error::ClientError;
use crate::net::Connection;

/// With nothing to wait for, the task looks around this often.
const IDLE: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Sender {
    client: Client,
    config: Arc<ProducerConfig>,
    shared: Arc<Accumulator>,
    /// Partitions with something to send or to wait for.
    active: Vec<Arc<Partition>>,
    /// Where the next round starts, so that none is favoured.
    turn: usize,
    nodes: HashMap<i32, Node>,
    jobs: FuturesUnordered<BoxFuture<'static, Event>>,
    identity: Option<Identity>,
    identify: Errand,
    refresh: Errand,
    refreshed_at: Instant,
}

/// What is to leave for one broker.
#[derive(Default)]
struct Draft {
    sent: Vec<Sent>,
    bytes: usize,
}

/// One look at all partitions.
struct Round {
    now: Instant,
    /// No batch waits for more records.
    hurry: bool,
    drafts: HashMap<i32, Draft>,
    late: Vec<Finished>,
    /// When the next look is due.
    next: Option<Instant>,
}

impl Round {
    fn at(now: Instant) -> Self {
        Self { now, hurry: false, drafts: HashMap::new(), late: Vec::new(), next: None }
    }

    fn look_again(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

impl Sender {
    pub(super) fn new(client: Client, config: Arc<ProducerConfig>, shared: Arc<Accumulator>) -> Self {
        let now = Instant::now();
        Self {
            client,
            config,
            shared,
            active: Vec::new(),
            turn: 0,
            nodes: HashMap::new(),
            jobs: FuturesUnordered::new(),
            identity: None,
            identify: Errand::new(now),
            refresh: Errand::new(now),
            refreshed_at: now,
        }
    }

    /// Works until the producer is closed and everything is delivered, or abandoned.
    pub(super) async fn run(mut self) {
        let mut views = self.client.cluster_changes();
        loop {
            if views.has_changed().unwrap_or(false) {
                let view = Arc::clone(&views.borrow_and_update());
                self.shared.follow(&view);
            }
            let wake_at = self.advance();
            if self.is_finished() {
                break;
            }
            self.wait(&mut views, wake_at).await;
        }
        if self.shared.phase() == Phase::Closing {
            for node in self.nodes.values() {
                if let Link::Up(connection) = &node.link {
                    connection.drained().await;
                }
            }
        }
        let mut left = self.shared.shut();
        left.extend(self.active.iter().flat_map(|partition| partition.queue.lock().shut()));
        left.into_iter().for_each(|batch| self.conclude((batch, Err(ClientError::Closed))));
    }

    fn is_finished(&self) -> bool {
        match self.shared.phase() {
            Phase::Open => false,
            Phase::Closing => self.active.is_empty() && !self.shared.has_arrivals(),
            Phase::Abandoned => true,
        }
    }

    async fn wait(&mut self, views: &mut watch::Receiver<Arc<ClusterView>>, wake_at: Instant) {
        let event = tokio::select! {
            Some(event) = self.jobs.next(), if !self.jobs.is_empty() => Some(event),
            () = self.shared.wake.notified() => None,
            _ = views.changed() => {
                views.mark_changed();
                None
            }
            () = tokio::time::sleep_until(wake_at) => None,
        };
        let mut event = event;
        while let Some(happened) = event {
            self.take_in(happened);
            event = self.jobs.next().now_or_never().flatten();
        }
    }

    /// Does all that can be done now, and returns when there may be more.
    fn advance(&mut self) -> Instant {
        let now = Instant::now();
        self.shared.take_arrivals(&mut self.active);
        if self.config.idempotence && self.identity.is_none() && !self.active.is_empty() {
            self.identify.is_wanted = true;
        }
        let mut wake_at = now + IDLE;
        loop {
            let round = self.draft(now);
            if round.drafts.is_empty() {
                wake_at = wake_at.min(round.next.unwrap_or(wake_at));
                break;
            }
            for (node, draft) in round.drafts {
                self.send(node, draft);
            }
        }
        let refresh_due = self.run_errands(now);
        let errands = [self.identify.due(), self.refresh.due(), Some(refresh_due)];
        errands.into_iter().flatten().fold(wake_at, Instant::min)
    }

    /// Takes what may leave now, at most one batch of each partition and one request for each broker;
    /// and when something may leave next.
    fn draft(&mut self, now: Instant) -> Round {
        let mut round = Round { hurry: self.shared.is_in_a_hurry(), ..Round::at(now) };
        self.turn = self.turn.wrapping_add(1);
        let mut idle = Vec::new();
        for step in 0..self.active.len() {
            let index = self.turn.wrapping_add(step) % self.active.len();
            let partition = Arc::clone(&self.active[index]);
            if !self.consider(&partition, &mut round) {
                idle.push(index);
            }
        }
        idle.sort_unstable();
        for index in idle.into_iter().rev() {
            self.active.swap_remove(index);
        }
        round.late.drain(..).for_each(|finished| self.conclude(finished));
        round.drafts.retain(|_, draft| !draft.sent.is_empty());
        round
    }

    /// Looks at one partition; returns whether it is to be looked at again.
    fn consider(&mut self, partition: &Arc<Partition>, round: &mut Round) -> bool {
        let rules = &self.shared.rules;
        let mut queue = partition.queue.lock();
        match queue.expires_at(rules) {
            Some(at) if at <= round.now => round.late.extend(queue.expire(rules, round.now)),
            Some(at) => round.look_again(at),
            None => {}
        }
        let Some(ready_at) = queue.ready_at(rules, round.hurry) else {
            queue.is_listed = !queue.is_idle();
            return queue.is_listed;
        };
        if ready_at > round.now {
            round.look_again(ready_at);
            return true;
        }
        let leader = partition.leader();
        if leader == NO_LEADER {
            self.refresh.is_wanted = true;
            return true;
        }
        let node = self.nodes.entry(leader).or_default();
        match node.readiness(round.now, self.config.client.in_flight_max) {
            Readiness::Ready => {}
            Readiness::Busy => return true,
            Readiness::Quiet(until) => {
                round.look_again(until);
                return true;
            }
            Readiness::Down => {
                node.link = Link::Connecting;
                self.jobs.push(connect(self.client.clone(), leader));
                return true;
            }
        }
        let draft = round.drafts.entry(leader).or_default();
        let bytes = queue.next_bytes();
        if !draft.sent.is_empty() && draft.bytes + bytes > self.config.batching.request_bytes_max {
            return true;
        }
        match queue.take(rules, self.identity) {
            Some(batch) => {
                draft.bytes += bytes;
                draft.sent.push((Arc::clone(partition), batch));
            }
            None => self.identify.is_wanted = true,
        }
        true
    }

    /// Builds what was taken and hands it to the connection.
    fn send(&mut self, id: i32, draft: Draft) {
        let mut parts: Vec<Part> = Vec::with_capacity(draft.sent.len());
        let mut sent: Vec<Sent> = Vec::with_capacity(draft.sent.len());
        for (partition, mut batch) in draft.sent {
            match batch.bytes() {
                Ok(bytes) => {
                    parts.push((partition.id.clone(), bytes));
                    sent.push((partition, batch));
                }
                Err(error) => {
                    let error = ClientError::Records { partition: partition.id.clone(), error };
                    self.settle(partition, batch, Verdict::Refused(error));
                }
            }
        }
        if sent.is_empty() {
            return;
        }
        let node = self.nodes.entry(id).or_default();
        let Link::Up(connection) = &node.link else {
            // It broke while the request was put together.
            let error = ClientError::Unknown { what: format!("a connection to broker {id}") };
            return self.unanswered(sent, &error);
        };
        let connection = Arc::clone(connection);
        node.in_flight += 1;
        let timeout = self.config.client.timeouts.request;
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let prepared = prepare(parts, self.config.acks.on_the_wire(), timeout_ms, &self.client.cluster());
        let job = match self.config.acks {
            Acks::None => post(connection, id, sent, prepared, timeout),
            _ => ask(connection, id, sent, prepared, timeout),
        };
        self.jobs.push(job);
    }

    fn take_in(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Connected(id, result) => self.connected(id, result, now),
            Event::Answered { node, sent, names, result } => {
                self.landed(node);
                match result {
                    Ok(response) => self.answered(node, sent, response, &names, now),
                    Err(error) => self.unanswered(sent, &error),
                }
            }
            Event::Posted { node, sent, result } => {
                self.landed(node);
                match result {
                    Ok(()) => {
                        let nobody_knows = Written { base_offset: -1, append_time_ms: None };
                        for (partition, batch) in sent {
                            self.settle(partition, batch, Verdict::Written(nobody_knows));
                        }
                    }
                    Err(error) => self.unanswered(sent, &error),
                }
            }
            Event::Refreshed(result) => {
                self.refresh.ended(now, self.config.client.retry);
                self.refreshed_at = now;
                if let Err(error) = result {
                    debug!(%error, "metadata could not be refreshed");
                    self.refresh.is_wanted |= error.is_retriable();
                }
            }
            Event::Identified(result) => {
                self.identify.ended(now, self.config.client.retry);
                match result {
                    Ok(identity) => self.identity = Some(identity),
                    Err(error) if error.is_retriable() => {
                        debug!(%error, "no producer id yet");
                        self.identify.is_wanted = true;
                    }
                    Err(error) => self.fail_all(&error),
                }
            }
        }
    }

    fn landed(&mut self, id: i32) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.in_flight = node.in_flight.saturating_sub(1);
        }
    }

    fn connected(&mut self, id: i32, result: Result<Arc<Connection>, ClientError>, now: Instant) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        match result {
            Ok(connection) => {
                node.link = Link::Up(connection);
                (node.failures, node.quiet_until) = (0, None);
            }
            Err(error) => {
                debug!(broker = id, %error, "no connection");
                node.link = Link::Down;
                node.failures = node.failures.saturating_add(1);
                node.quiet_until = Some(now + self.config.client.retry.wait_jittered(node.failures));
                if !error.is_retriable() {
                    return self.fail_all(&error);
                }
                self.refresh.is_wanted = true;
            }
        }
    }

    fn answered(
        &mut self,
        id: i32,
        sent: Vec<Sent>,
        response: ProduceResponse,
        names: &[(Arc<str>, Uuid)],
        now: Instant,
    ) {
        if response.throttle_time_ms > 0
            && let Some(node) = self.nodes.get_mut(&id)
        {
            let quiet = Duration::from_millis(u64::from(response.throttle_time_ms.unsigned_abs()));
            node.quiet_until = Some(now + quiet);
        }
        let mut answer = Answer::read(response, names);
        for (partition, batch) in sent {
            let verdict = answer.verdict(&partition.id);
            self.settle(partition, batch, verdict);
        }
    }

    fn unanswered(&mut self, sent: Vec<Sent>, error: &ClientError) {
        for (partition, batch) in sent {
            self.settle(partition, batch, verdict_without_answer(error));
        }
    }

    fn settle(&mut self, partition: Arc<Partition>, batch: Batch, verdict: Verdict) {
        if let Verdict::Retry(error) | Verdict::OutOfSequence(error) = &verdict {
            debug!(partition = %partition.id, %error, attempts = batch.attempts, "a batch is sent again");
            self.refresh.is_wanted |= is_stale_metadata(error);
        }
        let now = Instant::now();
        let retry_at = now + self.config.client.retry.wait_jittered(batch.attempts);
        let finished = partition.queue.lock().settle(batch, verdict, &self.shared.rules, now, retry_at);
        if let Some(finished) = finished {
            self.conclude(finished);
        }
    }

    /// Tells everybody what became of a batch.
    fn conclude(&self, (mut batch, result): Finished) {
        if let Some(callback) = &self.config.on_batch {
            let report = BatchReport {
                partition: batch.fate.partition(),
                record_count: batch.count(),
                batch_bytes: batch.size_bytes(),
                append_times: batch.append_times(),
                finished_at: std::time::Instant::now(),
                result: result.clone().map(|written| written.base_offset),
            };
            (callback.0)(&report);
        }
        batch.finish(result);
    }

    /// Nothing that waits can ever be sent.
    fn fail_all(&mut self, error: &ClientError) {
        warn!(%error, "the producer cannot send");
        for partition in &self.active {
            let waiting = partition.queue.lock().drain();
            waiting.into_iter().for_each(|batch| self.conclude((batch, Err(error.clone()))));
        }
    }

    /// Starts what is wanted; returns when metadata grows old.
    fn run_errands(&mut self, now: Instant) -> Instant {
        if self.identify.start(now) {
            self.jobs.push(identify(self.client.clone()));
        }
        let max_age = self.config.client.timeouts.metadata_max_age;
        self.refresh.is_wanted |= after(self.refreshed_at, max_age) <= now;
        if self.refresh.start(now) {
            self.refreshed_at = now;
            let idle_ms = i64::try_from(self.config.metadata_max_idle.as_millis()).unwrap_or(i64::MAX);
            let topics = self.shared.topics_in_use(now_ms().saturating_sub(idle_ms));
            self.client.retain_topics(|name| topics.iter().any(|topic| topic == name));
            self.jobs.push(refresh(self.client.clone(), topics));
        }
        after(self.refreshed_at, max_age)
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
