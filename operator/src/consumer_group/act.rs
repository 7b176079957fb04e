//! Moves a group's offsets, through the brokers alone: the operator and local mode share it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use millrace_client::{Admin, ClientError, OffsetSpec, TopicPartition};
use millrace_crds::OffsetResetStatus;

use super::reset::{note, targets};
use super::validate::{Goal, ValidatedReset};
use crate::conditions::seconds;
use crate::kafka::groups::{self, GroupObservation};

/// The offsets that a move gives to partitions.
///
/// # Errors
/// That of the first partition that could not be asked: without it the move would be made in part.
pub async fn aim(
    admin: &Admin,
    reset: &ValidatedReset,
    partitions: &BTreeSet<TopicPartition>,
    seen: &GroupObservation,
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let at_time = match reset.to {
        Goal::Time(ms) => groups::offsets_at(admin, partitions, OffsetSpec::Timestamp(ms)).await,
        _ => BTreeMap::new(),
    };
    let at_time = at_time.into_iter().map(|(partition, offset)| Ok((partition, offset?)));
    Ok(targets(reset.to, partitions, seen, &at_time.collect::<Result<_, ClientError>>()?))
}

/// Makes a move to the `offsets` that were aimed at, and says how it went.
///
/// # Errors
/// The coordinator's refusal, such as that the group has members after all.
pub async fn make_move(
    admin: &Admin,
    group: &str,
    reset: &ValidatedReset,
    offsets: &BTreeMap<TopicPartition, i64>,
    seen: &GroupObservation,
) -> Result<OffsetResetStatus, ClientError> {
    if !offsets.is_empty() {
        groups::commit(admin, group, offsets, &note(&reset.id)).await?;
    }
    let all = seen.positions.keys().filter(|partition| reset.concerns(&partition.topic)).count();
    Ok(made(reset, all))
}

/// A move that was made just now, in so many partitions.
#[must_use]
pub fn made(reset: &ValidatedReset, partitions: usize) -> OffsetResetStatus {
    OffsetResetStatus {
        id: reset.id.clone(),
        partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        completed_at: seconds(Timestamp::now()),
    }
}
