//! The route table: which handler serves an API, and which handles it receives. Spans of requests open
//! below it, in `answer`, and nowhere else.

mod accept;
mod answer;
mod bulky;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::ApiKey;
use millrace_protocol::wire::{DecodeError, Reader};

use self::accept::{Refusal, accept};
use self::answer::{fetch, later, now, now_unless, produce, respond};
use crate::context::{Peer, RequestContext};
use crate::handlers as h;
use crate::net::Response;
use crate::services::Services;

/// What became of a frame.
pub(crate) enum Dispatched {
    /// The answer is there; `None` where the protocol wants none (`acks=0`).
    Ready(Option<Response>),
    /// The answer comes later. With `barrier` the next request must not begin before that.
    Waiting { answer: Answer, barrier: bool },
    /// The connection has to be closed, for this reason.
    Refused(String),
}

/// An answer that is still being worked out.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// An answer that was worked out, `None` where the protocol wants none; or why the connection has to be closed.
pub(crate) type Answered = Result<Option<Response>, String>;

/// Reads the header, finds the route, and starts the request. Never waits.
pub(crate) fn dispatch(services: &Arc<Services>, peer: &Arc<Peer>, frame: Bytes) -> Dispatched {
    match accept(peer, frame) {
        Ok((context, mut body)) => {
            bulky::limit(&mut body, services);
            let key = context.api_key;
            route(services, context, body)
                .unwrap_or_else(|error| Dispatched::Refused(format!("a bad {} request: {error}", key.name())))
        }
        Err(Refusal::UnknownApiVersions(context)) => respond(&context, 0, &h::api_versions::unsupported()),
        Err(Refusal::Close(reason)) => Dispatched::Refused(reason),
    }
}

/// Which handler serves an API, and which handles it receives. What is not here is not advertised.
#[rustfmt::skip]
fn route(services: &Arc<Services>, context: RequestContext, body: Reader) -> Result<Dispatched, DecodeError> {
    let s = services;
    match context.api_key {
        ApiKey::Produce => produce(s, context, body),
        ApiKey::Fetch => fetch(s, context, body),
        ApiKey::ListOffsets => now_unless(s, context, body, h::list_offsets::searches, |s, c, r| h::list_offsets::handle(&s.partitions, c, r)),
        ApiKey::OffsetForLeaderEpoch => now(s, context, body, |s, c, r| h::offset_for_leader_epoch::handle(&s.partitions, c, r)),
        ApiKey::DeleteRecords => now(s, context, body, |s, c, r| h::delete_records::handle(&s.partitions, c, r)),
        ApiKey::DescribeLogDirs => now(s, context, body, |s, c, r| h::describe_log_dirs::handle(&s.partitions, c, r)),
        ApiKey::DescribeProducers => now(s, context, body, |s, c, r| h::describe_producers::handle(&s.partitions, c, r)),
        ApiKey::InitProducerId => later!(s, context, body, |s, c, r| h::init_producer_id::handle(&s.producer_ids, &s.quorum, c, r)),

        ApiKey::ApiVersions => now(s, context, body, |_, c, r| h::api_versions::handle(c, &r)),
        ApiKey::Metadata => later!(s, context, body, |s, c, r| h::metadata::handle(&s.metadata, &s.quorum, &s.config, c, r)),
        ApiKey::DescribeTopicPartitions => now(s, context, body, |s, c, r| h::describe_topic_partitions::handle(&s.metadata, &s.config, c, r)),
        ApiKey::DescribeCluster => now(s, context, body, |s, c, r| h::describe_cluster::handle(&s.metadata, c, r)),
        ApiKey::DescribeQuorum => now(s, context, body, |s, c, r| h::describe_quorum::handle(&s.metadata, c, r)),
        ApiKey::CreateTopics => later!(s, context, body, |s, c, r| h::create_topics::handle(&s.quorum, &s.config, c, r)),
        ApiKey::DeleteTopics => later!(s, context, body, |s, c, r| h::delete_topics::handle(&s.quorum, &s.config, c, r)),
        ApiKey::CreatePartitions => later!(s, context, body, |s, c, r| h::create_partitions::handle(&s.quorum, c, r)),
        ApiKey::DescribeConfigs => now(s, context, body, |s, c, r| h::configs::describe(&s.metadata, &s.config, &s.levels, c, r)),
        ApiKey::ListConfigResources => now(s, context, body, |s, c, r| h::list_config_resources::handle(&s.metadata, c, r)),
        ApiKey::AlterConfigs => later!(s, context, body, |s, c, r| h::configs::alter(&s.quorum, &s.config, c, r)),
        ApiKey::IncrementalAlterConfigs => later!(s, context, body, |s, c, r| h::configs::alter_incrementally(&s.quorum, &s.config, &s.levels, c, r)),

        ApiKey::FindCoordinator => later!(s, context, body, |s, c, r| h::find_coordinator::handle(&s.groups, c, r)),
        ApiKey::JoinGroup => later!(s, context, body, |s, c, r| h::join_group::handle(&s.groups, c, r)),
        ApiKey::SyncGroup => later!(s, context, body, |s, c, r| h::sync_group::handle(&s.groups, c, r)),
        ApiKey::Heartbeat => later!(s, context, body, |s, c, r| h::heartbeat::handle(&s.groups, c, r)),
        ApiKey::LeaveGroup => later!(s, context, body, |s, c, r| h::leave_group::handle(&s.groups, c, r)),
        ApiKey::OffsetCommit => later!(s, context, body, |s, c, r| h::offset_commit::handle(&s.groups, &s.metadata, c, r)),
        ApiKey::OffsetFetch => now(s, context, body, |s, c, r| h::offset_fetch::handle(&s.groups, c, r)),
        ApiKey::OffsetDelete => later!(s, context, body, |s, c, r| h::offset_delete::handle(&s.groups, &s.metadata, c, r)),
        ApiKey::ListGroups => now(s, context, body, |s, c, r| h::list_groups::handle(&s.groups, c, r)),
        ApiKey::DescribeGroups => now(s, context, body, |s, c, r| h::describe_groups::handle(&s.groups, c, r)),
        ApiKey::DeleteGroups => later!(s, context, body, |s, c, r| h::delete_groups::handle(&s.groups, c, r)),

        ApiKey::GetTelemetrySubscriptions => now(s, context, body, |_, c, r| h::telemetry::subscriptions(c, &r)),
        ApiKey::PushTelemetry => now(s, context, body, |_, c, r| h::telemetry::push(c, &r)),
    }
}
