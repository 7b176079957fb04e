//! The codec from outside: Kafka's own bytes, bytes that lie, and bytes at random. One binary, since
//! all of it needs the same catalogue of messages and golden files.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of it is test")]

mod allocator;
mod catalogue;
mod corpus;
mod fields;
mod fuzz;
mod golden;
mod hostile;
mod mutate;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;
