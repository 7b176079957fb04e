//! Where a command reads from and writes to: the process's streams, or memory in tests.
//!
//! A write that fails is remembered and never panics: a reader that went away (`| head`) ends a command
//! through [`Io::is_broken`], as it ends Kafka's tools.

use std::io::{BufRead, BufReader, BufWriter, Cursor, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes kept before they are written out.
const BUFFER_BYTES: usize = 64 * 1024;

/// The three streams of a command.
pub struct Io {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Option<Box<dyn BufRead + Send>>,
    broken: bool,
    /// Standard output is a terminal: colours and progress bars are welcome.
    pub is_terminal: bool,
    /// Standard input and output are a terminal: a prompt is welcome.
    pub is_interactive: bool,
    /// Signals end the command; otherwise it ends by itself.
    pub takes_signals: bool,
}

impl std::fmt::Debug for Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Io").field("is_terminal", &self.is_terminal).finish_non_exhaustive()
    }
}

impl Io {
    /// The process's own streams.
    #[must_use]
    pub fn standard() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            out: Box::new(BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout())),
            err: Box::new(std::io::stderr()),
            input: Some(Box::new(BufReader::with_capacity(BUFFER_BYTES, std::io::stdin()))),
            broken: false,
            is_terminal,
            is_interactive: is_terminal && std::io::stdin().is_terminal(),
            takes_signals: true,
        }
    }

    /// Streams in memory: `input` is read, what is written can be had from the second value.
    #[must_use]
    pub fn captured(input: &[u8]) -> (Self, Captured) {
        let captured = Captured::default();
        let io = Self {
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            input: Some(Box::new(Cursor::new(input.to_vec()))),
            broken: false,
            is_terminal: false,
            is_interactive: false,
            takes_signals: false,
        };
        (io, captured)
    }

    /// Takes standard input, once.
    pub fn take_input(&mut self) -> Box<dyn BufRead + Send> {
        self.input.take().unwrap_or_else(|| Box::new(Cursor::new(Vec::new())))
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    /// What reading fails with.
    pub fn read_input(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        self.take_input().read_to_string(&mut text)?;
        Ok(text)
    }

    /// Writes to standard output.
    pub fn print(&mut self, text: impl AsRef<[u8]>) {
        if self.out.write_all(text.as_ref()).is_err() {
            self.broken = true;
        }
    }

    /// Writes a line to standard output.
    pub fn line(&mut self, text: impl AsRef<[u8]>) {
        self.print(text);
        self.print("\n");
    }

    /// Writes to standard error, after what was written to standard output before.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.flush();
        if self.err.write_all(text.as_ref()).is_err() {
            self.broken = true;
        }
    }

    /// Writes a line to standard error.
    pub fn error_line(&mut self, text: impl AsRef<[u8]>) {
        let mut line = text.as_ref().to_vec();
        line.push(b'\n');
        self.error(line);
    }

    /// Hands everything written so far to the reader.
    pub fn flush(&mut self) {
        if self.out.flush().is_err() {
            self.broken = true;
        }
    }

    /// Whether a write failed: nobody reads any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

/// What a command with streams in memory has written.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    out: SharedBuffer,
    err: SharedBuffer,
}

impl Captured {
    /// Standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[derive(Debug, Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
