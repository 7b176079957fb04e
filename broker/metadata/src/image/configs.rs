//! Settings made at run time, for each resource.

use std::sync::LazyLock;

use crate::config::{ConfigLayers, ConfigMap};

/// What a setting belongs to (Kafka's `ConfigResource.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker by node id, or all of them by the empty name.
    Broker,
    /// A logger of a broker.
    BrokerLogger,
    /// A subscription to clients' metrics.
    ClientMetrics,
    /// A consumer group.
    Group,
}

impl ResourceType {
    /// The number in records and requests.
    #[must_use]
    pub const fn wire_id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// The type of this number.
    #[must_use]
    pub const fn from_wire(id: i8) -> Option<Self> {
        match id {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            8 => Some(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }

    /// Kafka's name in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "TOPIC",
            Self::Broker => "BROKER",
            Self::BrokerLogger => "BROKER_LOGGER",
            Self::ClientMetrics => "CLIENT_METRICS",
            Self::Group => "GROUP",
        }
    }
}

static EMPTY: LazyLock<ConfigMap> = LazyLock::new(ConfigMap::new);

/// Settings of every resource that has any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigsImage {
    by_type: imbl::OrdMap<ResourceType, imbl::OrdMap<String, ConfigMap>>,
}

impl ConfigsImage {
    /// Settings of one resource; empty where there are none.
    #[must_use]
    pub fn of(&self, kind: ResourceType, name: &str) -> &ConfigMap {
        self.by_type.get(&kind).and_then(|resources| resources.get(name)).unwrap_or(&EMPTY)
    }

    /// Every resource that has settings.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceType, &str, &ConfigMap)> {
        self.by_type.iter().flat_map(|(kind, resources)| {
            resources.iter().map(move |(name, configs)| (*kind, name.as_str(), configs))
        })
    }

    /// All layers that count for a topic on one broker.
    #[must_use]
    pub fn topic_layers<'a>(
        &'a self,
        topic: &str,
        node_name: &str,
        static_broker: &'a ConfigMap,
    ) -> ConfigLayers<'a> {
        ConfigLayers {
            topic: Some(self.of(ResourceType::Topic, topic)),
            ..self.broker_layers(node_name, static_broker)
        }
    }

    /// All layers that count for one broker, whose node id is given as text.
    #[must_use]
    pub fn broker_layers<'a>(&'a self, node_name: &str, static_broker: &'a ConfigMap) -> ConfigLayers<'a> {
        ConfigLayers {
            topic: None,
            broker: self.of(ResourceType::Broker, node_name),
            default_broker: self.of(ResourceType::Broker, ""),
            static_broker,
        }
    }

    /// Set a value, or remove the setting; a resource without settings leaves no trace.
    pub(super) fn set(&mut self, kind: ResourceType, resource: &str, name: &str, value: Option<&str>) {
        let resources = self.by_type.entry(kind).or_default();
        match value {
            Some(value) => {
                let configs = resources.entry(resource.to_owned()).or_default();
                configs.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(configs) = resources.get_mut(resource) {
                    configs.remove(name);
                    if configs.is_empty() {
                        resources.remove(resource);
                    }
                }
            }
        }
        if self.by_type.get(&kind).is_some_and(imbl::OrdMap::is_empty) {
            self.by_type.remove(&kind);
        }
    }

    /// Remove all settings of a resource.
    pub(super) fn remove_resource(&mut self, kind: ResourceType, resource: &str) {
        if let Some(resources) = self.by_type.get_mut(&kind) {
            resources.remove(resource);
            if resources.is_empty() {
                self.by_type.remove(&kind);
            }
        }
    }
}
