//! How topics and groups name the cluster that they belong to.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The BrokerCluster that a topic or group belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// The BrokerCluster's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The BrokerCluster's namespace. When absent, the namespace of this resource. A cluster in another
    /// namespace must allow this one in its spec.allowedNamespaces. Only a namespace that the operator looks
    /// after counts (operator.watchNamespaces of its chart): in others it finds no cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}
