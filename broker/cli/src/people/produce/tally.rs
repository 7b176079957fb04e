//! What became of the records: counted batch by batch, as the producer reports them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_client::ClientError;
use millrace_client::config::{BatchCallback, BatchReport};
use millrace_protocol::ErrorCode;
use serde::Serialize;

use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::units;

/// See the module. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    records: u64,
    failed: u64,
    bytes: u64,
    partitions: BTreeMap<i32, Partition>,
    first_error: Option<ClientError>,
}

#[derive(Debug, Clone, Serialize)]
struct Partition {
    partition: i32,
    records: u64,
    first_offset: Option<i64>,
    last_offset: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    topic: &'a str,
    records: u64,
    failed: u64,
    bytes: u64,
    partitions: Vec<Partition>,
}

impl Tally {
    /// Counts what a producer reports.
    pub(super) fn callback(&self) -> BatchCallback {
        let counts = Arc::clone(&self.0);
        BatchCallback(Arc::new(move |report| lock(&counts).add(report)))
    }

    /// Shows the sum.
    pub(super) fn show(&self, topic: &str, screen: &mut Screen<'_>) {
        let counts = lock(&self.0);
        if screen.is_json() {
            screen.json(&Summary {
                topic,
                records: counts.records,
                failed: counts.failed,
                bytes: counts.bytes,
                partitions: counts.partitions.values().cloned().collect(),
            });
        } else {
            screen.note(counts.line(topic));
        }
    }

    /// A failure, if any record failed.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        let counts = lock(&self.0);
        match &counts.first_error {
            None => Ok(()),
            Some(error) => {
                let failed = units::counted(counts.failed as i64, "record");
                let failure = Failure::refused(format!("{failed} not written"), error.clone());
                Err(match error.code() {
                    Some(ErrorCode::INVALID_RECORD) => {
                        failure.or_hint("a compacted topic needs keys: --key-separator, or --key")
                    }
                    _ => failure,
                })
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    fn add(&mut self, report: &BatchReport<'_>) {
        let count = report.record_count as u64;
        let base = match &report.result {
            Ok(base) => *base,
            Err(error) => {
                self.failed += count;
                self.first_error.get_or_insert_with(|| error.clone());
                return;
            }
        };
        self.records += count;
        self.bytes += report.batch_bytes as u64;
        let number = report.partition.partition;
        let none = Partition { partition: number, records: 0, first_offset: None, last_offset: None };
        let partition = self.partitions.entry(number).or_insert(none);
        partition.records += count;
        // -1: the broker did not tell.
        if base >= 0 {
            partition.first_offset = Some(partition.first_offset.map_or(base, |first| first.min(base)));
            let last = base + report.record_count as i64 - 1;
            partition.last_offset = partition.last_offset.max(Some(last));
        }
    }

    fn line(&self, topic: &str) -> String {
        let records = units::counted(self.records as i64, "record");
        match self.partitions.len() {
            0 => format!("nothing written to {topic}"),
            1 => {
                let only = self.partitions.values().next();
                let offsets = only.and_then(|one| Some((one.partition, one.first_offset?, one.last_offset?)));
                let place = match offsets {
                    Some((partition, first, last)) if first == last => {
                        format!("-{partition} at offset {first}")
                    }
                    Some((partition, first, last)) => format!("-{partition} at offsets {first} to {last}"),
                    None => String::new(),
                };
                format!("{records} written to {topic}{place}")
            }
            many => format!("{records} written to {many} partitions of {topic}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_client::TopicPartition;
    use std::time::Instant;

    fn report(counts: &mut Counts, partition: i32, record_count: usize, result: Result<i64, ClientError>) {
        let partition = TopicPartition::new("orders", partition);
        counts.add(&BatchReport {
            partition: &partition,
            record_count,
            batch_bytes: 100,
            append_times: &[],
            finished_at: Instant::now(),
            result,
        });
    }

    #[test]
    fn the_sum_reads_as_a_sentence() {
        let mut counts = Counts::default();
        assert_eq!(counts.line("orders"), "nothing written to orders");
        report(&mut counts, 1, 1, Ok(7));
        assert_eq!(counts.line("orders"), "1 record written to orders-1 at offset 7");
        report(&mut counts, 1, 3, Ok(8));
        assert_eq!(counts.line("orders"), "4 records written to orders-1 at offsets 7 to 10");
        report(&mut counts, 0, 2, Ok(-1));
        report(&mut counts, 0, 5, Err(ClientError::Closed));
        assert_eq!(counts.line("orders"), "6 records written to 2 partitions of orders");
        assert_eq!((counts.failed, counts.bytes), (5, 300));
        assert!(Tally(Arc::new(Mutex::new(counts))).into_result().is_err());
    }
}
