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
/// A connection to which nothing could be answered for so long is closed, whether it asks nothing or asks too slowly;
/// scrapers open another. No interval at which people scrape: a question that comes just before the end would lose its
/// connection while it is answered.
const IDLE_MAX: Duration = Duration::from_secs(25);

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
    /// Nothing yet, or an error when that has been so for too long.
    fn or_too_late<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.patience.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What is read buys no time: a question that comes a byte at a time would keep its slot for ever.
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.or_too_late(context),
            read => read,
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.or_too_late(context),
            written => {
                self.patience.as_mut().reset(Instant::now() + IDLE_MAX);
                written
            }
        }
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

    #[tokio::test(start_paused = true)]
    async fn who_asks_a_byte_at_a_time_is_closed_no_later() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut timed = Bounded::new(listener).accept().await.0;
        let began = Instant::now();
        let error = loop {
            client.write_u8(b'G').await.unwrap();
            tokio::time::sleep(IDLE_MAX / 4).await;
            let read = async {
                timed.read_u8().await?;
                timed.read_u8().await
            };
            match tokio::time::timeout(Duration::from_millis(1), read).await {
                Ok(closed) => break closed.unwrap_err(),
                Err(_) => assert!(began.elapsed() < IDLE_MAX * 2, "its bytes buy it time"),
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_answered_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut timed = Bounded::new(listener).accept().await.0;
        for _ in 0..8 {
            tokio::time::sleep(IDLE_MAX / 2).await;
            client.write_u8(b'?').await.unwrap();
            assert_eq!(timed.read_u8().await.unwrap(), b'?');
            timed.write_u8(b'!').await.unwrap();
        }
    }
}
