//! Settings of clients, producers and consumers under Kafka's property names, parsed once. A value
//! that does not serve is refused in Kafka's words; a key that nobody knows is kept for a warning, as
//! Java's clients do. Never connects.

mod consumer;
mod producer;
mod source;

use std::time::Duration;

pub use consumer::{AssignorKind, ConsumerConfig, FetchConfig, GroupConfig, OffsetReset, OffsetsConfig};
pub use producer::{Acks, BatchCallback, BatchReport, Batching, Partitioning, ProducerConfig};
use source::{Source, invalid, refused};

use crate::backoff::Backoff;
use crate::error::ClientError;

/// Where a client connects, and how patient it is.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `host:port` of brokers to start from (`bootstrap.servers`).
    pub bootstrap_servers: Vec<String>,
    /// What the client calls itself (`client.id`).
    pub client_id: String,
    /// Between attempts of one request (`retry.backoff.ms`, `retry.backoff.max.ms`).
    pub retry: Backoff,
    /// Between connections to one broker (`reconnect.backoff.ms`, `reconnect.backoff.max.ms`).
    pub reconnect: Backoff,
    /// How long a connection may take to be set up
    /// (`socket.connection.setup.timeout.ms`, `socket.connection.setup.timeout.max.ms`).
    pub connect: Backoff,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Buffers and frames.
    pub sockets: Sockets,
    /// Requests sent and not answered, for each connection
    /// (`max.in.flight.requests.per.connection`).
    pub in_flight_max: usize,
    /// Keys that were given and mean nothing to this client.
    pub unused: Vec<String>,
}

/// Deadlines of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the answer to one request (`request.timeout.ms`).
    pub request: Duration,
    /// For a call with all its retries (`default.api.timeout.ms`).
    pub api: Duration,
    /// After this, metadata is asked for again (`metadata.max.age.ms`).
    pub metadata_max_age: Duration,
    /// A connection unused for longer is not used again (`connections.max.idle.ms`).
    pub connection_max_idle: Duration,
}

/// Sizes of buffers and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// `SO_SNDBUF` in bytes (`send.buffer.bytes`); `None` leaves it to the system.
    pub send_buffer_bytes: Option<u32>,
    /// `SO_RCVBUF` in bytes (`receive.buffer.bytes`); `None` leaves it to the system.
    pub receive_buffer_bytes: Option<u32>,
    /// An answer longer than this, in bytes, closes the connection.
    pub frame_bytes_max: usize,
}

/// Answers beyond this are not read: larger than the 50 MiB of `fetch.max.bytes` with the one
/// oversized batch that may exceed it.
const FRAME_BYTES_MAX: usize = 256 << 20;

impl ClientConfig {
    /// Kafka's defaults with these bootstrap servers (`host:port,host:port`), unchecked until a
    /// [`crate::Client`] is made.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.split(',').map(|entry| entry.trim().to_owned()).collect(),
            client_id: "millrace".to_owned(),
            retry: Backoff::from_ms(100, 1_000),
            reconnect: Backoff::from_ms(50, 1_000),
            connect: Backoff::from_ms(10_000, 30_000),
            timeouts: Timeouts {
                request: Duration::from_secs(30),
                api: Duration::from_secs(60),
                metadata_max_age: Duration::from_secs(300),
                connection_max_idle: Duration::from_secs(540),
            },
            sockets: Sockets {
                send_buffer_bytes: None,
                receive_buffer_bytes: None,
                frame_bytes_max: FRAME_BYTES_MAX,
            },
            in_flight_max: 100,
            unused: Vec::new(),
        }
    }

    /// Settings of an admin client from property pairs; later pairs win.
    ///
    /// # Errors
    /// [`ClientError::Config`] in Kafka's words.
    pub fn from_properties<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ClientError> {
        let mut source = Source::new(pairs);
        let mut config = Self::read(&mut source)?;
        config.unused = source.unused();
        Ok(config)
    }

    fn read(source: &mut Source) -> Result<Self, ClientError> {
        let defaults = Self::new("");
        check_security(source)?;
        let servers = source.list("bootstrap.servers");
        check_bootstrap(source, &servers)?;
        let timeouts = Timeouts {
            request: source.millis("request.timeout.ms", 30_000, 0)?,
            api: source.millis("default.api.timeout.ms", 60_000, 0)?,
            metadata_max_age: source.millis("metadata.max.age.ms", 300_000, 0)?,
            connection_max_idle: source.millis("connections.max.idle.ms", 540_000, -1)?,
        };
        if source.given("default.api.timeout.ms") && timeouts.api < timeouts.request {
            return Err(refused(
                "default.api.timeout.ms",
                "The specified value of default.api.timeout.ms must be no smaller than the value of \
                 request.timeout.ms.",
            ));
        }
        Ok(Self {
            bootstrap_servers: servers,
            client_id: source
                .text("client.id")
                .filter(|id| !id.is_empty())
                .unwrap_or(&defaults.client_id)
                .to_owned(),
            retry: read_backoff(source, ["retry.backoff.ms", "retry.backoff.max.ms"], [100, 1_000])?,
            reconnect: read_backoff(
                source,
                ["reconnect.backoff.ms", "reconnect.backoff.max.ms"],
                [50, 1_000],
            )?,
            connect: read_backoff(
                source,
                ["socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"],
                [10_000, 30_000],
            )?,
            timeouts,
            sockets: Sockets {
                send_buffer_bytes: read_buffer(source, "send.buffer.bytes")?,
                receive_buffer_bytes: read_buffer(source, "receive.buffer.bytes")?,
                ..defaults.sockets
            },
            in_flight_max: defaults.in_flight_max,
            unused: Vec::new(),
        })
    }

    /// The first bootstrap server that is not `host:port`, as an error.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        if self.bootstrap_servers.is_empty() {
            return Err(refused(
                "bootstrap.servers",
                "No resolvable bootstrap urls given in bootstrap.servers",
            ));
        }
        for server in &self.bootstrap_servers {
            split_address(server)?;
        }
        Ok(())
    }
}

fn check_bootstrap(source: &Source, servers: &[String]) -> Result<(), ClientError> {
    if !source.given("bootstrap.servers") {
        return Err(refused(
            "bootstrap.servers",
            "Missing required configuration \"bootstrap.servers\" which has no default value.",
        ));
    }
    if servers.is_empty() {
        return Err(refused("bootstrap.servers", "No resolvable bootstrap urls given in bootstrap.servers"));
    }
    servers.iter().try_for_each(|server| split_address(server).map(|_| ()))
}

fn check_security(source: &mut Source) -> Result<(), ClientError> {
    match source.text("security.protocol") {
        None => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("PLAINTEXT") => Ok(()),
        Some(name) if ["SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&name.to_ascii_uppercase().as_str()) => {
            Err(refused(
                "security.protocol",
                format!("security.protocol={name} is not supported: this client speaks PLAINTEXT only"),
            ))
        }
        Some(name) => Err(invalid(
            "security.protocol",
            name,
            "String must be one of (case insensitive): SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT",
        )),
    }
}

/// Host and port of `host:port`, `[v6]:port` or `PROTOCOL://host:port`
/// (`org.apache.kafka.common.utils.Utils.getHost`).
pub(crate) fn split_address(address: &str) -> Result<(String, u16), ClientError> {
    let plain = address.rsplit_once("://").map_or(address, |(_, rest)| rest);
    let parts = plain.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse::<u16>().ok()?;
        (!host.is_empty() && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
    });
    parts.ok_or_else(|| refused("bootstrap.servers", format!("Invalid url in bootstrap.servers: {address}")))
}

fn read_backoff(
    source: &mut Source,
    keys: [&'static str; 2],
    defaults: [i64; 2],
) -> Result<Backoff, ClientError> {
    let first = source.long(keys[0], defaults[0], 0)?;
    let longest = source.long(keys[1], defaults[1], 0)?;
    Ok(Backoff::from_ms(first.unsigned_abs(), longest.unsigned_abs()))
}

/// -1 and absence leave the size to the system, whose own tuning serves fast networks better than any
/// fixed size.
fn read_buffer(source: &mut Source, key: &'static str) -> Result<Option<u32>, ClientError> {
    Ok(u32::try_from(source.int(key, -1, -1)?).ok())
}

#[cfg(test)]
mod tests;
