//! Scales the Deployment that a group's members run in, through its scale subresource: nothing else of the
//! Deployment is read or written.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::api::error::{ReconcileError, is_forbidden, is_not_found};
use crate::names::FIELD_MANAGER;
use crate::problem::Problem;

/// How many members the Deployment is to have now, or why it cannot be scaled.
///
/// # Errors
/// What the API says, but that there is no such Deployment, or that the operator may not.
pub async fn present(
    client: &Client,
    namespace: &str,
    deployment: &str,
) -> Result<Result<i32, Problem>, ReconcileError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    match api.get_scale(deployment).await {
        Ok(scale) => Ok(Ok(scale.spec.and_then(|spec| spec.replicas).unwrap_or(0))),
        Err(error) => refused(error, deployment).map(Err),
    }
}

/// Gives the Deployment so many members; why it cannot be scaled.
///
/// # Errors
/// As [`present`].
pub async fn scale(
    client: &Client,
    namespace: &str,
    deployment: &str,
    replicas: i32,
) -> Result<Option<Problem>, ReconcileError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let patch = json!({ "spec": { "replicas": replicas } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_scale(deployment, &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(None),
        Err(error) => refused(error, deployment).map(Some),
    }
}

fn refused(error: kube::Error, deployment: &str) -> Result<Problem, ReconcileError> {
    if is_not_found(&error) {
        let message = format!("there is no Deployment {deployment} to scale");
        return Ok(Problem::new("ScaleTargetNotFound", message));
    }
    if is_forbidden(&error) {
        let message = format!(
            "the operator may not scale Deployment {deployment}: the chart's autoscaling.enabled grants it"
        );
        return Ok(Problem::new("ScaleForbidden", message));
    }
    Err(error.into())
}
