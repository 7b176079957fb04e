//! Group coordinator as an event-sourced state machine: classic consumer groups, their members and
//! their committed offsets. One [`Shard`] holds the groups of one partition of `__consumer_offsets`.
//!
//! Pure: no clock, no file, no socket. Time comes in with every call, randomness with a seed; what is
//! to be written and who is to be answered goes out in an [`Outcome`]. A caller appends an outcome's
//! records, gives each to [`Shard::replay`], and only then sends its replies. Kafka 4.1's
//! `org.apache.kafka.coordinator.group` is the model of every rule.
//!
//! | file | holds |
//! |---|---|
//! | `shard.rs` | the machine: inputs, time, replay |
//! | `group.rs`, `roster.rs` | one group: its state and generation; its members |
//! | `join.rs`, `rebalance.rs`, `sync.rs`, `leave.rs` | what moves a group from state to state |
//! | `offsets.rs` | commit, fetch, delete, expire |
//! | `describe.rs` | list, describe, delete groups; figures for metrics |
//! | `durable.rs`, `record.rs` | what the records amount to; the records |
//! | `time.rs`, `timers.rs` | the two clocks; deadlines |
//! | `outcome.rs`, `settings.rs` | what comes out; what is configured |

mod describe;
mod durable;
mod group;
mod join;
mod leave;
mod offsets;
mod outcome;
mod rebalance;
mod record;
mod roster;
mod settings;
mod shard;
mod sync;
mod time;
mod timers;

pub use self::describe::GroupSummary;
pub use self::durable::{CommittedOffset, Durable, DurableGroup, Offsets};
pub use self::group::GroupState;
pub use self::offsets::Commit;
pub use self::outcome::{GroupEvent, Outcome, Reply, Token, append_error};
pub use self::record::{GroupRecord, RecordDecodeError};
pub use self::roster::Client;
pub use self::settings::Settings;
pub use self::shard::{Input, Shard};
pub use self::time::Now;
