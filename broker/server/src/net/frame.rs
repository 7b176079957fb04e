//! Cuts a stream of bytes into frames: four bytes of length, then as many of request. Memory grows
//! with what arrives, never with what a length promises.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::limits::{self, ByteBudget};

/// Read from an idle connection in one go; small requests need no second call.
const READ_BYTES: usize = 16 * 1024;
/// Most memory reserved ahead of the bytes that fill it.
const RESERVE_BYTES_MAX: usize = 1024 * 1024;
/// Reserved ahead, at most, for each byte that has come: a promise alone gets no memory.
const RESERVE_FACTOR: usize = 8;
/// A frame that has begun must be whole after this long, and a second for each 64 KiB that came: a
/// promise of more bytes buys no time.
const FRAME_SECONDS_MAX: u64 = 30;
const BYTES_PER_SECOND_MIN: usize = 64 * 1024;
/// A frame that has waited for room in the budget for this long, all its waits together, is given up, so that
/// frames which each hold a part of the budget cannot wait for one another for ever.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(10);
const LENGTH_BYTES: usize = 4;

/// A request's bytes and its part of the budget.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Header and body, without the length.
    pub(crate) bytes: Bytes,
    /// Held until the request is done with.
    pub(crate) budget: Option<limits::Bytes>,
}

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a frame of {length} bytes, where socket.request.max.bytes allows {max}")]
    BadLength { length: i32, max: usize },
    #[error("a frame of {length} bytes did not arrive in time: {received} bytes came")]
    TooSlow { length: usize, received: usize },
    #[error("no memory for a frame of {length} bytes within queued.max.request.bytes")]
    NoBudget { length: usize },
}

/// Reads frames from one connection. Dropping a call to [`FrameReader::next`] loses nothing.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    budget: ByteBudget,
    taken: Option<limits::Bytes>,
    frame_bytes_max: usize,
    /// When the first byte of the frame at the front came.
    began: Option<Instant>,
    /// How long that frame has waited for room in the budget.
    budget_waited: Duration,
}

impl FrameReader {
    pub(crate) fn new(budget: ByteBudget, frame_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            budget,
            taken: None,
            frame_bytes_max,
            began: None,
            budget_waited: Duration::ZERO,
        }
    }

    /// A frame that has arrived already, without waiting for the socket.
    pub(crate) fn take_buffered(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(length) = self.frame_length()? else { return Ok(None) };
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        let bytes = self.buffer.split_to(length).freeze();
        self.began = None;
        self.budget_waited = Duration::ZERO;
        Ok(Some(Frame { bytes, budget: self.taken.take() }))
    }

    /// The next frame; `None` when the client has closed the connection between two frames.
    pub(crate) async fn next(&mut self, stream: &TcpStream) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.take_buffered()? {
                return Ok(Some(frame));
            }
            let length = self.frame_length()?;
            self.reserve(length).await?;
            if !self.fill(stream, length).await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()))
                };
            }
        }
    }

    /// Length of the frame at the front, as soon as it is known.
    fn frame_length(&self) -> Result<Option<usize>, FrameError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        match usize::try_from(length) {
            Ok(length) if length > 0 && length <= self.frame_bytes_max => Ok(Some(length)),
            _ => Err(FrameError::BadLength { length, max: self.frame_bytes_max }),
        }
    }

    /// Room for what comes next, within the budget.
    async fn reserve(&mut self, length: Option<usize>) -> Result<(), FrameError> {
        let Some(length) = length else {
            self.buffer.reserve(if self.buffer.is_empty() { 0 } else { READ_BYTES });
            return Ok(());
        };
        let ahead = self.buffer.len().saturating_mul(RESERVE_FACTOR).clamp(READ_BYTES, RESERVE_BYTES_MAX);
        let wanted = (LENGTH_BYTES + length).min(self.buffer.len() + ahead);
        // Small frames need no part of the budget: whoever fills it with large ones holds up nobody's
        // heartbeats, and what small ones take is bounded by the connections that there may be.
        let budgeted = wanted.saturating_sub(READ_BYTES);
        let held = self.taken.as_ref().map_or(0, limits::Bytes::num_permits);
        if budgeted > held {
            let asked = Instant::now();
            let patience = BUDGET_WAIT_MAX.saturating_sub(self.budget_waited);
            let more = tokio::time::timeout(patience, self.budget.take(budgeted - held)).await;
            // That we did not read is not the client's fault.
            self.began = self.began.map(|began| began + asked.elapsed());
            self.budget_waited += asked.elapsed();
            let Ok(Ok(more)) = more else { return Err(FrameError::NoBudget { length }) };
            match &mut self.taken {
                Some(taken) => taken.merge(more),
                None => self.taken = Some(more),
            }
        }
        self.buffer.reserve(wanted.saturating_sub(self.buffer.len()));
        Ok(())
    }

    fn deadline(&mut self) -> Instant {
        let seconds = FRAME_SECONDS_MAX + (self.buffer.len() / BYTES_PER_SECOND_MIN) as u64;
        *self.began.get_or_insert_with(Instant::now) + Duration::from_secs(seconds)
    }

    /// Reads once. False at the end of the stream.
    async fn fill(&mut self, stream: &TcpStream, length: Option<usize>) -> Result<bool, FrameError> {
        loop {
            if self.buffer.is_empty() {
                // An idle connection keeps no buffer: there may be tens of thousands of them.
                self.buffer = BytesMut::new();
                stream.readable().await?;
                self.buffer.reserve(READ_BYTES);
            } else {
                let received = self.buffer.len();
                let deadline = self.deadline();
                let ready = tokio::time::timeout_at(deadline, stream.readable()).await;
                ready.map_err(|_| FrameError::TooSlow { length: length.unwrap_or(0), received })??;
            }
            match stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
