//! Cluster metadata records, the immutable image, controller decisions.
//!
//! Everything here is a pure function of its arguments: no clock, no file, no socket, no random
//! numbers of its own.

pub mod config;
