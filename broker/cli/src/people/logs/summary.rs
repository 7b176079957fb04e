//! `millrace logs dump --summary`: one line for each segment.

use serde::Serialize;

use super::files::{Kind, LogFile, topic_of};
use super::segment::{Found, Segment};
use crate::people::failure::Failure;
use crate::people::screen::{Screen, Unit};
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

#[derive(Debug, Clone, Default, Serialize)]
struct Summary {
    file: String,
    topic: Option<String>,
    first_offset: Option<i64>,
    last_offset: Option<i64>,
    batches: u64,
    records: i64,
    bytes: u64,
    oldest_ms: Option<i64>,
    newest_ms: Option<i64>,
    problems: Vec<String>,
}

/// Shows segments and counts what is wrong with them.
pub(super) fn run(found: &[LogFile], screen: &mut Screen<'_>) -> Result<usize, Failure> {
    let segments: Vec<&LogFile> = found.iter().filter(|file| file.kind == Kind::Segment).collect();
    let bytes = segments.iter().filter_map(|file| file.path.metadata().ok()).map(|about| about.len()).sum();
    let bar = screen.progress(bytes, Unit::Bytes);
    let mut rows = Vec::with_capacity(segments.len());
    for file in segments {
        let row = summary(file).map_err(|error| Failure::file(&file.path, &error))?;
        bar.inc(row.bytes);
        rows.push(row);
    }
    bar.finish_and_clear();
    screen.show(&rows, |rows| table(rows));
    for row in &rows {
        row.problems.iter().for_each(|problem| screen.warn(format!("{}: {problem}", row.file)));
    }
    Ok(rows.iter().map(|row| row.problems.len()).sum())
}

fn summary(file: &LogFile) -> std::io::Result<Summary> {
    let mut segment = Segment::open(&file.path)?;
    let mut summary = Summary {
        file: file.path.display().to_string(),
        topic: topic_of(&file.path),
        bytes: segment.size(),
        ..Summary::default()
    };
    while let Some(found) = segment.next()? {
        match found {
            Found::Batch { position, batch, damage } => {
                let header = batch.header;
                summary.first_offset.get_or_insert(header.base_offset);
                summary.last_offset = Some(header.last_offset());
                summary.batches += 1;
                summary.records += i64::from(header.record_count);
                if header.max_timestamp >= 0 {
                    let oldest = summary.oldest_ms.unwrap_or(i64::MAX);
                    let base =
                        header.delete_horizon_ms().map_or(header.base_timestamp, |_| header.max_timestamp);
                    summary.oldest_ms = Some(oldest.min(base));
                    summary.newest_ms = summary.newest_ms.max(Some(header.max_timestamp));
                }
                if let Some(damage) = damage {
                    summary.problems.push(format!("at byte {position}: {damage}"));
                }
            }
            Found::Legacy { base_offset, .. } => {
                summary.first_offset.get_or_insert(base_offset);
                summary.last_offset = Some(base_offset);
                summary.batches += 1;
            }
            Found::Torn { position, bytes, reason } => {
                summary.problems.push(format!("at byte {position}: the last {bytes} bytes: {reason}"));
            }
        }
    }
    Ok(summary)
}

fn table(rows: &[Summary]) -> Table {
    let mut table = Table::new([
        Column::Left("SEGMENT"),
        Column::Right("FIRST"),
        Column::Right("LAST"),
        Column::Right("BATCHES"),
        Column::Right("RECORDS"),
        Column::Right("SIZE"),
        Column::Left("OLDEST"),
        Column::Left("NEWEST"),
        Column::Left("STATE"),
    ]);
    for row in rows {
        let state = match row.problems.len() {
            0 => Cell::toned("ok", Tone::Good),
            count => Cell::toned(format!("{count} damaged"), Tone::Bad),
        };
        table.row([
            Cell::name(&row.file),
            Cell::maybe(row.first_offset),
            Cell::maybe(row.last_offset),
            row.batches.into(),
            row.records.into(),
            units::size(i64::try_from(row.bytes).unwrap_or(i64::MAX)).into(),
            Cell::maybe(row.oldest_ms.map(units::moment)),
            Cell::maybe(row.newest_ms.map(units::moment)),
            state,
        ]);
    }
    table
}
