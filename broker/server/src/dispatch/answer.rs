//! How a handler is run, once its route is known: at once, later, or parked; measured, and framed.

use std::sync::Arc;
use std::time::Instant;

use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::produce::ProduceRequest;
use millrace_protocol::wire::{DecodeError, EncodeError, Reader};
use millrace_protocol::{Message, Request};
use tracing::{Instrument, Span, debug_span, error};

use super::Dispatched;
use crate::context::RequestContext;
use crate::handlers as h;
use crate::handlers::fetch::{FetchAnswer, FetchStarted};
use crate::net::Response;
use crate::services::Services;

/// A request whose handler waits: for the controller, for a group, for the disk. The next request
/// of the connection begins after it, as clients expect of what they sent in that order.
macro_rules! later {
    ($services:expr, $context:expr, $body:expr, |$s:ident, $c:ident, $r:ident| $handler:expr) => {{
        let (services, context, mut body, started) =
            (::std::sync::Arc::clone($services), $context, $body, ::std::time::Instant::now());
        let $r = millrace_protocol::Message::decode(&mut body, context.api_version)?;
        let span = $crate::dispatch::answer::span(&context);
        let work = async move {
            let ($s, $c) = (&*services, &context);
            let response = $handler.await;
            services.metrics.observe_request(context.api_key, started.elapsed());
            $crate::dispatch::answer::frame(&context, context.api_version, &response)
        };
        Ok($crate::dispatch::Dispatched::Waiting {
            answer: Box::pin(::tracing::Instrument::instrument(work, span)),
            barrier: true,
        })
    }};
}
pub(super) use later;

/// A request that is answered at once.
pub(super) fn now<R: Request>(
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
pub(super) fn produce(
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
pub(super) fn fetch(
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

pub(super) fn span(context: &RequestContext) -> Span {
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

pub(super) fn frame<M: Message>(context: &RequestContext, version: i16, response: &M) -> Option<Response> {
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

pub(super) fn respond<M: Message>(context: &RequestContext, version: i16, response: &M) -> Dispatched {
    match frame(context, version, response) {
        Some(response) => Dispatched::Ready(Some(response)),
        None => Dispatched::Refused(format!("no answer to {} can be written", context.api_key.name())),
    }
}
