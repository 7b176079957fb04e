//! Topics: `observe -> validate -> plan -> apply -> status`. `validate`, `plan`, `autoscale` and `status`
//! are pure; `apply` talks to brokers alone, so that local mode shares it; `reconcile` and `farewell` are
//! for Kubernetes.

pub mod apply;
pub mod autoscale;
pub mod farewell;
pub mod plan;
pub mod reconcile;
pub mod status;
pub mod validate;

pub use validate::ValidatedTopic;
