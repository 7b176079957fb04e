//! The handles that `startup` makes and `dispatch` gives out. Holds no logic: a handler receives
//! the few of them that it names.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::LiveConfig;
use crate::groups::Groups;
use crate::logging::LogLevels;
use crate::metrics::Metrics;
use crate::net::{ByteBudget, ConnectionLimits};
use crate::partitions::{FetchSessions, Partitions};
use crate::producer_ids::ProducerIds;
use crate::quorum::{MetadataView, Quorum};

/// One of each, shared by all connections.
pub(crate) struct Services {
    pub(crate) config: Arc<LiveConfig>,
    pub(crate) metadata: MetadataView,
    pub(crate) quorum: Arc<Quorum>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) fetch_sessions: Arc<FetchSessions>,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) groups: Arc<Groups>,
    pub(crate) levels: LogLevels,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) budget: ByteBudget,
    pub(crate) connections: Arc<ConnectionLimits>,
    /// Turns of requests that decompress records, or name much: each may take a core for a while, and a
    /// hundred megabytes.
    pub(crate) unpacking: Arc<Semaphore>,
}
