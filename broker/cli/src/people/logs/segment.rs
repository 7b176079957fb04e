//! Segments: batches one after the other, and the records inside. Reads a batch at a time, and says what
//! is damaged instead of stopping at it, as far as a length can be believed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use indicatif::ProgressBar;
use millrace_protocol::records::{
    BATCH_HEADER_BYTES, Batch, BatchHeader, LOG_OVERHEAD_BYTES, MAGIC_AT, MAGIC_V2, RecordRef, RecordsError,
    TimestampType,
};
use serde_json::{Map, Value, json};

use super::decode::{self, Decoder};
use super::files::LogFile;
use crate::people::failure::Failure;
use crate::people::payload;
use crate::people::screen::{Screen, Unit};
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

/// Bytes read ahead.
const BUFFER_BYTES: usize = 1 << 20;
/// Most bytes that a batch may hold when it is decompressed.
const BODY_BYTES_MAX: usize = 512 << 20;
/// Rows of one table: a segment of many small batches is shown in several.
const TABLE_ROWS_MAX: usize = 2000;

/// What a segment holds at a position.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole batch; its checksum may be wrong.
    Batch { position: u64, batch: Batch, damage: Option<RecordsError> },
    /// Messages of the format before Kafka 0.11.
    Legacy { position: u64, base_offset: i64, magic: i8, bytes: usize },
    /// What is no whole batch, up to the end of the file.
    Torn { position: u64, bytes: u64, reason: RecordsError },
}

/// Reads a segment from front to end.
#[derive(Debug)]
pub(super) struct Segment {
    file: BufReader<File>,
    position: u64,
    size: u64,
}

impl Segment {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(BUFFER_BYTES, file), position: 0, size })
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        let (position, left) = (self.position, self.size - self.position);
        if left == 0 {
            return Ok(None);
        }
        let head_bytes = left.min(BATCH_HEADER_BYTES as u64) as usize;
        let mut head = vec![0; head_bytes];
        self.file.read_exact(&mut head)?;
        let found = match (head.get(MAGIC_AT).map(|magic| *magic as i8), BatchHeader::parse(&head)) {
            (Some(magic @ (0 | 1)), _) if has_plausible_length(&head, left) => {
                self.legacy(position, &head, magic)?
            }
            (Some(MAGIC_V2), Ok(header)) if header.size_bytes() as u64 <= left => {
                self.batch(position, head, &header)?
            }
            (_, Ok(header)) => {
                let reason = RecordsError::Short { needed: header.size_bytes(), available: left as usize };
                self.torn(position, left, reason)
            }
            (_, Err(reason)) => self.torn(position, left, reason),
        };
        Ok(Some(found))
    }

    fn batch(&mut self, position: u64, mut bytes: Vec<u8>, header: &BatchHeader) -> io::Result<Found> {
        bytes.resize(header.size_bytes(), 0);
        self.file.read_exact(&mut bytes[BATCH_HEADER_BYTES..])?;
        self.position += bytes.len() as u64;
        let batch = Batch { header: *header, bytes: Bytes::from(bytes) };
        let damage = batch.validate().err();
        Ok(Found::Batch { position, batch, damage })
    }

    fn legacy(&mut self, position: u64, head: &[u8], magic: i8) -> io::Result<Found> {
        let bytes = LOG_OVERHEAD_BYTES + be_i32(&head[8..12]) as usize;
        self.position += bytes as u64;
        self.file.seek(SeekFrom::Start(self.position))?;
        Ok(Found::Legacy { position, base_offset: be_i64(&head[..8]), magic, bytes })
    }

    fn torn(&mut self, position: u64, left: u64, reason: RecordsError) -> Found {
        self.position = self.size;
        Found::Torn { position, bytes: left, reason }
    }
}

/// A message of the old formats has 14 bytes at least, and lies within the file.
fn has_plausible_length(head: &[u8], left: u64) -> bool {
    let length = be_i32(&head[8..12]);
    length >= 14 && length as u64 + LOG_OVERHEAD_BYTES as u64 <= left
}

fn be_i32(bytes: &[u8]) -> i32 {
    bytes.iter().fold(0, |value, byte| value << 8 | i32::from(*byte))
}

fn be_i64(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |value, byte| value << 8 | i64::from(*byte))
}

/// Which batches to show, and whether with their records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) records: bool,
}

impl Wanted {
    fn takes(self, header: &BatchHeader) -> bool {
        header.last_offset() >= self.from && header.base_offset < self.to
    }
}

/// Shows a segment and counts what is wrong with it.
pub(super) fn dump(
    file: &LogFile,
    wanted: Wanted,
    decoder: Decoder,
    screen: &mut Screen<'_>,
) -> Result<usize, Failure> {
    let failed = |error: io::Error| Failure::file(&file.path, &error);
    let mut segment = Segment::open(&file.path).map_err(failed)?;
    let bar = progress(screen, segment.size());
    let mut view = View { path: &file.path, wanted, decoder, table: Table::new(columns()), shown: 0 };
    let mut problems = 0;
    while let Some(found) = segment.next().map_err(failed)? {
        bar.set_position(segment.position);
        problems += view.show(&found, screen);
        if screen.io().is_broken() {
            break;
        }
    }
    view.finish(screen);
    bar.finish_and_clear();
    Ok(problems)
}

/// Where the result goes to the terminal itself, a bar would only be in its way.
fn progress(screen: &Screen<'_>, bytes: u64) -> ProgressBar {
    if screen.shows_on_terminal() { ProgressBar::hidden() } else { screen.progress(bytes, Unit::Bytes) }
}

/// How batches of one segment are shown.
struct View<'a> {
    path: &'a Path,
    wanted: Wanted,
    decoder: Decoder,
    table: Table,
    shown: usize,
}

impl View<'_> {
    /// Shows one batch, and counts what is wrong with it.
    fn show(&mut self, found: &Found, screen: &mut Screen<'_>) -> usize {
        match found {
            Found::Batch { position, batch, damage } => {
                if let Some(damage) = damage {
                    screen.warn(format!("{}: at byte {position}: {damage}", self.path.display()));
                }
                let is_intact = damage.is_none();
                let mut problems = 0;
                if self.wanted.takes(&batch.header) {
                    problems = self.show_batch(*position, batch, is_intact, screen);
                }
                // What cannot be read in a damaged batch is the same problem.
                if is_intact { problems } else { 1 }
            }
            Found::Legacy { position, base_offset, magic, bytes } => {
                screen.warn(format!(
                    "{}: at byte {position}: {bytes} bytes of messages in format {magic} from offset \
                     {base_offset} on, which Kafka stopped writing in 0.11, are skipped",
                    self.path.display()
                ));
                0
            }
            Found::Torn { position, bytes, reason } => {
                screen.warn(format!(
                    "{}: at byte {position}: the last {bytes} bytes are no batch: {reason}",
                    self.path.display()
                ));
                1
            }
        }
    }

    fn show_batch(
        &mut self,
        position: u64,
        batch: &Batch,
        is_intact: bool,
        screen: &mut Screen<'_>,
    ) -> usize {
        self.shown += 1;
        if screen.is_json() {
            return self.show_json(position, batch, is_intact, screen);
        }
        if self.wanted.records {
            let line = batch_line(position, batch, is_intact);
            let line = screen.paint().name(&line).into_owned();
            screen.line(line);
            return self.show_records(batch, screen);
        }
        self.table.row(row(position, batch, is_intact));
        if self.table.len() >= TABLE_ROWS_MAX {
            self.finish(screen);
        }
        0
    }

    fn show_records(&self, batch: &Batch, screen: &mut Screen<'_>) -> usize {
        let is_control = batch.header.attributes.is_control();
        let body = match batch.body(BODY_BYTES_MAX) {
            Ok(body) => body,
            Err(error) => return self.damaged(batch, &error, screen),
        };
        for record in body.refs() {
            match record {
                Ok(record) => {
                    let line = self.record_line(&record, is_control, screen);
                    screen.line(line);
                }
                Err(error) => return self.damaged(batch, &error, screen),
            }
        }
        0
    }

    fn damaged(&self, batch: &Batch, error: &RecordsError, screen: &mut Screen<'_>) -> usize {
        let first = batch.header.base_offset;
        screen.warn(format!("{}: records of the batch at offset {first}: {error}", self.path.display()));
        1
    }

    fn record_line(&self, record: &RecordRef<'_>, is_control: bool, screen: &Screen<'_>) -> String {
        let paint = screen.paint();
        let time = units::moment(record.timestamp_ms);
        let content = match self.decoder.decode(record.key, record.value, is_control) {
            Some(decoded) => decode::text(&decoded),
            None => format!(
                "{} {}  {} {}",
                paint.faint("key"),
                payload::quoted(record.key),
                paint.faint("value"),
                payload::quoted(record.value)
            ),
        };
        let mut line = format!("  {}  {}  {content}", record.offset, paint.faint(&time));
        for (name, value) in record.headers() {
            let name = String::from_utf8_lossy(name);
            line.push_str(&format!("  {} {}", paint.faint(&format!("{name}:")), payload::quoted(value)));
        }
        line
    }

    fn show_json(&self, position: u64, batch: &Batch, is_intact: bool, screen: &mut Screen<'_>) -> usize {
        let mut fields = batch_fields(position, batch, is_intact);
        fields.insert("file".to_owned(), json!(self.path));
        let mut problems = 0;
        if self.wanted.records {
            let (records, damage) = self.json_records(batch);
            fields.insert("records".to_owned(), Value::Array(records));
            if let Some(damage) = damage {
                problems = self.damaged(batch, &damage, screen);
            }
        }
        screen.json_line(&fields);
        problems
    }

    fn json_records(&self, batch: &Batch) -> (Vec<Value>, Option<RecordsError>) {
        let is_control = batch.header.attributes.is_control();
        let body = match batch.body(BODY_BYTES_MAX) {
            Ok(body) => body,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut records = Vec::new();
        for record in body.refs() {
            match record {
                Ok(record) => records.push(self.json_record(&record, is_control)),
                Err(error) => return (records, Some(error)),
            }
        }
        (records, None)
    }

    fn json_record(&self, record: &RecordRef<'_>, is_control: bool) -> Value {
        let mut fields = Map::new();
        fields.insert("offset".to_owned(), json!(record.offset));
        fields.insert("timestamp_ms".to_owned(), json!(record.timestamp_ms));
        match self.decoder.decode(record.key, record.value, is_control) {
            Some(decoded) => {
                fields.insert("decoded".to_owned(), decoded);
            }
            None => {
                payload::put(&mut fields, "key", record.key);
                payload::put(&mut fields, "value", record.value);
            }
        }
        fields.insert("headers".to_owned(), payload::headers(record.headers()));
        Value::Object(fields)
    }

    /// Shows the rows so far.
    fn finish(&mut self, screen: &mut Screen<'_>) {
        let is_empty = self.shown == 0 && !screen.is_json();
        if self.table.len() > 0 || is_empty {
            screen.table(&self.table);
            self.table = Table::new(columns());
        }
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::Right("FIRST"),
        Column::Right("LAST"),
        Column::Right("RECORDS"),
        Column::Right("POSITION"),
        Column::Right("BYTES"),
        Column::Left("CODEC"),
        Column::Left("NEWEST"),
        Column::Right("EPOCH"),
        Column::Left("PRODUCER"),
        Column::Left("FLAGS"),
    ]
}

/// A batch in one line, above its records.
fn batch_line(position: u64, batch: &Batch, is_intact: bool) -> String {
    let header = &batch.header;
    let mut parts = vec![
        format!("batch {}-{}", header.base_offset, header.last_offset()),
        format!("{} records", header.record_count),
        format!("{} bytes at {position}", batch.bytes.len()),
        codec(batch),
        format!("epoch {}", header.leader_epoch),
    ];
    parts.extend(producer(header).map(|producer| format!("producer {producer}")));
    parts.extend(flags(batch).into_iter().map(str::to_owned));
    if !is_intact {
        parts.push("DAMAGED".to_owned());
    }
    parts.join("  ")
}

fn producer(header: &BatchHeader) -> Option<String> {
    header.has_producer_id().then(|| {
        let (first, last) = (header.base_sequence, header.last_sequence());
        format!("{}/{} seq {first}-{last}", header.producer_id, header.producer_epoch)
    })
}

fn row(position: u64, batch: &Batch, is_intact: bool) -> Vec<Cell> {
    let header = &batch.header;
    let mut flags = flags(batch);
    let tone = if is_intact { Tone::Plain } else { Tone::Bad };
    if !is_intact {
        flags.insert(0, "DAMAGED");
    }
    vec![
        Cell::name(header.base_offset),
        header.last_offset().into(),
        header.record_count.into(),
        position.into(),
        batch.bytes.len().into(),
        codec(batch).into(),
        units::moment(header.max_timestamp).into(),
        header.leader_epoch.into(),
        Cell::maybe(producer(header)),
        Cell::toned(flags.join(" "), tone),
    ]
}

fn codec(batch: &Batch) -> String {
    batch.header.attributes.compression().map_or_else(|error| error.to_string(), |codec| codec.to_string())
}

fn flags(batch: &Batch) -> Vec<&'static str> {
    let attributes = batch.header.attributes;
    let mut flags = Vec::new();
    for (is_set, name) in [
        (attributes.is_control(), "control"),
        (attributes.is_transactional(), "transactional"),
        (attributes.timestamp_type() == TimestampType::LogAppendTime, "append-time"),
        (attributes.has_delete_horizon(), "delete-horizon"),
    ] {
        if is_set {
            flags.push(name);
        }
    }
    flags
}

fn batch_fields(position: u64, batch: &Batch, is_intact: bool) -> Map<String, Value> {
    let header = &batch.header;
    let fields = json!({
        "kind": "batch",
        "base_offset": header.base_offset,
        "last_offset": header.last_offset(),
        "record_count": header.record_count,
        "position": position,
        "bytes": batch.bytes.len(),
        "codec": codec(batch),
        "base_timestamp_ms": header.base_timestamp,
        "max_timestamp_ms": header.max_timestamp,
        "leader_epoch": header.leader_epoch,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "flags": flags(batch),
        "crc": header.crc,
        "intact": is_intact,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
