//! `millrace topics create`, `alter` and `delete`.

use std::sync::Arc;

use clap::Args;
use millrace_client::{ClusterView, NewPartitions, NewTopic, TopicView};
use millrace_protocol::ErrorCode;
use serde::Serialize;

use crate::people::all_or_last_failure;
use crate::people::failure::Failure;
use crate::people::screen::Screen;
use crate::people::session::Session;
use crate::people::units;

#[derive(Debug, Clone, Args)]
pub(super) struct CreateArgs {
    /// Names of the new topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Partitions of each; the broker's default otherwise
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    partitions: Option<i32>,
    /// Replicas of each partition; the broker's default otherwise
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    replicas: Option<i16>,
    /// A setting that differs from the broker's default
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// Brokers of each partition's replicas: 1,2/2,3 has two partitions
    #[arg(long, value_name = "IDS/IDS/...", value_parser = assignment, conflicts_with_all = ["partitions", "replicas"])]
    assign: Option<Assignment>,
    /// Succeed where the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct AlterArgs {
    /// The topic
    topic: String,
    /// Partitions it is to have in all
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    partitions: i32,
    /// Only check whether it would work
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DeleteArgs {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Succeed where the topic does not exist
    #[arg(long)]
    if_exists: bool,
}

/// Brokers of each partition's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment(Vec<Vec<i32>>);

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a setting is KEY=VALUE".to_owned()),
    }
}

fn assignment(text: &str) -> Result<Assignment, String> {
    let ids = |partition: &str| partition.split(',').map(|id| id.trim().parse::<i32>()).collect();
    text.split('/').map(ids).collect::<Result<Vec<Vec<i32>>, _>>().map(Assignment).map_err(|_| {
        "an assignment is broker ids between commas, partitions between slashes: 1,2/2,3".to_owned()
    })
}

/// A topic after a change.
#[derive(Debug, Clone, Serialize)]
struct Changed {
    topic: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<i16>,
}

impl Changed {
    fn line(&self) -> String {
        let mut line = format!("{} {}", self.change, self.topic);
        if let Some(partitions) = self.partitions {
            line.push_str(&format!(" with {}", units::counted(partitions.into(), "partition")));
        }
        if let Some(replicas) = self.replicas {
            line.push_str(&format!(", {} of each", units::counted(replicas.into(), "replica")));
        }
        line
    }
}

fn show(changed: &[Changed], screen: &mut Screen<'_>) {
    if screen.is_json() {
        screen.json(changed);
    } else {
        changed.iter().for_each(|one| screen.line(one.line()));
    }
}

/// Makes topics.
pub(super) async fn create(
    session: &Session,
    args: CreateArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let new = |name: &String| NewTopic {
        name: name.clone(),
        num_partitions: args.partitions,
        replication_factor: args.replicas,
        assignments: args.assign.clone().map_or_else(Vec::new, |assignment| assignment.0),
        configs: args.configs.clone(),
    };
    let topics = args.topics.iter().map(new).collect();
    let results = session.admin().create_topics(topics, args.dry_run).await?;
    let results = results.into_iter().map(|(topic, result)| match result {
        Ok(created) => Ok(Changed {
            topic,
            change: if args.dry_run { "would create" } else { "created" },
            partitions: Some(created.num_partitions).filter(|number| *number > 0),
            replicas: Some(created.replication_factor).filter(|number| *number > 0),
        }),
        Err(error) if args.if_not_exists && error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
            Ok(Changed { topic, change: "already there:", partitions: None, replicas: None })
        }
        Err(error) => Err(Failure::refused(format!("cannot create '{topic}'"), error)),
    });
    let (changed, result) = all_or_last_failure(results, screen);
    if !args.dry_run {
        let names: Vec<String> = changed.iter().map(|one| one.topic.clone()).collect();
        session.until_shown(&names, |cluster| names.iter().all(|name| has_leaders(cluster, name))).await;
    }
    show(&changed, screen);
    result
}

fn has_leaders(cluster: &ClusterView, name: &str) -> bool {
    let led = |topic: &Arc<TopicView>| topic.partitions.iter().all(|partition| partition.leader.is_some());
    cluster.topic(name).is_some_and(led)
}

/// Grows a topic.
pub(super) async fn alter(
    session: &Session,
    args: AlterArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let before = session.topic(&args.topic).await?.partitions.len() as i32;
    let change = NewPartitions { topic: args.topic.clone(), total_count: args.partitions, assignments: None };
    for (_, result) in session.admin().create_partitions(vec![change], args.dry_run).await? {
        result.map_err(|error| {
            Failure::refused(format!("cannot grow '{}' from {before}", args.topic), error)
        })?;
    }
    let changed = Changed {
        topic: args.topic,
        change: if args.dry_run { "would grow" } else { "grew" },
        partitions: Some(args.partitions),
        replicas: None,
    };
    if !args.dry_run {
        let name = changed.topic.clone();
        let count = |topic: &Arc<TopicView>| topic.partitions.len() as i32;
        let grew = |cluster: &ClusterView| cluster.topic(&name).map(count) >= Some(args.partitions);
        session.until_shown(std::slice::from_ref(&name), grew).await;
    }
    show(&[changed], screen);
    Ok(())
}

/// Deletes topics.
pub(super) async fn delete(
    session: &Session,
    args: DeleteArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    // Whoever asked to delete with a typo is told before being asked whether to go on.
    let mut topics = Vec::new();
    for (name, found) in session.admin().describe_topics(args.topics.clone()).await? {
        match found {
            Ok(_) => topics.push(name),
            Err(error) if args.if_exists && error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Err(error) => return Err(session.about_topic(&name, error).await),
        }
    }
    if topics.is_empty() {
        show(&[], screen);
        return Ok(());
    }
    screen.confirm(&format!("delete {} with all records?", topics.join(", ")), args.yes)?;
    let results = session.admin().delete_topics(topics).await?;
    let results = results.into_iter().map(|(topic, result)| match result {
        Ok(()) => Ok(Changed { topic, change: "deleted", partitions: None, replicas: None }),
        Err(error) => Err(Failure::refused(format!("cannot delete '{topic}'"), error)),
    });
    let (changed, result) = all_or_last_failure(results, screen);
    let names: Vec<String> = changed.iter().map(|one| one.topic.clone()).collect();
    session.until_shown(&names, |cluster| names.iter().all(|name| cluster.topic(name).is_none())).await;
    show(&changed, screen);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_as_sentences() {
        let changed = |change, partitions, replicas| {
            Changed { topic: "orders".into(), change, partitions, replicas }.line()
        };
        assert_eq!(
            changed("created", Some(4), Some(1)),
            "created orders with 4 partitions, 1 replica of each"
        );
        assert_eq!(changed("grew", Some(1), None), "grew orders with 1 partition");
        assert_eq!(changed("deleted", None, None), "deleted orders");
    }

    #[test]
    fn arguments_are_checked() {
        assert_eq!(setting("a = b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(setting("=b").is_err() && setting("a").is_err());
        assert_eq!(assignment("1,2/2,3"), Ok(Assignment(vec![vec![1, 2], vec![2, 3]])));
        assert!(assignment("1,x").is_err() && assignment("").is_err());
    }
}
