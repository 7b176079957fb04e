//! `kafka-console-consumer`: records to standard output (`org.apache.kafka.tools.consumer.ConsoleConsumer`).

mod coordinator_records;
mod deserializer;
mod formatter;
mod options;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use millrace_client::{ClientError, Consumer, ConsumerConfig, ConsumerRecord, TopicFilter, TopicPartition};

use self::options::{Request, Source, Start};
use super::clients::{TopicFailures, cannot_construct};
use super::command_line::end_uncaught;
use super::log;
use super::pattern::whole;
use super::reach::{Seeker, Unreached, no_host, reach};
use super::throwable::Throwable;
use crate::admin::throwable;
use crate::io::Io;
use crate::signals::Signals;

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// One wait for records where the tool was given no limit.
const POLL: Duration = Duration::from_secs(60);

/// How long the end may take: committing, leaving the group.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let request = match options::read(arguments, io) {
        Ok(request) => request,
        Err(stop) => return end_uncaught(io, Err(stop)),
    };
    match consume(&request, io).await {
        Ok(status) => status,
        Err(error) => {
            log::error(io, LOGGER, "Unknown error when running consumer: ");
            io.error(error.stack_trace());
            1
        }
    }
}

async fn consume(request: &Request, io: &mut Io) -> Result<u8, Throwable> {
    let config = ConsumerConfig::from_properties(request.consumer.clone())
        .map_err(|error| cannot_construct("consumer", error))?;
    let mut consumer = Consumer::new(config).await.map_err(|error| cannot_construct("consumer", error))?;
    choose(&mut consumer, &request.source)?;
    let mut signals = Signals::new(io.takes_signals);
    let mut reading = Reading { consumer, request, pending: VecDeque::new(), count: 0 };
    let result = match reading.reach(&mut signals, io).await? {
        Some(status) => Ok(status),
        None => match request.records_max.clone() {
            Ok(limit) => reading.process(limit, &mut signals, io).await,
            Err(error) => Err(error),
        },
    };
    let count = reading.count;
    reading.close().await;
    io.error_line(format!("Processed a total of {count} messages"));
    let status = result?;
    if request.systest_events && status != 0 {
        io.line("shutdown_complete");
    }
    Ok(status)
}

fn choose(consumer: &mut Consumer, source: &Source) -> Result<(), Throwable> {
    match source {
        Source::Topic(topic) => consumer.subscribe([topic.as_str()]),
        Source::Matching(pattern) => {
            let Some(expression) = whole(pattern) else {
                return Err(Throwable::new(
                    "java.util.regex.PatternSyntaxException",
                    format!("{pattern} is no regular expression"),
                ));
            };
            let filter = move |name: &str| expression.is_match(name);
            consumer.subscribe_matching(TopicFilter(Arc::new(filter)))
        }
        Source::Partition(topic, partition, start) => {
            let partition = TopicPartition::new(topic.as_str(), *partition);
            let only = std::slice::from_ref(&partition);
            consumer.assign([partition.clone()]).and_then(|()| match start {
                Start::Earliest => consumer.seek_to_beginning(only),
                Start::Latest => consumer.seek_to_end(only),
                Start::Offset(offset) => consumer.seek(&partition, *offset),
            })
        }
    }
    .map_err(throwable)
}

fn timed_out() -> Throwable {
    Throwable::bare("org.apache.kafka.common.errors.TimeoutException")
}

/// What ends the reading and is no failure of the tool.
fn terminate(error: &Throwable, io: &mut Io) {
    log::error(io, LOGGER, "Error processing message, terminating consumer process: ");
    io.error(error.stack_trace());
}

/// What the next record is, or why there is none.
enum Next {
    Record(Box<ConsumerRecord>),
    Signal(u8),
    Failed(Throwable),
}

struct Reading<'a> {
    consumer: Consumer,
    request: &'a Request,
    /// Read and not yet printed.
    pending: VecDeque<ConsumerRecord>,
    count: u64,
}

impl Reading<'_> {
    /// Waits until somebody answers. Returns the exit status when it is not to be waited for any longer.
    async fn reach(&self, signals: &mut Signals, io: &mut Io) -> Result<Option<u8>, Throwable> {
        let seeker = Seeker::Other(self.name());
        let within = self.request.timeout.unwrap_or(Duration::MAX);
        let reached = tokio::select! {
            reached = reach(self.consumer.client(), &seeker, within, io) => reached,
            status = signals.next() => return Ok(Some(status)),
        };
        match reached {
            Ok(()) => Ok(None),
            Err(Unreached::NoHost) => Err(no_host("Failed to construct kafka consumer")),
            Err(Unreached::Silence) => {
                terminate(&timed_out(), io);
                Ok(Some(0))
            }
        }
    }

    /// How Java's consumer introduces itself.
    fn name(&self) -> String {
        let property = |name: &str| self.request.consumer.get(name).map_or("", String::as_str);
        format!("Consumer clientId={}, groupId={}", property("client.id"), property("group.id"))
    }

    /// Prints records until there is a reason to stop; most of those are no failure.
    async fn process(
        &mut self,
        limit: Option<u64>,
        signals: &mut Signals,
        io: &mut Io,
    ) -> Result<u8, Throwable> {
        let mut text = Vec::new();
        while limit.is_none_or(|limit| self.count < limit) {
            let record = match self.next(signals, io).await {
                Next::Record(record) => record,
                Next::Signal(status) => return Ok(status),
                Next::Failed(error) => {
                    terminate(&error, io);
                    return Ok(0);
                }
            };
            self.count += 1;
            text.clear();
            let written = self.request.formatter.write(&record, &mut text);
            io.print(&text);
            if let Err(error) = written {
                if !self.request.skip_on_error {
                    return Err(error);
                }
                log::error(io, LOGGER, "Error processing message, skipping this message: ");
                io.error(error.stack_trace());
            }
            if self.pending.is_empty() {
                io.flush();
            }
            if io.is_broken() {
                io.error_line("Unable to write to standard out, closing consumer.");
                return Ok(0);
            }
        }
        Ok(0)
    }

    async fn next(&mut self, signals: &mut Signals, io: &mut Io) -> Next {
        loop {
            if let Some(record) = self.pending.pop_front() {
                return Next::Record(Box::new(record));
            }
            io.flush();
            let polled = tokio::select! {
                polled = self.consumer.poll(self.request.timeout.unwrap_or(POLL)) => polled,
                status = signals.next() => return Next::Signal(status),
            };
            match polled {
                Ok(records) if records.is_empty() && self.request.timeout.is_some() => {
                    return Next::Failed(timed_out());
                }
                Ok(records) => self.pending.extend(records),
                Err(error) => return Next::Failed(self.failure(error, io)),
            }
        }
    }

    /// Logs what Java's consumer would, and gives the exception.
    fn failure(&self, error: ClientError, io: &mut Io) -> Throwable {
        let (Source::Topic(topic) | Source::Partition(topic, ..)) = &self.request.source else {
            return throwable(error);
        };
        let (lines, error) = TopicFailures::new(topic, self.name()).next(error);
        lines.iter().for_each(|line| line.write(io));
        error
    }

    /// Ends the consumer with its positions at the first records that were not printed.
    async fn close(mut self) {
        let mut first = Vec::<(TopicPartition, i64)>::new();
        for record in self.pending.drain(..) {
            if !first.iter().any(|(partition, _)| *partition == record.partition) {
                first.push((record.partition, record.offset));
            }
        }
        for (partition, offset) in first {
            // A partition that the group took away in the meantime has no position here any more.
            let _ = self.consumer.seek(&partition, offset);
        }
        // What the last commit met, Kafka's tool does not tell either.
        let _ = self.consumer.close(CLOSE_TIMEOUT).await;
    }
}
