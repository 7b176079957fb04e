//! The command line of the operator.

mod check;
mod clean_up;
mod crds;
mod delete;
mod local;
mod serve;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

/// Runs Millrace clusters, topics and consumer groups on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "millrace-operator", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look after the resources of a Kubernetes cluster, until stopped
    Run(serve::RunArgs),
    /// Bring topics and groups to their manifests without Kubernetes
    Local(local::LocalArgs),
    /// Validate manifests offline, by the schema and rules that Kubernetes applies
    Check(check::CheckArgs),
    /// Print the resource definitions as YAML
    Crds,
    /// Delete resources by their labels, and wait until the operator has seen them off
    Delete(delete::DeleteArgs),
    /// Take finalizers and Lease away after the operator
    CleanUp(clean_up::CleanUpArgs),
}

/// How to log.
#[derive(Debug, Args)]
struct Logging {
    /// What to log, such as info or millrace_operator=debug
    #[arg(long, global = true, env = "RUST_LOG", default_value = "info,kube_runtime=warn")]
    log_level: String,
    /// How to write the log
    #[arg(long, global = true, env = "MILLRACE_LOG_FORMAT", value_enum, default_value = "auto")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text for people.
    Text,
    /// One JSON object in each line.
    Json,
}

/// Runs the command.
///
/// # Errors
/// Why it could not do what it was asked.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    cli.logging.start()?;
    match cli.command {
        Command::Run(args) => on_runtime(serve::run(args)),
        Command::Local(args) => on_runtime(local::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Crds => crds::run(),
        Command::Delete(args) => on_runtime(delete::run(args)),
        Command::CleanUp(args) => on_runtime(clean_up::run(args)),
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // Two threads: an operator waits for others, and each thread costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(command)
}

impl Logging {
    fn start(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log_level)?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let terminal = std::io::stderr().is_terminal();
        let json = match self.log_format {
            LogFormat::Auto => !terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        if json {
            // As the broker's lines are; which object is in the event's own fields.
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        } else {
            builder.with_ansi(terminal).init()
        }
        Ok(())
    }
}
