//! The command line for people against real brokers: Apache Kafka where its jars are there, Millrace where
//! `MILLRACE_BIN` names a binary (or where there is no Kafka). Each test is a short session as a user would
//! type it; all of them share the brokers and keep to topics and groups of their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;

mod groups;
mod logs;
mod offline;
mod perf;
mod records;
mod settings;
mod topics;
