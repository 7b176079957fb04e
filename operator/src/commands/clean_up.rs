//! `millrace-operator clean-up`: takes the operator's finalizer off topics and groups, and its Lease away. The
//! chart runs it when the operator is gone for good: a finalizer that nobody answers would keep a resource, and
//! its namespace, for ever. Topics themselves stay as they are; an operator that comes back finds them.
//! A person runs it with `--keep-lease` for a namespace that the operator, which works on, was told to leave.

use std::fmt::Debug;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, Resource, ResourceExt};
use millrace_crds::{ConsumerGroup, Topic};
use serde::de::DeserializeOwned;

use crate::api::error::unless_gone;
use crate::api::finalizer;
use crate::controllers::Scope;

/// What `clean-up` can be told.
#[derive(Debug, Args)]
pub(super) struct CleanUpArgs {
    /// Namespaces that the operator looked after, comma-separated; all when absent
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// Leave the Lease: the operator works on, and no longer looks after these namespaces
    #[arg(long, requires = "watch_namespaces")]
    keep_lease: bool,
    /// The Lease's name
    #[arg(long, env = "LEASE_NAME", default_value = "millrace-operator")]
    lease_name: String,
    /// The namespace that the operator ran in, for the Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
}

pub(super) async fn run(args: CleanUpArgs) -> anyhow::Result<ExitCode> {
    let client = Client::try_default().await.context("there is no way to the Kubernetes API")?;
    anyhow::ensure!(
        !args.keep_lease || Scope::of(&args.watch_namespaces) != [Scope::All],
        "--keep-lease needs the namespaces that the operator has left"
    );
    if !args.keep_lease {
        delete_lease(&client, &args).await?;
    }
    let freed = let_go::<Topic>(&client, &args).await? + let_go::<ConsumerGroup>(&client, &args).await?;
    tracing::info!(freed, "no topic or group waits for an operator any more");
    Ok(ExitCode::SUCCESS)
}

async fn delete_lease(client: &Client, args: &CleanUpArgs) -> anyhow::Result<()> {
    let leases = Api::<Lease>::namespaced(client.clone(), &args.namespace);
    unless_gone(leases.delete(&args.lease_name, &DeleteParams::default()).await)
        .with_context(|| format!("Lease {}/{} cannot be deleted", args.namespace, args.lease_name))?;
    Ok(())
}

/// How many resources were let go.
async fn let_go<K>(client: &Client, args: &CleanUpArgs) -> anyhow::Result<usize>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let kind = K::plural(&());
    let mut held = Vec::new();
    for scope in Scope::of(&args.watch_namespaces) {
        let api: Api<K> = scope.api(client);
        let listed = unless_gone(api.list_metadata(&ListParams::default()).await)
            .with_context(|| format!("{kind} cannot be listed"))?;
        held.extend(listed.into_iter().flat_map(|list| list.items).filter(finalizer::is_held));
    }
    for object in &held {
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        finalizer::take_off(client, object)
            .await
            .with_context(|| format!("{kind} {name} cannot be let go"))?;
    }
    Ok(held.len())
}
