//! `kafka-console-producer`: lines of standard input to records (`org.apache.kafka.tools.ConsoleProducer`).

mod options;
mod reader;

use std::io::BufRead;
use std::time::Duration;

use millrace_client::{ClientError, Delivery, Producer, ProducerConfig, Record};
use tokio::sync::mpsc;

use self::reader::{Line, LineReader, next_line};
use super::clients::{LogLine, TopicFailures, cannot_construct};
use super::command_line::Stop;
use super::reach::{Seeker, Unreached, no_host, reach};
use super::throwable::Throwable;
use crate::admin::throwable;
use crate::io::Io;
use crate::signals::Signals;

const CALLBACK_LOGGER: &str = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback";

/// Lines that were read and not yet sent.
const LINES_MAX: usize = 1024;

/// Records that were sent and whose fate is not known yet.
const DELIVERIES_MAX: usize = 65_536;

/// Failures that are not reported yet.
const FAILURES_MAX: usize = 1024;

/// How long the end waits for what is still on its way: Kafka's tool waits for ever.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    match execute(arguments, io).await {
        Ok(()) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Throw(error)) => {
            if error.class().starts_with("joptsimple.") {
                io.error_line(error.message());
            } else {
                io.error(error.stack_trace());
            }
            1
        }
    }
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let request = options::read(arguments, io)?;
    let reader = LineReader::new(&request.reader)?;
    let client = request.producer.get("client.id").cloned().unwrap_or_default();
    let config = ProducerConfig::from_properties(request.producer)
        .map_err(|error| cannot_construct("producer", error))?;
    let block_max = config.block_max;
    let producer = Producer::new(config).await.map_err(|error| cannot_construct("producer", error))?;
    let seeker = Seeker::Other(format!("Producer clientId={client}"));
    let mut signals = Signals::new(io.takes_signals);
    let reached = tokio::select! {
        reached = reach(producer.client(), &seeker, block_max, io) => reached,
        status = signals.next() => return Err(Stop::Exit(status)),
    };
    if reached == Err(Unreached::NoHost) {
        return Err(no_host("Failed to construct kafka producer").into());
    }
    let sending = Sending {
        producer: &producer,
        topic: &request.topic,
        failures: TopicFailures::new(&request.topic, seeker.name().to_owned()).within(block_max),
        is_unreached: reached.is_err(),
    };
    let lines = read_lines(reader, io);
    let result = if request.sync {
        sending.one_by_one(lines, signals, io).await
    } else {
        sending.all(lines, signals, io).await
    };
    producer.close(CLOSE_TIMEOUT).await.map_err(throwable)?;
    result
}

/// What the thread that reads standard input hands on: a line, the end, or why it stopped.
type Read = Result<Line, Throwable>;

/// Reads standard input on a thread of its own, because reading it cannot be waited for. The thread ends
/// with the process: nothing makes a read from a terminal return.
fn read_lines(mut reader: LineReader, io: &mut Io) -> mpsc::Receiver<Read> {
    let (lines, received) = mpsc::channel(LINES_MAX);
    let mut input: Box<dyn BufRead + Send> = io.take_input();
    std::thread::spawn(move || {
        loop {
            let read = match next_line(&mut *input) {
                Ok(Some(text)) => reader.read(&text),
                Ok(None) => return,
                Err(error) => Err(Throwable::new("java.io.IOException", error.to_string())),
            };
            let is_last = read.is_err();
            if lines.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    received
}

fn prompt(io: &mut Io) {
    if io.is_interactive {
        io.print(">");
        io.flush();
    }
}

fn record<'a>(topic: &'a str, line: &'a Line) -> Record<'a> {
    Record {
        key: line.key.as_deref().map(str::as_bytes),
        value: line.value.as_deref().map(str::as_bytes),
        headers: &line.headers,
        ..Record::to(topic)
    }
}

/// Lines on their way into a topic.
struct Sending<'a> {
    producer: &'a Producer,
    topic: &'a str,
    failures: TopicFailures,
    /// Nobody has answered for as long as the first record would have waited.
    is_unreached: bool,
}

impl Sending<'_> {
    async fn send(&mut self, line: &Line) -> Result<Delivery, ClientError> {
        if std::mem::take(&mut self.is_unreached) {
            return Err(TopicFailures::not_found_in_time(self.topic));
        }
        self.producer.send(record(self.topic, line)).await
    }

    async fn one_by_one(
        mut self,
        mut lines: mpsc::Receiver<Read>,
        mut signals: Signals,
        io: &mut Io,
    ) -> Result<(), Stop> {
        loop {
            prompt(io);
            let line = tokio::select! {
                line = lines.recv() => line,
                status = signals.next() => return Err(Stop::Exit(status)),
            };
            let Some(line) = line else { return Ok(()) };
            let sent = match self.send(&line?).await {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                let (lines, error) = self.failures.next(error);
                lines.iter().for_each(|line| line.write(io));
                return Err(error.execution().into());
            }
        }
    }

    async fn all(
        mut self,
        mut lines: mpsc::Receiver<Read>,
        mut signals: Signals,
        io: &mut Io,
    ) -> Result<(), Stop> {
        let (sent, fates) = mpsc::channel(DELIVERIES_MAX);
        let (failed, mut reports) = mpsc::channel(FAILURES_MAX);
        tokio::spawn(watch_fates(self.topic.to_owned(), self.failures.clone(), fates, failed));
        let result = loop {
            prompt(io);
            let line = tokio::select! {
                line = lines.recv() => line,
                Some(failure) = reports.recv() => {
                    report(&failure, io);
                    continue;
                }
                status = signals.next() => break Err(Stop::Exit(status)),
            };
            let line = match line {
                None => break Ok(()),
                Some(Err(error)) => break Err(error.into()),
                Some(Ok(line)) => line,
            };
            let fate = self.send(&line).await;
            let length = |text: &Option<String>| text.as_ref().map(String::len);
            let record = Sent { fate, key_bytes: length(&line.key), value_bytes: length(&line.value) };
            hand_over(&sent, record, &mut reports, io).await;
        };
        drop(sent);
        if let Err(error) = self.producer.flush().await {
            io.error(throwable(error).stack_trace());
        }
        while let Some(failure) = reports.recv().await {
            report(&failure, io);
        }
        result
    }
}

/// What became of a record, or is to become of it.
struct Sent {
    fate: Result<Delivery, ClientError>,
    key_bytes: Option<usize>,
    value_bytes: Option<usize>,
}

/// A record that was not delivered: the lines to log, and why.
type Failure = (Vec<LogLine>, Throwable);

/// Reports failures while there is no room: who makes room waits for its failures to be reported.
async fn hand_over(
    sent: &mpsc::Sender<Sent>,
    record: Sent,
    reports: &mut mpsc::Receiver<Failure>,
    io: &mut Io,
) {
    let room = loop {
        tokio::select! {
            room = sent.reserve() => break room,
            Some(failure) = reports.recv() => report(&failure, io),
        }
    };
    if let Ok(room) = room {
        room.send(record);
    }
}

fn report((lines, error): &Failure, io: &mut Io) {
    lines.iter().for_each(|line| line.write(io));
    io.error(error.stack_trace());
}

/// Waits for each record's fate, in the order of sending.
async fn watch_fates(
    topic: String,
    mut failures: TopicFailures,
    mut fates: mpsc::Receiver<Sent>,
    failed: mpsc::Sender<Failure>,
) {
    while let Some(sent) = fates.recv().await {
        let fate = match sent.fate {
            Ok(delivery) => delivery.await.map(drop),
            Err(error) => Err(error),
        };
        let Err(error) = fate else { continue };
        let size = |bytes: Option<usize>| bytes.map_or("null".to_owned(), |bytes| format!("{bytes} bytes"));
        let message = format!(
            "Error when sending message to topic {topic} with key: {}, value: {} with error:",
            size(sent.key_bytes),
            size(sent.value_bytes)
        );
        let (mut lines, error) = failures.next(error);
        lines.push(LogLine::Error(CALLBACK_LOGGER, message));
        if failed.send((lines, error)).await.is_err() {
            return;
        }
    }
}
