//! Configuration keys: one table for everything that reads, checks, shows or changes them.
//!
//! The broker's file loader, the controller's AlterConfigs, DescribeConfigs and
//! `millrace config list|explain` all read this table, so a key is described once. It must never
//! know files, environment variables or the wire.

mod def;
mod lookup;
mod resolve;
mod table;
mod topic_config;
mod value;

pub use def::{ConfigDef, ConfigType, Scope, Synonym, Unit, UpdateMode, Validator};
pub use lookup::{
    BrokerKey, broker_def, broker_defs, classify_broker_key, ignored_keys, nearest_name, topic_def,
    topic_defs,
};
pub use resolve::{ConfigLayers, ConfigMap, ConfigSource, Resolved, SynonymValue, effective, resolve};
pub use table::{IgnoredKeys, RefusedKeys};
pub use topic_config::{
    CleanupConfig, CompressionType, FlushConfig, MessageConfig, RetentionConfig, SegmentConfig,
    TimestampType, TopicConfig, validate_topic_configs,
};
pub use value::{ConfigError, ConfigValue};
