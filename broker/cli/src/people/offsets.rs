//! `millrace offsets`: first, last and by time.

use clap::Args;
use millrace_client::{IsolationLevel, OffsetSpec, TopicPartition};
use serde::Serialize;

use super::Common;
use super::failure::Failure;
use super::position::Selection;
use super::screen::Screen;
use super::session::Session;
use super::table::{Cell, Column, Table, Tone};
use super::units;

/// `millrace offsets`.
#[derive(Debug, Clone, Args)]
pub(super) struct OffsetsArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The topics, or some of their partitions
    #[arg(required = true, value_name = "TOPIC[:0,2-4]")]
    topics: Vec<Selection>,
    /// The first record at or after a moment as well: 2026-01-31T12:00:00Z, @1769860800000, 90m (ago)
    #[arg(long, value_name = "MOMENT", value_parser = units::parse_moment)]
    at: Option<i64>,
    /// The newest record as well, by timestamp
    #[arg(long)]
    newest: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    topic: String,
    partition: i32,
    first: Option<i64>,
    end: Option<i64>,
    records: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Found>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Found {
    /// Missing when no record matches.
    offset: Option<i64>,
    timestamp_ms: Option<i64>,
}

/// Runs the command.
pub(super) async fn run(args: OffsetsArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let session = Session::open(&args.common.connection).await?;
    let mut partitions = Vec::new();
    for selection in &args.topics {
        partitions.extend(selection.of(&session.topic(&selection.topic).await?)?);
    }
    let mut rows = rows(&session, &partitions).await?;
    if let Some(ms) = args.at {
        let found = lookup(&session, &partitions, OffsetSpec::Timestamp(ms)).await?;
        rows.iter_mut().zip(found).for_each(|(row, found)| row.at = Some(found));
    }
    if args.newest {
        let found = lookup(&session, &partitions, OffsetSpec::MaxTimestamp).await?;
        rows.iter_mut().zip(found).for_each(|(row, found)| row.newest = Some(found));
    }
    screen.show(&rows, |rows| table(rows));
    Ok(())
}

async fn rows(session: &Session, partitions: &[TopicPartition]) -> Result<Vec<Row>, Failure> {
    let first = session.offsets(partitions, OffsetSpec::Earliest).await?;
    let end = session.offsets(partitions, OffsetSpec::Latest).await?;
    let row = |partition: &TopicPartition| {
        let (first, end) = (first.get(partition).copied(), end.get(partition).copied());
        Row {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            first,
            end,
            records: end.zip(first).map(|(end, first)| end - first),
            at: None,
            newest: None,
        }
    };
    Ok(partitions.iter().map(row).collect())
}

async fn lookup(
    session: &Session,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Vec<Found>, Failure> {
    let wanted = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let listed = session.admin().list_offsets(wanted, IsolationLevel::ReadUncommitted).await?;
    let found = |(partition, listed): (TopicPartition, Result<millrace_client::ListedOffset, _>)| {
        let listed = listed.map_err(|error| Failure::refused(partition, error))?;
        Ok(Found {
            offset: Some(listed.offset).filter(|offset| *offset >= 0),
            timestamp_ms: Some(listed.timestamp_ms).filter(|ms| *ms >= 0),
        })
    };
    listed.into_iter().map(found).collect()
}

fn table(rows: &[Row]) -> Table {
    let has_at = rows.iter().any(|row| row.at.is_some());
    let has_newest = rows.iter().any(|row| row.newest.is_some());
    let mut columns = vec![
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("FIRST"),
        Column::Right("END"),
        Column::Right("RECORDS"),
    ];
    if has_at {
        columns.extend([Column::Right("AT"), Column::Left("TIME")]);
    }
    if has_newest {
        columns.extend([Column::Right("NEWEST"), Column::Left("TIME")]);
    }
    let mut table = Table::new(columns);
    for row in rows {
        let mut cells = vec![
            Cell::name(&row.topic),
            row.partition.into(),
            Cell::maybe(row.first),
            Cell::maybe(row.end),
            Cell::maybe(row.records),
        ];
        for found in [row.at, row.newest].into_iter().flatten() {
            let offset = found.offset.map_or(Cell::toned("none", Tone::Faint), Cell::from);
            cells.extend([offset, Cell::maybe(found.timestamp_ms.map(units::moment))]);
        }
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn columns_come_as_they_are_asked_for() {
        let mut row = Row {
            topic: "orders".into(),
            partition: 0,
            first: Some(5),
            end: Some(25),
            records: Some(20),
            at: None,
            newest: None,
        };
        let lost = Row { partition: 1, first: None, end: None, records: None, ..row.clone() };
        expect![[r#"
            TOPIC   PARTITION  FIRST  END  RECORDS
            orders          0      5   25       20
            orders          1      -    -        -
        "#]]
        .assert_eq(&table(&[row.clone(), lost]).render(false));
        row.at = Some(Found { offset: None, timestamp_ms: None });
        row.newest = Some(Found { offset: Some(24), timestamp_ms: None });
        expect![[r#"
            TOPIC   PARTITION  FIRST  END  RECORDS    AT  TIME  NEWEST  TIME
            orders          0      5   25       20  none  -         24  -
        "#]]
        .assert_eq(&table(&[row.clone()]).render(false));
        expect![[r#"{"topic":"orders","partition":0,"first":5,"end":25,"records":20,"at":{"offset":null,"timestamp_ms":null},"newest":{"offset":24,"timestamp_ms":null}}"#]]
            .assert_eq(&serde_json::to_string(&row).unwrap());
    }
}
