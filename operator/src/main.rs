//! The binary: arguments, logging, and the command that was asked for.

use std::process::ExitCode;

use clap::Parser;
use millrace_operator::commands::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("millrace-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
