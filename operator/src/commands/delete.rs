//! `millrace-operator delete --namespace shop --selector app.kubernetes.io/instance=millrace`: deletes resources
//! while there is an operator to see them off. The chart runs it before it takes the operator away, since a
//! finalizer that nobody answers would keep them, and their namespace, for ever.

use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DeleteParams, ListParams};
use kube::core::PartialObjectMeta;
use kube::{Client, Resource, ResourceExt};
use millrace_crds::{BrokerCluster, ConsumerGroup, Topic};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::api::finalizer;

/// How long between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What `delete` can be told.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The namespace
    #[arg(short, long)]
    namespace: String,
    /// Labels that the resources have, as kubectl takes them
    #[arg(short = 'l', long)]
    selector: String,
    /// How long to wait until they are gone, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Do not wait for the operator any longer then: let go of what is still there
    #[arg(long)]
    or_let_go: bool,
}

/// Clusters go first: what belongs to a cluster that goes is let go with its data as it is.
pub(super) async fn run(args: DeleteArgs) -> anyhow::Result<ExitCode> {
    let client = Client::try_default().await.context("there is no way to the Kubernetes API")?;
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    delete::<BrokerCluster>(&client, &args).await?;
    delete::<Topic>(&client, &args).await?;
    delete::<ConsumerGroup>(&client, &args).await?;
    see_off::<Topic>(&client, &args, deadline).await?;
    see_off::<ConsumerGroup>(&client, &args, deadline).await?;
    Ok(ExitCode::SUCCESS)
}

async fn delete<K>(client: &Client, args: &DeleteArgs) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), &args.namespace);
    let which = ListParams::default().labels(&args.selector);
    api.delete_collection(&DeleteParams::default(), &which)
        .await
        .with_context(|| format!("{} with {} cannot be deleted", K::plural(&()), args.selector))?;
    Ok(())
}

/// Waits until there are none.
async fn see_off<K>(client: &Client, args: &DeleteArgs, deadline: Instant) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), &args.namespace);
    let which = ListParams::default().labels(&args.selector);
    loop {
        let left = api.list_metadata(&which).await?.items;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return late(client, args, &left).await;
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn late<K>(client: &Client, args: &DeleteArgs, left: &[PartialObjectMeta<K>]) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let names: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
    let message = format!(
        "{} {} are still there after {} s: is the operator running?",
        K::plural(&()),
        names.join(", "),
        args.timeout
    );
    anyhow::ensure!(args.or_let_go, message);
    tracing::warn!("{message} They go without it.");
    for object in left {
        finalizer::take_off(client, object).await?;
    }
    Ok(())
}
