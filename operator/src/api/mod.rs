//! Everything that talks to the Kubernetes API, beside the controllers themselves. Knows nothing of
//! brokers.

pub mod apply;
pub mod attempts;
pub mod error;
pub mod events;
pub mod finalizer;
pub mod install;
pub mod ledger;
pub mod status;
pub mod watches;
