//! The chart: rendered by the real helm, its resources held to the rules, its boards and alerts to the
//! series that operator and brokers really show.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

mod alerts;
mod rendered;
mod series;
