//! Which value counts when a key is set in several places, and where it came from.
//!
//! The order is Kafka's: the topic, this broker, the default of all brokers, the file, the built-in
//! default (`ConfigHelper.configSynonyms`, `DynamicBrokerConfig.brokerConfigSynonyms`). It must
//! never know how the layers are stored.

use super::def::{ConfigDef, Scope, Synonym, Unit, same};
use super::lookup::broker_def;
use super::value::ConfigValue;

/// Keys and values as they were set. Cheap to clone, ordered by key.
pub type ConfigMap = imbl::OrdMap<String, String>;

/// Where a value came from (Kafka's `DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic,
    /// Set at run time on this broker.
    DynamicBroker,
    /// Set at run time on all brokers.
    DynamicDefaultBroker,
    /// Set in the file, the environment or on the command line.
    StaticBroker,
    /// Built in.
    Default,
}

impl ConfigSource {
    /// The number DescribeConfigs carries.
    #[must_use]
    pub const fn wire_id(self) -> i8 {
        match self {
            Self::DynamicTopic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
        }
    }

    /// Kafka's name, as its tools print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
        }
    }
}

/// Everything that may be set, from the strongest layer to the weakest.
#[derive(Debug, Clone, Copy)]
pub struct ConfigLayers<'a> {
    /// Set on the topic; `None` when a broker's own configuration is meant.
    pub topic: Option<&'a ConfigMap>,
    /// Set at run time on this broker.
    pub broker: &'a ConfigMap,
    /// Set at run time on all brokers.
    pub default_broker: &'a ConfigMap,
    /// From the file, the environment or the command line.
    pub static_broker: &'a ConfigMap,
}

/// One place where a key, or a key that stands in for it, is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynonymValue {
    /// The key that is set there.
    pub name: &'static str,
    /// Its value as it was set.
    pub value: String,
    /// The place.
    pub source: ConfigSource,
}

/// The value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The value in its canonical text; `None` when nothing sets it and its default is null.
    pub value: Option<String>,
    /// Where it came from.
    pub source: ConfigSource,
    /// Every place where it is set, the strongest first.
    pub synonyms: Vec<SynonymValue>,
}

/// Resolve `def` over `layers`.
///
/// Values in the layers were checked when they were set; one that does not parse any more (a rule
/// grew stricter) is passed over, so that a weaker, valid one counts.
///
/// Of keys in several units (`log.retention.hours`) Kafka lists the coarser ones only behind the
/// finest, and so reports a value from the file as a default when it is in hours. Here only the
/// built-in defaults are hidden in that way, so that the source of the value is told as it is.
#[must_use]
pub fn resolve(def: &'static ConfigDef, layers: &ConfigLayers<'_>) -> Resolved {
    let counts = places_set(def, layers).find_map(|place| Some((place.parsed(def)?, place.source)));
    let (value, source) = match counts {
        Some((value, source)) => (Some(value.to_string()), source),
        None => (def.default.map(str::to_owned), ConfigSource::Default),
    };
    let first = stand_ins(def).next().map(|first| first.name);
    let on_broker = places_set(def, layers).any(|place| place.source != ConfigSource::DynamicTopic);
    let defaults = built_in(def).filter(|place| on_broker || Some(place.name) == first);
    let synonyms = places_set(def, layers).chain(defaults).map(|place| place.to_synonym()).collect();
    Resolved { value, source, synonyms }
}

/// The value alone, parsed: what [`resolve`] finds, without building the list of places.
#[must_use]
pub fn effective(def: &'static ConfigDef, layers: &ConfigLayers<'_>) -> Option<ConfigValue> {
    places_set(def, layers).find_map(|place| place.parsed(def)).or_else(|| def.default_value())
}

/// One place where a value is set, borrowed.
struct Place<'a> {
    name: &'static str,
    value: &'a str,
    source: ConfigSource,
    unit: Unit,
}

impl Place<'_> {
    fn parsed(&self, def: &ConfigDef) -> Option<ConfigValue> {
        match self.unit {
            Unit::Same => def.parse(self.value).ok(),
            unit => def.parse(&unit.convert(self.value)).ok(),
        }
    }

    fn to_synonym(&self) -> SynonymValue {
        SynonymValue { name: self.name, value: self.value.to_owned(), source: self.source }
    }
}

/// Every place where somebody set `def`, the strongest first.
fn places_set<'a>(def: &'static ConfigDef, layers: &ConfigLayers<'a>) -> impl Iterator<Item = Place<'a>> {
    let on_topic = layers.topic.filter(|_| def.scope == Scope::Topic);
    let topic = on_topic.and_then(|map| map.get(def.name)).map(|value| Place {
        name: def.name,
        value,
        source: ConfigSource::DynamicTopic,
        unit: Unit::Same,
    });
    let set_layers = [
        (layers.broker, ConfigSource::DynamicBroker),
        (layers.default_broker, ConfigSource::DynamicDefaultBroker),
        (layers.static_broker, ConfigSource::StaticBroker),
    ];
    let set = set_layers.into_iter().flat_map(move |(map, source)| {
        stand_ins(def).filter_map(move |Synonym { name, unit }| {
            map.get(name).map(|value| Place { name, value, source, unit })
        })
    });
    topic.into_iter().chain(set)
}

/// The broker-level keys that give `def` its value, in order of precedence.
fn stand_ins(def: &'static ConfigDef) -> impl Iterator<Item = Synonym> {
    let itself = (def.scope == Scope::Broker).then(|| same(def.name));
    // Of broker-level siblings only the coarser ones stand in for a finer one: the list belongs to
    // its first member, and hours never yield milliseconds.
    let leads = def.synonyms.first().is_some_and(|first| first.name == def.name);
    let listed = if def.scope == Scope::Topic || leads { def.synonyms } else { &[] };
    itself
        .into_iter()
        .chain(listed.iter().filter(|synonym| synonym.name != def.name || def.scope == Scope::Topic).copied())
}

/// The built-in defaults of the broker-level keys that give `def` its value.
fn built_in<'a>(def: &'static ConfigDef) -> impl Iterator<Item = Place<'a>> {
    stand_ins(def).filter_map(|Synonym { name, unit }| {
        let value = broker_def(name)?.default?;
        Some(Place { name, value, source: ConfigSource::Default, unit })
    })
}
