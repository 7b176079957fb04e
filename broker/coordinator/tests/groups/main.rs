//! Groups by example: requests and time go in, records and replies come out. What is expected was read
//! off Kafka 4.1's own tests and source (`GroupMetadataManagerTest`, `OffsetMetadataManagerTest`).

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that finds something wrong stops"
)]

mod admin;
mod bench;
mod clocks;
mod limits;
mod membership;
mod offsets;
mod properties;
mod rebalance;
mod restart;
mod static_members;
