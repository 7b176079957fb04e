//! Where a consumer starts: a group where it has committed, everybody else where they were told to.

use millrace_client::{Consumer, TopicPartition};

use super::ConsumeArgs;
use crate::people::failure::Failure;
use crate::people::position::Position;
use crate::people::session::Session;

/// Subscribes, or assigns partitions and seeks.
pub(super) async fn start(
    session: &Session,
    args: &ConsumeArgs,
    consumer: &mut Consumer,
) -> Result<(), Failure> {
    let selections = args.selections();
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for selection in &selections {
        partitions.extend(selection.of(&session.topic(&selection.topic).await?)?);
    }
    partitions.sort();
    partitions.dedup();
    if args.group.is_some() {
        consumer.subscribe(selections.iter().map(|selection| selection.topic.as_str()))?;
        return Ok(());
    }
    consumer.assign(partitions.iter().cloned())?;
    match args.start().unwrap_or(Position::Latest) {
        Position::Earliest => consumer.seek_to_beginning(&partitions)?,
        Position::Latest => {
            // Found out now: what is written from here on is to be shown, however long the first poll
            // takes.
            let ends = Position::Latest.offsets(session, &partitions).await?;
            ends.iter().try_for_each(|(partition, offset)| consumer.seek(partition, *offset))?;
        }
        other => {
            let offsets = other.offsets(session, &partitions).await?;
            offsets.iter().try_for_each(|(partition, offset)| consumer.seek(partition, *offset))?;
        }
    }
    Ok(())
}
