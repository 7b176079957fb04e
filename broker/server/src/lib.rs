//! The broker: sockets, tasks, clocks and wiring. Everything that decides lives in the crates below
//! it; `ARCHITECTURE.md` has the map.

mod clock;
mod commands;
mod config;
mod context;
mod descriptors;
mod dispatch;
mod groups;
mod handlers;
mod http;
mod logging;
mod metrics;
mod net;
mod partitions;
mod producer_ids;
mod quorum;
mod rate_limit;
mod services;
mod startup;
mod upkeep;

pub use commands::run;
