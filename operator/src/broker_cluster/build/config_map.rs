//! The ConfigMap with a property file for each broker.

use k8s_openapi::api::core::v1::ConfigMap;

use super::super::ValidatedCluster;
use super::super::names::shared;
use super::metadata;
use super::properties::{Advertised, properties};

/// The name of a broker's file.
#[must_use]
pub fn file_name(broker: &str) -> String {
    format!("broker-{broker}.properties")
}

/// Builds it.
#[must_use]
pub fn config_map(cluster: &ValidatedCluster, advertised: &Advertised) -> ConfigMap {
    let files = (0..cluster.replicas)
        .map(|broker| (file_name(&broker.to_string()), properties(cluster, broker, advertised)));
    ConfigMap {
        metadata: metadata(cluster, shared(&cluster.key.name)),
        data: Some(files.collect()),
        ..ConfigMap::default()
    }
}
