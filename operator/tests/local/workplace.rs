//! A directory of manifests, the operator's binary, and a client to see what it did.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bytes::Bytes;
use millrace_client::{
    Admin, AlterConfigOp, AlterOp, Client, ClientConfig, ClientError, CommittedOffset, ConfigEntry,
    ConfigResource, ConfigSource, DescribeConfigsOptions, NewPartitions, NewTopic, ResourceKind, Target,
    TopicPartition,
};
use millrace_protocol::ErrorCode;
use millrace_tests::{records, until};
use tokio::runtime::Runtime;

/// A broker knows of what was made after so long at most.
const NEWS: Duration = Duration::from_secs(10);

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// See the module.
pub(crate) struct Workplace {
    pub(crate) servers: String,
    pub(crate) manifests: PathBuf,
    pub(crate) admin: Admin,
    pub(crate) runtime: Runtime,
    _scratch: tempfile::TempDir,
}

impl Workplace {
    pub(crate) fn at(servers: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let admin = {
            let _inside = runtime.enter();
            Admin::new(Client::new(ClientConfig::new(servers)).unwrap())
        };
        Self {
            servers: servers.to_owned(),
            manifests: scratch.path().to_owned(),
            admin,
            runtime,
            _scratch: scratch,
        }
    }

    /// Writes the only manifest file.
    pub(crate) fn write(&self, manifests: &str) {
        std::fs::write(self.manifests.join("all.yaml"), manifests).unwrap();
    }

    /// `millrace-operator local -f . --bootstrap-server ...`.
    pub(crate) fn local(&self, flags: &[&str]) -> Ran {
        let mut command = binary();
        command.args(["local", "--bootstrap-server", &self.servers, "-f"]).arg(&self.manifests).args(flags);
        ran(command.output().unwrap())
    }

    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// How many partitions; 0 when there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> usize {
        let described = self.wait(self.admin.describe_topics(vec![topic.to_owned()])).unwrap();
        match &described[0].1 {
            Ok(view) => view.partitions.len(),
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// The settings made for a topic, as `name=value`.
    pub(crate) fn settings(&self, topic: &str) -> Vec<String> {
        let entries = self.described(topic).unwrap();
        let made = entries.into_iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let mut made: Vec<String> =
            made.map(|entry| format!("{}={}", entry.name, entry.value.unwrap_or_default())).collect();
        made.sort();
        made
    }

    fn described(&self, topic: &str) -> Result<Vec<ConfigEntry>, ClientError> {
        let described = self.admin.describe_configs(vec![resource(topic)], DescribeConfigsOptions::default());
        self.wait(described).unwrap().remove(0).1
    }

    /// Creates a topic, and waits until it is known: Kafka's brokers hear of it later than who asked for it.
    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        let new = NewTopic {
            name: topic.to_owned(),
            num_partitions: Some(partitions),
            replication_factor: Some(1),
            ..NewTopic::default()
        };
        self.wait(self.admin.create_topics(vec![new], false)).unwrap().remove(0).1.unwrap();
        until("the topic is known", || self.described(topic).ok());
    }

    pub(crate) fn grow(&self, topic: &str, total: i32) {
        let change = NewPartitions { topic: topic.to_owned(), total_count: total, assignments: None };
        self.wait(self.admin.create_partitions(vec![change], false)).unwrap().remove(0).1.unwrap();
    }

    pub(crate) fn delete(&self, topic: &str) {
        self.wait(self.admin.delete_topics(vec![topic.to_owned()])).unwrap().remove(0).1.unwrap();
    }

    pub(crate) fn set(&self, topic: &str, name: &str, value: &str) {
        let change = AlterConfigOp { name: name.to_owned(), op: AlterOp::Set, value: Some(value.to_owned()) };
        let changes = vec![(resource(topic), vec![change])];
        self.wait(self.admin.incremental_alter_configs(changes, false)).unwrap().remove(0).1.unwrap();
    }

    /// Appends so many records to one partition, in one batch.
    pub(crate) fn produce(&self, topic: &str, partition: i32, count: usize) {
        let values = vec![b"value".as_slice(); count];
        let batch: Bytes = records::batch(&values);
        let request = records::produce_request(topic, partition, -1, Some(batch));
        let make = |version: i16| {
            assert!(version >= 3);
            let mut request = request.clone();
            // From version 13 on a topic goes by its id.
            let cluster = self.admin.client().cluster();
            for topic in &mut request.topic_data {
                topic.topic_id = cluster.topic(&topic.name).map(|known| known.id).unwrap_or_default();
            }
            request
        };
        let end = Instant::now() + NEWS;
        loop {
            self.partitions(topic);
            let answer = self.wait(self.admin.client().send_with(Target::Any, make)).unwrap();
            let one = &answer.responses[0].partition_responses[0];
            if one.error_code.is_ok() {
                return;
            }
            // Kafka's broker hears of a new topic a moment after it was made.
            assert!(one.error_code.is_retriable() && Instant::now() < end, "{one:?}");
        }
    }

    pub(crate) fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let place = TopicPartition::new(topic, partition);
        let offsets = vec![(place, CommittedOffset::at(offset))];
        self.wait(self.admin.alter_group_offsets(group, offsets)).unwrap().remove(0).1.unwrap();
    }

    /// Committed offsets of a group in a topic, by partition.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> Vec<i64> {
        let offsets = self.wait(self.admin.list_group_offsets(group, None)).unwrap();
        let of_topic = offsets.into_iter().filter(|(partition, _)| *partition.topic == *topic);
        of_topic.filter_map(|(_, offset)| Some(offset.unwrap()?.offset)).collect()
    }
}

/// The operator, with nothing from the environment that it listens to.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-operator"));
    for name in ["RUST_LOG", "BOOTSTRAP_SERVER", "MILLRACE_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn ran(output: Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// `millrace-operator check`.
pub(crate) fn check(path: &Path, flags: &[&str]) -> Ran {
    ran(binary().arg("check").arg("-f").arg(path).args(flags).output().unwrap())
}

/// A Topic's manifest.
pub(crate) fn topic(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: Topic\nmetadata: {{name: {name}}}\nspec: {{clusterRef: {{name: main}}, {spec}}}\n"
    )
}

/// A ConsumerGroup's manifest.
pub(crate) fn group(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: millrace.dev/v1alpha1\nkind: ConsumerGroup\nmetadata: {{name: {name}}}\nspec: {{clusterRef: {{name: main}}, {spec}}}\n"
    )
}

fn resource(topic: &str) -> ConfigResource {
    ConfigResource { kind: ResourceKind::Topic, name: topic.to_owned() }
}
