//! Cluster metadata records, the immutable image, controller decisions.
//!
//! Everything here is a pure function of its arguments: no clock, no file, no socket, no random
//! numbers of its own. A change goes `image + request -> decision -> records -> next image`.

pub mod config;
pub mod controller;
pub mod image;
mod record;

pub use record::{MetadataRecord, RecordDecodeError};
