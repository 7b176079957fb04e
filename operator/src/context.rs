//! What reconciles share. Carries handles and goes no further: each part takes the few that it names.

use std::collections::HashMap;
use std::sync::Arc;

use kube::Client;
use parking_lot::Mutex;

use crate::api::attempts::Attempts;
use crate::api::events::Reporter;
use crate::api::ledger::Ledger;
use crate::api::status::Statuses;
use crate::consumer_group::autoscale::Recommendations;
use crate::consumer_group::targets::Targets;
use crate::directory::Directory;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::names::ObjectKey;
use crate::problem::Problem;
use crate::refusals::Refusals;
use crate::topic::autoscale::Demand;
use crate::triggers::Triggers;

/// See the module.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// Which resources there are.
    pub directory: Arc<Directory>,
    /// A link to each Kafka cluster.
    pub links: Links,
    /// What shall be reconciled again.
    pub bells: Arc<Bells>,
    /// Tells people what happened.
    pub reporter: Reporter,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// Failures in a row, for each object.
    pub attempts: Attempts,
    /// Statuses written lately.
    pub statuses: Statuses,
    /// Children applied lately.
    pub ledger: Ledger,
    /// Growth of volumes that was refused.
    pub refused_volumes: Refusals<String>,
    /// For how long loads have asked for more partitions or members.
    pub scaling: Scaling,
    /// What the operator was started with.
    pub options: Options,
}

/// Triggers of each kind.
#[derive(Debug, Default)]
pub struct Bells {
    /// BrokerClusters.
    pub clusters: Triggers,
    /// Topics.
    pub topics: Triggers,
    /// ConsumerGroups.
    pub groups: Triggers,
}

/// Memory of autoscaling. Lost with the process: then the wait starts over.
#[derive(Debug, Default)]
pub struct Scaling {
    /// Of topics.
    pub demands: Mutex<HashMap<ObjectKey, Demand>>,
    /// Of groups.
    pub recommendations: Mutex<HashMap<ObjectKey, Recommendations>>,
    /// Which group scales which Deployment.
    pub targets: Targets,
    /// Numbers of members that the API would not give a Deployment.
    pub refused: Refusals<Problem>,
}

/// What the operator was started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image of brokers whose BrokerCluster names none.
    pub image: String,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
