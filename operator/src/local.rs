//! Brings topics and groups to their manifests without Kubernetes: the same validation, plans and calls as
//! the controllers'. `diff` shows what would change.

pub mod diff;
pub mod pass;
pub mod set;
