//! The durable log of one partition.

mod checkpoint;
mod compaction;
pub mod config;
pub mod disk;
mod epochs;
mod error;
mod files;
mod identity;
mod index;
mod log;
mod manager;
mod names;
mod producers;
mod scan;
mod segment;
#[cfg(test)]
mod testing;
mod validate;

pub use compaction::OffsetMap;
pub use config::LogConfig;
pub use epochs::{EpochEnd, NO_EPOCH, NO_OFFSET};
pub use error::LogError;
pub use files::FilePool;
pub use identity::MetaProperties;
pub use log::{
    AppendInfo, Cleanable, Cleaned, FetchSlice, FileRange, Log, OffsetAndTimestamp, OpenLog, ReadRequest,
    Trimmed,
};
pub use manager::{Intervals, LogManager, ManagerConfig, WantedLog};
pub use names::TopicPartition;
pub use producers::ProducerSummary;
pub use validate::{AppendOptions, Origin};
