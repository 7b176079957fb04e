//! `millrace-operator run`: stands for the Lease, and runs the controllers while it holds it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::events::Reporter;
use crate::api::install;
use crate::context::{Bells, Context, Options};
use crate::controllers::{self, Scope};
use crate::directory::Directory;
use crate::http::{self, Readiness};
use crate::leader::{self, Candidate};
use crate::links::Links;
use crate::metrics::Metrics;
use crate::pulse::Pulse;

/// What is under way when the Lease is lost may take so long to end.
const ENDING: Duration = Duration::from_secs(2);

/// What `run` can be told.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Namespaces to look after, comma-separated; all when absent
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// Apply the resource definitions at start; otherwise wait until somebody has
    #[arg(long, env = "INSTALL_CRDS", default_value = "true", action = clap::ArgAction::Set)]
    install_crds: bool,
    /// The image of brokers whose BrokerCluster names none
    #[arg(long, env = "MILLRACE_IMAGE", default_value = concat!("ghcr.io/millrace/millrace:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Where to serve /metrics, /livez and /readyz
    #[arg(long, env = "HTTP_LISTEN", default_value = "0.0.0.0:8080")]
    http_listen: SocketAddr,
    /// Stand for a Lease, so that one of several operators works
    #[arg(long, env = "LEADER_ELECTION", default_value = "true", action = clap::ArgAction::Set)]
    leader_election: bool,
    /// The Lease's name
    #[arg(long, env = "LEASE_NAME", default_value = "millrace-operator")]
    lease_name: String,
    /// The namespace that the operator runs in, for the Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// The operator's name among its replicas
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    // Before anything is done: an operator that nobody can look at does not work in silence.
    let at = || format!("HTTP on {}", args.http_listen);
    let listener = http::listen(args.http_listen).await.with_context(at)?;
    let mut config = Config::infer().await.context("there is no way to the Kubernetes API")?;
    let patient = Client::try_from(config.clone()).context("no client for the Kubernetes API")?;
    // Watches and reconciles wait by themselves and say why; kube's own attempts take minutes in silence. Events and
    // definitions have nobody else to try again.
    config.default_retry = false;
    let for_lease = leader::client(config.clone()).context("no client for the Kubernetes API")?;
    let client = Client::try_from(config).context("no client for the Kubernetes API")?;
    let identity = args.identity.clone().unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
    let context = Arc::new(make_context(&args, client, patient.clone(), identity.clone())?);
    let (readiness, pulse) = (Readiness::default(), Pulse::default());
    let serving = {
        let (context, readiness, pulse) = (Arc::clone(&context), readiness.clone(), pulse.clone());
        tokio::spawn(http::serve(listener, context, readiness, pulse, stop.clone()))
    };
    let work = async {
        tokio::select! {
            there = definitions(&patient, args.install_crds) => there?,
            () = stop.cancelled() => return Ok(()),
        }
        lead(&args, for_lease, &identity, context, &readiness, &stop).await
    };
    pulse.during(work).await?;
    stop.cancel();
    serving.await?.with_context(at)?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Without them nothing can be watched: until they are served the operator is alive, and not ready.
async fn definitions(client: &Client, apply: bool) -> anyhow::Result<()> {
    if apply { install::install(client).await } else { install::wait_until_served(client).await }
}

/// Works while it leads. Without the Lease the process ends: a fresh start knows nothing that is out of
/// date.
async fn lead(
    args: &RunArgs,
    client: Client,
    identity: &str,
    context: Arc<Context>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let scopes = Scope::of(&args.watch_namespaces);
    let told = readiness.clone();
    let ready = move || {
        told.set(true);
        tracing::info!("all resources are watched");
    };
    if !args.leader_election {
        controllers::run(context, scopes, stop.clone(), ready).await;
        return Ok(());
    }
    let mut candidate = tokio::select! {
        stands = Candidate::stand(client, &args.namespace, &args.lease_name, identity) => {
            stands.with_context(|| format!("Lease {}/{}", args.namespace, args.lease_name))?
        }
        () = stop.cancelled() => return Ok(()),
    };
    readiness.set(true);
    tracing::info!(identity, "standing by");
    if candidate.elected(stop).await {
        tracing::info!(identity, "leading");
        // Until it has seen all resources.
        readiness.set(false);
        let work = stop.child_token();
        let mut controllers = Box::pin(controllers::run(context, scopes, work.clone(), ready));
        let deposed = tokio::select! {
            () = &mut controllers => None,
            why = candidate.deposed() => Some(why),
        };
        if let Some(why) = deposed {
            work.cancel();
            // What hangs ends with the process: another operator works from now on.
            let _ = tokio::time::timeout(ENDING, controllers).await;
            anyhow::bail!("the Lease was lost: {why}");
        }
    }
    candidate.resign().await;
    Ok(())
}

fn make_context(
    args: &RunArgs,
    client: Client,
    for_events: Client,
    identity: String,
) -> anyhow::Result<Context> {
    let (directory, bells) = (Arc::new(Directory::default()), Arc::new(Bells::default()));
    Ok(Context {
        links: Links::new(Arc::clone(&directory), Arc::clone(&bells)),
        directory,
        bells,
        reporter: Reporter::new(for_events, Some(identity)),
        metrics: Metrics::new()?,
        attempts: Default::default(),
        statuses: Default::default(),
        ledger: Default::default(),
        refused_volumes: Default::default(),
        scaling: Default::default(),
        options: Options { image: args.image.clone() },
        client,
    })
}

fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}
