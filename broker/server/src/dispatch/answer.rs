//! How a handler is run, once its route is known: at once, later, or parked; measured, and framed.

use std::sync::Arc;
use std::time::Instant;

use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use millrace_protocol::wire::{DecodeError, EncodeError, Reader};
use millrace_protocol::{Message, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span, debug_span, error};

use super::bulky::{self, Reading, Room};
use super::{Answered, Dispatched};
use crate::context::RequestContext;
use crate::handlers as h;
use crate::handlers::fetch::{FetchAnswer, FetchStarted};
use crate::net::Response;
use crate::services::Services;

/// A request whose handler waits: for the controller, for a group, for the disk. The next request
/// of the connection begins after it, as clients expect of what they sent in that order.
macro_rules! later {
    ($services:expr, $context:expr, $body:expr, |$s:ident, $c:ident, $r:ident| $handler:expr) => {{
        let (services, context, started) =
            (::std::sync::Arc::clone($services), $context, ::std::time::Instant::now());
        let reading = $crate::dispatch::bulky::begin($body, context.api_version)?;
        let span = $crate::dispatch::answer::span(&context);
        let work = async move {
            let ($s, $c) = (&*services, &context);
            let ($r, mut room) = reading.finish($s).await?;
            // What it waits for may take long, and costs no core.
            drop(room.turn.take());
            let response = $handler.await;
            services.metrics.observe_request(context.api_key, started.elapsed());
            let framed = $crate::dispatch::answer::frame(&context, context.api_version, &response)?;
            room.held_by(framed, $s).map(Some)
        };
        Ok($crate::dispatch::Dispatched::Waiting {
            answer: Box::pin(::tracing::Instrument::instrument(work, span)),
            barrier: true,
        })
    }};
}
pub(super) use later;

/// A request that is answered at once, unless it names much.
pub(super) fn now<R: Request + Send + 'static>(
    services: &Arc<Services>,
    context: RequestContext,
    body: Reader,
    handler: impl FnOnce(&Services, &RequestContext, R) -> R::Response + Send + 'static,
) -> Result<Dispatched, DecodeError> {
    now_unless(services, context, body, |_| false, handler)
}

/// A request that is answered at once, unless it names much or `is_long` work: then on a thread of its
/// own, when its turn has come.
pub(super) fn now_unless<R: Request + Send + 'static>(
    services: &Arc<Services>,
    context: RequestContext,
    body: Reader,
    is_long: impl FnOnce(&R) -> bool,
    handler: impl FnOnce(&Services, &RequestContext, R) -> R::Response + Send + 'static,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let span = span(&context);
    let request = match bulky::begin::<R>(body, context.api_version)? {
        Reading::Done(request) if !is_long(&request) => request,
        reading => {
            let services = Arc::clone(services);
            let work = async move {
                let (request, mut room) = reading.finish(&services).await?;
                let turn = match room.turn.take() {
                    Some(turn) => turn,
                    None => turn(&services.unpacking).await?,
                };
                aside(move || {
                    let response = handler(&services, &context, request);
                    services.metrics.observe_request(context.api_key, started.elapsed());
                    let framed = frame(&context, context.api_version, &response);
                    drop((response, turn));
                    room.held_by(framed?, &services).map(Some)
                })
                .await?
            };
            return Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: true });
        }
    };
    let response = span.in_scope(|| handler(services, &context, request));
    services.metrics.observe_request(context.api_key, started.elapsed());
    let framed = frame(&context, context.api_version, &response);
    Ok(dispatched(framed.and_then(|framed| Room::default().held_by(framed, services)).map(Some)))
}

/// Appends in the connection's own task: no hand-off, and with one replica nothing to wait for but a
/// flush, where the topic asks for one. Records that have to be looked into are another matter.
pub(super) fn produce(
    services: &Arc<Services>,
    context: RequestContext,
    mut body: Reader,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let request = ProduceRequest::decode(&mut body, context.api_version)?;
    if h::produce::looks_into(&services.partitions, &context, &request) {
        return Ok(produce_aside(Arc::clone(services), context, request, started));
    }
    let wants_answer = request.acks != 0;
    let span = span(&context);
    let produced = span.in_scope(|| h::produce::handle(&services.partitions, &context, request));
    let metrics = Arc::clone(&services.metrics);
    if wants_answer && !produced.flushes.is_empty() {
        let work = async move {
            let response = aside(|| h::produce::flush(produced)).await?;
            metrics.observe_request(context.api_key, started.elapsed());
            frame(&context, context.api_version, &response).map(Some)
        };
        return Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false });
    }
    metrics.observe_request(context.api_key, started.elapsed());
    Ok(dispatched(tell_produced(&context, wants_answer, &produced.response)))
}

/// Appends on a thread of its own, a few requests at a time: decompression may take seconds, and the
/// connection's task shares its thread with others.
fn produce_aside(
    services: Arc<Services>,
    context: RequestContext,
    request: ProduceRequest,
    started: Instant,
) -> Dispatched {
    let span = span(&context);
    let wants_answer = request.acks != 0;
    let work = async move {
        let metrics = Arc::clone(&services.metrics);
        let unpacking = Arc::clone(&services.unpacking);
        let (context, response) = unpack(unpacking, move || {
            let produced = h::produce::handle(&services.partitions, &context, request);
            let response = if wants_answer { h::produce::flush(produced) } else { produced.response };
            (context, response)
        })
        .await?;
        metrics.observe_request(context.api_key, started.elapsed());
        tell_produced(&context, wants_answer, &response)
    };
    Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: true }
}

fn tell_produced(context: &RequestContext, wants_answer: bool, response: &ProduceResponse) -> Answered {
    if wants_answer {
        return frame(context, context.api_version, response).map(Some);
    }
    // Nobody reads an error of `acks=0`; a closed connection makes the client look again
    // (`KafkaApis.handleProduceRequest`).
    match h::produce::first_error(response) {
        None => Ok(None),
        Some(error) => Err(format!("produce with acks=0 failed: {error}")),
    }
}

/// Runs what may block on a thread where it may.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let span = Span::current();
    let ended = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    ended.map_err(|error| format!("a request was given up: {error}"))
}

/// Waits for the right to keep a core busy.
pub(super) async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, String> {
    Arc::clone(turns).acquire_owned().await.map_err(|error| error.to_string())
}

/// Runs what decompresses when its turn has come. Work that has begun goes to its end, and keeps its turn,
/// even when nobody waits for it any more.
async fn unpack<T: Send + 'static>(
    unpacking: Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let turn = turn(&unpacking).await?;
    aside(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
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
        FetchStarted::Ready(answer) if !answer.wants_conversion(context.api_version) => {
            services.metrics.observe_request(context.api_key, started.elapsed());
            Ok(dispatched(frame_fetch(&context, answer).map(Some)))
        }
        started_fetch => {
            let metrics = Arc::clone(&services.metrics);
            let unpacking = Arc::clone(&services.unpacking);
            let version = context.api_version;
            let work = async move {
                let mut answer = match started_fetch {
                    FetchStarted::Ready(answer) => answer,
                    FetchStarted::Parked(parked) => parked.wait().await,
                };
                if answer.wants_conversion(version) {
                    answer = unpack(unpacking, move || answer.converted(version)).await?;
                }
                metrics.observe_request(context.api_key, started.elapsed());
                frame_fetch(&context, answer).map(Some)
            };
            Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false })
        }
    }
}

pub(super) fn span(context: &RequestContext) -> Span {
    debug_span!("request", api = context.api_key.name(), client = context.client_id.as_deref())
}

fn frame_fetch(context: &RequestContext, answer: FetchAnswer) -> Result<Response, String> {
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

pub(super) fn frame<M: Message>(
    context: &RequestContext,
    version: i16,
    response: &M,
) -> Result<Response, String> {
    framed(context, Response::new(context.api_key, version, context.correlation_id, response, Vec::new()))
}

fn framed(context: &RequestContext, framed: Result<Response, EncodeError>) -> Result<Response, String> {
    framed.map_err(|error| {
        let (api, version) = (context.api_key.name(), context.api_version);
        error!(api, version, "an answer cannot be written: {error}");
        format!("no answer to {api} can be written")
    })
}

pub(super) fn respond<M: Message>(context: &RequestContext, version: i16, response: &M) -> Dispatched {
    dispatched(frame(context, version, response).map(Some))
}

fn dispatched(answered: Answered) -> Dispatched {
    match answered {
        Ok(response) => Dispatched::Ready(response),
        Err(reason) => Dispatched::Refused(reason),
    }
}
