//! Typed admin calls, thin over the protocol: find who answers, ask, turn codes into errors. What was
//! sent to a broker that no longer leads or coordinates is sent again until `default.api.timeout.ms`, or
//! for as long as the caller allows; every other error is the caller's.

mod cluster;
mod configs;
mod group_offsets;
mod groups;
mod partitions;
mod topics;
pub(crate) mod types;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use futures_util::future::join_all;
use millrace_protocol::{ErrorCode, Request};
use tokio::time::Instant;

use crate::client::{Client, Retry, Target, leader_in};
use crate::cluster::TopicScope;
use crate::deadline::after;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;
use types::Each;

/// Groups that one request is about.
const GROUPS_TOGETHER: usize = 200;

/// See the module. Clones share the client.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    limit: Limit,
}

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// Each of them.
    Each(Duration),
    /// All the steps of one that has begun.
    Until(Instant),
}

/// What brokers are asked, each about its own, and how their answers are read.
struct Question<M, D> {
    /// The oldest version that can express it.
    version_min: i16,
    /// Things in one request.
    together: usize,
    make: M,
    read: D,
}

impl Admin {
    /// Calls through this client, each within `default.api.timeout.ms`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let limit = Limit::Each(client.config().timeouts.api);
        Self { client, limit }
    }

    /// Calls through the same client that take at most so long (`timeoutMs` in the options of Kafka's
    /// `AdminClient`). Of a call about many things, those without an answer by then have an error of their
    /// own; the others are answered.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { client: self.client.clone(), limit: Limit::Each(limit) }
    }

    /// How long a call may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        match self.limit {
            Limit::Each(limit) => limit,
            Limit::Until(end) => end.saturating_duration_since(Instant::now()),
        }
    }

    /// For a call of several steps, which share its time from now on.
    fn begun(&self) -> Self {
        let limit = Limit::Until(after(Instant::now(), self.limit()));
        Self { client: self.client.clone(), limit }
    }

    fn retry(&self, what: &str) -> Retry {
        self.client.retry_within(what, self.limit())
    }

    /// The client underneath.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn timeout_ms(&self) -> i32 {
        let broker_may_take = self.client.config().timeouts.request.min(self.limit());
        i32::try_from(broker_may_take.as_millis()).unwrap_or(i32::MAX)
    }

    /// Asks once the target is right: `misplaced` names the code of an answer that says it was not.
    async fn ask<R: Request>(
        &self,
        target: Target,
        mut make: impl FnMut(i16) -> R,
        misplaced: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let call = self.client.call(target);
        let mut retry = self.retry(R::API_KEY.name());
        loop {
            let error = match retry.attempt(self.client.call_once(&call, &mut make)).await? {
                Ok(response) => match misplaced(&response) {
                    code if is_misplaced(code) => ClientError::api(R::API_KEY, code, R::API_KEY.name()),
                    _ => return Ok(response),
                },
                Err(error) if error.is_retriable() => error,
                Err(error) => return Err(error),
            };
            self.client.distrust(&call.target);
            retry.after(error).await?;
        }
    }

    /// Asks the leaders of `partitions`, each about its own, and again where leadership moved.
    async fn ask_leaders<R, T>(
        &self,
        partitions: Vec<TopicPartition>,
        version_min: i16,
        make: impl Fn(&[TopicPartition], i16) -> R,
        read: impl Fn(R::Response) -> Each<TopicPartition, T>,
    ) -> Result<Each<TopicPartition, T>, ClientError>
    where
        R: Request,
    {
        let read = |_, response| read(response);
        let question = Question { version_min, together: usize::MAX, make, read };
        let mut answers = Answers::new(&partitions);
        let mut open = partitions.clone();
        let mut retry = self.retry(R::API_KEY.name());
        let mut refresh = false;
        loop {
            match retry.attempt(self.leaders_of(&open, refresh)).await {
                Ok((routes, lost)) => {
                    for (partition, error) in lost {
                        answers.put(partition, Err(error));
                    }
                    self.ask_brokers(&question, routes, &retry, &mut answers).await;
                }
                Err(late) => answers.put_late(&open, &late),
            }
            let Some((again, error)) = answers.misplaced() else { return Ok(answers.finish(partitions)) };
            if retry.after(error).await.is_err() {
                return Ok(answers.finish(partitions));
            }
            (open, refresh) = (again, true);
        }
    }

    /// Partitions by leader, and those without.
    async fn leaders_of(
        &self,
        partitions: &[TopicPartition],
        refresh: bool,
    ) -> (BTreeMap<i32, Vec<TopicPartition>>, Vec<(TopicPartition, ClientError)>) {
        let mut cluster = self.client.cluster();
        let unknown = partitions.iter().any(|partition| cluster.leader(partition).is_none());
        let mut failed = None;
        if refresh || unknown {
            let mut topics: Vec<String> = partitions.iter().map(|one| one.topic.to_string()).collect();
            topics.sort();
            topics.dedup();
            match self.client.metadata(TopicScope::Named(topics)).await {
                Ok(view) => cluster = view,
                Err(error) => failed = Some(error),
            }
        }
        let (mut routes, mut lost) = (BTreeMap::<i32, Vec<TopicPartition>>::new(), Vec::new());
        for partition in partitions {
            match (leader_in(&cluster, partition), &failed) {
                (Ok(leader), _) => routes.entry(leader).or_default().push(partition.clone()),
                (Err(_), Some(error)) => lost.push((partition.clone(), error.clone())),
                (Err(error), None) => lost.push((partition.clone(), error)),
            }
        }
        (routes, lost)
    }

    /// Asks the coordinators of `groups`, each about its own, and again where coordination moved. The answer about
    /// a group whose coordinator does not speak `version_min` is [`ClientError::Unsupported`].
    async fn ask_coordinators<R, T>(
        &self,
        groups: Vec<String>,
        version_min: i16,
        make: impl Fn(&[String], i16) -> R,
        read: impl Fn(i32, R::Response) -> Each<String, T>,
    ) -> Result<Each<String, T>, ClientError>
    where
        R: Request,
    {
        let question = Question { version_min, together: GROUPS_TOGETHER, make, read };
        let mut answers = Answers::new(&groups);
        let mut open = groups.clone();
        let mut retry = self.retry(R::API_KEY.name());
        loop {
            let names: Vec<&str> = open.iter().map(String::as_str).collect();
            match retry.attempt(self.client.coordinators(&names)).await {
                Ok(coordinators) => {
                    let mut routes = BTreeMap::<i32, Vec<String>>::new();
                    for (group, coordinator) in open.iter().zip(coordinators) {
                        match coordinator {
                            Ok(node) => routes.entry(node).or_default().push(group.clone()),
                            Err(error) => answers.put(group.clone(), Err(error)),
                        }
                    }
                    self.ask_brokers(&question, routes, &retry, &mut answers).await;
                }
                Err(late) => answers.put_late(&open, &late),
            }
            let Some((again, error)) = answers.misplaced() else { return Ok(answers.finish(groups)) };
            for group in &again {
                self.client.distrust(&Target::Coordinator(group.clone()));
            }
            if retry.after(error).await.is_err() {
                return Ok(answers.finish(groups));
            }
            open = again;
        }
    }

    /// One attempt at each broker, all at the same time: one that is slow to answer takes no time from the
    /// others.
    async fn ask_brokers<N, R, T>(
        &self,
        question: &Question<impl Fn(&[N], i16) -> R, impl Fn(i32, R::Response) -> Each<N, T>>,
        routes: BTreeMap<i32, Vec<N>>,
        retry: &Retry,
        answers: &mut Answers<N, T>,
    ) where
        N: Clone + Eq + Hash,
        R: Request,
    {
        let asking = routes.into_iter().map(|(broker, asked)| async move {
            let mut call = self.client.call(Target::Broker(broker));
            call.exchange.version_min = question.version_min;
            let mut answered = Vec::new();
            for some in asked.chunks(question.together) {
                let asking = self.client.call_once(&call, |version| (question.make)(some, version));
                let answer = retry.attempt(asking).await;
                answered.push(answer.map(|answer| answer.map(|response| (question.read)(broker, response))));
            }
            (asked, answered)
        });
        for (asked, answered) in join_all(asking).await {
            for (some, answer) in asked.chunks(question.together).zip(answered) {
                match answer {
                    Ok(Ok(each)) => each.into_iter().for_each(|(name, result)| answers.put(name, result)),
                    Ok(Err(error)) => answers.put_all(some, &error),
                    Err(late) => answers.put_late(some, &late),
                }
            }
        }
    }
}

/// Results as they come in, for each thing asked about.
struct Answers<N, T> {
    by_name: HashMap<N, Option<Result<T, ClientError>>>,
}

impl<N: Clone + Eq + Hash, T> Answers<N, T> {
    fn new(names: &[N]) -> Self {
        Self { by_name: names.iter().map(|name| (name.clone(), None)).collect() }
    }

    /// Takes an answer; those about things that were not asked are dropped.
    fn put(&mut self, name: N, result: Result<T, ClientError>) {
        if let Some(place) = self.by_name.get_mut(&name) {
            *place = Some(result);
        }
    }

    fn put_all(&mut self, names: &[N], error: &ClientError) {
        for name in names {
            self.put(name.clone(), Err(error.clone()));
        }
    }

    /// Notes that the time was up. What an earlier attempt met says more.
    fn put_late(&mut self, names: &[N], late: &ClientError) {
        for name in names {
            if let Some(place @ None) = self.by_name.get_mut(name) {
                *place = Some(Err(late.clone()));
            }
        }
    }

    /// What must be asked again, and one of the reasons.
    fn misplaced(&self) -> Option<(Vec<N>, ClientError)> {
        let mut again = Vec::new();
        let mut reason = None;
        for (name, result) in &self.by_name {
            if let Some(Err(error)) = result
                && should_ask_again(error)
            {
                again.push(name.clone());
                reason = Some(error.clone());
            }
        }
        Some((again, reason?))
    }

    fn finish(mut self, names: Vec<N>) -> Each<N, T> {
        let unanswered = || Err(ClientError::Usage("the broker left this out of its answer".to_owned()));
        names
            .into_iter()
            .map(|name| {
                let result = self.by_name.remove(&name).flatten().unwrap_or_else(unanswered);
                (name, result)
            })
            .collect()
    }
}

fn should_ask_again(error: &ClientError) -> bool {
    match error {
        ClientError::Api { code, .. } => is_misplaced(*code),
        other => other.is_retriable(),
    }
}

/// The broker is not, or not yet, the one to ask.
fn is_misplaced(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_CONTROLLER
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::OFFSET_NOT_AVAILABLE
    )
}

/// `Ok` for code 0, otherwise the error with the broker's words.
fn checked<T>(
    value: T,
    api: millrace_protocol::ApiKey,
    code: ErrorCode,
    message: Option<String>,
    subject: impl Into<String>,
) -> Result<T, ClientError> {
    if code.is_ok() { Ok(value) } else { Err(ClientError::api_with(api, code, message, subject)) }
}

/// Answers in the order asked; the broker may order and repeat as it likes.
fn in_order<T>(names: Vec<String>, answered: Vec<(String, Result<T, ClientError>)>) -> Each<String, T> {
    let mut answers = Answers::new(&names);
    for (name, result) in answered {
        answers.put(name, result);
    }
    answers.finish(names)
}
