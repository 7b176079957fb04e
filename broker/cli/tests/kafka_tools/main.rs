//! Kafka's tool names against Kafka's own tools: the same command lines on the same broker, compared line by
//! line. The broker is Apache Kafka; where `MILLRACE_BIN` names a binary, Millrace as well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod lines;
mod oracle;
mod script;

mod configs;
mod console_consumer;
mod console_producer;
mod groups;
mod interrupt;
mod members;
mod offsets;
mod perf;
mod topics;
mod unreachable;
