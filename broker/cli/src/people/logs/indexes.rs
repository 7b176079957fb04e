//! Indexes and producer snapshots: entries of fixed size. An index is held against its segment's name and
//! its own order; a snapshot against its checksum.

use std::fs::File;
use std::io::{self, BufReader, Read};

use bytes::Buf;
use millrace_protocol::records::crc32c;
use serde_json::{Value, json};

use super::files::{Kind, LogFile};
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::table::{Cell, Column, Table};
use crate::people::units;

/// Bytes of a snapshot before its producers: version, checksum, count.
const SNAPSHOT_HEAD_BYTES: usize = 10;
/// Where the part of a snapshot begins that its checksum covers.
const SNAPSHOT_CRC_FROM: usize = 6;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Shows a file and counts what is wrong with it.
pub(super) fn dump(file: &LogFile, screen: &mut Screen<'_>) -> Result<usize, Failure> {
    let bytes = read(file).map_err(|error| Failure::file(&file.path, &error))?;
    let content = match file.kind {
        Kind::OffsetIndex => offset_index(&bytes, file.base_offset().unwrap_or(0)),
        Kind::TimeIndex => time_index(&bytes, file.base_offset().unwrap_or(0)),
        Kind::TransactionIndex => transaction_index(&bytes),
        _ => producers(&bytes),
    };
    if screen.is_json() {
        screen.json_line(&json!({ "file": file.path, "kind": content.kind, "entries": content.entries }));
    } else {
        screen.table(&content.table);
    }
    for problem in &content.problems {
        screen.warn(format!("{}: {problem}", file.path.display()));
    }
    Ok(content.problems.len())
}

fn read(file: &LogFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(&file.path)?.take(FILE_BYTES_MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file of entries holds.
struct Content {
    kind: &'static str,
    entries: Vec<Value>,
    table: Table,
    problems: Vec<String>,
}

impl Content {
    fn new(kind: &'static str, columns: Vec<Column>) -> Self {
        Self { kind, entries: Vec::new(), table: Table::new(columns), problems: Vec::new() }
    }

    fn check_whole(&mut self, bytes: usize, entry_bytes: usize) {
        if !bytes.is_multiple_of(entry_bytes) {
            self.problems.push(format!("{} bytes after the last entry", bytes % entry_bytes));
        }
    }
}

fn offset_index(bytes: &[u8], base: i64) -> Content {
    const ENTRY_BYTES: usize = 8;
    let mut content = Content::new("offset index", vec![Column::Right("OFFSET"), Column::Right("POSITION")]);
    let mut last = None;
    for mut entry in bytes.chunks_exact(ENTRY_BYTES) {
        let (relative, position) = (entry.get_u32(), entry.get_u32());
        // An index of a running Kafka is as large as it may become; the rest is zeros.
        if (relative, position) == (0, 0) && last.is_some() {
            break;
        }
        let offset = base + i64::from(relative);
        if last.is_some_and(|(before, at)| before >= offset || at >= position) {
            content.problems.push(format!("the entry for offset {offset} is out of order"));
        }
        last = Some((offset, position));
        if (relative, position) != (0, 0) {
            content.entries.push(json!({ "offset": offset, "position": position }));
            content.table.row([Cell::name(offset), position.into()]);
        }
    }
    content.check_whole(bytes.len(), ENTRY_BYTES);
    content
}

fn time_index(bytes: &[u8], base: i64) -> Content {
    const ENTRY_BYTES: usize = 12;
    let columns = vec![Column::Right("OFFSET"), Column::Right("TIMESTAMP"), Column::Left("TIME")];
    let mut content = Content::new("time index", columns);
    let mut last = None;
    for mut entry in bytes.chunks_exact(ENTRY_BYTES) {
        let (time_ms, relative) = (entry.get_i64(), entry.get_u32());
        if time_ms == 0 {
            break;
        }
        let offset = base + i64::from(relative);
        if last.is_some_and(|(before, at)| before >= time_ms || at > offset) {
            content.problems.push(format!("the entry for offset {offset} is out of order"));
        }
        last = Some((time_ms, offset));
        content.entries.push(json!({ "offset": offset, "timestamp_ms": time_ms }));
        content.table.row([Cell::name(offset), time_ms.into(), units::moment(time_ms).into()]);
    }
    content.check_whole(bytes.len(), ENTRY_BYTES);
    content
}

/// `AbortedTxn`: version, producer, first and last offset, last stable offset.
fn transaction_index(bytes: &[u8]) -> Content {
    const ENTRY_BYTES: usize = 34;
    let columns = ["PRODUCER", "FIRST", "LAST", "LAST STABLE"].map(Column::Right);
    let mut content = Content::new("transaction index", columns.to_vec());
    for mut entry in bytes.chunks_exact(ENTRY_BYTES) {
        let version = entry.get_i16();
        if version != 0 {
            content.problems.push(format!("an entry of version {version}"));
            break;
        }
        let (producer, first) = (entry.get_i64(), entry.get_i64());
        let (last, stable) = (entry.get_i64(), entry.get_i64());
        content.entries.push(json!({
            "producer_id": producer,
            "first_offset": first,
            "last_offset": last,
            "last_stable_offset": stable,
        }));
        content.table.row([Cell::name(producer), first.into(), last.into(), stable.into()]);
    }
    content.check_whole(bytes.len(), ENTRY_BYTES);
    content
}

/// `ProducerStateManager`, version 1.
fn producers(bytes: &[u8]) -> Content {
    const PRODUCER_BYTES: usize = 46;
    let columns = vec![
        Column::Right("PRODUCER"),
        Column::Right("EPOCH"),
        Column::Right("LAST SEQUENCE"),
        Column::Right("LAST OFFSET"),
        Column::Right("RECORDS"),
        Column::Left("TIME"),
        Column::Right("COORDINATOR EPOCH"),
        Column::Right("TRANSACTION FROM"),
    ];
    let mut content = Content::new("producers", columns);
    let mut rest = bytes;
    if rest.len() < SNAPSHOT_HEAD_BYTES {
        content.problems.push("shorter than its head".to_owned());
        return content;
    }
    let (version, stored, count) = (rest.get_i16(), rest.get_u32(), rest.get_i32());
    if version != 1 {
        content.problems.push(format!("version {version} is not known"));
        return content;
    }
    let computed = crc32c(&bytes[SNAPSHOT_CRC_FROM..]);
    if stored != computed {
        content.problems.push(format!("crc {stored:#010x} stored, {computed:#010x} computed"));
    }
    for mut fields in rest.chunks_exact(PRODUCER_BYTES) {
        producer(&mut content, &mut fields);
    }
    if usize::try_from(count).ok() != Some(content.entries.len()) {
        content.problems.push(format!("{count} producers announced, {} there", content.entries.len()));
    }
    content.check_whole(rest.len(), PRODUCER_BYTES);
    content
}

fn producer(content: &mut Content, fields: &mut &[u8]) {
    let (id, epoch) = (fields.get_i64(), fields.get_i16());
    let (sequence, offset, delta) = (fields.get_i32(), fields.get_i64(), fields.get_i32());
    let (time_ms, coordinator_epoch, transaction) = (fields.get_i64(), fields.get_i32(), fields.get_i64());
    content.entries.push(json!({
        "producer_id": id,
        "producer_epoch": epoch,
        "last_sequence": sequence,
        "last_offset": offset,
        "offset_delta": delta,
        "timestamp_ms": time_ms,
        "coordinator_epoch": coordinator_epoch,
        "transaction_start_offset": transaction,
    }));
    content.table.row([
        Cell::name(id),
        epoch.into(),
        sequence.into(),
        offset.into(),
        (i64::from(delta) + 1).into(),
        units::moment(time_ms).into(),
        coordinator_epoch.into(),
        Cell::maybe(Some(transaction).filter(|offset| *offset >= 0)),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn bytes(fields: &[&[u8]]) -> Vec<u8> {
        fields.concat()
    }

    #[test]
    fn an_offset_index_counts_from_its_name_and_ends_before_the_zeros() {
        let entry = |offset: u32, position: u32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
        let content =
            offset_index(&bytes(&[&entry(5, 100), &entry(9, 250), &entry(0, 0), &entry(0, 0)]), 1000);
        expect![[r#"
            OFFSET  POSITION
              1005       100
              1009       250
        "#]]
        .assert_eq(&content.table.render(false));
        assert!(content.problems.is_empty());
        let broken = offset_index(&bytes(&[&entry(9, 250), &entry(5, 300), b"abc"]), 0);
        assert_eq!(
            broken.problems,
            ["the entry for offset 5 is out of order", "3 bytes after the last entry"]
        );
    }

    #[test]
    fn a_time_index() {
        let entry = |time: i64, offset: u32| [&time.to_be_bytes()[..], &offset.to_be_bytes()].concat();
        let content = time_index(&bytes(&[&entry(1_000, 3), &entry(2_000, 8), &entry(0, 0)]), 10);
        assert_eq!(
            content.entries,
            [json!({ "offset": 13, "timestamp_ms": 1000 }), json!({ "offset": 18, "timestamp_ms": 2000 })]
        );
        assert_eq!(time_index(&bytes(&[&entry(2_000, 3), &entry(1_000, 8)]), 0).problems.len(), 1);
    }

    #[test]
    fn a_snapshot_of_producers_is_held_against_its_checksum() {
        let producer = bytes(&[
            &77_i64.to_be_bytes(),
            &2_i16.to_be_bytes(),
            &41_i32.to_be_bytes(),
            &99_i64.to_be_bytes(),
            &9_i32.to_be_bytes(),
            &(-1_i64).to_be_bytes(),
            &(-1_i32).to_be_bytes(),
            &(-1_i64).to_be_bytes(),
        ]);
        let covered = bytes(&[&1_i32.to_be_bytes(), &producer]);
        let mut snapshot = bytes(&[&1_i16.to_be_bytes(), &crc32c(&covered).to_be_bytes(), &covered]);
        let content = producers(&snapshot);
        assert!(content.problems.is_empty(), "{:?}", content.problems);
        expect![[r#"
            PRODUCER  EPOCH  LAST SEQUENCE  LAST OFFSET  RECORDS  TIME  COORDINATOR EPOCH  TRANSACTION FROM
                  77      2             41           99       10  -                    -1                 -
        "#]]
        .assert_eq(&content.table.render(false));
        snapshot[20] ^= 1;
        assert_eq!(producers(&snapshot).problems.len(), 1);
        assert_eq!(producers(&snapshot[..8]).problems, ["shorter than its head"]);
    }

    #[test]
    fn aborted_transactions() {
        let entry = bytes(&[&0_i16.to_be_bytes(), &7_i64.to_be_bytes(), &1_i64.to_be_bytes()]);
        let entry = bytes(&[&entry, &5_i64.to_be_bytes(), &6_i64.to_be_bytes()]);
        let content = transaction_index(&entry);
        assert_eq!(content.entries.len(), 1);
        assert_eq!(content.entries[0]["last_stable_offset"], 6);
    }
}
