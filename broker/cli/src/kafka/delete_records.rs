//! `kafka-delete-records`: delete records before offsets (`org.apache.kafka.tools.DeleteRecordsCommand`).

use std::collections::BTreeMap;

use millrace_client::TopicPartition;
use millrace_protocol::ErrorCode;
use serde_json::Value;

use super::Tool;
use super::command_line::{Stop, check_required, end_with_trace, help_or_version, parse};
use super::hash::sort_partitions;
use super::log;
use super::options::Spec;
use super::properties::read_file;
use super::throwable::Throwable;
use crate::admin::{Admin, Unreachable, throwable};
use crate::io::Io;

const TOOL: Tool = Tool::DeleteRecords;

const SPECS: &[Spec] =
    &[Spec::text("bootstrap-server"), Spec::text("offset-json-file"), Spec::text("command-config")];

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_with_trace(io, result)
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = parse(SPECS, arguments)?;
    let purpose = "This tool helps to delete records of the given partitions down to the specified offset.";
    help_or_version(io, TOOL, &options, purpose)?;
    check_required(io, TOOL, &options, &["bootstrap-server", "offset-json-file"])?;
    let admin = Admin::for_tool(options.value("command-config")?, options.value("bootstrap-server")?)?;
    let text = read_file(&options.value("offset-json-file")?.unwrap_or_default())?;
    let mut wanted: Vec<(TopicPartition, i64)> = parse_offsets(&text)?.into_iter().collect();
    sort_partitions(&mut wanted, |(partition, _)| (&partition.topic, partition.partition));
    let reached = match admin.reach("deleteRecords(api=METADATA)", io).await {
        Err(Unreachable::NoHost(error)) => return Err(error.into()),
        Err(Unreachable::Silence(error)) => Err(error.execution()),
        Ok(()) => Ok(()),
    };
    io.line("Executing records delete operation");
    if let Err(error) = reached {
        io.line("Records delete operation completed:");
        for (partition, _) in wanted {
            io.line(format!("partition: {partition}\terror: {}", error.message()));
        }
        return Ok(());
    }
    let order: Vec<TopicPartition> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
    let results = admin.inner().delete_records(wanted).await;
    let results = results
        .unwrap_or_else(|error| order.into_iter().map(|partition| (partition, Err(error.clone()))).collect());
    io.line("Records delete operation completed:");
    for (partition, result) in results {
        match result {
            Ok(mark) => io.line(format!("partition: {partition}\tlow_watermark: {mark}")),
            Err(error) => {
                log_failure(&admin, &partition, error.code(), io);
                let error = throwable(error).execution();
                io.line(format!("partition: {partition}\terror: {}", error.message()));
            }
        }
    }
    Ok(())
}

/// What Kafka's admin client logs about a refusal by a partition's leader. A partition that does not exist
/// has none: there Kafka's tool waits for a minute and prints a timeout, ours says at once what is wrong.
fn log_failure(admin: &Admin, partition: &TopicPartition, code: Option<ErrorCode>, io: &mut Io) {
    let Some(code) = code.filter(|code| !code.is_retriable()) else { return };
    let unexpected = if code == ErrorCode::TOPIC_AUTHORIZATION_FAILED { "" } else { "unexpected " };
    let message = format!(
        "[AdminClient clientId={}] DeleteRecords request for topic partition {partition} failed due to an \
         {unexpected}error {}",
        admin.inner().client().config().client_id,
        code.name()
    );
    log::error(io, "org.apache.kafka.clients.admin.internals.DeleteRecordsHandler", &message);
}

/// Reads `{"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}`.
fn parse_offsets(text: &str) -> Result<BTreeMap<TopicPartition, i64>, Throwable> {
    let operation = |message: &str| Throwable::new(OPERATION, message);
    let json: Value =
        serde_json::from_str(text).map_err(|_| operation("The input string is not a valid JSON"))?;
    let object = json.as_object().ok_or_else(|| mapping("JSON object", &json))?;
    let version = object.get("version").map_or(Ok(1), |version| integer(version, "Integer"))?;
    if version != 1 {
        return Err(operation(&format!("Not supported version field value {version}")));
    }
    let partitions = object.get("partitions").ok_or_else(|| operation("Missing partitions field"))?;
    let partitions = partitions.as_array().ok_or_else(|| mapping("JSON array", partitions))?;
    let mut offsets: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut twice: Vec<TopicPartition> = Vec::new();
    for entry in partitions {
        let entry = entry.as_object().ok_or_else(|| mapping("JSON object", entry))?;
        let field = |name: &str| {
            entry.get(name).ok_or_else(|| Throwable::new(MAPPING, format!("No such field exists: `{name}`")))
        };
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| mapping("String", topic))?;
        let partition = i32::try_from(integer(field("partition")?, "Integer")?).unwrap_or(i32::MAX);
        let offset = integer(field("offset")?, "Long")?;
        let partition = TopicPartition::new(topic, partition);
        if offsets.insert(partition.clone(), offset).is_some() && !twice.contains(&partition) {
            twice.push(partition);
        }
    }
    if twice.is_empty() {
        return Ok(offsets);
    }
    sort_partitions(&mut twice, |partition| (&partition.topic, partition.partition));
    let twice: Vec<String> = twice.iter().map(ToString::to_string).collect();
    Err(Throwable::new(
        "org.apache.kafka.tools.AdminCommandFailedException",
        format!("Offset json file contains duplicate topic partitions: {}", twice.join(",")),
    ))
}

const OPERATION: &str = "org.apache.kafka.tools.AdminOperationException";
const MAPPING: &str = "com.fasterxml.jackson.databind.JsonMappingException";

fn integer(value: &Value, kind: &str) -> Result<i64, Throwable> {
    value.as_i64().ok_or_else(|| mapping(kind, value))
}

fn mapping(kind: &str, value: &Value) -> Throwable {
    let verb = if kind.starts_with("JSON") {
        format!("Expected {kind}, received {value}")
    } else {
        format!("Expected `{kind}` value, received {value}")
    };
    Throwable::new(MAPPING, verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets() {
        let text = r#"{"partitions":[{"topic":"a","partition":0,"offset":3},{"topic":"a","partition":1,"offset":-1}],"version":1}"#;
        let offsets = parse_offsets(text).unwrap();
        assert_eq!(offsets[&TopicPartition::new("a", 0)], 3);
        assert_eq!(offsets[&TopicPartition::new("a", 1)], -1);
    }

    #[test]
    fn refuses_what_kafka_refuses() {
        let cases = [
            ("{", "The input string is not a valid JSON"),
            ("{}", "Missing partitions field"),
            (r#"{"version":2}"#, "Not supported version field value 2"),
            (
                r#"{"partitions":[{"topic":"a","partition":0,"offset":3},{"topic":"a","partition":0,"offset":4}]}"#,
                "Offset json file contains duplicate topic partitions: a-0",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse_offsets(text).unwrap_err().message(), message);
        }
    }
}
