//! `millrace-operator local -f manifests/ --bootstrap-server HOST`: the same manifests without Kubernetes.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize;

use super::check::print_findings;
use crate::check::Checker;
use crate::kafka::connect::{connect, explained};
use crate::kafka::link::Link;
use crate::local::pass::{Mode, Report, Row, pass};
use crate::local::set::{ResourceSet, load};

/// What `local` can be told.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Files or directories with manifests; - for standard input
    #[arg(short, long = "filename", required = true)]
    filename: Vec<PathBuf>,
    /// Brokers to start from, host:port,host:port
    #[arg(short, long, env = "BOOTSTRAP_SERVER")]
    bootstrap_server: String,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep at it: read the manifests again and mend what drifts, until stopped
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// Seconds between two passes of --watch
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Move offsets of groups as their offsetReset says
    #[arg(long, conflicts_with = "watch")]
    reset_offsets: bool,
}

/// Exit code 0 when every resource is as its manifest says, or with --dry-run would be; 1 otherwise.
pub(super) async fn run(args: LocalArgs) -> anyhow::Result<ExitCode> {
    let checker = Checker::new()?;
    let set = match load(&checker, &args.filename)? {
        Ok(set) => set,
        Err(findings) => {
            print_findings(&findings)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if set.skipped > 0 {
        eprintln!("{} BrokerClusters are skipped: they need Kubernetes", set.skipped);
    }
    let link = Link::start(connect(&args.bootstrap_server)?, None, Arc::new(|_| {}));
    let mode = Mode {
        dry_run: args.dry_run,
        reset_offsets: args.reset_offsets,
        colour: std::io::stdout().is_terminal(),
    };
    if args.watch {
        return watch(&args, &checker, set, &link, mode).await;
    }
    let report = pass(&link, &set, mode).await.map_err(|error| anyhow::anyhow!(explained(&error)))?;
    print!("{}", report.diff);
    print_rows(&report.rows, mode.colour);
    let well = report.rows.iter().all(|row| row.ready || row.reason == "WouldChange");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Passes until Ctrl-C. A failure is told and tried again; so are manifests that became invalid.
async fn watch(
    args: &LocalArgs,
    checker: &Checker,
    mut set: ResourceSet,
    link: &Link,
    mode: Mode,
) -> anyhow::Result<ExitCode> {
    let mut shown = Vec::new();
    loop {
        match pass(link, &set, mode).await {
            Ok(Report { diff, rows }) => {
                print!("{diff}");
                let brief = |rows: &[Row]| -> Vec<(String, String)> {
                    rows.iter().map(|row| (row.name.clone(), row.reason.clone())).collect()
                };
                if shown != brief(&rows) {
                    print_rows(&rows, mode.colour);
                    shown = brief(&rows);
                }
            }
            Err(error) => eprintln!("{}", explained(&error)),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(args.interval)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
        match load(checker, &args.filename) {
            Ok(Ok(read)) => set = read,
            Ok(Err(findings)) => print_findings(&findings)?,
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

fn print_rows(rows: &[Row], colour: bool) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["KIND", "NAME", "READY", "REASON", "DETAIL"]);
    for row in rows {
        let ready = match (row.ready, colour) {
            (true, true) => "yes".green().to_string(),
            (false, true) => "no".yellow().to_string(),
            (true, false) => "yes".to_owned(),
            (false, false) => "no".to_owned(),
        };
        table.add_row([row.kind.to_owned(), row.name.clone(), ready, row.reason.clone(), row.detail.clone()]);
    }
    println!("{table}");
}
