//! The operator's own resource definitions, applied at start: Helm installs definitions and never upgrades
//! them.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};

use crate::names::FIELD_MANAGER;

/// The API server serves a definition within seconds.
const ESTABLISHED: Duration = Duration::from_secs(60);

/// Applies all definitions and waits until they are served.
///
/// # Errors
/// What the API says, or that a definition is not served in time.
pub async fn install(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    for crd in millrace_crds::all()? {
        let name = crd.name_any();
        api.patch(&name, &params, &Patch::Apply(&crd))
            .await
            .with_context(|| format!("resource definition {name} cannot be applied"))?;
        wait_for(&api, &name).await?;
        tracing::info!(name, "resource definition applied");
    }
    Ok(())
}

/// Waits until all definitions are served, whoever applied them.
///
/// # Errors
/// What the API says, or that a definition is not served in time.
pub async fn wait_until_served(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in millrace_crds::all()? {
        wait_for(&api, &crd.name_any()).await?;
    }
    Ok(())
}

async fn wait_for(api: &Api<CustomResourceDefinition>, name: &str) -> anyhow::Result<()> {
    let established = await_condition(api.clone(), name, conditions::is_crd_established());
    tokio::time::timeout(ESTABLISHED, established)
        .await
        .with_context(|| {
            format!("resource definition {name} is not served: apply crds/ or start with --install-crds")
        })?
        .with_context(|| format!("resource definition {name} cannot be watched"))?;
    Ok(())
}
