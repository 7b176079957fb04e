//! A plan as the difference between what is and what will be, for people. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use millrace_client::TopicPartition;
use owo_colors::OwoColorize;
use similar::{ChangeTag, TextDiff};

use crate::kafka::groups::GroupObservation;
use crate::kafka::topics::TopicObservation;
use crate::topic::plan::{TopicChange, TopicPlan};

/// Lines of context around a change.
const CONTEXT_LINES: usize = 2;

/// The plan of a topic; empty when nothing changes.
#[must_use]
pub fn topic(name: &str, seen: Option<&TopicObservation>, plan: &TopicPlan, colour: bool) -> String {
    if plan.changes.is_empty() {
        return String::new();
    }
    let before = seen.map(Shown::of).unwrap_or_default();
    let mut after = before.clone();
    for change in &plan.changes {
        after.apply(change);
    }
    let title = if seen.is_some() { format!("topic {name}") } else { format!("topic {name} (new)") };
    render(&title, &before.text(), &after.text(), colour)
}

/// The move of a group's offsets.
#[must_use]
pub fn offsets(
    group: &str,
    seen: &GroupObservation,
    targets: &BTreeMap<TopicPartition, i64>,
    colour: bool,
) -> String {
    let line = |partition: &TopicPartition, offset: Option<i64>| match offset {
        Some(offset) => format!("{partition}: {offset}\n"),
        None => String::new(),
    };
    let committed = |partition: &TopicPartition| seen.positions.get(partition).and_then(|one| one.committed);
    let before: String = targets.keys().map(|partition| line(partition, committed(partition))).collect();
    let after: String = targets.iter().map(|(partition, offset)| line(partition, Some(*offset))).collect();
    render(&format!("committed offsets of group {group}"), &before, &after, colour)
}

#[derive(Debug, Clone, Default)]
struct Shown {
    exists: bool,
    partitions: Option<i32>,
    replicas: Option<i32>,
    config: BTreeMap<String, String>,
}

impl Shown {
    fn of(seen: &TopicObservation) -> Self {
        let config = seen.settings.iter();
        Self {
            exists: true,
            partitions: Some(seen.partition_count()),
            replicas: Some(seen.replication_factor()),
            config: config
                .map(|(name, setting)| {
                    (name.clone(), setting.value.clone().unwrap_or_else(|| "(secret)".to_owned()))
                })
                .collect(),
        }
    }

    fn apply(&mut self, change: &TopicChange) {
        self.exists = true;
        match change {
            TopicChange::Create { partitions, replication_factor, settings } => {
                self.partitions = *partitions;
                self.replicas = replication_factor.map(i32::from);
                self.config.clone_from(settings);
            }
            TopicChange::AddPartitions { to, .. } => self.partitions = Some(*to),
            TopicChange::Setting(change) => match &change.to {
                Some(value) => {
                    self.config.insert(change.name.clone(), value.clone());
                }
                None => {
                    self.config.remove(&change.name);
                }
            },
        }
    }

    fn text(&self) -> String {
        if !self.exists {
            return String::new();
        }
        let count = |count: Option<i32>| {
            count.map_or_else(|| "the broker's default".to_owned(), |one| one.to_string())
        };
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "partitions: {}", count(self.partitions));
        let _ = writeln!(text, "replicas: {}", count(self.replicas));
        for (name, value) in &self.config {
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }
}

fn render(title: &str, before: &str, after: &str, colour: bool) -> String {
    let mut out = if colour { format!("{}\n", title.bold()) } else { format!("{title}\n") };
    let diff = TextDiff::from_lines(before, after);
    for group in diff.grouped_ops(CONTEXT_LINES) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end();
            let line = match change.tag() {
                ChangeTag::Delete if colour => format!("  {}", format!("- {text}").red()),
                ChangeTag::Insert if colour => format!("  {}", format!("+ {text}").green()),
                ChangeTag::Delete => format!("  - {text}"),
                ChangeTag::Insert => format!("  + {text}"),
                ChangeTag::Equal => format!("    {text}"),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::settings::{Setting, SettingChange, ValueKind};
    use crate::kafka::topics::PartitionObservation;
    use expect_test::expect;

    #[test]
    fn a_new_topic_is_all_plus_and_a_changed_one_shows_its_surroundings() {
        let create = TopicChange::Create {
            partitions: Some(4),
            replication_factor: None,
            settings: [("retention.ms".to_owned(), "1000".to_owned())].into(),
        };
        let plan = TopicPlan { changes: vec![create], problems: Vec::new() };
        expect![[r#"
            topic orders (new)
              + partitions: 4
              + replicas: the broker's default
              + retention.ms: 1000
        "#]]
        .assert_eq(&topic("orders", None, &plan, false));

        let partition = PartitionObservation { leader: Some(1), replicas: vec![1], isr: vec![1] };
        let kept = Setting { value: Some("compact".into()), kind: ValueKind::List };
        let seen = TopicObservation {
            id: "i".into(),
            partitions: vec![partition],
            settings: [("cleanup.policy".to_owned(), kept)].into(),
        };
        let setting = SettingChange { name: "cleanup.policy".into(), from: Some("compact".into()), to: None };
        let changes = vec![TopicChange::AddPartitions { from: 1, to: 4 }, TopicChange::Setting(setting)];
        let plan = TopicPlan { changes, problems: Vec::new() };
        expect![[r#"
            topic orders
              - partitions: 1
              + partitions: 4
                replicas: 1
              - cleanup.policy: compact
        "#]]
        .assert_eq(&topic("orders", Some(&seen), &plan, false));
        assert!(topic("orders", Some(&seen), &plan, true).contains("\u{1b}[32m+ partitions: 4"));
    }
}
