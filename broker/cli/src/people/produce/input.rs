//! Where the lines come from: standard input or files, read by a thread of its own, since reading may
//! block for as long as a person thinks.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::people::failure::Failure;

/// Lines that are read ahead.
const LINES_AHEAD: usize = 1024;
/// Longest line, in bytes: no broker takes a larger record.
const LINE_BYTES_MAX: u64 = 1 << 30;
/// Bytes read at once from a file.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where in which input.
#[derive(Debug, Clone)]
pub(super) struct Place {
    input: Arc<str>,
    line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.input, self.line)
    }
}

/// A line, or a whole input.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    /// Without its line end.
    pub(super) bytes: Vec<u8>,
    /// With its line end.
    pub(super) bytes_read: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Input {
    items: mpsc::Receiver<Result<Item, Failure>>,
}

impl Input {
    /// Starts to read `standard`, or the files. `whole` makes one item of each.
    pub(super) fn start(standard: Option<Box<dyn BufRead + Send>>, files: Vec<PathBuf>, whole: bool) -> Self {
        let (sender, items) = mpsc::channel(LINES_AHEAD);
        // Not joined: it ends when nobody takes its lines, or with the process where a read blocks.
        std::thread::spawn(move || {
            let reader = Reader { sender, whole };
            if let Some(standard) = standard {
                reader.read("standard input", standard);
                return;
            }
            for path in files {
                let name = path.display().to_string();
                match File::open(&path) {
                    Ok(file) => {
                        if !reader.read(&name, BufReader::with_capacity(BUFFER_BYTES, file)) {
                            return;
                        }
                    }
                    Err(error) => {
                        reader.fail(&path, &error);
                        return;
                    }
                }
            }
        });
        Self { items }
    }

    /// The next line; `None` at the end of the last input.
    pub(super) async fn next(&mut self) -> Option<Result<Item, Failure>> {
        self.items.recv().await
    }
}

/// Bytes of all files together.
pub(super) fn total_bytes(files: &[PathBuf]) -> Result<u64, Failure> {
    let mut total = 0;
    for path in files {
        total += path.metadata().map_err(|error| Failure::file(path, &error))?.len();
    }
    Ok(total)
}

struct Reader {
    sender: mpsc::Sender<Result<Item, Failure>>,
    whole: bool,
}

impl Reader {
    /// Reads one input to its end; says whether anybody wants the next.
    fn read(&self, name: &str, mut input: impl BufRead) -> bool {
        let mut place = Place { input: Arc::from(name), line: 0 };
        loop {
            place.line += 1;
            let mut bytes = Vec::new();
            match self.read_one(&mut input, &mut bytes) {
                Ok(0) => return true,
                Ok(bytes_read) if bytes_read > LINE_BYTES_MAX => {
                    let long = Failure::new(format!("{place}: longer than {LINE_BYTES_MAX} bytes"));
                    let _nobody_waits = self.sender.blocking_send(Err(long)).is_err();
                    return false;
                }
                Ok(bytes_read) => {
                    if !self.whole {
                        trim_line_end(&mut bytes);
                    }
                    let item = Item { place: place.clone(), bytes, bytes_read };
                    if self.sender.blocking_send(Ok(item)).is_err() {
                        return false;
                    }
                }
                Err(error) => {
                    self.fail(Path::new(name), &error);
                    return false;
                }
            }
        }
    }

    fn read_one(&self, input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<u64> {
        let mut limited = io::Read::take(input, LINE_BYTES_MAX + 1);
        let read = if self.whole {
            io::Read::read_to_end(&mut limited, bytes)?
        } else {
            limited.read_until(b'\n', bytes)?
        };
        Ok(read as u64)
    }

    fn fail(&self, path: &Path, error: &io::Error) {
        let _nobody_waits = self.sender.blocking_send(Err(Failure::file(path, error))).is_err();
    }
}

fn trim_line_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &'static [u8], whole: bool) -> Vec<(String, Vec<u8>, u64)> {
        let mut input = Input::start(Some(Box::new(text)), Vec::new(), whole);
        let mut items = Vec::new();
        while let Some(item) = input.items.blocking_recv() {
            let item = item.unwrap();
            items.push((item.place.to_string(), item.bytes, item.bytes_read));
        }
        items
    }

    #[test]
    fn lines_come_without_their_ends() {
        assert_eq!(
            items(b"a\r\n\nb", false),
            [
                ("standard input:1".to_owned(), b"a".to_vec(), 3),
                ("standard input:2".to_owned(), b"".to_vec(), 1),
                ("standard input:3".to_owned(), b"b".to_vec(), 1),
            ]
        );
        assert_eq!(items(b"", false), []);
    }

    #[test]
    fn a_whole_input_is_one_item() {
        assert_eq!(items(b"a\nb\n", true), [("standard input:1".to_owned(), b"a\nb\n".to_vec(), 4)]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = PathBuf::from("no/such/file");
        assert_eq!(total_bytes(&[missing]).unwrap_err().message(), "no/such/file: No such file or directory");
    }
}
