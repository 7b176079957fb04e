//! The command line of `kafka-producer-perf-test` (`ProducerPerformance.ConfigPostProcessor`).

use super::arguments::{Arguments, HELP, Refusal, Spec, Takes, Type};
use super::wrap::wrapped;
use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::Stop;
use crate::kafka::properties::{Properties, load};
use crate::kafka::throwable::Throwable;
use crate::kafka::usage::raw;

const fn option(flag: &'static str, takes: Takes) -> Spec {
    Spec { flag, takes, is_required: false, is_exclusive: false }
}

const fn required(flag: &'static str, takes: Takes) -> Spec {
    Spec { is_required: true, ..option(flag, takes) }
}

const fn exclusive(flag: &'static str, takes: Takes) -> Spec {
    Spec { is_exclusive: true, ..option(flag, takes) }
}

const SPECS: &[Spec] = &[
    option(HELP, Takes::Nothing),
    required("--topic", Takes::One(Type::String)),
    required("--num-records", Takes::One(Type::Long)),
    exclusive("--record-size", Takes::One(Type::Integer)),
    exclusive("--payload-file", Takes::One(Type::String)),
    exclusive("--payload-monotonic", Takes::Nothing),
    option("--payload-delimiter", Takes::One(Type::String)),
    required("--throughput", Takes::One(Type::Double)),
    option("--producer-props", Takes::Many),
    option("--producer.config", Takes::One(Type::String)),
    option("--print-metrics", Takes::Nothing),
    option("--transactional-id", Takes::One(Type::String)),
    option("--transaction-duration-ms", Takes::One(Type::Long)),
];

/// What the records carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// So many random letters.
    Random(usize),
    /// One of the texts in this file, at random, separated by this.
    File(String, String),
    /// The record's number.
    Monotonic,
}

/// What to send, and how fast.
#[derive(Debug)]
pub(super) struct Request {
    /// Where to.
    pub(super) topic: String,
    /// How many.
    pub(super) records: u64,
    /// What they carry.
    pub(super) payload: Payload,
    /// Most records a second; negative for no limit.
    pub(super) throughput: f64,
    /// Of the producer.
    pub(super) producer: Properties,
    /// Print a table of figures at the end.
    pub(super) with_metrics: bool,
}

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Request, Stop> {
    if arguments.is_empty() {
        io.print(raw(Tool::ProducerPerf));
        return Err(Stop::Exit(0));
    }
    let parsed = Arguments::parse(SPECS, arguments).map_err(|refusal| refuse(&refusal, io))?;
    check(&parsed).map_err(|message| refuse(&Refusal::Message(message.to_owned()), io))?;
    let payload = match (parsed.number("--record-size"), parsed.value("--payload-file")) {
        (Some(size), _) => Payload::Random(size),
        (None, Some(path)) => {
            let delimiter = parsed.value("--payload-delimiter").unwrap_or("\\n");
            let delimiter = if delimiter == "\\n" { "\n" } else { delimiter };
            Payload::File(path.to_owned(), delimiter.to_owned())
        }
        (None, None) => Payload::Monotonic,
    };
    Ok(Request {
        topic: parsed.value("--topic").unwrap_or_default().to_owned(),
        records: parsed.number("--num-records").unwrap_or(0),
        payload,
        throughput: parsed.value("--throughput").and_then(|text| text.trim().parse().ok()).unwrap_or(-1.0),
        producer: producer_properties(&parsed)?,
        with_metrics: parsed.has("--print-metrics"),
    })
}

fn check(parsed: &Arguments) -> Result<(), &'static str> {
    let is_positive = |flag| parsed.number::<i64>(flag).is_none_or(|number| number > 0);
    if !is_positive("--num-records") {
        return Err("--num-records should be greater than zero");
    }
    if !is_positive("--record-size") {
        return Err("--record-size should be greater than zero");
    }
    if !parsed.has("--producer-props") && !parsed.has("--producer.config") {
        return Err("Either --producer-props or --producer.config must be specified.");
    }
    if !is_positive("--transaction-duration-ms") {
        return Err("--transaction-duration-ms should be greater than zero");
    }
    Ok(())
}

/// Says on standard error why the command line is refused. Status 1 even where help was asked for.
fn refuse(refusal: &Refusal, io: &mut Io) -> Stop {
    let (message, like): (&str, &[&str]) = match refusal {
        Refusal::Help => {
            io.print(raw(Tool::ProducerPerf));
            return Stop::Exit(1);
        }
        Refusal::Message(message) => (message, &[]),
        Refusal::Unrecognized(message, like) => (message, like),
    };
    let help = raw(Tool::ProducerPerf);
    let usage = help.split_inclusive("\n\n").next().unwrap_or(help);
    io.error(usage.trim_end_matches('\n'));
    io.error(format!("\n{}\n", wrapped(&format!("producer-performance: error: {message}"))));
    if !like.is_empty() {
        io.error("\nDid you mean:\n");
        for flag in like {
            io.error(format!("\t{flag}\n"));
        }
    }
    Stop::Exit(1)
}

fn producer_properties(parsed: &Arguments) -> Result<Properties, Throwable> {
    let mut properties = match parsed.value("--producer.config") {
        Some(path) => load(path)?,
        None => Properties::new(),
    };
    for pair in parsed.values("--producer-props") {
        let parts: Vec<&str> = pair.trim_end_matches('=').split('=').collect();
        let [key, value] = parts[..] else {
            return Err(Throwable::illegal_argument(format!("Invalid property: {pair}")));
        };
        properties.insert(key.to_owned(), value.to_owned());
    }
    properties.entry("client.id".to_owned()).or_insert_with(|| "perf-producer-client".to_owned());
    let transactional = properties.get("transactional.id").cloned();
    let given = parsed.value("--transactional-id").map(str::to_owned);
    if parsed.has("--transaction-duration-ms") || given.is_some() || transactional.is_some() {
        let id = given.or(transactional).unwrap_or_else(|| "performance-producer-1".to_owned());
        properties.insert("transactional.id".to_owned(), id);
    }
    Ok(properties)
}
