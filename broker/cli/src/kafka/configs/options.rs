//! The command line of `kafka-configs` and what it refuses before it talks to a broker
//! (`kafka.admin.ConfigCommand.ConfigCommandOptions`).

use std::net::ToSocketAddrs;

use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::{Stop, check_invalid, help_or_version, parse, usage_and_exit};
use crate::kafka::options::{Options, Spec};
use crate::kafka::throwable::Throwable;

const TOOL: Tool = Tool::Configs;

const SPECS: &[Spec] = &[
    Spec::text("bootstrap-server"),
    Spec::text("bootstrap-controller"),
    Spec::text("command-config"),
    Spec::switch("alter"),
    Spec::switch("describe"),
    Spec::switch("all"),
    Spec::text("entity-type"),
    Spec::text("entity-name"),
    Spec::switch("entity-default"),
    Spec::text("add-config"),
    Spec::text("add-config-file"),
    Spec::text("delete-config").split(','),
    Spec::text("topic"),
    Spec::text("client"),
    Spec::switch("client-defaults"),
    Spec::text("user"),
    Spec::switch("user-defaults"),
    Spec::text("broker"),
    Spec::switch("broker-defaults"),
    Spec::text("broker-logger"),
    Spec::switch("ip-defaults"),
    Spec::text("ip"),
    Spec::text("group"),
    Spec::text("client-metrics"),
];

/// Options that name an entity of one type.
const NAMED: [(&str, &str); 8] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];

/// Options that stand for all entities of one type.
const DEFAULTS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

const TYPES: [&str; 8] =
    ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];

/// Types of which there are defaults for all entities.
const WITH_DEFAULTS: [&str; 4] = ["users", "clients", "brokers", "ips"];

/// What the command is about.
#[derive(Debug)]
pub(super) struct Request {
    /// The options as they were given.
    pub(super) options: Options,
    /// Entity types; two only for users and clients together.
    pub(super) types: Vec<String>,
    /// Entity names; the empty one stands for the default.
    pub(super) names: Vec<String>,
}

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Request, Stop> {
    let options = parse(SPECS, arguments)?;
    let purpose = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
                   client-metrics or group";
    help_or_version(io, TOOL, &options, purpose)?;
    if options.has("alter") == options.has("describe") {
        let message = "Command must include exactly one action: --describe, --alter";
        return Err(usage_and_exit(io, TOOL, message));
    }
    check_invalid(io, TOOL, &options, "describe", &["add-config", "delete-config"])?;
    let types = types(&options);
    check_types(&options, &types)?;
    let names = names(&options)?;
    check_names(&options, &types, &names)?;
    if options.has("describe") {
        check_describe(&options, &types, &names)?;
    } else {
        check_alter(&options, &types, &names)?;
    }
    Ok(Request { options, types, names })
}

fn types(options: &Options) -> Vec<String> {
    let flags = NAMED.iter().chain(&DEFAULTS).filter(|(flag, _)| options.has(flag));
    let mut types = options.values("entity-type");
    types.extend(flags.map(|(_, kind)| (*kind).to_owned()));
    types
}

fn names(options: &Options) -> Result<Vec<String>, Throwable> {
    let mut names: Vec<String> = options
        .occurrences()
        .filter(|(name, _)| ["entity-name", "entity-default"].contains(name))
        .map(|(_, value)| value.unwrap_or_default().to_owned())
        .collect();
    for (flag, _) in NAMED {
        names.extend(options.given(flag)?);
    }
    names.extend(DEFAULTS.iter().filter(|(flag, _)| options.has(flag)).map(|_| String::new()));
    Ok(names)
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Throwable> {
    Err(Throwable::illegal_argument(message))
}

fn check_types(options: &Options, types: &[String]) -> Result<(), Throwable> {
    let mut seen = Vec::new();
    let mut twice = Vec::new();
    for kind in types {
        if seen.contains(&kind) { twice.push(kind.as_str()) } else { seen.push(kind) }
    }
    if !twice.is_empty() {
        return refuse(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
    }
    if !options.has("bootstrap-server") && !options.has("bootstrap-controller") {
        return refuse("Either --bootstrap-server or --bootstrap-controller must be specified.");
    }
    if let Some(unknown) = types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
        return refuse(format!(
            "Invalid entity type {unknown}, the entity type must be one of {} with a --bootstrap-server or \
             --bootstrap-controller argument",
            TYPES.join(", ")
        ));
    }
    let is_pair = types.len() == 2 && types.iter().all(|kind| ["users", "clients"].contains(&kind.as_str()));
    match types.len() {
        0 => refuse("At least one entity type must be specified"),
        1 => Ok(()),
        _ if is_pair => Ok(()),
        _ => refuse("Only 'users' and 'clients' entity types may be specified together"),
    }
}

fn check_names(options: &Options, types: &[String], names: &[String]) -> Result<(), Throwable> {
    let general = ["entity-name", "entity-type", "entity-default"].iter().any(|name| options.has(name));
    if general && NAMED.iter().chain(&DEFAULTS).any(|(flag, _)| options.has(flag)) {
        return refuse(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        );
    }
    if options.has("bootstrap-server") && options.has("bootstrap-controller") {
        return refuse("Only one of --bootstrap-server or --bootstrap-controller can be specified");
    }
    let Some(kind) = types.first() else { return Ok(()) };
    let has_name = names.iter().any(|name| !name.is_empty());
    if has_name && types.iter().any(|kind| ["brokers", "broker-loggers"].contains(&kind.as_str())) {
        for flag in ["entity-name", "broker", "broker-logger"] {
            if let Some(name) = options.given(flag)?.filter(|name| name.parse::<i32>().is_err()) {
                return refuse(format!(
                    "The entity name for {kind} must be a valid integer broker id, but it is: {name}"
                ));
            }
        }
    }
    if has_name && types.iter().any(|kind| kind == "ips") {
        for flag in ["entity-name", "ip"] {
            if let Some(name) =
                options.given(flag)?.filter(|name| (name.as_str(), 0).to_socket_addrs().is_err())
            {
                return refuse(format!(
                    "The entity name for {kind} must be a valid IP or resolvable host, but it is: {name}"
                ));
            }
        }
    }
    Ok(())
}

fn check_describe(options: &Options, types: &[String], names: &[String]) -> Result<(), Throwable> {
    let has_defaults = types.iter().any(|kind| WITH_DEFAULTS.contains(&kind.as_str()));
    if !has_defaults && options.has("entity-default") {
        return refuse(format!(
            "--entity-default must not be specified with --describe of {}",
            types.join(",")
        ));
    }
    let has_name = names.iter().any(|name| !name.is_empty());
    if types.iter().any(|kind| kind == "broker-loggers") && !has_name {
        return refuse(format!("An entity name must be specified with --describe of {}", types.join(",")));
    }
    Ok(())
}

fn check_alter(options: &Options, types: &[String], names: &[String]) -> Result<(), Throwable> {
    let has_name = names.iter().any(|name| !name.is_empty());
    if types.iter().any(|kind| WITH_DEFAULTS.contains(&kind.as_str())) {
        if names.is_empty() {
            return refuse(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            );
        }
    } else if !has_name {
        return refuse(format!("An entity name must be specified with --alter of {}", types.join(",")));
    }
    let (add, file) = (options.has("add-config"), options.has("add-config-file"));
    if add && file {
        return refuse("Only one of --add-config or --add-config-file must be specified");
    }
    if !add && !file && !options.has("delete-config") {
        return refuse(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        );
    }
    if types.len() != names.len() {
        return refuse("An entity name must be specified for every entity type");
    }
    Ok(())
}
