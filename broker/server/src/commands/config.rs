//! `millrace config list|explain`: the table of settings, for people and programs.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::{explain, list};

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All settings with their defaults
    List {
        /// Settings of topics instead of brokers
        #[arg(long)]
        topic: bool,
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Everything about one setting
    Explain {
        /// Its name, such as log.retention.ms
        key: String,
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Config {
    pub(super) fn run(self) -> ExitCode {
        let text = match self.action {
            Action::List { topic, output } => list(topic, output == Output::Json),
            Action::Explain { key, output } => match explain(&key, output == Output::Json) {
                Ok(text) => text,
                Err(reason) => {
                    eprintln!("error: {reason}");
                    return ExitCode::from(2);
                }
            },
        };
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            // `millrace config list | head` is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
