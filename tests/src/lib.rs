//! What the end-to-end tests share: brokers as child processes, and a bare connection that says whatever it is told to
//! say. Knows processes, sockets and the codec; must never know the broker's insides.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

mod connection;
mod kafka;
mod millrace;
mod neighbour;
pub mod places;
mod ports;
mod process;
pub mod records;
mod waiting;

pub use connection::Connection;
pub use kafka::Kafka;
pub use millrace::Millrace;
pub use neighbour::Neighbour;
pub use ports::free_port;
pub use process::Process;
pub use waiting::{DEADLINE, until};
