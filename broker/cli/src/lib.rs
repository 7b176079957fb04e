//! The millrace command line and the Kafka tool names.
//!
//! Knows brokers through `millrace-client` alone; who starts it decides which of the two it is.

mod admin;
mod io;
mod kafka;
mod people;
mod signals;

pub use io::{Captured, Io};
pub use kafka::Tool;
pub use people::{PeopleCommand, misuse_json};

/// Runs one of Kafka's tools to its end, with the arguments behind its name, and gives the exit status.
pub async fn run_tool(tool: Tool, arguments: &[String], io: &mut Io) -> u8 {
    kafka::run(tool, arguments, io).await
}
