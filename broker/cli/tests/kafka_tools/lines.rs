//! What a tool answered, and what of it may differ between two runs.

use std::collections::BTreeSet;
use std::fmt;

use regex::Regex;

/// How a tool ended and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its exit status.
    pub(crate) status: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  exit {}", self.status)?;
        for (name, text) in [("out", &self.out), ("err", &self.err)] {
            for line in text.split_inclusive('\n') {
                writeln!(f, "  {name}| {}", line.replace('\t', "\\t").replace('\n', "\\n"))?;
            }
        }
        Ok(())
    }
}

/// Numbers that no two runs share, and Java's call stacks, which have no lines here.
const VARYING: &[(&str, &str)] = &[
    (r"(?m)^\s+(at [\w.$/<>-]+\(.*\)|\.\.\. \d+ (more|common frames omitted))\n", ""),
    (r"clientId=(admin|adminclient)-\d+", "clientId=$1-N"),
    (r"correlation id \d+", "correlation id N"),
    (r"TopicId: [\w-]{22}", "TopicId: ID"),
    (r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]", "[TIME]"),
    (
        r"[\d.]+ records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency",
        "R records/sec (M MB/sec), A ms avg latency, X ms max latency",
    ),
    (r"\d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99.9th", "A ms 50th, B ms 95th, C ms 99th, D ms 99.9th"),
    (
        r"(?m)^\d{4}-\d\d-\d\d [\d:]{12}, \d{4}-\d\d-\d\d [\d:]{12}, ([\d.]+), [\d.]+, (\d+), [\d.]+, \d+, -?\d+, -?[\d.]+, -?[\d.]+$",
        "START, END, $1, R, $2, R, MS, MS, R, R",
    ),
    (
        r"(?m)^\d{4}, \d{4}, ([\d.]+), [\d.]+, (\d+), [\d.]+, \d+, -?\d+, -?[\d.]+, -?[\d.]+$",
        "YEAR, YEAR, $1, R, $2, R, MS, MS, R, R",
    ),
    // The padding behind it depends on its length.
    (r"perf-consumer-\d{1,5}\) *", "perf-consumer-N) "),
    (r"(console-consumer|perf-consumer)-\d{1,5}\b", "$1-N"),
    (r"CreateTime:\d{13}", "CreateTime:N"),
    (r"LogAppendTime:\d{13}", "LogAppendTime:N"),
    (r#"Timestamp":\d{13}"#, "Timestamp\":N"),
];

impl Answer {
    /// The answer without what varies.
    pub(crate) fn comparable(&self) -> Self {
        let plain = |text: &str| {
            let text = VARYING.iter().fold(text.to_owned(), |text, (pattern, name)| {
                Regex::new(pattern).unwrap().replace_all(&text, *name).into_owned()
            });
            in_one_order(&tried_once(&text))
        };
        Self { status: self.status, out: plain(&self.out), err: plain(&self.err) }
    }
}

/// How often a client tries to connect is a matter of clocks: of the lines about that, one of each is left.
fn tried_once(text: &str) -> String {
    let mut seen = BTreeSet::new();
    let is_try = |line: &str| line.contains("could not be established") || line.contains("Bootstrap broker");
    text.split_inclusive('\n').filter(|line| !is_try(line) || seen.insert(line.to_owned())).collect()
}

/// Java walks its unmodifiable sets and maps, and sets of enum constants, in an order that differs from one
/// JVM to the next: what comes out of those is sorted.
fn in_one_order(text: &str) -> String {
    let list = Regex::new(r"(Valid (?:states|types) are: )(.*)").unwrap();
    let text = list.replace_all(text, |found: &regex::Captures<'_>| {
        let mut names: Vec<&str> = found[2].split(", ").collect();
        names.sort_unstable();
        format!("{}{}", &found[1], names.join(", "))
    });
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    for run in lines.chunk_by_mut(|one, next| [one, next].iter().all(|line| line.starts_with("partition: ")))
    {
        run.sort_unstable();
    }
    lines.concat()
}
