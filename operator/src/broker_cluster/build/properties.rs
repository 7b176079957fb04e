//! The property file of each broker: what the operator sets, then what the spec says.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Write};

use super::super::ValidatedCluster;
use super::super::names::{HTTP_PORT, KAFKA_PORT, broker_host};

/// Where brokers keep their data.
pub const DATA_MOUNT: &str = "/var/lib/millrace";
/// Offsets are kept by so many brokers, where there are as many (`offsets.topic.replication.factor`).
const OFFSETS_REPLICAS_MAX: i32 = 3;

/// Where clients outside find brokers: by listener and broker, once it is known.
pub type Advertised = BTreeMap<(String, i32), Address>;

/// A host and port that clients dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host.
    pub host: String,
    /// The port.
    pub port: i32,
}

/// As in `bootstrap.servers`: an IPv6 address stands in brackets.
impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Address {
    /// What was written by [`Display`]; `None` when it is no address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// The file of one broker.
#[must_use]
pub fn properties(cluster: &ValidatedCluster, broker: i32, advertised: &Advertised) -> String {
    let mut listeners = vec![format!("INTERNAL://:{KAFKA_PORT}")];
    let mut told = vec![format!("INTERNAL://{}:{KAFKA_PORT}", broker_host(&cluster.key, broker))];
    let mut protocols = vec!["INTERNAL:PLAINTEXT".to_owned()];
    for listener in &cluster.listeners {
        // A listener whose address is not known yet is not open: its clients would be sent astray.
        let Some(address) = advertised.get(&(listener.name.clone(), broker)) else { continue };
        let name = listener.kafka_name();
        listeners.push(format!("{name}://:{}", listener.port));
        told.push(format!("{name}://{address}"));
        protocols.push(format!("{name}:PLAINTEXT"));
    }
    let mut file = String::from("# Written by millrace-operator from the BrokerCluster's spec.\n");
    let mut set = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(file, "{name}={value}");
    };
    set("node.id", &broker.to_string());
    set("listeners", &listeners.join(","));
    set("advertised.listeners", &told.join(","));
    set("listener.security.protocol.map", &protocols.join(","));
    set("inter.broker.listener.name", "INTERNAL");
    set("log.dirs", &format!("{DATA_MOUNT}/data"));
    set("http.listen", &format!("0.0.0.0:{HTTP_PORT}"));
    let offsets = "offsets.topic.replication.factor";
    if !cluster.config.at_start.contains_key(offsets) {
        set(offsets, &cluster.replicas.min(OFFSETS_REPLICAS_MAX).to_string());
    }
    for (name, value) in &cluster.config.at_start {
        set(name, &escaped(value));
    }
    file
}

/// As `java.util.Properties` reads it: a backslash escapes, and blanks at the front would be lost.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    if value.starts_with([' ', '\t']) { format!("\\{value}") } else { value }
}
