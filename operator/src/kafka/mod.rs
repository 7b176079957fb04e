//! Everything that talks to brokers: observing topics, groups and clusters in batches, and changing
//! them. Knows nothing of Kubernetes.

pub mod batch;
pub mod cluster;
pub mod connect;
pub mod groups;
pub mod link;
pub mod rates;
pub mod record_times;
pub mod settings;
pub mod throughput;
pub mod topics;
