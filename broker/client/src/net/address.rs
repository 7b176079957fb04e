//! Where a broker listens, and how errors name it.

use std::fmt;
use std::sync::Arc;

/// A broker's address, with its id once metadata told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeAddress {
    /// `None` for a bootstrap server that nobody named yet.
    pub(crate) id: Option<i32>,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl NodeAddress {
    /// `host:port`, with brackets around an IPv6 address.
    pub(crate) fn host_and_port(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "broker {id} ({})", self.host_and_port()),
            None => f.write_str(&self.host_and_port()),
        }
    }
}
