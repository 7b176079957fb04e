//! Who asks, and what: the part of a request that is not its body.

use std::net::SocketAddr;
use std::sync::Arc;

use millrace_protocol::ApiKey;

/// What stays the same for all requests of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client's address as Kafka prints it in group descriptions: `/127.0.0.1`.
    pub(crate) host: String,
    /// The listener that took the connection, which decides what addresses the client is told.
    pub(crate) listener: Arc<str>,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, listener: Arc<str>) -> Self {
        Self { host: format!("/{}", address.ip()), listener }
    }
}

/// One request's header, checked, and the connection it came by.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The connection.
    pub(crate) peer: Arc<Peer>,
    /// The API asked for.
    pub(crate) api_key: ApiKey,
    /// Its version, which the broker serves.
    pub(crate) api_version: i16,
    /// Goes back in the response.
    pub(crate) correlation_id: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<String>,
}
