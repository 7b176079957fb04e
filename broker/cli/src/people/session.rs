//! A cluster that a command talks to, and the questions that many commands have in common. Fails at once
//! where nothing listens, and knows the nearest name of a topic or group that does not exist.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use millrace_client::{
    Admin, Client, ClientConfig, ClientError, ClusterView, IsolationLevel, ListGroupsOptions, OffsetSpec,
    TopicPartition, TopicScope, TopicView,
};
use millrace_protocol::ErrorCode;

use super::failure::Failure;
use crate::kafka::{Properties, parse_properties};

/// Names further away than this (Jaro-Winkler) are not worth suggesting.
const SIMILAR_ENOUGH: f64 = 0.75;

/// How long a call may be tried again, unless the settings say otherwise: people wait less than programs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a change may take until a broker shows it.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const SHOWN_LOOK: Duration = Duration::from_millis(10);

/// Where and how to connect.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionArgs {
    /// Brokers to start from
    #[arg(short, long, value_name = "HOST:PORT,...", env = "MILLRACE_BOOTSTRAP_SERVER", global = true)]
    #[arg(default_value = "127.0.0.1:9092", hide_env_values = true, help_heading = "Connection")]
    pub(crate) bootstrap_server: String,
    /// Properties of Kafka's clients, from a file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Connection")]
    pub(crate) command_config: Option<PathBuf>,
    /// A property of Kafka's clients, such as linger.ms=20
    #[arg(short = 'X', long = "property", value_name = "KEY=VALUE", global = true)]
    #[arg(value_parser = property, help_heading = "Connection")]
    pub(crate) own_properties: Vec<(String, String)>,
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("a property is KEY=VALUE".to_owned()),
    }
}

impl ConnectionArgs {
    /// The properties: those of the file, those given one by one, and where to connect.
    pub(crate) fn properties(&self) -> Result<Properties, Failure> {
        let mut properties = match &self.command_config {
            None => Properties::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
                parse_properties(&text)
            }
        };
        properties.extend(self.own_properties.iter().cloned());
        properties.insert("bootstrap.servers".to_owned(), self.bootstrap_server.clone());
        Ok(properties)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    admin: Admin,
    properties: Properties,
}

impl Session {
    /// Connects.
    pub(crate) async fn open(args: &ConnectionArgs) -> Result<Self, Failure> {
        let properties = args.properties()?;
        let mut config = ClientConfig::from_properties(properties.clone())?;
        if !properties.contains_key("default.api.timeout.ms") {
            config.timeouts.api = PATIENCE;
        }
        let client = Client::new(config)?;
        // One attempt, where every later call would try for a minute: a person wants to know at once.
        client.metadata(TopicScope::None).await?;
        Ok(Self { admin: Admin::new(client), properties })
    }

    /// Typed calls.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The client underneath.
    pub(crate) fn client(&self) -> &Client {
        self.admin.client()
    }

    /// Settings for producers and consumers beside this session; `own` are those of their own options.
    pub(crate) fn properties(&self, own: &[(&str, String)]) -> Properties {
        let mut properties = self.properties.clone();
        properties.extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        properties
    }

    /// The cluster with all topics.
    pub(crate) async fn everything(&self) -> Result<Arc<ClusterView>, Failure> {
        Ok(self.client().metadata(TopicScope::All).await?)
    }

    /// Waits until a broker shows a change: it hears of it a moment after the controller has answered,
    /// and the next command of a script may come before that. A change that does not show in time is
    /// none of this command's failures.
    pub(crate) async fn until_shown(&self, topics: &[String], shows: impl Fn(&ClusterView) -> bool) {
        let scope = TopicScope::Named(topics.to_vec());
        let is_shown =
            async || self.client().metadata(scope.clone()).await.is_ok_and(|cluster| shows(&cluster));
        until(is_shown).await;
    }

    /// A topic that exists.
    pub(crate) async fn topic(&self, name: &str) -> Result<TopicView, Failure> {
        let found = self.admin.describe_topics(vec![name.to_owned()]).await?;
        let Some((_, found)) = found.into_iter().next() else { return Err(self.no_topic(name).await) };
        match found {
            Ok(topic) => Ok(topic),
            Err(error) => Err(self.about_topic(name, error).await),
        }
    }

    /// Topics that exist, in the order given.
    pub(crate) async fn topics(&self, names: &[String]) -> Result<Vec<TopicView>, Failure> {
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            topics.push(self.topic(name).await?);
        }
        Ok(topics)
    }

    /// An error about a topic: one that does not exist gets the nearest name.
    pub(crate) async fn about_topic(&self, name: &str, error: ClientError) -> Failure {
        match error.code() {
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => self.no_topic(name).await,
            _ => error.into(),
        }
    }

    async fn no_topic(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("there is no topic '{name}'"));
        let names: Vec<String> = match self.admin.list_topics().await {
            Ok(topics) => topics.into_iter().map(|topic| topic.name).collect(),
            Err(_) => return failure,
        };
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean '{near}'?")),
            None if names.is_empty() => {
                failure.hint(format!("there are none at all; `millrace topics create {name}` makes it"))
            }
            None => failure.hint("`millrace topics list` shows those that exist"),
        }
    }

    /// A group that does not exist, with the nearest name.
    pub(crate) async fn no_group(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("there is no group '{name}'"));
        let groups = match self.admin.list_groups(ListGroupsOptions::default()).await {
            Ok(listings) => listings.groups,
            Err(_) => return failure,
        };
        match nearest(name, groups.iter().map(|group| group.group.as_str())) {
            Some(near) => failure.hint(format!("did you mean '{near}'?")),
            None => failure.hint("`millrace groups list` shows those that exist"),
        }
    }

    /// Looks up one offset of each partition. Partitions that cannot answer (no leader) are left out, at
    /// once where that is known: nobody waits for a broker that is down.
    pub(crate) async fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let cluster = self.client().cluster();
        let is_led = |one: &&TopicPartition| cluster.partition(one).is_none_or(|view| view.leader.is_some());
        let wanted = partitions.iter().filter(is_led).map(|partition| (partition.clone(), spec)).collect();
        let found = self.admin.list_offsets(wanted, IsolationLevel::ReadUncommitted).await?;
        Ok(found
            .into_iter()
            .filter_map(|(partition, listed)| Some((partition, listed.ok()?.offset)))
            .collect())
    }

    /// Bytes of each partition on its leader's disk; empty where brokers do not tell.
    pub(crate) async fn sizes(&self, topics: &[TopicView]) -> BTreeMap<TopicPartition, i64> {
        let mut leaders = BTreeMap::new();
        for topic in topics {
            for partition in &topic.partitions {
                let name = TopicPartition::new(Arc::clone(&topic.name), partition.partition);
                leaders.insert(name, partition.leader);
            }
        }
        let Ok(brokers) = self.admin.describe_log_dirs(Vec::new()).await else { return BTreeMap::new() };
        let mut sizes = BTreeMap::new();
        for (broker, dirs) in brokers {
            for replica in dirs.into_iter().flatten().flat_map(|dir| dir.replicas) {
                if !replica.is_future && leaders.get(&replica.partition) == Some(&Some(broker)) {
                    sizes.insert(replica.partition, replica.size_bytes);
                }
            }
        }
        sizes
    }
}

/// Asks until the answer is yes, for as long as a change may take to be shown.
pub(crate) async fn until(is_shown: impl AsyncFn() -> bool) {
    let look = async {
        while !is_shown().await {
            tokio::time::sleep(SHOWN_LOOK).await;
        }
    };
    let _in_time = tokio::time::timeout(SHOWN_WITHIN, look).await.is_ok();
}

/// The partitions of a topic by name.
pub(crate) fn partitions_of(topic: &TopicView) -> Vec<TopicPartition> {
    let numbers = topic.partitions.iter().map(|partition| partition.partition);
    numbers.map(|number| TopicPartition::new(Arc::clone(&topic.name), number)).collect()
}

/// The name most like `name`, if any is like it.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    names
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness >= SIMILAR_ENOUGH)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["orders", "payments", "orders-dead"];
        assert_eq!(nearest("ordesr", names), Some("orders"));
        assert_eq!(nearest("Orders", names), Some("orders"));
        assert_eq!(nearest("payment", names), Some("payments"));
        assert_eq!(nearest("xyz", names), None);
    }
}
