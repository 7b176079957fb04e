//! Sends responses in order. Consecutive pieces in memory leave in one call; ranges of files leave
//! by `sendfile`, straight from the page cache.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Buf;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;

use millrace_log::FileRange;

use super::limits::Bytes as BudgetPart;
use super::response::{Chunk, Response};

/// Pieces gathered for one call.
const SLICES_MAX: usize = 32;
/// Asked of one `sendfile`, so that one reader does not hold a worker for long.
const SENDFILE_BYTES_MAX: usize = 1024 * 1024;
/// Read at once where there is no `sendfile`.
const COPY_BYTES: usize = 64 * 1024;

/// What is yet to be sent on one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    chunks: VecDeque<Chunk>,
    /// Parts of the budget that the responses hold, until all of them have left.
    budget: Option<BudgetPart>,
}

impl Outbound {
    pub(crate) fn push(&mut self, response: Response) {
        self.chunks.extend(response.chunks);
        match (&mut self.budget, response.budget) {
            (Some(held), Some(more)) => held.merge(more),
            (none, Some(more)) => *none = Some(more),
            (_, None) => {}
        }
    }

    /// Gives back what the responses held, once they have left.
    pub(crate) fn release(&mut self) {
        self.budget = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Waits for room in the socket and sends once. Dropping the call loses nothing.
    pub(crate) async fn send_some(&mut self, stream: &TcpStream) -> io::Result<()> {
        loop {
            stream.writable().await?;
            match stream.try_io(Interest::WRITABLE, || self.send_once(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
        }
    }

    fn send_once(&mut self, stream: &TcpStream) -> io::Result<()> {
        if let Some(Chunk::File(range, sent)) = self.chunks.front_mut() {
            *sent += send_file(stream, range, *sent)?;
            if *sent == range.len {
                self.chunks.pop_front();
            }
            return Ok(());
        }
        let mut sent = self.send_memory(stream)?;
        while sent > 0 {
            let Some(Chunk::Memory(bytes)) = self.chunks.front_mut() else { break };
            let step = sent.min(bytes.len());
            bytes.advance(step);
            sent -= step;
            if bytes.is_empty() {
                self.chunks.pop_front();
            }
        }
        Ok(())
    }

    /// Sends the pieces in memory at the front; more is to follow if a file comes after them.
    fn send_memory(&self, stream: &TcpStream) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut flags = SendFlags::NOSIGNAL;
        for chunk in &self.chunks {
            match chunk {
                Chunk::Memory(bytes) if count < SLICES_MAX => {
                    slices[count] = IoSlice::new(bytes);
                    count += 1;
                }
                Chunk::Memory(_) | Chunk::File(..) => {
                    flags |= SendFlags::MORE;
                    break;
                }
            }
        }
        Ok(sendmsg(stream, &slices[..count], &mut SendAncillaryBuffer::default(), flags)?)
    }
}

fn send_file(stream: &TcpStream, range: &FileRange, skip: usize) -> io::Result<usize> {
    let wanted = (range.len - skip).min(SENDFILE_BYTES_MAX);
    let Some(file) = range.raw_fd() else { return copy_file(stream, range, skip, wanted) };
    let mut position = range.position + skip as u64;
    match rustix::fs::sendfile(stream, file, Some(&mut position), wanted)? {
        // The segment was cut short under us: what the header promised can no longer be sent.
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a segment ended before the range being sent")),
        sent => Ok(sent),
    }
}

/// For disks without descriptors: reads a piece and sends what the socket takes of it.
fn copy_file(stream: &TcpStream, range: &FileRange, skip: usize, wanted: usize) -> io::Result<usize> {
    let mut piece = vec![0; wanted.min(COPY_BYTES)];
    let read = range.read_at(&mut piece, skip)?;
    Ok(rustix::net::send(stream, &piece[..read], SendFlags::NOSIGNAL)?)
}
