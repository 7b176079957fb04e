//! What a command shows, and how: tables or JSON on standard output, failures, notes and progress on
//! standard error. Decides about colour once. Knows nothing of clusters.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use owo_colors::{OwoColorize, Style};
use serde::Serialize;

use super::failure::Failure;
use super::table::Table;
use super::units;
use crate::io::Io;

/// Redraws of a progress bar in a second, at most.
const REDRAWS_PER_SECOND: u8 = 8;

/// How results look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Wherever the output goes.
    Always,
    /// Nowhere.
    Never,
}

/// How a command is to show its results.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OutputArgs {
    /// How results look
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "table", global = true)]
    #[arg(help_heading = "Output")]
    pub(crate) output: Format,
    /// When to use colour; NO_COLOR is respected
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", global = true)]
    #[arg(help_heading = "Output")]
    pub(crate) color: Colour,
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    fn with<'a>(self, text: &'a str, style: Style) -> Cow<'a, str> {
        if self.0 { Cow::Owned(text.style(style).to_string()) } else { Cow::Borrowed(text) }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> Cow<'_, str> {
        self.with(text, Style::new().bold())
    }

    /// Of little interest.
    pub(crate) fn faint(self, text: &str) -> Cow<'_, str> {
        self.with(text, Style::new().dimmed())
    }

    /// What something is called.
    pub(crate) fn name(self, text: &str) -> Cow<'_, str> {
        self.with(text, Style::new().cyan())
    }

    /// Worth a look.
    pub(crate) fn warn(self, text: &str) -> Cow<'_, str> {
        self.with(text, Style::new().yellow())
    }

    /// Wrong.
    pub(crate) fn bad(self, text: &str) -> Cow<'_, str> {
        self.with(text, Style::new().red().bold())
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    io: &'a mut Io,
    format: Format,
    paint: Paint,
    error_paint: Paint,
    error_is_terminal: bool,
}

impl<'a> Screen<'a> {
    /// Shows on `io` what `args` ask for.
    pub(crate) fn new(io: &'a mut Io, args: &OutputArgs) -> Self {
        // Streams in memory take no signals: only the process's own standard error is asked.
        let error_is_terminal = io.takes_signals && std::io::stderr().is_terminal();
        let welcome = |is_terminal: bool| match args.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && environment_allows_colour(),
        };
        let (paint, error_paint) = (Paint(welcome(io.is_terminal)), Paint(welcome(error_is_terminal)));
        Self { format: args.output, paint, error_paint, error_is_terminal, io }
    }

    /// Whether results are for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Colours for standard output.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Whether results go to a terminal.
    pub(crate) fn shows_on_terminal(&self) -> bool {
        self.io.is_terminal
    }

    /// The streams.
    pub(crate) fn io(&mut self) -> &mut Io {
        self.io
    }

    /// A result: as JSON, or as the table that `table` makes of it.
    pub(crate) fn show<T: Serialize + ?Sized>(&mut self, value: &T, table: impl FnOnce(&T) -> Table) {
        if self.is_json() {
            self.json(value);
        } else {
            self.table(&table(value));
        }
    }

    /// A table.
    pub(crate) fn table(&mut self, table: &Table) {
        self.io.print(table.render(self.paint.0));
    }

    /// A value as indented JSON.
    pub(crate) fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.io.line(text),
            Err(error) => self.fail(&Failure::new(error.to_string())),
        }
    }

    /// A value as one line of JSON.
    pub(crate) fn json_line<T: Serialize + ?Sized>(&mut self, value: &T) {
        match serde_json::to_string(value) {
            Ok(text) => self.io.line(text),
            Err(error) => self.fail(&Failure::new(error.to_string())),
        }
    }

    /// A line of a result.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.io.line(text.as_ref());
    }

    /// `name   value` lines of a result, the values below one another.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            let name = format!("{name:width$}");
            let line = format!("{}  {value}", self.paint.bold(&name));
            self.line(line.trim_end());
        }
    }

    /// Something to know that is not part of the result.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        let line = match self.format {
            Format::Json => aside_json("note", text.as_ref()),
            Format::Table => self.error_paint.faint(text.as_ref()).into_owned(),
        };
        self.io.error_line(line);
    }

    /// Something that may be wrong.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        let line = match self.format {
            Format::Json => aside_json("warning", text.as_ref()),
            Format::Table => format!("{} {}", self.error_paint.warn("warning:"), text.as_ref()),
        };
        self.io.error_line(line);
    }

    /// A failure, with its hint.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        if self.is_json() {
            return self.io.error_line(failure_json(failure));
        }
        let mut text = format!("{} {}", self.error_paint.bad("error:"), failure.message());
        if let Some(hint) = failure.hint_text() {
            text.push_str(&format!("\n {} {hint}", self.error_paint.name("hint:")));
        }
        self.io.error_line(text);
    }

    /// Whether a person can be asked.
    pub(crate) fn is_interactive(&self) -> bool {
        self.io.is_interactive
    }

    /// Asks a person; without one, the failure says how to answer beforehand.
    pub(crate) fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !self.io.is_interactive {
            return Err(Failure::usage(format!("not without being sure: {question}"))
                .hint("nobody is here to ask; --yes answers beforehand"));
        }
        let question = format!("{} [y/N] ", self.error_paint.bold(question));
        self.io.error(question);
        let mut answer = String::new();
        let read = self.io.take_input().read_line(&mut answer);
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(Failure::new("nothing was changed")),
        }
    }

    /// A bar on standard error over `total` steps (or bytes), where there is a terminal to draw on.
    pub(crate) fn progress(&self, total: u64, unit: Unit) -> ProgressBar {
        if !self.error_is_terminal {
            return ProgressBar::hidden();
        }
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(unit.template()) {
            bar.set_style(style.with_key("rate", rate).progress_chars("━╸ "));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }

    /// A count without a known end, where there is a terminal to draw on.
    pub(crate) fn spinner(&self) -> ProgressBar {
        if !self.error_is_terminal {
            return ProgressBar::hidden();
        }
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos}  {rate}  {elapsed}") {
            bar.set_style(style.with_key("rate", rate));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

/// A failure for programs: `{"error": ..., "hint": ...}` in one line, the hint null where there is none.
pub(crate) fn failure_json(failure: &Failure) -> String {
    serde_json::json!({ "error": failure.message(), "hint": failure.hint_text() }).to_string()
}

/// A line beside the results, for programs that read standard error line by line.
fn aside_json(kind: &str, text: &str) -> String {
    serde_json::json!({ kind: text }).to_string()
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Records, or anything else there are many of.
    Things,
}

impl Unit {
    fn template(self) -> &'static str {
        match self {
            Self::Bytes => {
                "{bar:30.cyan/dim} {percent:>3}%  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left"
            }
            Self::Things => "{bar:30.cyan/dim} {percent:>3}%  {human_pos} of {human_len}  {rate}  {eta} left",
        }
    }
}

/// Steps in a second, without a fraction that nobody reads.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let _unseen = write!(out, "{}/s", units::grouped(state.per_sec() as u64)).is_err();
}

/// <https://no-color.org>, and terminals that cannot.
fn environment_allows_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn failures_carry_their_hint_and_fields_line_up() {
        let (mut io, seen) = Io::captured(b"");
        let mut screen = Screen::new(&mut io, &OutputArgs::default());
        screen.fields(&[("topic", "orders".to_owned()), ("partitions", "4".to_owned())]);
        screen.fail(&Failure::new("there is no topic 'ordesr'").hint("did you mean 'orders'?"));
        screen.io().flush();
        expect![[r#"
            topic       orders
            partitions  4
        "#]]
        .assert_eq(&seen.out());
        expect![[r#"
            error: there is no topic 'ordesr'
             hint: did you mean 'orders'?
        "#]]
        .assert_eq(&seen.err());
    }

    #[test]
    fn nobody_to_ask_means_no() {
        let (mut io, _) = Io::captured(b"y\n");
        let mut screen = Screen::new(&mut io, &OutputArgs::default());
        assert_eq!(screen.confirm("delete 'orders'?", false).unwrap_err().status(), 2);
        assert!(screen.confirm("delete 'orders'?", true).is_ok());
        screen.io().is_interactive = true;
        assert!(screen.confirm("delete 'orders'?", false).is_ok());
        assert!(screen.confirm("delete 'orders'?", false).is_err(), "the input is used up");
    }
}
