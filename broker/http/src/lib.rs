//! A listener that takes few connections and none for long without a word: pages are for probes and scrapers, and
//! must not take the descriptors and the memory that others need. Knows nothing of pages.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections open at once; the others wait in the backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// A connection that says nothing for so long is closed; scrapers open another.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Accepts as long as there is a slot.
#[derive(Debug)]
pub struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
}

/// A connection, its slot, and its patience.
#[derive(Debug)]
pub struct Timed {
    stream: TcpStream,
    patience: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    /// Of a socket that listens.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Bounded {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Nobody closes the semaphore.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Timed { stream, patience: Box::pin(tokio::time::sleep(IDLE_MAX)), _slot: slot }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Timed {
    /// What the stream says, or that it has said nothing for too long.
    fn or_too_late<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.patience.as_mut().reset(Instant::now() + IDLE_MAX);
            return poll;
        }
        self.patience.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.or_too_late(context, poll)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.or_too_late(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_closed_and_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut bounded = Bounded::new(listener);
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let client = TcpStream::connect(address).await.unwrap();
            open.push((client, bounded.accept().await.0));
        }
        let (_late, mut timed) = {
            let late = TcpStream::connect(address).await.unwrap();
            assert!(tokio::time::timeout(Duration::from_millis(1), bounded.accept()).await.is_err());
            (late, open.pop().unwrap())
        };
        let silent = timed.1.read_u8().await;
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(timed);
        bounded.accept().await;
    }
}
