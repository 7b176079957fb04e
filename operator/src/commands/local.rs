//! `millrace-operator local -f manifests/ --bootstrap-server HOST`: the same manifests without Kubernetes.

use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use tokio::signal::unix::{SignalKind, signal};

use super::check::print_findings;
use crate::check::Checker;
use crate::kafka::connect::{connect, explained};
use crate::kafka::link::Link;
use crate::local::pass::{Depth, Mode, PAUSED, Report, Row, WOULD_CHANGE, pass};
use crate::local::set::{ClusterName, ResourceSet, load};

/// What `local` can be told.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Files or directories with manifests; - for standard input
    #[arg(short, long = "filename", required = true)]
    filename: Vec<PathBuf>,
    /// Brokers to start from, host:port,host:port
    #[arg(short, long, env = "BOOTSTRAP_SERVER")]
    bootstrap_server: String,
    /// The cluster whose manifests count, as [NAMESPACE/]NAME; needed where they are of several
    #[arg(long)]
    cluster: Option<ClusterName>,
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
    let set = match load(&checker, &args.filename, args.cluster.as_ref())? {
        Ok(set) => set,
        Err(findings) => {
            print_findings(&findings)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if set.skipped > 0 {
        eprintln!("{} BrokerClusters are skipped: they need Kubernetes", set.skipped);
    }
    if set.elsewhere > 0 {
        eprintln!("{} Topics and ConsumerGroups of other clusters are skipped", set.elsewhere);
    }
    let link = Link::start(connect(&args.bootstrap_server)?, None, Arc::new(|_| {}));
    let mode = Mode {
        depth: if args.dry_run { Depth::DryRun } else { Depth::Act },
        reset_offsets: args.reset_offsets,
        colour: wants_colour(),
    };
    if args.watch {
        return watch(&args, &checker, set, &link, mode).await;
    }
    let report = plan_first(&link, &set, mode).await?;
    if let Some(error) = report.error {
        show(&report.diff)?;
        anyhow::bail!(explained(&error));
    }
    show(&format!("{}{}", report.diff, table(&report.rows, mode.colour)))?;
    let well = |row: &Row| row.ready || [WOULD_CHANGE, PAUSED].contains(&&*row.reason);
    Ok(if report.rows.iter().all(well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Passes until Ctrl-C or SIGTERM, which also end one that is under way: what it has not done, the next will.
async fn watch(
    args: &LocalArgs,
    checker: &Checker,
    set: ResourceSet,
    link: &Link,
    mode: Mode,
) -> anyhow::Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        failed = keep_passing(args, checker, set, link, mode) => failed.map(|never| match never {}),
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
    }
}

/// A failure is told and tried again; so are manifests that became invalid.
async fn keep_passing(
    args: &LocalArgs,
    checker: &Checker,
    mut set: ResourceSet,
    link: &Link,
    mode: Mode,
) -> anyhow::Result<Infallible> {
    let mut shown = Vec::new();
    loop {
        let Report { diff, rows, error } = plan_first(link, &set, mode).await?;
        show(&diff)?;
        match error {
            None => {
                let brief = |rows: &[Row]| -> Vec<(String, String)> {
                    rows.iter().map(|row| (row.name.clone(), row.reason.clone())).collect()
                };
                if shown != brief(&rows) {
                    show(&table(&rows, mode.colour))?;
                    shown = brief(&rows);
                }
            }
            Some(error) => eprintln!("{}", explained(&error)),
        }
        tokio::time::sleep(Duration::from_secs(args.interval)).await;
        match load(checker, &args.filename, args.cluster.as_ref()) {
            Ok(Ok(read)) => set = read,
            Ok(Err(findings)) => print_findings(&findings)?,
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

/// On a terminal, unless its user wants none: <https://no-color.org>.
fn wants_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A pass that shows what it is about to change before it does. What is left to show of it is what went another way.
async fn plan_first(link: &Link, set: &ResourceSet, mode: Mode) -> std::io::Result<Report> {
    if mode.depth != Depth::Act {
        return Ok(pass(link, set, mode).await);
    }
    // What ends the plan early ends the pass behind it in the same place, and not before.
    let plan = pass(link, set, Mode { depth: Depth::Plan, ..mode }).await;
    show(&plan.diff)?;
    let mut done = pass(link, set, mode).await;
    if done.diff == plan.diff {
        done.diff.clear();
    } else if !done.diff.is_empty() {
        done.diff.insert_str(0, "what was done differs from the plan:\n");
    }
    Ok(done)
}

/// Who stopped to read does not want the rest.
fn show(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn table(rows: &[Row], colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["KIND", "NAME", "READY", "REASON", "DETAIL"]);
    if colour {
        table.enforce_styling();
    }
    for row in rows {
        let (word, hue) = if row.ready { ("yes", Color::Green) } else { ("no", Color::Yellow) };
        let ready = if colour { Cell::new(word).fg(hue) } else { Cell::new(word) };
        let [kind, name, reason, detail] = [row.kind, &row.name, &row.reason, &row.detail].map(Cell::new);
        table.add_row([kind, name, ready, reason, detail]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    lines.concat()
}
