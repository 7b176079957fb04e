//! Consumer groups: what their owner expects against what they are. `validate`, `reset`, `history`,
//! `autoscale`, `status` and `news` are pure; `act` talks to brokers alone, so that local mode shares it;
//! `reconcile` is for Kubernetes.

pub mod act;
pub mod autoscale;
pub mod history;
pub mod news;
pub mod reconcile;
pub mod reset;
pub mod scale;
pub mod status;
pub mod targets;
pub mod validate;

pub use validate::ValidatedGroup;
