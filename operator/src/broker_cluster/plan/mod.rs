//! Decisions about a running cluster. Pure: from what was seen to what to do next.

pub mod drain;
pub mod roll;
pub mod storage;
