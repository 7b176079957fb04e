//! `kafka-consumer-perf-test`: how fast records can be read (`org.apache.kafka.tools.ConsumerPerformance`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millrace_client::{Consumer, ConsumerConfig, ConsumerRecord, Rebalance};

use super::Tool;
use super::clients::{about_topic, cannot_construct};
use super::command_line::{Stop, check_required, end_with_trace, help_or_version, parse_or_usage};
use super::datetime::{format_date, now_ms};
use super::format::fixed;
use super::metrics::print_metrics;
use super::options::{Kind, Options, Spec};
use super::properties::{Properties, load};
use super::reach::{Seeker, Unreached, no_host, reach};
use super::throwable::Throwable;
use crate::io::Io;
use crate::signals::Signals;

const TOOL: Tool = Tool::ConsumerPerf;

/// The last three are the names that Kafka 4.2 gives to older options (KIP-1147).
const SPECS: &[Spec] = &[
    Spec::text("bootstrap-server"),
    Spec::text("topic"),
    Spec::text("group"),
    Spec::int("fetch-size").or("1048576"),
    Spec::switch("from-latest"),
    Spec::int("socket-buffer-size").or("2097152"),
    Spec::text("consumer.config"),
    Spec::switch("print-metrics"),
    Spec::switch("show-detailed-stats"),
    Spec::optional("timeout", Kind::Long).or("10000"),
    Spec::long("messages"),
    Spec::long("reporting-interval").or("5000"),
    Spec::text("date-format").or("yyyy-MM-dd HH:mm:ss:SSS"),
    Spec::switch("hide-header"),
    Spec::text("command-config"),
    Spec::text("command-property"),
    Spec::long("num-records"),
];

/// Longest wait of one poll.
const POLL: Duration = Duration::from_millis(100);

/// How long the end may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

const BYTES_IN_MB: f64 = 1024.0 * 1024.0;

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_with_trace(io, result)
}

/// What to measure, and how to tell.
struct Request {
    topic: String,
    records: i64,
    consumer: Properties,
    timeout_ms: i64,
    interval_ms: i64,
    is_detailed: bool,
    date_format: String,
    with_metrics: bool,
}

/// What was read up to some moment.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    records: i64,
    bytes: i64,
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = parse_or_usage(io, TOOL, SPECS, arguments)?;
    help_or_version(io, TOOL, &options, "This tool is used to verify the consumer performance.")?;
    check_required(io, TOOL, &options, &["topic"])?;
    if !options.has("num-records") {
        check_required(io, TOOL, &options, &["messages"])?;
    }
    if !options.has("hide-header") {
        print_header(options.has("show-detailed-stats"), io);
    }
    let consumer = consumer_properties(&options)?;
    let config = ConsumerConfig::from_properties(consumer.clone())
        .map_err(|error| cannot_construct("consumer", error))?;
    let client = Consumer::new(config).await.map_err(|error| cannot_construct("consumer", error))?;
    let request = request(&options, consumer)?;
    measure(client, &request, io).await
}

fn consumer_properties(options: &Options) -> Result<Properties, Throwable> {
    let mut properties = Properties::new();
    for option in ["consumer.config", "command-config"] {
        if let Some(path) = options.given(option)? {
            properties.extend(load(&path)?);
        }
    }
    properties.extend(super::properties::from_arguments(&options.values("command-property")));
    // As in Kafka's tool, which forgets to check and puts nothing into a table that takes no nothing.
    let servers = options.value("bootstrap-server")?;
    let servers = servers.ok_or_else(|| Throwable::bare("java.lang.NullPointerException"))?;
    let group = options.given("group")?;
    let group = group.unwrap_or_else(|| format!("perf-consumer-{}", fastrand::u32(..100_000)));
    let reset = if options.has("from-latest") { "latest" } else { "earliest" };
    let number = |name| Ok::<_, Throwable>(options.int(name)?.unwrap_or(0).to_string());
    let set = [
        ("bootstrap.servers", servers),
        ("group.id", group),
        ("receive.buffer.bytes", number("socket-buffer-size")?),
        ("max.partition.fetch.bytes", number("fetch-size")?),
        ("auto.offset.reset", reset.to_owned()),
        ("check.crcs", "false".to_owned()),
    ];
    properties.extend(set.map(|(key, value)| (key.to_owned(), value)));
    properties.entry("client.id".to_owned()).or_insert_with(|| "perf-consumer-client".to_owned());
    Ok(properties)
}

fn request(options: &Options, consumer: Properties) -> Result<Request, Throwable> {
    let name = if options.has("num-records") { "num-records" } else { "messages" };
    let records = options.long(name)?.unwrap_or(0);
    let timeout_ms = options.long("timeout")?.unwrap_or(0);
    let interval_ms = options.long("reporting-interval")?.unwrap_or(0);
    if interval_ms <= 0 {
        return Err(Throwable::illegal_argument("Reporting interval must be greater than 0."));
    }
    Ok(Request {
        topic: options.value("topic")?.unwrap_or_default(),
        records,
        consumer,
        timeout_ms,
        interval_ms,
        is_detailed: options.has("show-detailed-stats"),
        date_format: options.value("date-format")?.unwrap_or_default(),
        with_metrics: options.has("print-metrics"),
    })
}

fn print_header(is_detailed: bool, io: &mut Io) {
    let first = if is_detailed { "time, threadId" } else { "start.time, end.time" };
    io.line(format!(
        "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
         fetch.MB.sec, fetch.nMsg.sec"
    ));
}

/// Milliseconds that went into rebalances, all and since the last report.
#[derive(Debug, Default)]
struct JoinTimes {
    started_ms: AtomicI64,
    all_ms: AtomicI64,
    round_ms: AtomicI64,
}

impl JoinTimes {
    fn hear(&self, change: &Rebalance<'_>) {
        match change {
            Rebalance::Revoked(_) => self.started_ms.store(now_ms(), Ordering::Relaxed),
            Rebalance::Assigned(_) => {
                let elapsed_ms = now_ms() - self.started_ms.load(Ordering::Relaxed);
                self.all_ms.fetch_add(elapsed_ms, Ordering::Relaxed);
                self.round_ms.fetch_add(elapsed_ms, Ordering::Relaxed);
            }
            Rebalance::Lost(_) => {}
        }
    }
}

async fn measure(mut consumer: Consumer, request: &Request, io: &mut Io) -> Result<(), Stop> {
    let start_ms = now_ms();
    let joins = Arc::new(JoinTimes::default());
    joins.started_ms.store(start_ms, Ordering::Relaxed);
    let heard = Arc::clone(&joins);
    consumer.on_rebalance(move |change| heard.hear(&change));
    let totals = read(&mut consumer, request, &joins, io).await;
    let end_ms = now_ms();
    // What the last commit meets changes nothing of the figures.
    let _ = consumer.close(CLOSE_TIMEOUT).await;
    let totals = totals?;
    let join_ms = joins.all_ms.load(Ordering::Relaxed);
    if !request.is_detailed {
        let times = [start_ms, end_ms].map(|time| format_date(time, &request.date_format));
        let figures = figures(totals, totals, end_ms - start_ms);
        let fetch_ms = end_ms - start_ms - join_ms;
        let [_, mb_rate, _, record_rate] = self::figures(totals, totals, fetch_ms);
        io.line(format!(
            "{}, {}, {}, {join_ms}, {fetch_ms}, {mb_rate}, {record_rate}",
            times[0],
            times[1],
            figures.join(", ")
        ));
    }
    if request.with_metrics {
        let client = request.consumer.get("client.id").map_or("", String::as_str);
        let metric = |name: &str, value: i64| {
            (format!("consumer-fetch-manager-metrics:{name}:{{client-id={client}}}"), value as f64)
        };
        print_metrics(
            &[metric("bytes-consumed-total", totals.bytes), metric("records-consumed-total", totals.records)],
            io,
        );
    }
    Ok(())
}

/// MB so far, MB a second, records so far, records a second, over a time in which `part` was read.
fn figures(so_far: Totals, part: Totals, elapsed_ms: i64) -> [String; 4] {
    let seconds = elapsed_ms as f64 / 1000.0;
    let mb = |totals: Totals| totals.bytes as f64 / BYTES_IN_MB;
    [
        fixed(mb(so_far), 4),
        fixed(mb(part) / seconds, 4),
        so_far.records.to_string(),
        fixed(part.records as f64 / seconds, 4),
    ]
}

async fn read(
    consumer: &mut Consumer,
    request: &Request,
    joins: &JoinTimes,
    io: &mut Io,
) -> Result<Totals, Stop> {
    let failed = |error| about_topic(&request.topic, error);
    consumer.subscribe([request.topic.as_str()]).map_err(failed)?;
    let mut signals = Signals::new(io.takes_signals);
    let (mut totals, mut reported) = (Totals::default(), Totals::default());
    let start_ms = now_ms();
    reach_in_time(consumer, request, &mut signals, io).await?;
    let (mut current_ms, mut reported_ms, mut consumed_ms) = (now_ms(), start_ms, start_ms);
    while totals.records < request.records && current_ms - consumed_ms <= request.timeout_ms {
        let records = tokio::select! {
            records = consumer.poll(POLL) => records.map_err(failed)?,
            status = signals.next() => return Err(Stop::Exit(status)),
        };
        current_ms = now_ms();
        if !records.is_empty() {
            consumed_ms = current_ms;
        }
        for record in records {
            totals.records += 1;
            totals.bytes += size(&record);
            if current_ms - reported_ms >= request.interval_ms {
                if request.is_detailed {
                    let part = Totals {
                        records: totals.records - reported.records,
                        bytes: totals.bytes - reported.bytes,
                    };
                    io.line(progress(request, totals, part, [reported_ms, current_ms], joins));
                    io.flush();
                }
                joins.round_ms.store(0, Ordering::Relaxed);
                (reported_ms, reported) = (current_ms, totals);
            }
        }
    }
    if totals.records < request.records {
        io.line(format!(
            "WARNING: Exiting before consuming the expected number of messages: timeout ({} ms) exceeded. You can \
             use the --timeout option to increase the timeout.",
            request.timeout_ms
        ));
    }
    Ok(totals)
}

/// Waits for somebody to answer as long as for a record.
async fn reach_in_time(
    consumer: &Consumer,
    request: &Request,
    signals: &mut Signals,
    io: &mut Io,
) -> Result<(), Stop> {
    let property = |name: &str| request.consumer.get(name).map_or("", String::as_str);
    let name = format!("Consumer clientId={}, groupId={}", property("client.id"), property("group.id"));
    // A millisecond more: the time is up when it is exceeded.
    let within = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0) + 1);
    let seeker = Seeker::Other(name);
    let reached = tokio::select! {
        reached = reach(consumer.client(), &seeker, within, io) => reached,
        status = signals.next() => return Err(Stop::Exit(status)),
    };
    match reached {
        Err(Unreached::NoHost) => Err(no_host("Failed to construct kafka consumer").into()),
        _ => Ok(()),
    }
}

fn size(record: &ConsumerRecord) -> i64 {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as i64);
    length(&record.key) + length(&record.value)
}

fn progress(
    request: &Request,
    so_far: Totals,
    part: Totals,
    [from_ms, to_ms]: [i64; 2],
    joins: &JoinTimes,
) -> String {
    let join_ms = joins.round_ms.load(Ordering::Relaxed);
    let fetch_ms = to_ms - from_ms - join_ms;
    let rates = if fetch_ms <= 0 {
        ["0.0000".to_owned(), "0.0000".to_owned()]
    } else {
        let [_, mb_rate, _, record_rate] = figures(so_far, part, fetch_ms);
        [mb_rate, record_rate]
    };
    format!(
        "{}, 0, {}, {join_ms}, {fetch_ms}, {}",
        format_date(to_ms, &request.date_format),
        figures(so_far, part, to_ms - from_ms).join(", "),
        rates.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rates_over_the_time() {
        let so_far = Totals { records: 3000, bytes: 3 << 20 };
        let part = Totals { records: 1000, bytes: 1 << 20 };
        assert_eq!(figures(so_far, part, 500), ["3.0000", "2.0000", "3000", "2000.0000"]);
        assert_eq!(figures(part, part, 0), ["1.0000", "Infinity", "1000", "Infinity"]);
    }
}
