//! A command line that cannot be read, told as other failures are told: by clap to people, as JSON to
//! programs. Never prints, and never ends the program.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::failure::Failure;
use super::screen::failure_json;

/// What goes to standard error instead of clap's own text, where `arguments` ask for JSON. `None` where
/// clap's text is right: for people, for help and versions.
#[must_use]
pub fn misuse_json(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let told = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    (!told && asks_for_json(arguments)).then(|| failure_json(&failure(error)))
}

/// The arguments as they stand, since clap has given up on them.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let joined = |word: &str| matches!(word, "-ojson" | "-o=json" | "--output=json");
    words.iter().any(|word| joined(word))
        || words.windows(2).any(|pair| matches!(&*pair[0], "-o" | "--output") && pair[1] == "json")
}

fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // What went wrong stands in the first paragraph; below it are tips, the usage, and how to get help.
    let message = one_line(text.split("\n\n").next().unwrap_or(text));
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: ")).map(one_line);
    let usage = text.split("\n\n").find(|part| part.starts_with("Usage:")).map(one_line);
    let failure = Failure::usage(message);
    match tip.or(usage) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
