//! One connection: frames in, responses out in the order of their requests, a bounded number of
//! requests under way at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, FrameError, FrameReader};
use super::limits;
use super::outbound::Outbound;
use super::response::Response;
use crate::context::Peer;
use crate::dispatch::{self, Answer, Answered, Dispatched};
use crate::services::Services;

/// Bytes of answers in memory at which a connection is not read from: whoever sends many requests and
/// takes no answers pays for it alone.
const READY_BYTES_MAX: usize = 1024 * 1024;

/// Why a connection ended other than by the client closing it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("idle for {0:?}")]
    Idle(Duration),
    #[error("the client took nothing of its responses for {0:?}")]
    NotReading(Duration),
}

impl ConnectionError {
    /// A client that goes away, or has nothing to say, is no news.
    pub(crate) fn is_ordinary(&self) -> bool {
        let error = match self {
            Self::Idle(_) => return true,
            Self::Frame(FrameError::Io(error)) | Self::Io(error) => error,
            _ => return false,
        };
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::TimedOut
        )
    }
}

/// A request's place in the order of answers.
enum Slot {
    Ready(Option<Response>),
    Waiting { answer: Answer, barrier: bool, _budget: Option<limits::Bytes> },
}

/// Serves one connection until it ends.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: Arc<Peer>,
    services: Arc<Services>,
    reader: FrameReader,
    slots: VecDeque<Slot>,
    outbound: Outbound,
    idle_max: Duration,
    /// Bytes of answers that have not left.
    ready_bytes: usize,
    /// Requests under way at once (`queued.max.requests`); clients keep five or so.
    requests_max: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, peer: Peer, services: Arc<Services>) -> Self {
        let limits = &services.config.load().limits;
        let reader = FrameReader::new(services.budget.clone(), limits.request_bytes_max);
        let idle_max = limits.connection_idle_max;
        let requests_max = limits.queued_requests_max;
        Self {
            stream,
            peer: Arc::new(peer),
            services,
            reader,
            slots: VecDeque::new(),
            outbound: Outbound::default(),
            idle_max,
            ready_bytes: 0,
            requests_max,
        }
    }

    /// Runs until the client closes, breaks a rule, or `shutdown` asks to finish what is in flight.
    pub(crate) async fn run(mut self, shutdown: &CancellationToken) -> Result<(), ConnectionError> {
        loop {
            self.send_ready().await?;
            let may_read = self.may_read() && !shutdown.is_cancelled();
            let idle = self.slots.is_empty();
            if !may_read && idle {
                return Ok(());
            }
            tokio::select! {
                biased;
                answer = first_answer(&mut self.slots), if !idle => {
                    let answer = answer.map_err(ConnectionError::Refused)?;
                    self.ready_bytes += answer.as_ref().map_or(0, Response::memory_bytes);
                    self.slots.pop_front();
                    self.slots.push_front(Slot::Ready(answer));
                }
                frame = next_frame(&mut self.reader, &self.stream, self.idle_max, idle), if may_read => {
                    let Some(frame) = frame? else { return Ok(()) };
                    self.accept_buffered(frame)?;
                }
                () = shutdown.cancelled(), if may_read => {}
            }
        }
    }

    /// A waiting request that must take effect before the next one holds back reading.
    fn may_read(&self) -> bool {
        self.slots.len() < self.requests_max
            && self.ready_bytes < READY_BYTES_MAX
            && !matches!(self.slots.back(), Some(Slot::Waiting { barrier: true, .. }))
    }

    /// Takes `frame` and those that arrived with it, so that their answers leave together.
    fn accept_buffered(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        let mut next = Some(frame);
        while let Some(frame) = next {
            let Frame { bytes, budget } = frame;
            let slot = match dispatch::dispatch(&self.services, &self.peer, bytes) {
                Dispatched::Ready(response) => {
                    self.ready_bytes += response.as_ref().map_or(0, Response::memory_bytes);
                    Slot::Ready(response)
                }
                Dispatched::Waiting { answer, barrier } => Slot::Waiting { answer, barrier, _budget: budget },
                Dispatched::Refused(reason) => return Err(ConnectionError::Refused(reason)),
            };
            self.slots.push_back(slot);
            next = if self.may_read() { self.reader.take_buffered()? } else { None };
        }
        Ok(())
    }

    /// Sends every answer at the front of the order that is known.
    async fn send_ready(&mut self) -> Result<(), ConnectionError> {
        while let Some(Slot::Ready(response)) = self.slots.front_mut() {
            if let Some(response) = response.take() {
                self.ready_bytes = self.ready_bytes.saturating_sub(response.memory_bytes());
                self.outbound.push(response);
            }
            self.slots.pop_front();
        }
        if self.outbound.is_empty() {
            return Ok(());
        }
        // Each step has its own patience: a client that takes a little at a time is slow, not gone.
        while !self.outbound.is_empty() {
            let sent = tokio::time::timeout(self.idle_max, self.outbound.send_some(&self.stream)).await;
            sent.map_err(|_| ConnectionError::NotReading(self.idle_max))??;
        }
        self.outbound.release();
        Ok(())
    }
}

/// Waits for the answer that has to leave first.
async fn first_answer(slots: &mut VecDeque<Slot>) -> Answered {
    poll_fn(|context| match slots.front_mut() {
        Some(Slot::Waiting { answer, .. }) => answer.as_mut().poll(context),
        Some(Slot::Ready(response)) => Poll::Ready(Ok(response.take())),
        None => Poll::Pending,
    })
    .await
}

async fn next_frame(
    reader: &mut FrameReader,
    stream: &TcpStream,
    idle_max: Duration,
    idle: bool,
) -> Result<Option<Frame>, ConnectionError> {
    if !idle {
        return Ok(reader.next(stream).await?);
    }
    match tokio::time::timeout(idle_max, reader.next(stream)).await {
        Ok(frame) => Ok(frame?),
        Err(_) => Err(ConnectionError::Idle(idle_max)),
    }
}
