//! Retention while the broker runs: what is too old or too much goes, in front of a reader and beside a writer, and
//! nothing else does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millrace_tests::records::{batch, fetch, produce, values};
use millrace_tests::{Connection, DEADLINE, Millrace, until};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

const MIB: usize = 1 << 20;
const SEGMENT: (&str, &str) = ("segment.bytes", "1048576");
const RECORD_BYTES: usize = 64 << 10;
const RECORDS: i64 = 600;
/// The writer waits for retention when so many records are there, so that the start moves again and again.
const RECORDS_AT_ONCE: i64 = (16 * MIB / RECORD_BYTES) as i64;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn broker() -> Millrace {
    Millrace::start(&["log.retention.check.interval.ms=100"])
}

fn offset_of(connection: &mut Connection, topic: &str, timestamp: i64) -> i64 {
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let found = connection.ask(&request, 7).topics.remove(0).partitions.remove(0);
    assert_eq!(found.error_code, ErrorCode::NONE);
    found.offset
}

/// A large record that tells its offset.
fn value(offset: i64) -> Vec<u8> {
    let mut value = offset.to_string().into_bytes();
    value.resize(RECORD_BYTES, b' ');
    value
}

fn check(offset: i64, read: &[u8]) {
    assert!(read == value(offset), "offset {offset} holds {}", String::from_utf8_lossy(&read[..8]));
}

/// Reads on and on, from the first record there is, and begins anew only where the log's start has passed it.
/// Returns how many records it saw and how often the start was quicker.
fn follow(mut connection: Connection, topic: &str, done: &AtomicBool) -> (usize, usize) {
    let (mut seen, mut passed, mut next) = (0, 0, 0);
    let deadline = Instant::now() + 4 * DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "the writer is not done, at {next}");
        let last_look = done.load(Ordering::Acquire);
        let answer = fetch(&mut connection, topic, next, 4 * RECORD_BYTES as i32);
        if answer.error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
            let earliest = offset_of(&mut connection, topic, EARLIEST);
            assert!(earliest > next, "{next} is refused, though the log begins at {earliest}");
            (passed, next) = (passed + 1, earliest);
            continue;
        }
        let records = values(&answer);
        for (offset, record) in &records {
            assert_eq!(*offset, next, "no record is skipped");
            check(*offset, record);
            next += 1;
        }
        seen += records.len();
        if last_look && records.is_empty() {
            assert_eq!(next, offset_of(&mut connection, topic, LATEST), "it has read to the end");
            return (seen, passed);
        }
    }
}

/// Tells the reader that nothing more comes, also when the writer's test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Writes, lets `watch` judge each new start of the log (by offset, and the times at which records were written),
/// and has a reader follow. Returns how often the start moved.
fn grow(broker: &Millrace, topic: &str, watch: impl Fn(i64, &[i64])) -> usize {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| follow(broker.connect(), topic, &done));
        let writing = Done(&done);
        let (mut writer, mut written_ms) = (broker.connect(), Vec::new());
        let (mut start, mut moves) = (0, 0);
        for offset in 0..RECORDS {
            // Before the record is made: whatever is younger than this must stay.
            written_ms.push(now_ms());
            let written = produce(&mut writer, topic, batch(&[&value(offset)]));
            assert_eq!((written.error_code, written.base_offset), (ErrorCode::NONE, offset));
            start = until("retention makes room", || {
                let found = offset_of(&mut writer, topic, EARLIEST);
                if found != start {
                    assert!(found > start && found <= offset + 1, "from {start} to {found}");
                    watch(found, &written_ms);
                    moves += 1;
                    start = found;
                }
                (offset + 1 - found < RECORDS_AT_ONCE).then_some(found)
            });
        }
        drop(writing);
        let (seen, passed) = reading.join().unwrap();
        assert!(seen as i64 >= RECORDS_AT_ONCE, "{seen} records seen, {passed} times the start was quicker");
        moves
    })
}

#[test]
fn what_is_too_much_goes_and_no_more() {
    const RETENTION_BYTES: usize = 3 * MIB;
    let broker = broker();
    let limit = RETENTION_BYTES.to_string();
    broker.create_topic("by-size", &[SEGMENT, ("retention.bytes", &limit), ("retention.ms", "-1")]);
    let kept_bytes = |start: i64, end: usize| (end - start as usize) * (RECORD_BYTES + 100);
    let moves = grow(&broker, "by-size", |start, written_ms| {
        assert!(kept_bytes(start, written_ms.len()) >= RETENTION_BYTES, "too much went, up to {start}");
    });
    assert!(moves >= 2, "the start moved {moves} times");
    let mut connection = broker.connect();
    until("the rest is not too much", || {
        let start = offset_of(&mut connection, "by-size", EARLIEST);
        (kept_bytes(start, RECORDS as usize) < RETENTION_BYTES + 2 * MIB).then_some(())
    });
    assert_eq!(offset_of(&mut connection, "by-size", LATEST), RECORDS);
}

#[test]
fn what_is_too_old_goes_and_nothing_younger() {
    const RETENTION_MS: i64 = 1_500;
    let mut broker = broker();
    let limit = RETENTION_MS.to_string();
    broker.create_topic("by-time", &[SEGMENT, ("retention.ms", &limit), ("file.delete.delay.ms", "0")]);
    let moves = grow(&broker, "by-time", |start, written_ms| {
        let youngest_ms = now_ms() - written_ms[start as usize - 1];
        assert!(youngest_ms > RETENTION_MS, "offset {} was {youngest_ms} ms old", start - 1);
    });
    assert!(moves >= 2, "the start moved {moves} times");
    let mut connection = broker.connect();
    until("all of it is too old", || {
        (offset_of(&mut connection, "by-time", EARLIEST) == RECORDS).then_some(())
    });
    // The files too, but for an empty segment; offsets go on.
    until("the files are gone", || {
        let files = std::fs::read_dir(broker.data.join("by-time-0")).unwrap();
        let bytes: u64 = files.filter_map(|file| file.ok()?.metadata().ok()).map(|about| about.len()).sum();
        (bytes < RECORD_BYTES as u64).then_some(())
    });
    broker.process.kill();
    broker.start_again();
    let mut connection = broker.connect();
    assert_eq!(offset_of(&mut connection, "by-time", EARLIEST), RECORDS, "what went stays away");
    assert_eq!(produce(&mut connection, "by-time", batch(&[b"on"])).base_offset, RECORDS);
}
