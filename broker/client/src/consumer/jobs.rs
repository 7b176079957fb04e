//! What a consumer waits for, as futures that end in an event. They decide nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millrace_protocol::messages::fetch::FetchResponse;

use super::commit::{Committer, Offsets, commit, committed};
use super::fetch::{Asked, request, version_max};
use crate::admin::Admin;
use crate::admin::types::{Each, ListedOffset, OffsetSpec};
use crate::client::{Call, Client, Target};
use crate::cluster::{ClusterView, TopicScope};
use crate::config::FetchConfig;
use crate::error::ClientError;
use crate::net::{Exchange, Lane};
use crate::topic_partition::{CommittedOffset, IsolationLevel, TopicPartition};

/// A question about a partition, with the partition's tag when it was asked.
pub(super) type Tagged<T> = (TopicPartition, u64, T);

/// Why offsets are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// In the background, because it is time or because somebody wished it.
    Passing,
    /// Before partitions are given back.
    Rebalance,
}

/// What the consumer waits for.
pub(super) enum Event {
    Refreshed(Result<Arc<ClusterView>, ClientError>),
    CommittedFound {
        asked: Vec<Tagged<()>>,
        result: Result<BTreeMap<TopicPartition, Option<CommittedOffset>>, ClientError>,
    },
    OffsetsFound {
        asked: Vec<Tagged<OffsetSpec>>,
        result: Result<Each<TopicPartition, ListedOffset>, ClientError>,
    },
    Fetched {
        node: i32,
        asked: Vec<Asked>,
        result: Result<FetchResponse, ClientError>,
    },
    Committed {
        occasion: Occasion,
        offsets: Offsets,
        result: Result<(), ClientError>,
    },
}

pub(super) type Job = BoxFuture<'static, Event>;

pub(super) fn refresh(client: Client, scope: TopicScope, create: bool) -> Job {
    async move { Event::Refreshed(client.refresh(&scope, create).await) }.boxed()
}

pub(super) fn find_committed(client: Client, group: Arc<str>, asked: Vec<Tagged<()>>) -> Job {
    let job = async move {
        let partitions = asked.iter().map(|(partition, ..)| partition.clone()).collect();
        let result = committed(client, group, partitions).await;
        Event::CommittedFound { asked, result }
    };
    job.boxed()
}

pub(super) fn find_offsets(client: Client, isolation: IsolationLevel, asked: Vec<Tagged<OffsetSpec>>) -> Job {
    let job = async move {
        let wanted = asked.iter().map(|(partition, _, spec)| (partition.clone(), *spec)).collect();
        let result = Admin::new(client).list_offsets(wanted, isolation).await;
        Event::OffsetsFound { asked, result }
    };
    job.boxed()
}

pub(super) fn fetch(
    client: Client,
    node: i32,
    asked: Vec<Asked>,
    config: &FetchConfig,
    request_timeout: Duration,
) -> Job {
    let request = request(&asked, config);
    let exchange = Exchange {
        version_max: version_max(&asked),
        ..Exchange::within(request_timeout.saturating_add(config.wait_max))
    };
    let call = Call { target: Target::Broker(node), lane: Lane::Fetch, exchange };
    let job = async move {
        let result = client.call_once(&call, |_| request).await;
        Event::Fetched { node, asked, result }
    };
    job.boxed()
}

pub(super) fn commit_offsets(client: Client, who: Committer, offsets: Offsets, occasion: Occasion) -> Job {
    let job = async move {
        let again = occasion == Occasion::Rebalance;
        let result = commit(client, who, offsets.clone(), again).await;
        Event::Committed { occasion, offsets, result }
    };
    job.boxed()
}
