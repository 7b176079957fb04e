//! `millrace logs dump`: the files of partitions, read offline through the protocol crate alone, as any
//! broker that keeps Kafka's format leaves them. Never writes, and needs no broker.

mod decode;
mod files;
mod indexes;
mod segment;
mod shown;
mod summary;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::failure::Failure;
use super::screen::{OutputArgs, Screen};
use decode::Decoder;
use files::{Kind, LogFile};

/// `millrace logs`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(subcommand)]
    command: LogsCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum LogsCommand {
    /// Show what is in the files of partitions: batches, records, indexes, snapshots, checkpoints
    Dump(DumpArgs),
}

#[derive(Debug, Clone, Args)]
struct DumpArgs {
    /// Files, directories of partitions, or data directories
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Records as well, not only batches
    #[arg(short, long, conflicts_with = "summary")]
    records: bool,
    /// One line for each segment
    #[arg(short, long)]
    summary: bool,
    /// Only batches that reach to this offset or beyond
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    from: i64,
    /// Only batches that begin before this offset
    #[arg(long, value_name = "OFFSET", default_value_t = i64::MAX, hide_default_value = true)]
    to: i64,
    /// What keys and values are; by default what the directory's name says
    #[arg(long, value_name = "WHAT", value_enum)]
    decode: Option<Decode>,
}

/// What keys and values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decode {
    /// Bytes
    None,
    /// Those of __consumer_offsets
    Offsets,
    /// Those of __cluster_metadata
    Metadata,
}

/// Runs the command.
pub(super) fn run(args: LogsArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let LogsCommand::Dump(args) = args.command;
    let mut found = Vec::new();
    for path in &args.paths {
        found.extend(files::find(path)?);
    }
    let problems = if args.summary { summary::run(&found, screen)? } else { dump(&found, &args, screen)? };
    match problems {
        0 => Ok(()),
        1 => Err(Failure::new("1 problem was found")),
        more => Err(Failure::new(format!("{more} problems were found"))),
    }
}

/// Dumps files one after the other and counts what is wrong with them.
fn dump(found: &[LogFile], args: &DumpArgs, screen: &mut Screen<'_>) -> Result<usize, Failure> {
    let mut problems = 0;
    for (at, file) in found.iter().enumerate() {
        if screen.io().is_broken() {
            break;
        }
        if found.len() > 1 && !screen.is_json() {
            if at > 0 {
                screen.line("");
            }
            let heading = screen.paint().bold(&file.path.display().to_string()).into_owned();
            screen.line(heading);
        }
        problems += dump_file(file, args, screen)?;
    }
    Ok(problems)
}

fn dump_file(file: &LogFile, args: &DumpArgs, screen: &mut Screen<'_>) -> Result<usize, Failure> {
    match file.kind {
        Kind::Segment => {
            let wanted = segment::Wanted { from: args.from, to: args.to, records: args.records };
            segment::dump(file, wanted, decoder(args, &file.path), screen)
        }
        Kind::OffsetIndex | Kind::TimeIndex | Kind::TransactionIndex | Kind::Producers => {
            indexes::dump(file, screen)
        }
        Kind::Text => {
            files::dump_text(file, screen)?;
            Ok(0)
        }
    }
}

fn decoder(args: &DumpArgs, path: &Path) -> Decoder {
    match args.decode {
        Some(Decode::None) => Decoder::Bytes,
        Some(Decode::Offsets) => Decoder::Offsets,
        Some(Decode::Metadata) => Decoder::Metadata,
        // Snapshots of metadata lie beside its log, and one above all partitions.
        None if path.extension().is_some_and(|ending| ending == "checkpoint") => Decoder::Metadata,
        None => Decoder::for_topic(files::topic_of(path).as_deref()),
    }
}
