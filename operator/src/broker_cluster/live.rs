//! Settings that brokers take at run time, brought to the spec through the brokers themselves, and asked for where
//! a restart depends on them.

use std::collections::BTreeMap;

use millrace_client::{Admin, AlterConfigOp, AlterOp, ClientError};
use millrace_protocol::ErrorCode;

use super::plan::roll::{MinInsync, replicated_topics};
use crate::kafka::cluster::{ReplicaSet, alter_settings, settings, try_settings};
use crate::kafka::settings::{SettingChange, changes, operation};
use crate::kafka::topics;
use crate::problem::Problem;

/// Of brokers and of topics.
pub const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What came of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// What was changed.
    pub done: Vec<SettingChange>,
    /// What the brokers refused.
    pub refused: Option<Problem>,
}

/// Brings the settings of all brokers to `wanted`.
///
/// # Errors
/// What may go better another time.
pub async fn apply(admin: &Admin, wanted: &BTreeMap<String, String>) -> Result<Applied, ClientError> {
    let wanted = wanted.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let done = changes(&wanted, &settings(admin).await?);
    if done.is_empty() {
        return Ok(Applied::default());
    }
    match alter_settings(admin, done.iter().map(operation).collect()).await {
        Ok(()) => Ok(Applied { done, refused: None }),
        Err(error) => match Problem::refusal(&error) {
            // That a broker's setting is wrong Kafka calls an invalid request.
            Some(refusal) if error.code() == Some(ErrorCode::INVALID_REQUEST) => {
                let refusal = Problem::new("InvalidConfig", refusal.message);
                Ok(Applied { done: Vec::new(), refused: Some(refusal) })
            }
            Some(refusal) => Ok(Applied { done: Vec::new(), refused: Some(refusal) }),
            None => Err(error),
        },
    }
}

/// The first setting that brokers do not know, of those that they read when they start: with it they would not serve any
/// more. That they take none of the others at run time says that they know them.
///
/// # Errors
/// What reaching a broker meets.
pub async fn unknown(
    admin: &Admin,
    at_start: &BTreeMap<String, String>,
) -> Result<Option<Problem>, ClientError> {
    if at_start.is_empty() {
        return Ok(None);
    }
    let set = |(name, value): (&String, &String)| AlterConfigOp {
        name: name.clone(),
        op: AlterOp::Set,
        value: Some(value.clone()),
    };
    match try_settings(admin, at_start.iter().map(set).collect()).await {
        Err(error) if error.code() == Some(ErrorCode::INVALID_CONFIG) => Ok(Problem::refusal(&error)),
        Err(error) if error.code().is_none() => Err(error),
        _ => Ok(None),
    }
}

/// `min.insync.replicas` of the topics of `partitions` that have more than one replica, in one request for a
/// hundred of them; `default` is that of the brokers.
///
/// # Errors
/// What reaching a broker meets; that a topic's settings cannot be read. One that went away has none.
pub async fn min_insync_replicas(
    admin: &Admin,
    partitions: &[ReplicaSet],
    default: usize,
) -> Result<MinInsync, ClientError> {
    let names: Vec<String> = replicated_topics(partitions).into_iter().map(str::to_owned).collect();
    let mut minimum = MinInsync { default, topics: BTreeMap::new() };
    for (topic, settings) in topics::settings(admin, names).await {
        let own =
            settings?.and_then(|mut settings| settings.remove(MIN_INSYNC_REPLICAS)?.value?.parse().ok());
        minimum.topics.extend(own.map(|own| (topic, own)));
    }
    Ok(minimum)
}
