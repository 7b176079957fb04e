//! What a broker answers to requests that are wrong, case by case, held against what Apache Kafka answers.
//!
//! `answers.txt` has a line for each case. It was written by Kafka: `MILLRACE_BLESS=1 cargo test -p millrace-tests
//! kafka_answers` does it again. Where Millrace says something else on purpose the case is not here: strings that are
//! not UTF-8 (Kafka replaces what it cannot read, Millrace closes the connection), null records (Kafka never answers),
//! codecs, configuration operations and byte counts that mean nothing (Kafka answers UNKNOWN_SERVER_ERROR).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use millrace_protocol::ErrorCode;
use millrace_tests::{Connection, Kafka, Millrace, places, records};

mod configs;
mod fetches;
mod groups;
mod idempotence;
mod produces;
mod protocol;
mod quorum;
mod rebalances;
mod topics;

/// What a case does and sees, on a connection of its own.
type Case = (&'static str, fn(&mut Connection) -> String);

/// A topic of two partitions; the first holds `PRESENT_RECORDS` records in two batches.
const PRESENT: &str = "present";
const PRESENT_RECORDS: i64 = 10;

/// A broker that says nothing for so long will not.
const PATIENCE: Duration = Duration::from_secs(2);

fn cases() -> impl Iterator<Item = &'static Case> {
    let tables = [
        protocol::CASES,
        topics::CASES,
        topics::GROWTH,
        produces::CASES,
        idempotence::CASES,
        fetches::CASES,
        groups::CASES,
        rebalances::CASES,
        configs::CASES,
        quorum::CASES,
    ];
    tables.into_iter().flatten()
}

/// Runs every case on a broker; returns the answers by the cases' names.
fn ask_all(address: SocketAddr) -> BTreeMap<&'static str, String> {
    prepare(&mut Connection::open(address));
    let mut answers = BTreeMap::new();
    for (name, case) in cases() {
        let mut connection = Connection::open(address);
        let answer = std::panic::catch_unwind(AssertUnwindSafe(|| case(&mut connection)));
        let answer = answer.unwrap_or_else(|_| "no answer, and a panic of the case".to_owned());
        assert!(answers.insert(*name, answer).is_none(), "{name} stands twice");
    }
    answers
}

fn prepare(connection: &mut Connection) {
    assert_eq!(topics::create(connection, PRESENT, 2, 1), "NONE");
    for _ in 0..2 {
        let five = records::batch(&[b"a", b"b", b"c", b"d", b"e"]);
        assert_eq!(records::produce(connection, PRESENT, five).error_code, ErrorCode::NONE);
    }
}

/// A code, and the text that came with it.
fn shown(code: ErrorCode, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{code:?}: {message}"),
        None => format!("{code:?}"),
    }
}

fn file() -> PathBuf {
    places::repository().join("tests/tests/broker/answers.txt")
}

/// The file as its lines, by name.
fn expected() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file()).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(" => "));
    lines.map(|(name, answer)| (name.to_owned(), answer.to_owned())).collect()
}

fn compare(answers: &BTreeMap<&str, String>) {
    let mut differences = String::new();
    let mut expected = expected();
    for (name, answer) in answers {
        match expected.remove(*name) {
            Some(wanted) if wanted == *answer => {}
            Some(wanted) => writeln!(differences, "{name}\n  Kafka: {wanted}\n   here: {answer}").unwrap(),
            None => writeln!(differences, "{name}\n  is not in answers.txt: {answer}").unwrap(),
        }
    }
    for name in expected.keys() {
        writeln!(differences, "{name}\n  is in answers.txt, and no case").unwrap();
    }
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn millrace_answers_as_kafka_does() {
    let broker = Millrace::start(&[]);
    compare(&ask_all(broker.address));
}

/// Holds the file against Kafka itself, or writes it.
#[test]
fn kafka_answers_what_the_file_says() {
    let Some(kafka) = Kafka::start() else {
        places::left_out("answers-of-kafka", "Kafka's jars are not there; tests/setup installs them");
        return;
    };
    let answers = ask_all(kafka.address);
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        let lines: String = answers.iter().map(|(name, answer)| format!("{name} => {answer}\n")).collect();
        std::fs::write(file(), lines).unwrap();
    }
    compare(&answers);
}
