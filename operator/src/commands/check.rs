//! `millrace-operator check -f manifests/`: what Kubernetes would refuse, without Kubernetes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use owo_colors::OwoColorize;

use crate::check::{Checker, Finding, is_ours};
use crate::manifests;

/// What `check` can be told.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files or directories with manifests; - for standard input
    #[arg(short, long = "filename", required = true)]
    filename: Vec<PathBuf>,
    /// Manifests as they were, to check the change from them: partitions that shrink, names that change
    #[arg(long)]
    against: Vec<PathBuf>,
}

/// Exit code 0 when all is well, 1 otherwise.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let manifests = manifests::read(&args.filename)?;
    let before = manifests::read(&args.against)?;
    let findings = Checker::new()?.check(&manifests, &before);
    print_findings(&findings)?;
    if !findings.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let ours = manifests.iter().filter(|manifest| is_ours(manifest)).count();
    let others = manifests.len() - ours;
    let skipped = if others > 0 { format!(", {others} of other kinds skipped") } else { String::new() };
    let are = if ours == 1 { "resource is" } else { "resources are" };
    println!("{ours} {are} valid{skipped}");
    Ok(ExitCode::SUCCESS)
}

/// One line for each finding, as compilers write them.
pub(super) fn print_findings(findings: &[Finding]) -> std::io::Result<()> {
    let mut err = std::io::stderr().lock();
    let colour = err.is_terminal();
    for finding in findings {
        let place = if finding.field.is_empty() { String::new() } else { format!(" {}:", finding.field) };
        if colour {
            writeln!(
                err,
                "{}: {}:{} {}",
                finding.source,
                finding.object.bold(),
                place.cyan(),
                finding.message
            )?;
        } else {
            writeln!(err, "{}: {}:{place} {}", finding.source, finding.object, finding.message)?;
        }
    }
    Ok(())
}
