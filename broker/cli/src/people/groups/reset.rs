//! `millrace groups reset`: shows what would move, asks, moves.

use std::collections::BTreeMap;

use clap::{ArgGroup, Args};
use millrace_client::{CommittedOffset, TopicPartition};
use serde::Serialize;

use crate::people::failure::Failure;
use crate::people::position::{Position, Selection};
use crate::people::screen::Screen;
use crate::people::session::Session;
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("where").required(true).args(["to", "shift"]))]
pub(super) struct ResetArgs {
    /// The group
    group: String,
    /// Only this topic, or these partitions of it; all that the group committed for otherwise
    #[arg(short, long = "topic", value_name = "TOPIC[:0,2-4]")]
    topics: Vec<Selection>,
    /// Where to: earliest, latest, an offset, -10 (the last ten), a moment, or 90m (ago)
    #[arg(long, value_name = "POSITION", allow_hyphen_values = true)]
    to: Option<Position>,
    /// Forwards by so many records, or backwards
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shift: Option<i64>,
    /// Only show what would move
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Move {
    topic: String,
    partition: i32,
    from: Option<i64>,
    to: i64,
}

/// Runs the command.
pub(super) async fn run(session: &Session, args: ResetArgs, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let committed = committed(session, &args.group).await?;
    check_members(session, &args).await?;
    let partitions = selected(session, &args, &committed).await?;
    if partitions.is_empty() {
        return Err(Failure::new(format!("group '{}' has committed nothing", args.group))
            .hint("--topic names what it is to start from"));
    }
    let targets = targets(session, &args, &partitions, &committed).await?;
    let moves = moves(&partitions, &committed, &targets);
    if !screen.is_json() {
        screen.table(&table(&moves));
    }
    if !args.dry_run {
        screen.io().flush();
        screen.confirm(&format!("move group '{}' so?", args.group), args.yes)?;
        commit(session, &args.group, &moves).await?;
    }
    if screen.is_json() {
        screen.json(&moves);
    } else if args.dry_run {
        screen.note("nothing was moved: --dry-run");
    } else {
        screen.note(format!("moved group '{}'", args.group));
    }
    Ok(())
}

async fn committed(session: &Session, group: &str) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let mut offsets = BTreeMap::new();
    for (partition, offset) in session.admin().list_group_offsets(group, None).await? {
        if let Some(offset) = offset? {
            offsets.insert(partition, offset.offset);
        }
    }
    Ok(offsets)
}

/// Members would go on where they are and commit over it; the coordinator refuses for the same reason.
async fn check_members(session: &Session, args: &ResetArgs) -> Result<(), Failure> {
    let described = session.admin().describe_groups(vec![args.group.clone()]).await?;
    let members = described.into_iter().filter_map(|(_, group)| group.ok()).flat_map(|group| group.members);
    let mut clients: Vec<String> =
        members.map(|one| format!("{} at {}", one.client_id, one.host.trim_start_matches('/'))).collect();
    clients.sort();
    match clients.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "group '{}' has {}",
            args.group,
            units::counted(count as i64, "member")
        ))
        .hint(format!("stop them first: {}", clients.join(", ")))),
    }
}

async fn selected(
    session: &Session,
    args: &ResetArgs,
    committed: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<TopicPartition>, Failure> {
    if args.topics.is_empty() {
        return Ok(committed.keys().cloned().collect());
    }
    let mut partitions = Vec::new();
    for selection in &args.topics {
        partitions.extend(selection.of(&session.topic(&selection.topic).await?)?);
    }
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}

async fn targets(
    session: &Session,
    args: &ResetArgs,
    partitions: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let Some(by) = args.shift else {
        return args.to.unwrap_or(Position::Latest).offsets(session, partitions).await;
    };
    let first = Position::Earliest.offsets(session, partitions).await?;
    let end = Position::Latest.offsets(session, partitions).await?;
    let shifted = |(partition, first): (TopicPartition, i64)| {
        let end = *end.get(&partition)?;
        // What was never committed is shifted from the beginning.
        let from = committed.get(&partition).copied().unwrap_or(first);
        Some((partition, from.saturating_add(by).clamp(first, end.max(first))))
    };
    Ok(first.into_iter().filter_map(shifted).collect())
}

fn moves(
    partitions: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, i64>,
    targets: &BTreeMap<TopicPartition, i64>,
) -> Vec<Move> {
    let one = |partition: &TopicPartition| {
        Some(Move {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            from: committed.get(partition).copied(),
            to: *targets.get(partition)?,
        })
    };
    partitions.iter().filter_map(one).collect()
}

async fn commit(session: &Session, group: &str, moves: &[Move]) -> Result<(), Failure> {
    let offset =
        |one: &Move| (TopicPartition::new(one.topic.as_str(), one.partition), CommittedOffset::at(one.to));
    let results = session.admin().alter_group_offsets(group, moves.iter().map(offset).collect()).await?;
    for (partition, result) in results {
        result.map_err(|error| Failure::refused(format!("cannot move {partition}"), error))?;
    }
    Ok(())
}

fn table(moves: &[Move]) -> Table {
    let mut table = Table::new([
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("FROM"),
        Column::Right("TO"),
        Column::Right("CHANGE"),
    ]);
    for one in moves {
        let change = one.to - one.from.unwrap_or(one.to);
        let tone = if change == 0 { Tone::Faint } else { Tone::Warn };
        table.row([
            Cell::name(&one.topic),
            one.partition.into(),
            Cell::maybe(one.from),
            one.to.into(),
            Cell::toned(format!("{change:+}"), tone),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn moves_are_shown_with_their_direction() {
        let partitions: Vec<TopicPartition> =
            (0..4).map(|number| TopicPartition::new("orders", number)).collect();
        let offsets = |pairs: &[(usize, i64)]| -> BTreeMap<TopicPartition, i64> {
            pairs.iter().map(|(at, offset)| (partitions[*at].clone(), *offset)).collect()
        };
        let committed = offsets(&[(0, 100), (1, 7), (2, 5)]);
        let moves = moves(&partitions, &committed, &offsets(&[(0, 10), (1, 7), (2, 50), (3, 1)]));
        expect![[r#"
            TOPIC   PARTITION  FROM  TO  CHANGE
            orders          0   100  10     -90
            orders          1     7   7      +0
            orders          2     5  50     +45
            orders          3     -   1      +0
        "#]]
        .assert_eq(&table(&moves).render(false));
    }
}
