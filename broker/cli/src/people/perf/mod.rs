//! `millrace perf`: loads for any broker that speaks the protocol, and what they tell. The generator is
//! open: a record is due when the rate says so, whatever the broker does, and latencies count from then.

mod consume;
mod end_to_end;
mod histogram;
mod pace;
mod payload;
mod produce;
mod receiving;
mod report;
mod sending;
mod stamp;
mod topic;

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::Common;
use super::failure::Failure;
use super::screen::{OutputArgs, Screen};
use crate::signals::Signals;

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// `millrace perf`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct PerfArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: PerfCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum PerfCommand {
    /// Send records, at a rate or as fast as it goes, and show throughput and latencies
    Produce(produce::ProduceArgs),
    /// Read records as fast as it goes, and show the throughput
    Consume(consume::ConsumeArgs),
    /// Send records at a rate and read them, and show how long they took from one end to the other
    #[command(alias = "e2e")]
    EndToEnd(end_to_end::EndToEndArgs),
}

impl PerfArgs {
    /// How results are to look.
    pub(super) fn output(&self) -> OutputArgs {
        self.common.output.clone()
    }
}

/// Runs the command.
pub(super) async fn run(args: PerfArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let connection = &args.common.connection;
    match args.command {
        PerfCommand::Produce(args) => produce::run(connection, &args, screen).await,
        PerfCommand::Consume(args) => consume::run(connection, &args, screen).await,
        PerfCommand::EndToEnd(args) => end_to_end::run(connection, &args, screen).await,
    }
}

/// Looks at `position` until it is `None`, the end, and shows it. Calls `stop` at the first signal; the
/// second one ends the command.
async fn watch(
    screen: &mut Screen<'_>,
    bar: &ProgressBar,
    position: impl Fn() -> Option<u64>,
    stop: impl Fn(),
) -> Result<(), Failure> {
    let mut signals = Signals::new(screen.io().takes_signals);
    let mut is_stopping = false;
    while let Some(position) = position() {
        bar.set_position(position);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            status = signals.next() => {
                if is_stopping {
                    return Err(Failure::interrupted(status));
                }
                is_stopping = true;
                stop();
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// A rate or a count as people type it: `50000`, `50k`, `1.5m`.
fn amount(text: &str) -> Result<u64, String> {
    let refused = || format!("'{text}' is no amount: try 50000, 50k or 1.5m");
    let lower = text.trim().to_ascii_lowercase().replace('_', "");
    let (number, factor) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(number) if lower.ends_with('k') => (number, 1e3),
        Some(number) if lower.ends_with('m') => (number, 1e6),
        Some(number) => (number, 1e9),
        None => (lower.as_str(), 1.0),
    };
    let amount = number.parse::<f64>().map_err(|_| refused())? * factor;
    if (1.0..1e15).contains(&amount) { Ok(amount as u64) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let cases = [("1", 1), ("50k", 50_000), ("1.5M", 1_500_000), ("1_000", 1000), ("2g", 2_000_000_000)];
        for (text, expected) in cases {
            assert_eq!(amount(text), Ok(expected), "{text}");
        }
        for bad in ["", "0", "-1", "x", "k", "nan", "inf"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }
}
