//! The CSV of `--reset-offsets --export` and `--from-file`, quoted as Jackson's `CsvMapper` quotes.

use millrace_client::TopicPartition;

use crate::kafka::throwable::Throwable;

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlanLine {
    /// The group, where the line has one.
    pub(super) group: Option<String>,
    /// The partition.
    pub(super) partition: TopicPartition,
    /// Its new offset.
    pub(super) offset: i64,
}

/// Writes one line, ended.
pub(super) fn write(line: &PlanLine) -> String {
    let mut cells: Vec<String> = line.group.iter().map(|group| quoted(group)).collect();
    cells.push(quoted(&line.partition.topic));
    cells.push(line.partition.partition.to_string());
    cells.push(line.offset.to_string());
    format!("{}\n", cells.join(","))
}

/// Jackson quotes what is longer than 24 characters without looking, and what has a character at or below
/// the comma.
fn quoted(text: &str) -> String {
    if text.chars().count() > 24 || text.chars().any(|letter| letter <= ',') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Reads `topic,partition,offset`, with the group in front where `with_group` says so.
///
/// # Errors
/// Jackson's exceptions.
pub(super) fn read(line: &str, with_group: bool) -> Result<PlanLine, Throwable> {
    let cells = cells_of(line);
    let columns: &[&str] = if with_group {
        &["group", "topic", "partition", "offset"]
    } else {
        &["topic", "partition", "offset"]
    };
    let class = if with_group { "CsvRecordWithGroup" } else { "CsvRecordNoGroup" };
    let number = |name: &str, kind: &str| -> Result<i64, Throwable> {
        let at = columns.iter().position(|column| *column == name).unwrap_or(0);
        let text = cells.get(at).map_or("", |cell| cell.0.as_str());
        let value = if text.trim().is_empty() { Ok(0) } else { text.trim().parse::<i64>() };
        let in_range = |value: &i64| kind == "long" || i32::try_from(*value).is_ok();
        value.ok().filter(in_range).ok_or_else(|| {
            let column = cells.get(at).map_or(1, |cell| cell.1);
            Throwable::new(
                "com.fasterxml.jackson.databind.exc.InvalidFormatException",
                format!(
                    "Cannot deserialize value of type `{kind}` from String \"{text}\": not a valid `{kind}` \
                     value\n at [Source: (StringReader); line: 1, column: {column}] (through reference chain: \
                     org.apache.kafka.tools.consumer.group.CsvUtils${class}[\"{name}\"])"
                ),
            )
        })
    };
    let partition = number("partition", "int")?;
    let offset = number("offset", "long")?;
    let cell = |at: usize| cells.get(at).map_or_else(String::new, |cell| cell.0.clone());
    let topic = cell(usize::from(with_group));
    let index = i32::try_from(partition).unwrap_or_default();
    Ok(PlanLine {
        group: with_group.then(|| cell(0)),
        partition: TopicPartition::new(topic.as_str(), index),
        offset,
    })
}

/// The cells of a line, each with the column at which it begins, from 1.
fn cells_of(line: &str) -> Vec<(String, usize)> {
    let line = line.trim_end_matches('\r');
    let mut cells = vec![(String::new(), 1)];
    let mut is_quoted = false;
    let mut letters = line.chars().enumerate().peekable();
    while let Some((at, letter)) = letters.next() {
        let Some(cell) = cells.last_mut() else { break };
        match letter {
            '"' if is_quoted && letters.peek().is_some_and(|(_, next)| *next == '"') => {
                letters.next();
                cell.0.push('"');
            }
            '"' if is_quoted || cell.0.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push((String::new(), at + 2)),
            other => cell.0.push(other),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads() {
        let line = PlanLine {
            group: Some("my group".to_owned()),
            partition: TopicPartition::new("a-topic-with-a-name-of-27-le", 3),
            offset: 42,
        };
        let text = write(&line);
        assert_eq!(text, "\"my group\",\"a-topic-with-a-name-of-27-le\",3,42\n");
        assert_eq!(read(text.trim_end(), true), Ok(line));
        assert_eq!(write(&read("t,0,1", false).unwrap()), "t,0,1\n");
    }

    #[test]
    fn refuses_words_for_numbers() {
        let error = read("g,t,0,1", false).unwrap_err();
        assert!(error.message().starts_with("Cannot deserialize value of type `int` from String \"t\""));
    }
}
