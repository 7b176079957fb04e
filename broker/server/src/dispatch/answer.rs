//! How a handler is run, once its route is known: at once, later, or parked; measured, and framed.

use std::sync::Arc;
use std::time::Instant;

use millrace_protocol::messages::fetch::FetchRequest;
use millrace_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use millrace_protocol::wire::{DecodeError, EncodeError, Reader};
use millrace_protocol::{Message, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span, debug_span, error};

use super::bulky::{self, Prompt, Reading, Room};
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
    body: Reader,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    // Records stay in the frame, which has its own part of the budget.
    let (request, room) = match bulky::prompt(services, body, context.api_version, 0)? {
        Prompt::Now(request, room) if !h::produce::looks_into(&services.partitions, &context, &request) => {
            (request, room)
        }
        prompt => return Ok(produce_aside(Arc::clone(services), context, prompt, started)),
    };
    let wants_answer = request.acks != 0;
    let span = span(&context);
    let produced = span.in_scope(|| h::produce::handle(&services.partitions, &context, request));
    if wants_answer && !produced.flushes.is_empty() {
        let services = Arc::clone(services);
        let work = async move {
            let response = aside(|| h::produce::flush(produced)).await?;
            services.metrics.observe_request(context.api_key, started.elapsed());
            tell_produced(&services, &context, room, wants_answer, &response)
        };
        return Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false });
    }
    services.metrics.observe_request(context.api_key, started.elapsed());
    Ok(dispatched(tell_produced(services, &context, room, wants_answer, &produced.response)))
}

/// Appends on a thread of its own, a few requests at a time: decompression may take seconds, and so may a
/// request that names much, and the connection's task shares its thread with others.
fn produce_aside(
    services: Arc<Services>,
    context: RequestContext,
    prompt: Prompt<ProduceRequest>,
    started: Instant,
) -> Dispatched {
    let span = span(&context);
    let work = async move {
        let (request, mut room) = prompt.finish(&services).await?;
        let turn = match room.turn.take() {
            Some(turn) => turn,
            None => turn(&services.unpacking).await?,
        };
        aside(move || {
            let wants_answer = request.acks != 0;
            let produced = h::produce::handle(&services.partitions, &context, request);
            let response = if wants_answer { h::produce::flush(produced) } else { produced.response };
            drop(turn);
            services.metrics.observe_request(context.api_key, started.elapsed());
            tell_produced(&services, &context, room, wants_answer, &response)
        })
        .await?
    };
    Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: true }
}

fn tell_produced(
    services: &Services,
    context: &RequestContext,
    room: Room,
    wants_answer: bool,
    response: &ProduceResponse,
) -> Answered {
    if wants_answer {
        let framed = frame(context, context.api_version, response)?;
        return room.held_by(framed, services).map(Some);
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
    body: Reader,
) -> Result<Dispatched, DecodeError> {
    let started = Instant::now();
    let span = span(&context);
    let bytes = body.remaining();
    let (request, room) = match bulky::prompt(services, body, context.api_version, bytes)? {
        Prompt::Now(request, room) => (request, room),
        Prompt::Later(reading) => {
            let services = Arc::clone(services);
            let work = async move {
                let (request, mut room) = reading.finish(&services).await?;
                let turn = room.turn.take();
                let (services, context, fetched) = aside(move || {
                    let fetched = start_fetch(&services, &context, request);
                    drop(turn);
                    (services, context, fetched)
                })
                .await?;
                finish_fetch(services, context, room, fetched, started).await
            };
            return Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: true });
        }
    };
    match span.in_scope(|| start_fetch(services, &context, request)) {
        FetchStarted::Ready(answer) if !answer.wants_conversion(context.api_version) => {
            services.metrics.observe_request(context.api_key, started.elapsed());
            let framed = frame_fetch(&context, answer);
            Ok(dispatched(framed.and_then(|framed| room.held_by(framed, services)).map(Some)))
        }
        fetched => {
            let work = finish_fetch(Arc::clone(services), context, room, fetched, started);
            Ok(Dispatched::Waiting { answer: Box::pin(work.instrument(span)), barrier: false })
        }
    }
}

fn start_fetch(services: &Services, context: &RequestContext, request: FetchRequest) -> FetchStarted {
    h::fetch::start(
        &services.partitions,
        &services.fetch_sessions,
        services.config.load().limits.fetch_bytes_max,
        context,
        request,
    )
}

/// Waits where that is wanted, and holds a part of the budget for what is waited for.
async fn finish_fetch(
    services: Arc<Services>,
    context: RequestContext,
    mut room: Room,
    fetched: FetchStarted,
    started: Instant,
) -> Answered {
    let version = context.api_version;
    let mut answer = match fetched {
        FetchStarted::Ready(answer) => answer,
        FetchStarted::Parked(parked) => {
            room.keep_for(parked.partitions());
            parked.wait().await
        }
    };
    if answer.wants_conversion(version) {
        answer = unpack(Arc::clone(&services.unpacking), move || answer.converted(version)).await?;
    }
    services.metrics.observe_request(context.api_key, started.elapsed());
    room.held_by(frame_fetch(&context, answer)?, &services).map(Some)
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
