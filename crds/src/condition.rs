//! Status conditions, in the shape of Kubernetes' own (`meta/v1 Condition`).

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One aspect of a resource's state, as last seen by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, such as Ready.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// True, False, or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word for programs.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, in a sentence for people; with what to do about it where that is known.
    #[schemars(length(max = 32_768))]
    pub message: String,
    /// When status last changed from one value to another. Does not move when only reason or message
    /// change.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The metadata.generation of the resource that this condition was made for. When it is behind the
    /// resource's, the condition is out of date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether the aspect holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(transform = crate::schema::undescribed)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// The operator cannot tell at the moment.
    Unknown,
}
