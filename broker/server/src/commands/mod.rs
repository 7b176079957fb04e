//! What the program was called for: the broker, its configuration, or a tool.

mod config;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use millrace_cli::{Io, PeopleCommand};

/// A message log that speaks the Kafka wire protocol.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a broker
    Serve(serve::Serve),
    /// Explain the settings of brokers and topics
    Config(config::Config),
    #[command(flatten)]
    People(PeopleCommand),
}

/// Runs the program with its arguments, the first of which is the name it was called by. Exit status
/// 0 is success, 1 a failure, 2 a wrong command line or configuration.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let matches = match Arguments::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody reads what a closed pipe swallows.
            let _closed = error.print().is_err();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match Arguments::from_arg_matches(&matches) {
        Ok(Arguments { command: Command::Serve(serve) }) => serve.run(),
        Ok(Arguments { command: Command::Config(config) }) => config.run(),
        Ok(Arguments { command: Command::People(people) }) => {
            people.run(Arguments::command(), &mut Io::standard()).into()
        }
        Err(error) => {
            let _closed = error.print().is_err();
            ExitCode::from(2)
        }
    }
}
