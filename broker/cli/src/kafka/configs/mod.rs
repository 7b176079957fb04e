//! `kafka-configs`: describe and alter the settings of topics, brokers and groups
//! (`kafka.admin.ConfigCommand`).
//!
//! Quotas and SCRAM credentials are settings of users, clients and addresses; they are refused as Kafka's
//! own tool refuses them at a broker that does not serve their APIs.

mod changes;
mod options;

use std::time::Duration;

use millrace_client::{ConfigEntry, ConfigSource, ListGroupsOptions, ResourceKind};

use self::options::Request;
use super::command_line::Stop;
use super::hash::sort_strings;
use super::pattern::validate_topic;
use super::properties::{Properties, load};
use super::throwable::Throwable;
use crate::admin::{Admin, no_brokers_to_ask};
use crate::io::Io;

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    match execute(arguments, io).await {
        Ok(()) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Throw(error)) if is_plain(&error) => {
            io.error_line(error.message());
            1
        }
        Err(Stop::Throw(error)) => {
            io.error_line(format!(
                "Error while executing config command with args '{}'",
                arguments.join(" ")
            ));
            io.error(error.stack_trace());
            1
        }
    }
}

/// Failures whose message says enough.
fn is_plain(error: &Throwable) -> bool {
    error.class().starts_with("joptsimple.")
        || ["IllegalArgumentException", "NumberFormatException"].contains(&error.simple_name())
        || ["UnsupportedVersionException", "InvalidConfigurationException", "InvalidTopicException"]
            .contains(&error.simple_name())
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let request = options::read(arguments, io)?;
    let options = &request.options;
    let mut properties = match options.value("command-config")? {
        Some(path) => load(&path)?,
        None => Properties::new(),
    };
    let servers = match options.given("bootstrap-server")? {
        Some(servers) => Some(servers),
        None => options.given("bootstrap-controller")?,
    };
    properties.insert("bootstrap.servers".to_owned(), servers.unwrap_or_default());
    let admin = Admin::from_properties(properties)?;
    reach(&admin, &request, io).await?;
    if options.has("alter") {
        alter(&admin, &request, io).await?;
    } else {
        describe(&admin, &request, io).await?;
    }
    Ok(())
}

/// Waits for a broker with the call that Kafka's tool begins with.
async fn reach(admin: &Admin, request: &Request, io: &mut Io) -> Result<(), Throwable> {
    let kind = request.types[0].as_str();
    let call = match kind {
        _ if request.options.has("alter") || request.options.has("all") => "describeConfigs",
        "topics" => "listTopics",
        "groups" => "findAllBrokers",
        "client-metrics" => "listConfigResources",
        "users" | "clients" | "ips" => "describeClientQuotas",
        _ => "listNodes",
    };
    admin.reach(call, io).await.map_err(|why| {
        why.wrapped(|error| {
            let error = if call == "findAllBrokers" { no_brokers_to_ask(error) } else { error };
            error.execution()
        })
    })
}

/// How long the tool waits for the settings of an entity: a broker may be down.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the tool waits for a change.
const ALTER_TIMEOUT: Duration = Duration::from_secs(60);

/// `KafkaFuture.get` with a timeout.
async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, Throwable>>,
) -> Result<T, Throwable> {
    match tokio::time::timeout(timeout, call).await {
        Ok(result) => result.map_err(Throwable::execution),
        Err(_) => Err(Throwable::bare("java.util.concurrent.TimeoutException")),
    }
}

/// Types of entities whose settings DescribeConfigs gives, each with the source of what was set for it.
fn resource(kind: &str, name: &str) -> Option<(ResourceKind, Option<ConfigSource>)> {
    Some(match kind {
        "topics" => (ResourceKind::Topic, Some(ConfigSource::DynamicTopic)),
        "brokers" if name.is_empty() => (ResourceKind::Broker, Some(ConfigSource::DynamicDefaultBroker)),
        "brokers" => (ResourceKind::Broker, Some(ConfigSource::DynamicBroker)),
        "broker-loggers" => (ResourceKind::BrokerLogger, None),
        "client-metrics" => (ResourceKind::ClientMetrics, Some(ConfigSource::ClientMetrics)),
        "groups" => (ResourceKind::Group, Some(ConfigSource::DynamicGroup)),
        _ => return None,
    })
}

fn unsupported(api: &str) -> Throwable {
    Throwable::kafka("UnsupportedVersionException", format!("The node does not support {api}")).execution()
}

/// The singular, as the tool forms it.
fn singular(kind: &str) -> &str {
    kind.strip_suffix('s').unwrap_or(kind)
}

/// The settings of one entity by name: those set for it, or all.
async fn settings(
    admin: &Admin,
    kind: &str,
    name: &str,
    synonyms: bool,
    all: bool,
) -> Result<Vec<ConfigEntry>, Throwable> {
    if kind == "topics" && !name.is_empty() {
        validate_topic(name)?;
    }
    let Some((resource, source)) = resource(kind, name) else {
        return Err(Throwable::illegal_argument(format!("Invalid entity type: {kind}")));
    };
    let names = [name.to_owned()];
    let asked = admin.describe_configs(resource, &names, synonyms);
    let found = within(DESCRIBE_TIMEOUT, asked).await?;
    let mut entries: Vec<ConfigEntry> = found.into_iter().next().unwrap_or_default();
    if let (false, Some(source)) = (all, source) {
        entries.retain(|entry| entry.source == source);
    }
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

async fn alter(admin: &Admin, request: &Request, io: &mut Io) -> Result<(), Throwable> {
    let (kind, name) = (request.types[0].as_str(), request.names[0].as_str());
    let added = changes::added(&request.options)?;
    let removed: Vec<String> =
        request.options.values("delete-config").iter().map(|key| key.trim().to_owned()).collect();
    let Some((resource, _)) = resource(kind, name) else {
        return Err(unsupported("ALTER_CLIENT_QUOTAS"));
    };
    let current = settings(admin, kind, name, kind == "broker-loggers", false).await?;
    let is_known = |key: &str| current.iter().any(|entry| entry.name == key);
    let unknown: Vec<&str> = removed.iter().map(String::as_str).filter(|key| !is_known(key)).collect();
    if kind == "broker-loggers" {
        let added = added.keys().map(String::as_str).filter(|key| !is_known(key));
        let unknown: Vec<&str> = unknown.into_iter().chain(added).collect();
        check_unknown("broker logger", &unknown)?;
    } else {
        check_unknown("config", &unknown)?;
    }
    let mut operations: Vec<(String, Option<String>)> = removed.into_iter().map(|key| (key, None)).collect();
    operations.extend(added.into_iter().map(|(key, value)| (key, Some(value))));
    within(ALTER_TIMEOUT, admin.alter_config(resource, name, operations)).await?;
    if name.is_empty() {
        io.line(format!("Completed updating default config for {kind} in the cluster."));
    } else {
        io.line(format!("Completed updating config for {} {name}.", singular(kind)));
    }
    Ok(())
}

fn check_unknown(what: &str, unknown: &[&str]) -> Result<(), Throwable> {
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!("Invalid {what}(s): {}", unknown.join(","));
    Err(Throwable::kafka("InvalidConfigurationException", message))
}

async fn describe(admin: &Admin, request: &Request, io: &mut Io) -> Result<(), Throwable> {
    let kind = request.types[0].as_str();
    let all = request.options.has("all");
    if resource(kind, "").is_none() {
        return Err(unsupported("DESCRIBE_CLIENT_QUOTAS"));
    }
    if let Some(name) = request.names.first().filter(|_| !all)
        && !exists(admin, kind, name).await?
    {
        io.line(format!("The {} '{name}' doesn't exist and doesn't have dynamic config.", singular(kind)));
        return Ok(());
    }
    let entities = match request.names.first() {
        Some(name) => vec![name.clone()],
        None => every_entity(admin, kind).await?,
    };
    for entity in entities {
        if entity.is_empty() {
            io.line(format!("Default configs for {kind} in the cluster are:"));
        } else {
            let scope = if all { "All" } else { "Dynamic" };
            io.line(format!("{scope} configs for {} {entity} are:", singular(kind)));
        }
        for entry in settings(admin, kind, &entity, true, all).await? {
            io.line(entry_text(&entry));
        }
    }
    Ok(())
}

fn entry_text(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", source_name(synonym.source), synonym.name, text(&synonym.value)))
        .collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        text(&entry.value),
        entry.sensitive,
        synonyms.join(", ")
    )
}

/// The constant of `ConfigEntry.ConfigSource`.
fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Unknown => "UNKNOWN",
        ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::DynamicGroup => "DYNAMIC_GROUP_CONFIG",
    }
}

async fn exists(admin: &Admin, kind: &str, name: &str) -> Result<bool, Throwable> {
    match kind {
        "topics" => {
            validate_topic(name)?;
            let topics = admin.list_topics(true).await.map_err(Throwable::execution)?;
            Ok(topics.iter().any(|topic| topic.name == name))
        }
        "brokers" | "broker-loggers" => {
            let brokers = admin.broker_ids().await.map_err(Throwable::execution)?;
            Ok(name.is_empty() || brokers.iter().any(|broker| broker.to_string() == name))
        }
        "groups" if group_names(admin).await?.iter().any(|group| group == name) => Ok(true),
        // A group or a subscription that nobody uses exists through what was set for it.
        _ => Ok(!settings(admin, kind, name, false, false).await?.is_empty()),
    }
}

async fn every_entity(admin: &Admin, kind: &str) -> Result<Vec<String>, Throwable> {
    match kind {
        "topics" => {
            let topics = admin.list_topics(true).await.map_err(Throwable::execution)?;
            let mut names: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
            sort_strings(&mut names);
            Ok(names)
        }
        "groups" => group_names(admin).await,
        "client-metrics" => Err(unsupported("LIST_CONFIG_RESOURCES")),
        _ => {
            let brokers = admin.broker_ids().await.map_err(Throwable::execution)?;
            let mut names: Vec<String> = brokers.iter().map(ToString::to_string).collect();
            names.push(String::new());
            Ok(names)
        }
    }
}

async fn group_names(admin: &Admin) -> Result<Vec<String>, Throwable> {
    let groups = admin.list_groups(ListGroupsOptions::default()).await.map_err(Throwable::execution)?;
    let mut names: Vec<String> = groups.into_iter().map(|group| group.group).collect();
    sort_strings(&mut names);
    Ok(names)
}
