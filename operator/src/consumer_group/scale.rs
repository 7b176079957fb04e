//! Scales the Deployment that a group's members run in, through its scale subresource: nothing else of the
//! Deployment is read or written.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::api::error::{ReconcileError, is_not_found};
use crate::names::FIELD_MANAGER;
use crate::problem::Problem;

/// The reason where there is no such Deployment.
pub const TARGET_NOT_FOUND: &str = "ScaleTargetNotFound";

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
        return Ok(Problem::new(TARGET_NOT_FOUND, message));
    }
    match error {
        // The API server's own refusal, or a webhook's: its words tell which.
        kube::Error::Api(status) if status.code == 403 => {
            let message = format!(
                "the operator may not scale Deployment {deployment}: {}; the right to is granted by the chart's \
                 operator.autoscaling.enabled",
                status.message
            );
            Ok(Problem::new("ScaleForbidden", message))
        }
        kube::Error::Api(status) if [400, 422].contains(&status.code) => {
            let message = format!("Deployment {deployment} cannot be scaled: {}", status.message);
            Ok(Problem::new("ScaleRefused", message))
        }
        error => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_the_api_refuses_is_said_in_its_words_and_the_rest_is_tried_again() {
        let refusal = |code: u16, message: &str| {
            let status = Status::failure(message, "Reason").with_code(code);
            refused(kube::Error::Api(Box::new(status)), "readers").map_err(|error| error.to_string())
        };
        assert_eq!(refusal(404, "").unwrap().reason, "ScaleTargetNotFound");
        let webhook = refusal(403, "admission webhook denied the request: not on Fridays").unwrap();
        assert_eq!(webhook.reason, "ScaleForbidden");
        assert!(webhook.message.contains("not on Fridays"), "{}", webhook.message);
        assert_eq!(refusal(422, "replicas: Invalid value").unwrap().reason, "ScaleRefused");
        assert!(refusal(429, "slow down").is_err() && refusal(500, "etcd").is_err());
    }
}
