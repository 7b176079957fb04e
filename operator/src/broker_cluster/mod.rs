//! Clusters of brokers: `observe -> validate -> plan/build -> apply -> status`. `validate`, `build`, `plan`
//! and `status` are pure; `reconcile` ties them to Kubernetes and to the brokers.

pub mod build;
pub mod config_keys;
pub mod live;
pub mod names;
pub mod observe;
pub mod plan;
pub mod quantity;
pub mod reconcile;
pub mod status;
pub mod validate;

pub use validate::ValidatedCluster;
