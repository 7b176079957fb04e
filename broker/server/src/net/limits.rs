//! What one client may take from the others: bytes of requests in memory, and connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::config::LimitsConfig;

/// Bytes of requests that may be in memory at once, over all connections
/// (`queued.max.request.bytes`). Whoever asks for more waits, and so does not read its socket.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    semaphore: Arc<Semaphore>,
    total_bytes: usize,
}

/// Part of the budget; returns to it when dropped.
pub(crate) type Bytes = OwnedSemaphorePermit;

impl ByteBudget {
    pub(crate) fn new(total_bytes: usize) -> Self {
        let total_bytes = total_bytes.min(Semaphore::MAX_PERMITS);
        Self { semaphore: Arc::new(Semaphore::new(total_bytes)), total_bytes }
    }

    /// Waits for `bytes`. A single request larger than the whole budget waits for all of it.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Bytes, AcquireError> {
        let bytes = u32::try_from(bytes.min(self.total_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.semaphore).acquire_many_owned(bytes).await
    }

    /// Takes `bytes` if they are there now; at most the whole budget.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Bytes> {
        let bytes = u32::try_from(bytes.min(self.total_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.semaphore).try_acquire_many_owned(bytes).ok()
    }

    /// Bytes of requests, and of large answers to them, in memory now.
    pub(crate) fn in_use_bytes(&self) -> usize {
        self.total_bytes - self.semaphore.available_permits().min(self.total_bytes)
    }
}

/// Connections open at once, in all and for each address.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    /// Connections that the process's descriptors have room for.
    affordable: usize,
    open: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    /// `max.connections` is reached.
    #[error("max.connections ({0}) is reached")]
    Connections(usize),
    /// The system's limit of open files leaves room for no more.
    #[error("the limit of open files leaves room for {0} connections")]
    Descriptors(usize),
    /// `max.connections.per.ip` is reached.
    #[error("max.connections.per.ip ({0}) is reached")]
    FromAddress(usize),
}

/// One counted connection; uncounted when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    limits: Arc<ConnectionLimits>,
    address: IpAddr,
}

impl ConnectionLimits {
    /// No more than `affordable` at once, whatever the settings allow.
    pub(crate) fn new(affordable: usize) -> Self {
        Self { affordable, open: AtomicUsize::new(0), by_address: Mutex::default() }
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection in, if `limits` leave room for it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &LimitsConfig,
    ) -> Result<ConnectionSlot, TooMany> {
        let mut by_address = self.by_address.lock();
        if self.open.load(Ordering::Relaxed) >= limits.connections_max {
            return Err(TooMany::Connections(limits.connections_max));
        }
        if self.open.load(Ordering::Relaxed) >= self.affordable {
            return Err(TooMany::Descriptors(self.affordable));
        }
        let from_address = by_address.get(&address).copied().unwrap_or(0);
        let max =
            limits.connections_of_ip_max.get(&address).copied().unwrap_or(limits.connections_per_ip_max);
        if from_address >= max {
            return Err(TooMany::FromAddress(max));
        }
        by_address.insert(address, from_address + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionSlot { limits: Arc::clone(self), address })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut by_address = self.limits.by_address.lock();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
        self.limits.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, LiveConfig};

    #[test]
    fn slots_return_when_connections_end() {
        let overrides =
            ["max.connections=4", "max.connections.per.ip=2", "max.connections.per.ip.overrides=127.0.0.3:1"];
        let inputs = Inputs { overrides: overrides.map(str::to_owned).to_vec(), ..Inputs::default() };
        let (config, _) = LiveConfig::load_from(inputs).unwrap();
        let config = config.load();
        let limits = Arc::new(ConnectionLimits::new(1_000));
        let admit = |last| limits.admit(IpAddr::from([127, 0, 0, last]), &config.limits);
        let first = admit(1).unwrap();
        let _second = admit(1).unwrap();
        assert_eq!(admit(1).unwrap_err(), TooMany::FromAddress(2));
        let _third = admit(3).unwrap();
        assert_eq!(admit(3).unwrap_err(), TooMany::FromAddress(1));
        let _fourth = admit(2).unwrap();
        assert_eq!(admit(2).unwrap_err(), TooMany::Connections(4));
        drop(first);
        assert!(admit(2).is_ok());
    }

    #[test]
    fn a_budget_counts_what_is_taken() {
        let budget = ByteBudget::new(100);
        let mut take = std::pin::pin!(budget.take(60));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Ok(taken)) = take.as_mut().poll(&mut context) else {
            panic!("there is room")
        };
        assert_eq!(budget.in_use_bytes(), 60);
        let mut more = std::pin::pin!(budget.take(1_000));
        assert!(more.as_mut().poll(&mut context).is_pending());
        drop(taken);
        assert!(more.as_mut().poll(&mut context).is_ready());
    }
}
