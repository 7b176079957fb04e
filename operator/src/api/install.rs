//! The operator's own resource definitions, applied at start: Helm installs definitions and never upgrades
//! them.

use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};

use crate::names::FIELD_MANAGER;

/// The API server serves a definition that it was given within seconds.
const ESTABLISHED: Duration = Duration::from_secs(60);
/// How often somebody who looks at the log is told what is being waited for.
const REMIND_EVERY: Duration = Duration::from_secs(60);

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
        tokio::time::timeout(ESTABLISHED, served(&api, &name))
            .await
            .with_context(|| format!("resource definition {name} is not served"))??;
        tracing::info!(name, "resource definition applied");
    }
    Ok(())
}

/// Waits until all definitions are served, whoever applies them, however long that takes.
///
/// # Errors
/// What the API says.
pub async fn wait_until_served(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in millrace_crds::all()? {
        let name = crd.name_any();
        let mut served = pin!(served(&api, &name));
        loop {
            match tokio::time::timeout(REMIND_EVERY, &mut served).await {
                Ok(done) => break done?,
                Err(_) => tracing::warn!(name, "nobody has applied the resource definition yet (crds/)"),
            }
        }
    }
    Ok(())
}

async fn served(api: &Api<CustomResourceDefinition>, name: &str) -> anyhow::Result<()> {
    await_condition(api.clone(), name, conditions::is_crd_established())
        .await
        .with_context(|| format!("resource definition {name} cannot be watched"))?;
    Ok(())
}
