//! The way to a cluster: what Java's clients log while nobody answers, and what they throw when nobody
//! has. A person who mistyped a port sees it at once and not after a minute.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use millrace_client::{Client, TopicScope};
use tokio::time::Instant;

use super::log;
use super::throwable::Throwable;
use crate::io::Io;

const NETWORK_LOGGER: &str = "org.apache.kafka.clients.NetworkClient";
const ADDRESS_LOGGER: &str = "org.apache.kafka.clients.ClientUtils";

/// Why a cluster was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// No address has a host that can be found.
    NoHost,
    /// Nobody answered in time.
    Silence,
}

/// Who seeks, as Java's client introduces itself.
#[derive(Debug, Clone)]
pub(crate) enum Seeker {
    /// `AdminClient clientId=me`
    Admin(String),
    /// `Producer clientId=me`, `Consumer clientId=me, groupId=g`
    Other(String),
}

impl Seeker {
    /// How it introduces itself.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Admin(name) | Self::Other(name) => name,
        }
    }
}

/// Tries until somebody answers, at most for `within`, and logs each failure.
pub(crate) async fn reach(
    client: &Client,
    seeker: &Seeker,
    within: Duration,
    io: &mut Io,
) -> Result<(), Unreached> {
    let deadline = Instant::now().checked_add(within);
    let mut addresses: Option<Vec<Address>> = None;
    loop {
        let attempt = client.metadata(TopicScope::None);
        let answered = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, attempt).await,
            None => Ok(attempt.await),
        };
        match answered {
            Ok(Err(error)) if error.is_retriable() => {}
            // Anything else that is wrong, the call that follows meets too and has words for.
            Ok(_) => return Ok(()),
            Err(_) => return Err(Unreached::Silence),
        }
        let addresses = match &mut addresses {
            Some(known) => known,
            None => addresses.insert(resolved(client, io).await?),
        };
        for address in addresses {
            address.log_failure(seeker, io);
        }
    }
}

/// Logs that nobody answered one attempt, and names whom it went to as `Node.toString` does.
pub(crate) async fn refusals(
    client: &Client,
    seeker: &Seeker,
    io: &mut Io,
) -> Result<Vec<String>, Unreached> {
    let addresses = resolved(client, io).await?;
    for address in &addresses {
        address.log_failure(seeker, io);
    }
    Ok(addresses.iter().map(Address::node_text).collect())
}

/// A bootstrap server, as Java prints it.
struct Address {
    /// -1 for the first bootstrap server, -2 for the second.
    node: i32,
    server: String,
    /// `localhost/127.0.0.1:9092`
    socket: String,
}

impl Address {
    fn log_failure(&self, seeker: &Seeker, io: &mut Io) {
        let (who, node) = (seeker.name(), self.node);
        let message = format!(
            "[{who}] Connection to node {node} ({}) could not be established. Node may not be available.",
            self.socket
        );
        log::warn(io, NETWORK_LOGGER, &message);
        if let Seeker::Other(_) = seeker {
            let message = format!("[{who}] Bootstrap broker {} disconnected", self.node_text());
            log::warn(io, NETWORK_LOGGER, &message);
        }
    }

    fn node_text(&self) -> String {
        format!("{} (id: {} rack: null isFenced: false)", self.server, self.node)
    }
}

/// The bootstrap servers whose hosts can be found.
async fn resolved(client: &Client, io: &mut Io) -> Result<Vec<Address>, Unreached> {
    let mut found = Vec::new();
    for (node, server) in (1..).zip(&client.config().bootstrap_servers) {
        let plain = server.rsplit_once("://").map_or(server.as_str(), |(_, rest)| rest);
        let host = plain.rsplit_once(':').map_or(plain, |(host, _)| host).trim_matches(['[', ']']);
        let looked_up = tokio::net::lookup_host(plain).await;
        match looked_up.ok().and_then(|mut sockets| sockets.next()) {
            Some(socket) => found.push(Address {
                node: -node,
                server: plain.to_owned(),
                socket: socket_text(host, socket),
            }),
            None => {
                let message = format!(
                    "Couldn't resolve server {server} from bootstrap.servers as DNS resolution failed for {host}"
                );
                log::warn(io, ADDRESS_LOGGER, &message);
            }
        }
    }
    if found.is_empty() { Err(Unreached::NoHost) } else { Ok(found) }
}

/// `InetSocketAddress.toString`: a name stands in front of the address that it has.
fn socket_text(host: &str, socket: SocketAddr) -> String {
    let name = if host.parse::<IpAddr>().is_ok() { "" } else { host };
    match socket {
        SocketAddr::V4(_) => format!("{name}/{socket}"),
        SocketAddr::V6(six) => {
            let parts: Vec<String> = six.ip().segments().iter().map(|part| format!("{part:x}")).collect();
            format!("{name}/[{}]:{}", parts.join(":"), six.port())
        }
    }
}

/// The exception of a client of this kind whose addresses have no host.
pub(crate) fn no_host(failure: &str) -> Throwable {
    Throwable::new("org.apache.kafka.common.KafkaException", failure).caused_by(no_host_config())
}

/// The exception behind it.
pub(crate) fn no_host_config() -> Throwable {
    Throwable::new(
        "org.apache.kafka.common.config.ConfigException",
        "No resolvable bootstrap urls given in bootstrap.servers",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_look_as_in_java() {
        let cases = [
            ("localhost", "127.0.0.1:9092", "localhost/127.0.0.1:9092"),
            ("10.0.0.7", "10.0.0.7:1", "/10.0.0.7:1"),
            ("::1", "[::1]:5", "/[0:0:0:0:0:0:0:1]:5"),
        ];
        for (host, socket, text) in cases {
            assert_eq!(socket_text(host, socket.parse().unwrap()), text);
        }
    }
}
