//! Kafka's own tools: a JVM that runs them one after the other (`tests/oracle/ToolDriver.java`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use millrace_cli::Tool;

use crate::lines::Answer;

/// The JVM; it ends when its standard input closes, so with this value or with the test's process.
pub(crate) struct Oracle {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The class behind a name.
pub(crate) fn class(tool: Tool) -> &'static str {
    match tool {
        Tool::Topics => "org.apache.kafka.tools.TopicCommand",
        Tool::ConsoleProducer => "org.apache.kafka.tools.ConsoleProducer",
        Tool::ConsoleConsumer => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        Tool::ConsumerGroups => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        Tool::Configs => "kafka.admin.ConfigCommand",
        Tool::GetOffsets => "org.apache.kafka.tools.GetOffsetShell",
        Tool::DeleteRecords => "org.apache.kafka.tools.DeleteRecordsCommand",
        Tool::BrokerApiVersions => "org.apache.kafka.tools.BrokerApiVersionsCommand",
        Tool::ProducerPerf => "org.apache.kafka.tools.ProducerPerformance",
        Tool::ConsumerPerf => "org.apache.kafka.tools.ConsumerPerformance",
    }
}

impl Oracle {
    /// Compiles the driver and starts it.
    pub(crate) fn start(libs: &Path) -> Self {
        let mut child = java(libs, compiled(libs))
            .arg("ToolDriver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, requests, answers }
    }

    /// Runs a tool to its end.
    pub(crate) fn run(&mut self, tool: Tool, arguments: &[String], stdin: &[u8]) -> Answer {
        let mut words = vec![hex(class(tool).as_bytes()), hex(stdin)];
        words.extend(arguments.iter().map(|argument| hex(argument.as_bytes())));
        let requests = self.requests.as_mut().unwrap();
        requests.write_all(format!("{}\n", words.join(" ")).as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let words: Vec<&str> = answer.split_whitespace().collect();
        let [status, out, err] = words[..] else { panic!("the driver answered {answer:?}") };
        Answer { status: status.parse().unwrap(), out: text(out), err: text(err) }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.requests.take());
        self.child.wait().unwrap();
    }
}

/// A command that runs a class with Kafka's jars and the driver's classes, which log as a distribution does.
pub(crate) fn java(libs: &Path, classes: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"]);
    command.arg(format!("{}:{}/*", classes.display(), libs.display()));
    command
}

/// The driver's classes, compiled once into the build's scratch directory.
pub(crate) fn compiled(libs: &Path) -> &'static Path {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
        let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
        let mut command = Command::new("javac");
        command.args(["-nowarn", "-d"]).arg(&classes).arg("-cp").arg(format!("{}/*", libs.display()));
        command
            .args([sources.join("ToolDriver.java"), sources.join("org/slf4j/impl/StaticLoggerBinder.java")]);
        let compiled = command.output().unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        classes
    })
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

fn text(word: &str) -> String {
    let digits = if word == "-" { "" } else { word };
    let bytes: Vec<u8> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
