//! Scales the Deployment that a group's members run in, through its scale subresource: nothing else of the
//! Deployment is read or written.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::api::error::{ReconcileError, is_forbidden, is_not_found};
use crate::names::FIELD_MANAGER;
use crate::problem::Problem;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scaled {
    /// It had as many already.
    Kept,
    /// It had so many.
    From(i32),
    /// It cannot be scaled.
    Refused(Problem),
}

/// Gives the Deployment so many members.
///
/// # Errors
/// What the API says, but that there is no such Deployment, or that the operator may not.
pub async fn scale(
    client: &Client,
    namespace: &str,
    deployment: &str,
    replicas: i32,
) -> Result<Scaled, ReconcileError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let scale = match api.get_scale(deployment).await {
        Ok(scale) => scale,
        Err(error) => return refused(error, deployment),
    };
    let from = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
    if from == replicas {
        return Ok(Scaled::Kept);
    }
    let patch = json!({ "spec": { "replicas": replicas } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_scale(deployment, &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(Scaled::From(from)),
        Err(error) => refused(error, deployment),
    }
}

fn refused(error: kube::Error, deployment: &str) -> Result<Scaled, ReconcileError> {
    if is_not_found(&error) {
        let message = format!("there is no Deployment {deployment} to scale");
        return Ok(Scaled::Refused(Problem::new("ScaleTargetNotFound", message)));
    }
    if is_forbidden(&error) {
        let message = format!(
            "the operator may not scale Deployment {deployment}: the chart's autoscaling.enabled grants it"
        );
        return Ok(Scaled::Refused(Problem::new("ScaleForbidden", message)));
    }
    Err(error.into())
}
