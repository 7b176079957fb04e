//! Typed admin calls, thin over the protocol: find who answers, ask, turn codes into errors. What was
//! sent to a broker that no longer leads or coordinates is sent again until `default.api.timeout.ms`;
//! every other error is the caller's.

mod cluster;
mod configs;
mod group_offsets;
mod groups;
mod partitions;
mod topics;
pub(crate) mod types;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use millrace_protocol::{ErrorCode, Request};

use crate::client::{Client, Target, leader_in};
use crate::cluster::TopicScope;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;
use types::Each;

/// Groups that one request is about.
const GROUPS_TOGETHER: usize = 200;

/// See the module. Clones share the client.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

impl Admin {
    /// Calls through this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client underneath.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.client.config().timeouts.request.as_millis()).unwrap_or(i32::MAX)
    }

    /// Asks once the target is right: `misplaced` names the code of an answer that says it was not.
    async fn ask<R: Request>(
        &self,
        target: Target,
        mut make: impl FnMut(i16) -> R,
        misplaced: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let call = self.client.call(target);
        let mut retry = self.client.retry(R::API_KEY.name());
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
        let mut answers = Answers::new(&partitions);
        let mut open = partitions.clone();
        let mut retry = self.client.retry(R::API_KEY.name());
        let mut refresh = false;
        loop {
            let (routes, lost) = self.leaders_of(&open, refresh).await;
            for (partition, error) in lost {
                answers.put(partition, Err(error));
            }
            for (broker, asked) in routes {
                let mut call = self.client.call(Target::Broker(broker));
                call.exchange.version_min = version_min;
                let asking = self.client.call_once(&call, |version| make(&asked, version));
                match retry.attempt(asking).await.flatten() {
                    Ok(response) => {
                        for (partition, result) in read(response) {
                            answers.put(partition, result);
                        }
                    }
                    Err(error) => answers.put_all(&asked, &error),
                }
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
        let mut answers = Answers::new(&groups);
        let mut open = groups.clone();
        let mut retry = self.client.retry(R::API_KEY.name());
        loop {
            let mut routes = BTreeMap::<i32, Vec<String>>::new();
            let names: Vec<&str> = open.iter().map(String::as_str).collect();
            for (group, coordinator) in open.iter().zip(self.client.coordinators(&names).await) {
                match coordinator {
                    Ok(node) => routes.entry(node).or_default().push(group.clone()),
                    Err(error) => answers.put(group.clone(), Err(error)),
                }
            }
            for (broker, asked) in routes {
                let mut call = self.client.call(Target::Broker(broker));
                call.exchange.version_min = version_min;
                for asked in asked.chunks(GROUPS_TOGETHER) {
                    let asking = self.client.call_once(&call, |version| make(asked, version));
                    match retry.attempt(asking).await.flatten() {
                        Ok(response) => {
                            for (group, result) in read(broker, response) {
                                answers.put(group, result);
                            }
                        }
                        Err(error) => answers.put_all(asked, &error),
                    }
                }
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
