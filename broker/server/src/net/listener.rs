//! Takes connections, within the limits, and gives each a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::Connection;
use super::limits::ConnectionSlot;
use crate::config::SocketConfig;
use crate::context::Peer;
use crate::rate_limit::RateLimited;
use crate::services::Services;

/// How long to let descriptors come free when the process has none left.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// Hostile or broken clients get one line between them in each period, not one each.
static REFUSED: RateLimited = RateLimited::new(Duration::from_secs(10));
static BROKEN: RateLimited = RateLimited::new(Duration::from_secs(10));

/// A listening socket with the name that `listeners` gives it.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    socket: TcpListener,
}

/// Opens a listening socket; a port of 0 gets any that is free.
pub(crate) fn bind(name: &str, address: SocketAddr, config: &SocketConfig) -> io::Result<BoundListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Connections inherit the buffers of their listener.
    if let Some(bytes) = config.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = config.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(config.backlog)?;
    let socket = TcpListener::from_std(socket.into())?;
    Ok(BoundListener { name: name.into(), address: socket.local_addr()?, socket })
}

/// Accepts on one listener until told to stop; its connections finish what they have in flight.
pub(crate) struct Acceptor {
    pub(crate) services: Arc<Services>,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Acceptor {
    pub(crate) async fn run(self, listener: BoundListener) {
        let mut pace = Pace::new(self.services.config.load().limits.connection_rate_max);
        loop {
            pace.wait().await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = listener.socket.accept() => match accepted {
                    Ok((stream, address)) => self.admit(stream, address, &listener.name),
                    Err(error) => self.recover(&error).await,
                },
            }
        }
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr, listener: &Arc<str>) {
        match self.services.connections.admit(address.ip(), &self.services.config.load().limits) {
            Ok(slot) => {
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(client = %address, "TCP_NODELAY: {error}");
                }
                let connection = Connection::new(
                    stream,
                    Peer::new(address, Arc::clone(listener)),
                    Arc::clone(&self.services),
                );
                self.tasks.spawn(serve(connection, address, slot, self.shutdown.clone()));
            }
            Err(reason) => {
                if let Some(suppressed) = REFUSED.admit() {
                    warn!(client = %address, suppressed, "connection refused: {reason}");
                }
            }
        }
    }

    /// Out of descriptors, or the client was gone before it was accepted: neither ends the listener.
    async fn recover(&self, error: &io::Error) {
        if let Some(suppressed) = REFUSED.admit() {
            warn!(suppressed, "accepting a connection failed: {error}");
        }
        tokio::time::sleep(ACCEPT_BACK_OFF).await;
    }
}

/// Takes at most so many connections in a second (`max.connection.creation.rate`); the rest wait in
/// the backlog.
struct Pace {
    rate_max: usize,
    second: Instant,
    taken: usize,
}

impl Pace {
    fn new(rate_max: usize) -> Self {
        Self { rate_max, second: Instant::now(), taken: 0 }
    }

    async fn wait(&mut self) {
        if self.taken >= self.rate_max {
            tokio::time::sleep_until(self.second + Duration::from_secs(1)).await;
        }
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.taken = 0;
        }
        self.taken += 1;
    }
}

async fn serve(
    connection: Connection,
    address: SocketAddr,
    slot: ConnectionSlot,
    shutdown: CancellationToken,
) {
    match connection.run(&shutdown).await {
        Ok(()) => {}
        Err(error) if error.is_ordinary() => debug!(client = %address, "connection ended: {error}"),
        Err(error) => {
            if let Some(suppressed) = BROKEN.admit() {
                warn!(client = %address, suppressed, "connection closed: {error}");
            }
        }
    }
    drop(slot);
}
