//! Connections: one multiplexed socket for each broker and lane, with a bounded number of unanswered
//! requests. Knows frames and versions, never what a request means.

mod address;
mod connection;
mod pool;
mod versions;

pub(crate) use address::NodeAddress;
pub(crate) use connection::{Connection, Exchange};
pub(crate) use pool::{Lane, Peer, Pool, Readiness};
pub use versions::ApiVersionTable;
