//! The command line for people: `millrace topics`, `produce`, `consume`, `groups`, `configs`, `offsets`,
//! `cluster`, `logs`, `perf`, `completions`. Tables and colour on a terminal, JSON for programs, failures
//! with a hint; exit status 0 done, 1 failed, 2 misused.
//!
//! | file | is |
//! |---|---|
//! | `screen.rs`, `table.rs`, `failure.rs`, `misuse.rs`, `units.rs` | how results and failures look |
//! | `session.rs`, `position.rs`, `peek.rs`, `payload.rs` | what commands have in common |
//! | the rest | one command each |
//!
//! Kafka's own flags and output are `kafka`'s business.

mod cluster;
mod configs;
mod consume;
mod failure;
mod groups;
mod logs;
mod misuse;
mod offsets;
mod payload;
mod peek;
mod perf;
mod position;
mod produce;
mod screen;
mod session;
mod table;
mod topics;
mod units;

use std::future::Future;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use clap_complete::Shell;

use crate::io::Io;
pub use misuse::misuse_json;

use failure::Failure;
use screen::{OutputArgs, Screen};
use session::ConnectionArgs;

/// Options that every command of a cluster takes.
#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum Commands {
    /// Topics: list, describe, create, grow, delete
    Topics(topics::TopicsArgs),
    /// Write records to a topic: lines, or JSON, from standard input or files
    Produce(produce::ProduceArgs),
    /// Read records of topics
    Consume(consume::ConsumeArgs),
    /// Consumer groups: list, describe (lag in records and in time), reset, delete
    Groups(groups::GroupsArgs),
    /// Settings of topics and brokers: list, get, set, unset
    Configs(configs::ConfigsArgs),
    /// First and last offsets of topics, and offsets by time
    Offsets(offsets::OffsetsArgs),
    /// Brokers, controller, log directories, protocol versions
    Cluster(cluster::ClusterArgs),
    /// The files of partitions: show what is in them, without a broker
    Logs(logs::LogsArgs),
    /// Loads: measure throughput and latencies of any broker that speaks the protocol
    Perf(perf::PerfArgs),
    /// Write a shell's completions to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The commands for people, to be flattened into the program's own enumeration of subcommands.
#[derive(Debug, Clone)]
pub struct PeopleCommand(Commands);

impl PeopleCommand {
    /// Runs the command to its end on a runtime of its own and gives the exit status. `root` is the
    /// program's whole tree, which completions are made of.
    #[must_use]
    pub fn run(self, root: Command, io: &mut Io) -> u8 {
        let output = self.output();
        let mut screen = Screen::new(io, &output);
        let result = run(self.0, root, &mut screen);
        screen.io().flush();
        if screen.io().is_broken() {
            // Whoever read the output has seen enough.
            return 0;
        }
        match result {
            Ok(()) => 0,
            Err(failure) => {
                if !failure.message().is_empty() {
                    screen.fail(&failure);
                }
                failure.status()
            }
        }
    }

    fn output(&self) -> OutputArgs {
        match &self.0 {
            Commands::Topics(args) => args.common.output.clone(),
            Commands::Produce(args) => args.common.output.clone(),
            Commands::Consume(args) => args.common.output.clone(),
            Commands::Groups(args) => args.common.output.clone(),
            Commands::Configs(args) => args.common.output.clone(),
            Commands::Offsets(args) => args.common.output.clone(),
            Commands::Cluster(args) => args.common.output.clone(),
            Commands::Logs(args) => args.output.clone(),
            Commands::Perf(args) => args.output(),
            Commands::Completions { .. } => OutputArgs::default(),
        }
    }
}

fn run(command: Commands, root: Command, screen: &mut Screen<'_>) -> Result<(), Failure> {
    match command {
        Commands::Topics(args) => wait(topics::run(args, screen)),
        Commands::Produce(args) => wait(produce::run(args, screen)),
        Commands::Consume(args) => wait(consume::run(args, screen)),
        Commands::Groups(args) => wait(groups::run(args, screen)),
        Commands::Configs(args) => wait(configs::run(args, screen)),
        Commands::Offsets(args) => wait(offsets::run(args, screen)),
        Commands::Cluster(args) => wait(cluster::run(args, screen)),
        Commands::Logs(args) => logs::run(args, screen),
        Commands::Perf(args) => wait(perf::run(args, screen)),
        Commands::Completions { shell } => {
            complete(shell, root, screen);
            Ok(())
        }
    }
}

/// Runs a future of this command. One thread suffices to ask and to show.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?.block_on(work)
}

fn complete(shell: Shell, mut root: Command, screen: &mut Screen<'_>) {
    let name = root.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut root, name, &mut script);
    screen.io().print(script);
}

/// Shows all failures but the last, which is given back.
fn all_or_last_failure<T>(
    results: impl IntoIterator<Item = Result<T, Failure>>,
    screen: &mut Screen<'_>,
) -> (Vec<T>, Result<(), Failure>) {
    let (mut done, mut last) = (Vec::new(), Ok(()));
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(failure) => {
                if let Err(before) = std::mem::replace(&mut last, Err(failure)) {
                    screen.fail(&before);
                }
            }
        }
    }
    (done, last)
}

impl FromArgMatches for PeopleCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Commands::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Subcommand for PeopleCommand {
    fn augment_subcommands(command: Command) -> Command {
        Commands::augment_subcommands(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Commands::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Commands::has_subcommand(name)
    }
}
