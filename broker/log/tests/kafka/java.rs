//! Starts Java with Kafka's jars, which `tests/setup --env` names in `MILLRACE_KAFKA_LIBS`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::logs::Bench;

const LEFT_OUT: &str = "left out: MILLRACE_KAFKA_LIBS names no directory (eval \"$(tests/setup --env)\")\n";

/// `LogOracle`, compiled once for all tests.
static CLASSES: OnceLock<tempfile::TempDir> = OnceLock::new();

fn compile(libs: &str) -> tempfile::TempDir {
    let classes = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/LogOracle.java");
    let class_path = format!("{libs}/*");
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-cp", &class_path, "-d"]).arg(classes.path()).arg(source);
    let output = javac.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    classes
}

/// A Java that can run Kafka's classes.
pub(crate) struct Java {
    class_path: String,
}

/// What `DumpLogSegments` printed, and what it had to object.
pub(crate) struct Dump {
    pub(crate) output: String,
    pub(crate) complaints: Vec<String>,
}

impl Java {
    /// `None`, with a line that says so, where Kafka's jars are not installed. In CI they have to be.
    pub(crate) fn find() -> Option<Self> {
        match std::env::var("MILLRACE_KAFKA_LIBS") {
            Ok(libs) if Path::new(&libs).is_dir() => {
                let classes = CLASSES.get_or_init(|| compile(&libs));
                Some(Self { class_path: format!("{libs}/*:{}", classes.path().display()) })
            }
            found => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "MILLRACE_KAFKA_LIBS names no directory in CI: {found:?}"
                );
                // Not by a macro: the harness would keep it to itself.
                let _ = std::io::stderr().write_all(LEFT_OUT.as_bytes());
                None
            }
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = Command::new("java").arg("-cp").arg(&self.class_path).args(args).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "java {args:?}: {}\n{out}\n{err}", output.status);
        output
    }

    /// Runs `LogOracle.java` and returns its lines.
    pub(crate) fn oracle(&self, args: &[&str]) -> String {
        let output = self.run(&[&["LogOracle"], args].concat());
        String::from_utf8(output.stdout).unwrap()
    }

    /// What Kafka's log finds after a clean stop, and what it recovers when nothing is known to be durable.
    /// In copies: opening may change files.
    pub(crate) fn read(&self, bench: &Bench) -> (String, String) {
        let (clean, unclean) = (bench.copy(), bench.copy());
        let end = bench.end_offset().to_string();
        let both = self.oracle(&["read", &clean.dir_text(), &end, &unclean.dir_text()]);
        let (clean, unclean) = both.split_once("---\n").unwrap();
        (clean.to_owned(), unclean.to_owned())
    }

    /// Runs `kafka.tools.DumpLogSegments` on all files of a partition.
    pub(crate) fn dump(&self, dir: &Path, options: &[&str]) -> Dump {
        let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let extension = path.extension().and_then(|extension| extension.to_str());
                extension
                    .is_some_and(|extension| ["log", "index", "timeindex", "snapshot"].contains(&extension))
            })
            .collect();
        files.sort();
        assert!(files.len() > 3, "{files:?}");
        let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
        let files = files.join(",");
        let output = self.run(&[&["kafka.tools.DumpLogSegments", "--files", &files], options].concat());
        let complaints = String::from_utf8(output.stderr).unwrap();
        let complaints =
            complaints.lines().filter(|line| !line.starts_with("SLF4J") && !line.trim().is_empty());
        Dump {
            output: String::from_utf8(output.stdout).unwrap(),
            complaints: complaints.map(str::to_owned).collect(),
        }
    }
}
