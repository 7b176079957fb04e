//! A broker's registration (Kafka's `BrokerRegistration`).

use millrace_protocol::Uuid;

/// An address of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointImage {
    /// Name of the listener, such as `PLAINTEXT`.
    pub name: String,
    /// Host that clients dial.
    pub host: String,
    /// Port that clients dial.
    pub port: u16,
    /// Kafka's `SecurityProtocol.id`: 0 is PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// Levels of one feature that a broker can work at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature.
    pub name: String,
    /// The lowest level.
    pub min_version: i16,
    /// The highest level.
    pub max_version: i16,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    /// Node id.
    pub id: i32,
    /// Grows with each registration: the offset of the record that made it.
    pub epoch: i64,
    /// Drawn anew by each start of the process.
    pub incarnation_id: Uuid,
    /// Addresses, in the order in which they were configured.
    pub endpoints: Vec<EndpointImage>,
    /// Features that it supports.
    pub features: Vec<SupportedFeature>,
    /// Rack or zone.
    pub rack: Option<String>,
    /// Not to be used: it is starting or has stopped sending heartbeats.
    pub fenced: bool,
    /// It has asked to be relieved of its leaderships before it stops.
    pub in_controlled_shutdown: bool,
    /// Ids of its data directories that are online.
    pub log_dirs: Vec<Uuid>,
}

impl BrokerImage {
    /// The address behind a listener's name.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&EndpointImage> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Neither fenced nor on its way down.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}
