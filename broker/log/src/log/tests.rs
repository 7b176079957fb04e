//! Logs as a broker uses them, on a disk that can be made to fail.

mod basics;
mod compaction;
mod crashes;
mod flushes;
mod upkeep;
