//! Broker-level keys of the network: listeners, and the limits on what clients may ask for.

use super::super::def::ConfigType::{Int, List, Long, String};
use super::super::def::UpdateMode::ClusterWide;
use super::super::def::Validator::{Any, AtLeast, Custom};
use super::super::def::{ConfigDef, Validator, broker};

/// Kafka hands these two to the socket, where -1 is the system's default.
const SOCKET_BUFFER: Validator = Custom {
    rule: "Value must be at least 1 or equal to -1",
    check: |value| value.as_i64().is_some_and(|bytes| bytes == -1 || bytes >= 1),
};

pub(super) static NETWORK: &[ConfigDef] = &[
    broker(
        "listeners",
        List,
        Some("PLAINTEXT://127.0.0.1:9092"),
        Any,
        "Addresses to listen on, as NAME://HOST:PORT separated by commas. An empty host is every \
         interface. The default listens on loopback only, unlike Kafka's PLAINTEXT://:9092.",
    ),
    broker(
        "advertised.listeners",
        List,
        None,
        Any,
        "Addresses told to clients, where they differ from listeners: what clients outside a \
         container or behind a proxy must dial. Unset, listeners are told.",
    ),
    broker(
        "listener.security.protocol.map",
        String,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        Any,
        "Security protocol of each listener's name. Only PLAINTEXT is served; a listener that asks \
         for another is refused at start.",
    ),
    broker(
        "inter.broker.listener.name",
        String,
        None,
        Any,
        "Name of the listener that brokers use among themselves; it must be one of listeners.",
    ),
    broker(
        "socket.request.max.bytes",
        Int,
        Some("104857600"),
        AtLeast(1),
        "The largest request. A connection that announces more is closed before it is read.",
    ),
    broker(
        "socket.send.buffer.bytes",
        Int,
        Some("102400"),
        SOCKET_BUFFER,
        "SO_SNDBUF of client connections; -1 leaves it to the system.",
    ),
    broker(
        "socket.receive.buffer.bytes",
        Int,
        Some("102400"),
        SOCKET_BUFFER,
        "SO_RCVBUF of client connections; -1 leaves it to the system.",
    ),
    broker(
        "socket.listen.backlog.size",
        Int,
        Some("50"),
        AtLeast(1),
        "Connections the system may hold back until they are accepted.",
    ),
    broker(
        "queued.max.requests",
        Int,
        Some("500"),
        AtLeast(1),
        "Requests of one connection that may wait for their answers; then it is not read from until \
         one has left. Kafka counts them over all connections.",
    ),
    broker(
        "queued.max.request.bytes",
        Long,
        Some("268435456"),
        Custom {
            rule: "Value must be at least 1 or equal to -1",
            check: |value| value.as_i64().is_some_and(|bytes| bytes == -1 || bytes >= 1),
        },
        "Bytes of all requests being read and served together; above it connections are not read \
         from. -1 is no limit, which is Kafka's default; here memory is bounded from the start.",
    ),
    broker(
        "max.connections",
        Int,
        Some("2147483647"),
        AtLeast(0),
        "Connections open at once; further ones are closed as they come.",
    )
    .dynamic(ClusterWide),
    broker(
        "max.connections.per.ip",
        Int,
        Some("20000"),
        AtLeast(0),
        "Connections open at once from one address; further ones are closed as they come. Kafka has \
         no limit by default; this one stops a runaway client before descriptors run out.",
    )
    .dynamic(ClusterWide),
    broker(
        "max.connections.per.ip.overrides",
        String,
        Some(""),
        Any,
        "Other limits for some addresses, as HOST:COUNT separated by commas.",
    )
    .dynamic(ClusterWide),
    broker(
        "max.connection.creation.rate",
        Int,
        Some("2147483647"),
        AtLeast(0),
        "Connections accepted in a second; further ones wait.",
    )
    .dynamic(ClusterWide),
    broker(
        "connections.max.idle.ms",
        Long,
        Some("600000"),
        Any,
        "A connection on which nothing has moved for this long is closed. A request that comes in \
         more slowly than this counts as idle.",
    ),
    broker(
        "max.incremental.fetch.session.cache.slots",
        Int,
        Some("1000"),
        AtLeast(0),
        "Fetch sessions kept at once; the least recently used gives way, and a client without one \
         sends whole requests.",
    ),
    broker(
        "max.parked.requests",
        Int,
        Some("100000"),
        AtLeast(1),
        "Millrace's own: fetches and produces that wait for data or followers at once; above it a \
         request is answered at once with what there is.",
    ),
    broker(
        "fetch.max.bytes",
        Int,
        Some("57671680"),
        AtLeast(1024),
        "The most a fetch is answered with, whatever it asks for.",
    ),
    broker(
        "max.request.partition.size.limit",
        Int,
        Some("2000"),
        AtLeast(1),
        "Partitions described in one answer to DescribeTopicPartitions.",
    ),
    broker(
        "http.listen",
        String,
        Some("127.0.0.1:9644"),
        Any,
        "Millrace's own: address of /metrics, /livez and /readyz. Empty switches them off.",
    ),
];
