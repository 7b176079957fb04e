//! The connections of one client: at most one for each broker and lane, made when first needed, given
//! up after idling, and not tried again too soon after a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use super::connection::ConnectionSettings;
use super::{Connection, NodeAddress};
use crate::config::ClientConfig;
use crate::error::ClientError;

/// Brokers answer one connection in order, so what may wait long has a connection of its own and does
/// not hold up the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Everything that is answered at once.
    Shared,
    /// Produce, which waits for replicas.
    Produce,
    /// Fetches, which wait for records.
    Fetch,
    /// JoinGroup and SyncGroup, which wait for other members, and all else of a group.
    Group,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A broker by id.
    Node(i32),
    /// A bootstrap server by its place in the list.
    Seed(usize),
}

#[derive(Debug, Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    failures: u32,
    not_before: Option<Instant>,
}

type SharedSlot = Arc<tokio::sync::Mutex<Slot>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    maker: Arc<Maker>,
    slots: Mutex<HashMap<(Peer, Lane), SharedSlot>>,
}

/// What makes connections.
#[derive(Debug)]
struct Maker {
    config: Arc<ClientConfig>,
    client_id: Arc<str>,
    closed: AtomicBool,
}

impl Pool {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        let client_id = Arc::from(config.client_id.as_str());
        let maker = Arc::new(Maker { config, client_id, closed: AtomicBool::new(false) });
        Self { maker, slots: Mutex::new(HashMap::new()) }
    }

    /// The connection to `peer`, made if there is none. Waits out the back-off after failures.
    pub(crate) async fn get(
        &self,
        peer: Peer,
        lane: Lane,
        node: &NodeAddress,
    ) -> Result<Arc<Connection>, ClientError> {
        let slot = self.slot(peer, lane)?;
        if let Ok(slot) = slot.try_lock()
            && let Some(connection) = self.maker.reusable(&slot, node)
        {
            return Ok(connection);
        }
        // In a task of its own: a caller that stops polling must not keep the slot from others. It ends with a
        // caller that goes before its turn; they would pile up before a broker that does not answer.
        let (maker, node, (waits, gone)) = (Arc::clone(&self.maker), node.clone(), oneshot::channel::<()>());
        let making = tokio::spawn(async move {
            let slot = tokio::select! {
                slot = slot.lock_owned() => slot,
                _ = gone => return Err(ClientError::Closed),
            };
            maker.make(slot, node).await
        });
        let made = making.await.unwrap_or(Err(ClientError::Closed));
        drop(waits);
        made
    }

    /// Whether a connection to `peer` is open, or may be tried without waiting.
    pub(crate) fn is_ready(&self, peer: Peer, lane: Lane) -> Readiness {
        let slot = self.slots.lock().get(&(peer, lane)).cloned();
        let Some(slot) = slot else { return Readiness::Untried };
        let Ok(slot) = slot.try_lock() else { return Readiness::BackingOff };
        match (&slot.connection, slot.not_before) {
            (Some(connection), _) if !connection.is_closed() => Readiness::Connected,
            (_, Some(not_before)) if not_before > Instant::now() => Readiness::BackingOff,
            _ => Readiness::Untried,
        }
    }

    /// Forgets brokers that left the cluster.
    pub(crate) fn retain_nodes(&self, keep: impl Fn(i32) -> bool) {
        self.slots.lock().retain(|(peer, _), _| match peer {
            Peer::Node(id) => keep(*id),
            Peer::Seed(_) => true,
        });
    }

    /// Closes everything; later calls fail.
    pub(crate) fn close(&self) {
        self.maker.closed.store(true, Ordering::Release);
        self.slots.lock().clear();
    }

    fn slot(&self, peer: Peer, lane: Lane) -> Result<SharedSlot, ClientError> {
        if self.maker.closed.load(Ordering::Acquire) {
            return Err(ClientError::Closed);
        }
        Ok(Arc::clone(self.slots.lock().entry((peer, lane)).or_default()))
    }
}

impl Maker {
    async fn make(
        self: Arc<Self>,
        mut slot: OwnedMutexGuard<Slot>,
        node: NodeAddress,
    ) -> Result<Arc<Connection>, ClientError> {
        if let Some(connection) = self.reusable(&slot, &node) {
            return Ok(connection);
        }
        slot.connection = None;
        if let Some(not_before) = slot.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        match Connection::open(node, &self.settings(slot.failures)).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *slot = Slot { connection: Some(Arc::clone(&connection)), ..Slot::default() };
                if self.closed.load(Ordering::Acquire) {
                    slot.connection = None;
                    return Err(ClientError::Closed);
                }
                Ok(connection)
            }
            Err(error) => {
                slot.failures = slot.failures.saturating_add(1);
                slot.not_before = Some(Instant::now() + self.config.reconnect.wait_jittered(slot.failures));
                Err(error)
            }
        }
    }

    fn reusable(&self, slot: &Slot, node: &NodeAddress) -> Option<Arc<Connection>> {
        let connection = slot.connection.as_ref()?;
        let same = connection.node() == node;
        let fresh = connection.idle() < self.config.timeouts.connection_max_idle;
        (same && fresh && !connection.is_closed()).then(|| Arc::clone(connection))
    }

    fn settings(&self, failures: u32) -> ConnectionSettings {
        ConnectionSettings {
            client_id: Arc::clone(&self.client_id),
            sockets: self.config.sockets,
            in_flight_max: self.config.in_flight_max,
            connect_timeout: self.config.connect.wait_jittered(failures.saturating_add(1)),
            request_timeout: self.config.timeouts.request,
        }
    }
}

/// How soon a peer can be talked to; the smaller, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    Connected,
    Untried,
    BackingOff,
}
