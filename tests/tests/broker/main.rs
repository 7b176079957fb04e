//! The real binary under rude treatment: what the issue tracker calls limits and bad input, starts, stops and crashes.
//! One program, so that it is linked once and its tests run side by side, each with a broker of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod bombs;
mod bulky;
mod defaults;
mod deleted;
mod descriptors;
mod disk;
mod frames;
mod groups;
mod lifecycle;
mod limits;
mod retention;
mod sockets;
mod terminal;
