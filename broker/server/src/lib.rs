//! The broker: sockets, tasks, clocks and wiring. Everything that decides lives in the crates below
//! it; `ARCHITECTURE.md` has the map.

mod context;
mod dispatch;
mod handlers;
mod net;
mod partitions;
mod rate_limit;
mod services;
