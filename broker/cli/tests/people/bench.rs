//! Runs commands as a user would type them, on brokers that are started once.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use clap::{CommandFactory, Parser};
use millrace_cli::{Io, PeopleCommand, misuse_json};
use millrace_tests::{Kafka, Millrace, places};
use serde_json::Value;

/// The program's tree, as far as people's commands go.
#[derive(Debug, Parser)]
#[command(name = "millrace")]
struct Root {
    #[command(subcommand)]
    command: PeopleCommand,
}

/// What a command wrote, and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Standard output of a command that went well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    /// The same as JSON.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// The same as JSON, line by line.
    pub(crate) fn json_lines(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Standard error of a command that failed with this status.
    pub(crate) fn failed(self, status: u8) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.err
    }
}

/// Runs a command without a broker. Words are separated by blanks; `~` in a word stands for one.
pub(crate) fn millrace(line: &str, stdin: &[u8]) -> Answer {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    let words: Vec<_> = std::iter::once("millrace".to_owned()).chain(words).map(OsString::from).collect();
    let root = match Root::try_parse_from(&words) {
        Ok(root) => root,
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap();
            let err = misuse_json(&error, &words).unwrap_or_else(|| error.to_string());
            return Answer { status, out: String::new(), err };
        }
    };
    let (mut io, seen) = Io::captured(stdin);
    let status = root.command.run(Root::command(), &mut io);
    Answer { status, out: seen.out(), err: seen.err() }
}

/// A running broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) name: &'static str,
    address: String,
}

impl Broker {
    /// Runs a command on this broker.
    pub(crate) fn run(&self, line: &str) -> Answer {
        self.run_with(line, b"")
    }

    /// Runs a command on this broker, with standard input.
    pub(crate) fn run_with(&self, line: &str, stdin: &[u8]) -> Answer {
        millrace(&format!("{line} -b {}", self.address), stdin)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its directory of data, as it tells.
    pub(crate) fn data(&self) -> String {
        let dirs = self.run("cluster log-dirs -o json").json();
        dirs[0]["path"].as_str().unwrap().to_owned()
    }
}

/// The brokers, for as long as any test needs them.
#[derive(Debug)]
struct Brokers {
    brokers: Vec<Broker>,
    _kafka: Option<Kafka>,
    _millrace: Option<Millrace>,
}

static SHARED: Mutex<Weak<Brokers>> = Mutex::new(Weak::new());

/// Calls `test` with each broker.
pub(crate) fn each_broker(test: impl Fn(&Broker)) {
    let brokers = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.upgrade() {
            Some(brokers) => brokers,
            None => {
                let brokers = Arc::new(start());
                *shared = Arc::downgrade(&brokers);
                brokers
            }
        }
    };
    for broker in &brokers.brokers {
        println!("on {}", broker.name);
        test(broker);
    }
}

fn start() -> Brokers {
    let kafka = Kafka::start();
    if kafka.is_none() {
        places::left_out("people-on-kafka", "Kafka's jars are not there: run tests/setup");
    }
    let wanted = kafka.is_none() || std::env::var_os("MILLRACE_BIN").is_some();
    let millrace = wanted.then(|| Millrace::start(&[]));
    let addresses = [
        ("Kafka", kafka.as_ref().map(|broker| broker.address.to_string())),
        ("Millrace", millrace.as_ref().map(|broker| broker.address.to_string())),
    ];
    let named = |(name, address): (&'static str, Option<String>)| Some(Broker { name, address: address? });
    Brokers { brokers: addresses.into_iter().filter_map(named).collect(), _kafka: kafka, _millrace: millrace }
}
