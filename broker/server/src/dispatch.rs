//! The route table: from a frame to the handler of its API, and from the handler's answer to a
//! framed response. Spans of requests open here and nowhere else.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millrace_protocol::header::{RequestHeader, request_header_version};
use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::produce::ProduceRequest;
use millrace_protocol::wire::{DecodeError, EncodeError, Reader};
use millrace_protocol::{ApiKey, Message, Request};
use tracing::{Instrument, Span, debug_span, error};

use crate::context::{Peer, RequestContext};
use crate::handlers as h;
use crate::handlers::fetch::{FetchAnswer, FetchStarted};
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

/// An answer that is still being worked out; `None` closes nothing and sends nothing.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Option<Response>> + Send>>;

/// Bytes of API number and version at the front of every request header.
const KEY_AND_VERSION_BYTES: usize = 4;

/// Reads the header, finds the route, and starts the request. Never waits.
pub(crate) fn dispatch(services: &Arc<Services>, peer: &Arc<Peer>, frame: Bytes) -> Dispatched {
    match accept(peer, frame) {
        Ok((context, body)) => {
            let key = context.api_key;
            route(services, context, body)
                .unwrap_or_else(|error| Dispatched::Refused(format!("a bad {} request: {error}", key.name())))
        }
        Err(Refusal::UnknownApiVersions(context)) => respond(&context, 0, &h::api_versions::unsupported()),
        Err(Refusal::Close(reason)) => Dispatched::Refused(reason),
    }
}

/// Why a request does not reach a route.
enum Refusal {
    /// ApiVersions in a version from the future gets an answer that everybody can read (KIP-511).
    UnknownApiVersions(RequestContext),
    Close(String),
}

fn accept(peer: &Arc<Peer>, frame: Bytes) -> Result<(RequestContext, Reader), Refusal> {
    let Some(&[k0, k1, v0, v1]) = frame.first_chunk::<KEY_AND_VERSION_BYTES>() else {
        return Err(Refusal::Close(format!("a request of {} bytes", frame.len())));
    };
    let (number, api_version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
    let api_key =
        ApiKey::from_number(number).ok_or_else(|| Refusal::Close(format!("API {number} is not served")))?;
    let served = h::api_versions::served(api_key).contains(api_version);
    if !served && api_key != ApiKey::ApiVersions {
        return Err(Refusal::Close(format!("version {api_version} of {} is not served", api_key.name())));
    }
    let mut reader = Reader::new(frame);
    // Of an unknown version only the part of the header that never changes can be trusted.
    let header_version = if served { request_header_version(api_key, api_version) } else { 1 };
    let header = RequestHeader::decode(&mut reader, header_version)
        .map_err(|error| Refusal::Close(format!("a bad header: {error}")))?;
    let context = RequestContext {
        peer: Arc::clone(peer),
        api_key,
        api_version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
    };
    if served { Ok((context, reader)) } else { Err(Refusal::UnknownApiVersions(context)) }
}

/// A request whose handler waits: for the controller, for a group, for the disk. The next request
/// of the connection begins after it, as clients expect of what they sent in that order.
macro_rules! later {
    ($services:expr, $context:expr, $body:expr, |$s:ident, $c:ident, $r:ident| $handler:expr) => {{
        let (services, context, mut body, started) = (Arc::clone($services), $context, $body, Instant::now());
        let $r = Message::decode(&mut body, context.api_version)?;
        let span = span(&context);
        let work = async move {
            let ($s, $c) = (&*services, &context);
            let response = $handler.await;
            services.metrics.observe_request(context.api_key, started.elapsed());
            frame(&context, context.api_version, &response)
        };
        Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: true })
    }};
}

/// Which handler serves an API, and which handles it receives.
fn route(services: &Arc<Services>, context: RequestContext, body: Reader) -> Result<Dispatched, DecodeError> {
    let s = services;
    match context.api_key {
        ApiKey::Produce => produce(s, context, body),
        ApiKey::Fetch => fetch(s, context, body),
        ApiKey::ApiVersions => now(s, context, body, |_, c, r| h::api_versions::handle(c, &r)),
        ApiKey::Metadata => {
            later!(s, context, body, |s, c, r| h::metadata::handle(&s.metadata, &s.quorum, &s.config, c, r))
        }
        ApiKey::DescribeTopicPartitions => now(s, context, body, |s, c, r| {
            h::describe_topic_partitions::handle(&s.metadata, &s.config, c, r)
        }),
        ApiKey::DescribeCluster => {
            now(s, context, body, |s, c, r| h::describe_cluster::handle(&s.metadata, c, r))
        }
        ApiKey::CreateTopics => {
            later!(s, context, body, |s, c, r| h::create_topics::handle(&s.quorum, &s.config, c, r))
        }
        ApiKey::DeleteTopics => {
            later!(s, context, body, |s, c, r| h::delete_topics::handle(&s.quorum, &s.config, c, r))
        }
        ApiKey::CreatePartitions => {
            later!(s, context, body, |s, c, r| h::create_partitions::handle(&s.quorum, c, r))
        }
        ApiKey::DescribeConfigs => {
            now(s, context, body, |s, c, r| h::configs::describe(&s.metadata, &s.config, &s.levels, c, r))
        }
        ApiKey::AlterConfigs => {
            later!(s, context, body, |s, c, r| h::configs::alter(&s.quorum, &s.config, c, r))
        }
        ApiKey::IncrementalAlterConfigs => {
            later!(s, context, body, |s, c, r| h::configs::alter_incrementally(
                &s.quorum, &s.config, &s.levels, c, r
            ))
        }
        ApiKey::InitProducerId => {
            later!(s, context, body, |s, c, r| h::init_producer_id::handle(&s.producer_ids, &s.quorum, c, r))
        }
        ApiKey::ListOffsets => now(s, context, body, |s, c, r| h::list_offsets::handle(&s.partitions, c, r)),
        ApiKey::OffsetForLeaderEpoch => {
            now(s, context, body, |s, c, r| h::offset_for_leader_epoch::handle(&s.partitions, c, r))
        }
        ApiKey::DeleteRecords => {
            now(s, context, body, |s, c, r| h::delete_records::handle(&s.partitions, c, r))
        }
        ApiKey::DescribeLogDirs => {
            now(s, context, body, |s, c, r| h::describe_log_dirs::handle(&s.partitions, c, r))
        }
        ApiKey::DescribeProducers => {
            now(s, context, body, |s, c, r| h::describe_producers::handle(&s.partitions, c, r))
        }
        ApiKey::GetTelemetrySubscriptions => {
            now(s, context, body, |_, c, r| h::telemetry::subscriptions(c, &r))
        }
        ApiKey::PushTelemetry => now(s, context, body, |_, c, r| h::telemetry::push(c, &r)),
        key => Ok(Dispatched::Refused(format!("{} is not served", key.name()))),
    }
}

/// A request that is answered at once.
fn now<R: Request>(
    services: &Arc<Services>,
    context: RequestContext,
    mut body: Reader,
    handler: impl FnOnce(&Services, &RequestContext, R) -> R::Response,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let request = R::decode(&mut body, context.api_version)?;
    let response = span(&context).in_scope(|| handler(services, &context, request));
    services.metrics.observe_request(context.api_key, started.elapsed());
    Ok(respond(&context, context.api_version, &response))
}

/// Appends in the connection's own task: no hand-off, and with one replica nothing to wait for but a
/// flush, where the topic asks for one.
fn produce(
    services: &Arc<Services>,
    context: RequestContext,
    mut body: Reader,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let request = ProduceRequest::decode(&mut body, context.api_version)?;
    let wants_answer = request.acks != 0;
    let span = span(&context);
    let produced = span.in_scope(|| h::produce::handle(&services.partitions, &context, request));
    let metrics = Arc::clone(&services.metrics);
    if wants_answer && !produced.flushes.is_empty() {
        let work = async move {
            let response = tokio::task::spawn_blocking(|| h::produce::flush(produced)).await.ok()?;
            metrics.observe_request(context.api_key, started.elapsed());
            frame(&context, context.api_version, &response)
        };
        return Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false });
    }
    metrics.observe_request(context.api_key, started.elapsed());
    if wants_answer {
        return Ok(respond(&context, context.api_version, &produced.response));
    }
    // Nobody reads an error of `acks=0`; a closed connection makes the client look again
    // (`KafkaApis.handleProduceRequest`).
    match h::produce::first_error(&produced.response) {
        None => Ok(Dispatched::Ready(None)),
        Some(error) => Ok(Dispatched::Refused(format!("produce with acks=0 failed: {error}"))),
    }
}

/// Answers from the page cache, or parks until there is something to read.
fn fetch(
    services: &Arc<Services>,
    context: RequestContext,
    mut body: Reader,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let request = FetchRequest::decode(&mut body, context.api_version)?;
    let span = span(&context);
    match span.in_scope(|| {
        h::fetch::start(
            &services.partitions,
            &services.fetch_sessions,
            services.config.load().limits.fetch_bytes_max,
            &context,
            request,
        )
    }) {
        FetchStarted::Ready(answer) => {
            services.metrics.observe_request(context.api_key, started.elapsed());
            Ok(Dispatched::Ready(frame_fetch(&context, answer)))
        }
        FetchStarted::Parked(parked) => {
            let metrics = Arc::clone(&services.metrics);
            let work = async move {
                let answer = parked.wait().await;
                metrics.observe_request(context.api_key, started.elapsed());
                frame_fetch(&context, answer)
            };
            Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false })
        }
    }
}

fn span(context: &RequestContext) -> Span {
    debug_span!("request", api = context.api_key.name(), client = context.client_id.as_deref())
}

fn frame_fetch(context: &RequestContext, answer: FetchAnswer) -> Option<Response> {
    framed(
        context,
        Response::new(
            context.api_key,
            context.api_version,
            context.correlation_id,
            &answer.response,
            answer.files,
        ),
    )
}

fn frame<M: Message>(context: &RequestContext, version: i16, response: &M) -> Option<Response> {
    framed(context, Response::new(context.api_key, version, context.correlation_id, response, Vec::new()))
}

fn framed(context: &RequestContext, framed: Result<Response, EncodeError>) -> Option<Response> {
    framed
        .inspect_err(|error| {
            error!(
                api = context.api_key.name(),
                version = context.api_version,
                "an answer cannot be written: {error}"
            )
        })
        .ok()
}

fn respond<M: Message>(context: &RequestContext, version: i16, response: &M) -> Dispatched {
    match frame(context, version, response) {
        Some(response) => Dispatched::Ready(Some(response)),
        None => Dispatched::Refused(format!("no answer to {} can be written", context.api_key.name())),
    }
}
