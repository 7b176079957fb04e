//! What the producer's task waits for, as futures that end in an event. They hold on to batches while
//! these travel, and decide nothing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millrace_protocol::messages::init_producer_id::InitProducerIdRequest;
use millrace_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use millrace_protocol::{ApiKey, Uuid};

use super::accumulator::Partition;
use super::batch::Batch;
use super::queue::Identity;
use super::request::Prepared;
use crate::client::{Client, Target};
use crate::cluster::{ClusterView, TopicScope};
use crate::error::ClientError;
use crate::net::{Connection, Exchange, Lane};

/// A batch that left, and the queue that its fate belongs to.
pub(super) type Sent = (Arc<Partition>, Batch);

/// What the task waits for.
pub(super) enum Event {
    Connected(i32, Result<Arc<Connection>, ClientError>),
    Answered {
        node: i32,
        sent: Vec<Sent>,
        names: Vec<(Arc<str>, Uuid)>,
        result: Result<ProduceResponse, ClientError>,
    },
    /// A request without an answer is on its way.
    Posted {
        node: i32,
        sent: Vec<Sent>,
        result: Result<(), ClientError>,
    },
    Refreshed(Result<Arc<ClusterView>, ClientError>),
    Identified(Result<Identity, ClientError>),
}

pub(super) fn connect(client: Client, id: i32) -> BoxFuture<'static, Event> {
    let job = async move {
        let connection = client.connection(&Target::Broker(id), Lane::Produce).await;
        Event::Connected(id, connection)
    };
    job.boxed()
}

pub(super) fn refresh(client: Client, topics: Vec<String>) -> BoxFuture<'static, Event> {
    let job = async move {
        let scope = if topics.is_empty() { TopicScope::None } else { TopicScope::Named(topics) };
        Event::Refreshed(client.refresh(&scope, true).await)
    };
    job.boxed()
}

pub(super) fn identify(client: Client) -> BoxFuture<'static, Event> {
    let job = async move {
        let request =
            InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..InitProducerIdRequest::default() };
        let call = client.call(Target::Any);
        let result = client.call_once(&call, |_| request).await.and_then(|response| {
            ClientError::check(ApiKey::InitProducerId, response.error_code, "a producer id")?;
            Ok(Identity { id: response.producer_id, epoch: response.producer_epoch })
        });
        Event::Identified(result)
    };
    job.boxed()
}

/// Sends at once, in the order of calls; the job only waits for the answer.
pub(super) fn ask(
    connection: Arc<Connection>,
    node: i32,
    sent: Vec<Sent>,
    prepared: Prepared,
    timeout: Duration,
) -> BoxFuture<'static, Event> {
    let Prepared { request, version_max, size_hint } = prepared;
    let names = names_of(&request);
    let options = Exchange { version_max, size_hint, ..Exchange::within(timeout) };
    let begun = connection.try_begin(options, |_| request);
    let job = async move {
        let result = match begun {
            Some(Ok(begun)) => begun.answer().await,
            Some(Err(error)) => Err(error),
            // There are as many permits as requests that this task leaves unanswered.
            None => {
                Err(ClientError::Disconnected { broker: connection.node().to_string(), api: ApiKey::Produce })
            }
        };
        Event::Answered { node, sent, names, result }
    };
    job.boxed()
}

pub(super) fn post(
    connection: Arc<Connection>,
    node: i32,
    sent: Vec<Sent>,
    prepared: Prepared,
    timeout: Duration,
) -> BoxFuture<'static, Event> {
    let Prepared { request, version_max, size_hint } = prepared;
    let options = Exchange { version_max, size_hint, ..Exchange::within(timeout) };
    let job = async move {
        let result = connection.send_unanswered(options, |_| request).await;
        Event::Posted { node, sent, result }
    };
    job.boxed()
}

pub(super) fn names_of(request: &ProduceRequest) -> Vec<(Arc<str>, Uuid)> {
    request.topic_data.iter().map(|topic| (Arc::from(topic.name.as_str()), topic.topic_id)).collect()
}
