//! `millrace topics list`.

use clap::Args;
use millrace_client::{OffsetSpec, TopicView};
use serde::Serialize;

use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::{Session, partitions_of};
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

#[derive(Debug, Clone, Args)]
pub(super) struct ListArgs {
    /// Only topics whose name contains this
    #[arg(value_name = "TEXT")]
    contains: Option<String>,
    /// The broker's own topics as well, such as __consumer_offsets
    #[arg(short, long)]
    all: bool,
    /// Records and bytes as well
    #[arg(short, long)]
    long: bool,
    /// Names only, one a line
    #[arg(short, long, conflicts_with_all = ["long", "output"])]
    quiet: bool,
}

/// A topic as one row.
#[derive(Debug, Clone, Serialize)]
struct Row {
    topic: String,
    id: String,
    internal: bool,
    partitions: usize,
    replicas: usize,
    under_replicated: usize,
    offline: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<i64>,
}

/// Runs the command.
pub(super) async fn run(session: &Session, args: &ListArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let cluster = session.everything().await?;
    let wanted = |topic: &TopicView| {
        let named = args.contains.as_ref().is_none_or(|text| topic.name.contains(text.as_str()));
        named && (args.all || !topic.is_internal) && topic.error.is_ok()
    };
    let topics: Vec<TopicView> =
        cluster.topics.values().filter(|topic| wanted(topic)).map(|topic| TopicView::clone(topic)).collect();
    if args.quiet {
        topics.iter().for_each(|topic| screen.line(&topic.name));
        return Ok(());
    }
    let mut rows: Vec<Row> = topics.iter().map(row).collect();
    if args.long {
        add_sizes(session, &topics, &mut rows).await?;
    }
    if rows.is_empty() && !screen.is_json() {
        screen.note(match &args.contains {
            Some(text) => format!("no topic has '{text}' in its name"),
            None => "no topics yet; `millrace topics create NAME` makes one".to_owned(),
        });
        return Ok(());
    }
    screen.show(&rows, |rows| table(rows));
    Ok(())
}

fn row(topic: &TopicView) -> Row {
    Row {
        topic: topic.name.to_string(),
        id: topic.id.to_string(),
        internal: topic.is_internal,
        partitions: topic.partitions.len(),
        replicas: topic.partitions.first().map_or(0, |partition| partition.replicas.len()),
        under_replicated: topic.partitions.iter().filter(|one| one.isr.len() < one.replicas.len()).count(),
        offline: topic.partitions.iter().filter(|one| one.leader.is_none()).count(),
        records: None,
        bytes: None,
    }
}

async fn add_sizes(session: &Session, topics: &[TopicView], rows: &mut [Row]) -> Result<(), Failure> {
    let partitions: Vec<_> = topics.iter().flat_map(partitions_of).collect();
    let first = session.offsets(&partitions, OffsetSpec::Earliest).await?;
    let end = session.offsets(&partitions, OffsetSpec::Latest).await?;
    let sizes = session.sizes(topics).await;
    for (topic, row) in topics.iter().zip(rows) {
        let partitions = partitions_of(topic);
        let records = partitions.iter().filter_map(|one| Some(end.get(one)? - first.get(one)?)).sum();
        row.records = Some(records);
        row.bytes = (!sizes.is_empty()).then(|| partitions.iter().filter_map(|one| sizes.get(one)).sum());
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let long = rows.iter().any(|row| row.records.is_some());
    let mut columns = vec![Column::Left("TOPIC"), Column::Right("PARTITIONS"), Column::Right("REPLICAS")];
    if long {
        columns.extend([Column::Right("RECORDS"), Column::Right("SIZE")]);
    }
    columns.push(Column::Left("STATE"));
    let mut table = Table::new(columns);
    for row in rows {
        let tone = if row.internal { Tone::Faint } else { Tone::Name };
        let mut cells = vec![Cell::toned(&row.topic, tone), row.partitions.into(), row.replicas.into()];
        if long {
            cells.extend([Cell::maybe(row.records), Cell::maybe(row.bytes.map(units::size))]);
        }
        cells.push(state(row));
        table.row(cells);
    }
    table
}

fn state(row: &Row) -> Cell {
    match (row.offline, row.under_replicated) {
        (0, 0) => Cell::toned("ok", Tone::Good),
        (0, under) => Cell::toned(format!("{under} under-replicated"), Tone::Warn),
        (offline, _) => Cell::toned(format!("{offline} without leader"), Tone::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use millrace_client::PartitionView;
    use millrace_protocol::{ErrorCode, Uuid};

    fn topic(name: &str, partitions: &[(Option<i32>, usize)]) -> TopicView {
        let partition = |(number, (leader, in_sync)): (usize, &(Option<i32>, usize))| PartitionView {
            partition: number as i32,
            leader: *leader,
            leader_epoch: Some(0),
            replicas: vec![1, 2],
            isr: vec![1, 2][..*in_sync].to_vec(),
            offline: Vec::new(),
            error: ErrorCode::NONE,
        };
        TopicView {
            name: name.into(),
            id: Uuid::ZERO,
            is_internal: name.starts_with("__"),
            error: ErrorCode::NONE,
            partitions: partitions.iter().enumerate().map(partition).collect(),
        }
    }

    #[test]
    fn topics_are_rows_with_their_state() {
        let topics = [
            topic("orders", &[(Some(1), 2), (Some(2), 2)]),
            topic("lagging", &[(Some(1), 1)]),
            topic("__consumer_offsets", &[(None, 0), (Some(1), 2)]),
        ];
        let mut rows: Vec<Row> = topics.iter().map(row).collect();
        expect![[r#"
            TOPIC               PARTITIONS  REPLICAS  STATE
            orders                       2         2  ok
            lagging                      1         2  1 under-replicated
            __consumer_offsets           2         2  1 without leader
        "#]]
        .assert_eq(&table(&rows).render(false));
        rows.truncate(1);
        (rows[0].records, rows[0].bytes) = (Some(12_345), Some(3 << 20));
        expect![[r#"
            TOPIC   PARTITIONS  REPLICAS  RECORDS     SIZE  STATE
            orders           2         2    12345  3.0 MiB  ok
        "#]]
        .assert_eq(&table(&rows).render(false));
        expect![[r#"{"topic":"orders","id":"AAAAAAAAAAAAAAAAAAAAAA","internal":false,"partitions":2,"replicas":2,"under_replicated":0,"offline":0,"records":12345,"bytes":3145728}"#]]
            .assert_eq(&serde_json::to_string(&rows[0]).unwrap());
    }
}
