//! The partitions of this broker: their logs, the fetches parked on them, the sessions of those who
//! fetch. Knows nothing of requests; handlers ask by topic and number.

mod failure;
mod fetch_session;
mod flushes;
mod partition;
mod space;
mod table;
mod waiters;

pub(crate) use failure::Failure;
pub(crate) use fetch_session::{FetchContext, FetchSessions, Session, TopicKey, Wanted};
pub(crate) use partition::{Appended, Partition, Slice};
pub(crate) use space::space;
pub(crate) use table::{Parking, Partitions, Placement};
pub(crate) use waiters::FetchWaiter;

use std::time::Duration;

use crate::rate_limit::RateLimited;

/// A failing disk gets one line in each period for all the partitions on it.
static STORAGE_ERRORS: RateLimited = RateLimited::new(Duration::from_secs(5));
