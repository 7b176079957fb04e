//! What the program was called for: the broker, its configuration, a command for people, or one of
//! Kafka's tools by its name.

mod config;
mod serve;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use millrace_cli::{Io, PeopleCommand, Tool, misuse_json};

/// A message log that speaks the Kafka wire protocol
#[derive(Debug, Parser)]
#[command(name = "millrace", version, max_term_width = 100)]
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
/// 0 is success, 1 a failure, 2 a wrong command line or configuration; Kafka's tools have their own.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    // By the name of a link, or where there is no link: `millrace kafka-topics --list`.
    for (at, word) in arguments.iter().take(2).enumerate() {
        if let Some(tool) = Tool::from_program(&word.to_string_lossy()) {
            return run_tool(tool, &arguments[at + 1..]);
        }
    }
    let parsed = Arguments::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(Arguments { command: Command::Serve(serve) }) => serve.run(),
        Ok(Arguments { command: Command::Config(config) }) => config.run(),
        Ok(Arguments { command: Command::People(people) }) => {
            people.run(Arguments::command(), &mut Io::standard()).into()
        }
        Err(error) => {
            // Nobody reads what a closed pipe swallows.
            let _closed = match misuse_json(&error, &arguments) {
                Some(line) => writeln!(std::io::stderr(), "{line}").is_err(),
                None => error.print().is_err(),
            };
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Kafka's tools take their arguments as text, whatever bytes they are.
fn run_tool(tool: Tool, arguments: &[OsString]) -> ExitCode {
    let arguments: Vec<_> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    // Whoever makes records as fast as it can must not keep the client's own tasks from running.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut io = Io::standard();
    let status = runtime.block_on(millrace_cli::run_tool(tool, &arguments, &mut io));
    io.flush();
    status.into()
}
