//! `kafka-consumer-groups`: list, describe and delete groups, reset and delete their offsets
//! (`org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`).

mod csv;
mod delete_offsets;
mod describe;
mod options;
mod regex_check;
mod reset;

use millrace_client::{GroupListing, ListGroupsOptions};
use millrace_protocol::ErrorCode;

use super::command_line::{Stop, end_uncaught, usage_and_exit};
use super::format::{left, length};
use super::hash::{sort_as_hash_map, sort_strings, string_hash};
use super::log;
use super::options::Options;
use super::properties::{Properties, load};
use super::throwable::Throwable;
use crate::admin::{Admin, NO_METADATA, Unreachable, no_brokers_to_ask};
use crate::io::Io;

const LOGGER: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// States that a group of consumers can be in.
const STATES: [&str; 7] =
    ["Assigning", "Stable", "Empty", "Reconciling", "CompletingRebalance", "PreparingRebalance", "Dead"];

/// Runs the tool.
pub(super) async fn run(arguments: &[String], io: &mut Io) -> u8 {
    let result = execute(arguments, io).await;
    end_uncaught(io, result)
}

async fn execute(arguments: &[String], io: &mut Io) -> Result<(), Stop> {
    let options = options::read(arguments, io)?;
    if let Some(expression) = options.given("validate-regex")? {
        io.line(regex_check::verdict(&expression));
        return Ok(());
    }
    let result = act(&options, io).await;
    match result {
        Err(Stop::Throw(error)) if is_illegal_argument(&error) => {
            Err(usage_and_exit(io, options::TOOL, error.message()))
        }
        // The tool reports this and ends with 0 all the same.
        Err(Stop::Throw(error)) => {
            log_unknown_topic(&error, io);
            let message = format!("Executing consumer group command failed due to {}", error.message());
            print_error(io, &message);
            io.error(error.stack_trace());
            Ok(())
        }
        other => other,
    }
}

/// Kafka's admin client logs that it looked for a topic in vain.
fn log_unknown_topic(error: &Throwable, io: &mut Io) {
    let mut root = error;
    while let Some(cause) = root.cause() {
        root = cause;
    }
    if !root.message().starts_with(NO_METADATA) {
        return;
    }
    let topic = root.message().split('`').nth(1).unwrap_or_default();
    let text = format!("[AdminClient clientId=adminclient-1] Received unknown topic error for topic {topic}");
    log::error(io, "org.apache.kafka.clients.admin.internals.PartitionLeaderStrategy", &text);
    io.error(Throwable::from_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None).stack_trace());
}

async fn act(options: &Options, io: &mut Io) -> Result<(), Stop> {
    let admin = connect(options)?;
    let call = if options.has("list") || options.has("all-groups") {
        "findAllBrokers"
    } else if options.has("delete") {
        "deleteConsumerGroups(api=FIND_COORDINATOR)"
    } else if options.has("delete-offsets") {
        "listNodes"
    } else {
        "describeConsumerGroups(api=FIND_COORDINATOR)"
    };
    if let Err(why) = admin.reach(call, io).await {
        return Ok(unreachable(options, call, why, io)?);
    }
    if options.has("list") {
        list(&admin, options, io).await?;
    } else if options.has("describe") {
        describe::describe(&admin, options, io).await?;
    } else if options.has("delete") {
        delete(&admin, options, io).await?;
    } else if options.has("reset-offsets") {
        reset::reset(&admin, options, io).await?;
    } else {
        delete_offsets::delete(&admin, options, io).await?;
    }
    Ok(())
}

/// Each action has its own way of telling that no broker answers.
fn unreachable(options: &Options, call: &str, why: Unreachable, io: &mut Io) -> Result<(), Throwable> {
    let error = match why {
        Unreachable::NoHost(error) => return Err(error),
        Unreachable::Silence(error) => error,
    };
    if call == "findAllBrokers" {
        let error = no_brokers_to_ask(error).execution();
        let is_filtered = options.has("list") && (options.has("type") || options.has("state"));
        return Err(if is_filtered { error } else { error.runtime() });
    }
    if options.has("delete") {
        let failed = options.values("group").into_iter().map(|group| (group, error.clone())).collect();
        report_deleted(Vec::new(), failed, io);
        return Ok(());
    }
    if options.has("delete-offsets") {
        delete_offsets::nobody_answers(options, &error, io);
        return Ok(());
    }
    Err(if options.has("reset-offsets") { error.execution().runtime() } else { error.execution() })
}

fn is_illegal_argument(error: &Throwable) -> bool {
    ["java.lang.IllegalArgumentException", "java.lang.NumberFormatException"].contains(&error.class())
}

fn connect(options: &Options) -> Result<Admin, Throwable> {
    let mut properties = match options.value("command-config")? {
        Some(path) => load(&path).map_err(Throwable::runtime)?,
        None => Properties::new(),
    };
    properties.insert("bootstrap.servers".to_owned(), options.value("bootstrap-server")?.unwrap_or_default());
    let timeout_ms = options.long("timeout")?.unwrap_or(30_000);
    properties.insert("default.api.timeout.ms".to_owned(), timeout_ms.to_string());
    properties.insert("request.timeout.ms".to_owned(), timeout_ms.min(30_000).to_string());
    Admin::from_properties(properties)
}

/// A line in front, as every failure of this tool has one.
fn print_error(io: &mut Io, message: &str) {
    io.line(format!("\nError: {message}"));
}

/// Names of the groups of consumers, in the order in which Kafka's client gives them.
async fn consumer_groups(admin: &Admin) -> Result<Vec<String>, Throwable> {
    let types = ["Classic", "Consumer"].map(str::to_owned).to_vec();
    let options = ListGroupsOptions { types, ..Default::default() };
    Ok(listings(admin, options).await?.into_iter().map(|listing| listing.group).collect())
}

async fn listings(admin: &Admin, options: ListGroupsOptions) -> Result<Vec<GroupListing>, Throwable> {
    let mut listings = admin.list_groups(options).await.map_err(Throwable::execution)?;
    listings.retain(|listing| listing.protocol_type.is_empty() || listing.protocol_type == "consumer");
    sort_as_hash_map(&mut listings, |listing| string_hash(&listing.group));
    Ok(listings)
}

/// The groups that `--group` names, or all of them.
async fn wanted_groups(admin: &Admin, options: &Options) -> Result<Vec<String>, Throwable> {
    if options.has("all-groups") {
        return consumer_groups(admin).await.map_err(Throwable::runtime);
    }
    let mut groups = options.values("group");
    groups.dedup();
    Ok(groups)
}

async fn list(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let (with_type, with_state) = (options.has("type"), options.has("state"));
    if !with_type && !with_state {
        for group in consumer_groups(admin).await.map_err(Throwable::runtime)? {
            io.line(group);
        }
        return Ok(());
    }
    let filter = ListGroupsOptions {
        types: match options.value("type")? {
            Some(text) if !text.is_empty() => parse_types(&text)?,
            _ => Vec::new(),
        },
        states: match options.value("state")? {
            Some(text) if !text.is_empty() => parse_states(&text)?,
            _ => Vec::new(),
        },
    };
    let listings = listings(admin, filter).await?;
    let width = listings.iter().map(|listing| length(&listing.group).max(15)).max().unwrap_or(15) + 10;
    let mut row = |group: &str, kind: &str, state: &str| {
        let mut line = left(group, width);
        if with_type {
            line.push_str(&format!(" {}", left(kind, 20)));
        }
        if with_state {
            line.push_str(&format!(" {}", left(state, 20)));
        }
        io.line(line);
    };
    row("GROUP", "TYPE", "STATE");
    for listing in &listings {
        let state = if listing.state.is_empty() { "Unknown" } else { &listing.state };
        row(&listing.group, capitalised(&listing.kind), state);
    }
    Ok(())
}

/// Brokers tell the type of a group in lower case.
fn capitalised(kind: &str) -> &str {
    match kind {
        "classic" => "Classic",
        "consumer" => "Consumer",
        "" => "Unknown",
        other => other,
    }
}

fn parse_states(text: &str) -> Result<Vec<String>, Throwable> {
    text.split(',')
        .map(|name| {
            let known = STATES.iter().find(|state| state.eq_ignore_ascii_case(name.trim()));
            known.map(|state| (*state).to_owned()).ok_or_else(|| {
                Throwable::illegal_argument(format!(
                    "Invalid state list '{text}'. Valid states are: {}",
                    STATES.join(", ")
                ))
            })
        })
        .collect()
}

fn parse_types(text: &str) -> Result<Vec<String>, Throwable> {
    text.split(',')
        .map(|name| {
            let known =
                ["Classic", "Consumer"].into_iter().find(|kind| kind.eq_ignore_ascii_case(name.trim()));
            known.map(str::to_owned).ok_or_else(|| {
                Throwable::illegal_argument(format!(
                    "Invalid types list '{text}'. Valid types are: Consumer, Classic"
                ))
            })
        })
        .collect()
}

async fn delete(admin: &Admin, options: &Options, io: &mut Io) -> Result<(), Throwable> {
    let mut groups = wanted_groups(admin, options).await?;
    sort_strings(&mut groups);
    groups.dedup();
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    for group in groups {
        match admin.delete_group(&group).await {
            Ok(()) => deleted.push(group),
            Err(error) => failed.push((group, error)),
        }
    }
    report_deleted(deleted, failed, io);
    Ok(())
}

fn report_deleted(mut deleted: Vec<String>, mut failed: Vec<(String, Throwable)>, io: &mut Io) {
    sort_strings(&mut deleted);
    sort_as_hash_map(&mut failed, |(group, _)| string_hash(group));
    let quoted: Vec<String> = deleted.iter().map(|group| format!("'{group}'")).collect();
    let quoted = quoted.join(", ");
    if failed.is_empty() {
        io.line(format!("Deletion of requested consumer groups ({quoted}) was successful."));
        return;
    }
    print_error(io, "Deletion of some consumer groups failed:");
    for (group, error) in &failed {
        io.line(format!("* Group '{group}' could not be deleted due to: {error}"));
    }
    if !deleted.is_empty() {
        io.line(format!("\nThese consumer groups were deleted successfully: {quoted}"));
    }
}
