//! Compaction's two pure halves: which offset is the last of each key ([`OffsetMap`]), and what of a batch
//! stays ([`filter`]). Files and segments are `log/compact.rs`'s.

mod filter;
mod offset_map;

pub(crate) use filter::{FilterRules, Kept, filter};
pub use offset_map::OffsetMap;
