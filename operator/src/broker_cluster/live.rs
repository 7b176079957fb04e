//! Settings that brokers take at run time, brought to the spec through the brokers themselves.

use std::collections::BTreeMap;

use millrace_client::{Admin, ClientError};

use crate::kafka::cluster::{alter_settings, settings};
use crate::kafka::settings::{SettingChange, changes, operation};
use crate::problem::Problem;

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
            Some(refusal) => Ok(Applied { done: Vec::new(), refused: Some(refusal) }),
            None => Err(error),
        },
    }
}
