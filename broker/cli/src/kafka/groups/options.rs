//! The command line of `kafka-consumer-groups` and what it refuses before it talks to a broker
//! (`ConsumerGroupCommandOptions`).

use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::{
    Stop, check_invalid, check_required, help_or_version, parse, usage_and_exit,
};
use crate::kafka::hash::{sort_as_hash_map, string_hash};
use crate::kafka::options::{Kind, Options, Spec};

pub(super) const TOOL: Tool = Tool::ConsumerGroups;

const SPECS: &[Spec] = &[
    Spec::text("bootstrap-server"),
    Spec::text("group"),
    Spec::text("topic"),
    Spec::switch("all-topics"),
    Spec::switch("list"),
    Spec::switch("describe"),
    Spec::switch("all-groups"),
    Spec::switch("delete"),
    Spec::long("timeout").or("30000"),
    Spec::text("command-config"),
    Spec::switch("reset-offsets"),
    Spec::switch("delete-offsets"),
    Spec::switch("dry-run"),
    Spec::switch("execute"),
    Spec::switch("export"),
    Spec::long("to-offset"),
    Spec::text("from-file"),
    Spec::text("to-datetime"),
    Spec::text("by-duration"),
    Spec::switch("to-earliest"),
    Spec::switch("to-latest"),
    Spec::switch("to-current"),
    Spec::long("shift-by"),
    Spec::switch("members").only_with(&["describe"]),
    Spec::switch("verbose").only_with(&["describe"]),
    Spec::switch("offsets").only_with(&["describe"]),
    Spec::optional("state", Kind::Text).only_with(&["describe", "list"]),
    Spec::optional("type", Kind::Text).only_with(&["list"]),
    Spec::text("validate-regex"),
];

const ACTIONS: [&str; 6] =
    ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];

/// Actions that concern whole groups.
const GROUP_ACTIONS: [&str; 4] = ["list", "describe", "delete", "reset-offsets"];

/// Where `--reset-offsets` can go.
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Options, Stop> {
    let options = parse(SPECS, arguments)?;
    let purpose = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group \
                   info, or reset consumer group offsets.";
    help_or_version(io, TOOL, &options, purpose)?;
    if !options.has("validate-regex") {
        check_required(io, TOOL, &options, &["bootstrap-server"])?;
    }
    check_scopes(&options, io)?;
    if options.has("reset-offsets") {
        check_reset(&options, io)?;
    }
    check_invalid(io, TOOL, &options, "group", &["all-groups"])?;
    check_invalid(io, TOOL, &options, "group", &["list"])?;
    let refused = without(&GROUP_ACTIONS, &["delete", "reset-offsets"]);
    check_invalid(io, TOOL, &options, "topic", &refused)?;
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        let actions: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        let message = format!("Command must include exactly one action: {}", actions.join(", "));
        return Err(usage_and_exit(io, TOOL, &message));
    }
    Ok(options)
}

fn check_scopes(options: &Options, io: &mut Io) -> Result<(), Stop> {
    let names_groups = options.has("group") || options.has("all-groups");
    if options.has("describe") {
        if !names_groups {
            return Err(takes_one_scope(io, "describe"));
        }
        if ["members", "offsets", "state"].iter().filter(|view| options.has(view)).count() > 1 {
            let message =
                "Option [describe] takes at most one of these options: [members], [offsets], [state]";
            return Err(usage_and_exit(io, TOOL, message));
        }
        if options.given("state")?.is_some() {
            let message = "Option [describe] does not take a value for [state]";
            return Err(usage_and_exit(io, TOOL, message));
        }
    }
    if options.has("delete") {
        if !names_groups {
            return Err(takes_one_scope(io, "delete"));
        }
        if options.has("topic") {
            let message =
                "The consumer does not support topic-specific offset deletion from a consumer group.";
            return Err(usage_and_exit(io, TOOL, message));
        }
    }
    if options.has("delete-offsets") && !(options.has("group") && options.has("topic")) {
        let message = format!(
            "Option [delete-offsets] takes the following options: {}",
            bracketed(&without(&["group", "topic"], &[]))
        );
        return Err(usage_and_exit(io, TOOL, &message));
    }
    Ok(())
}

fn check_reset(options: &Options, io: &mut Io) -> Result<(), Stop> {
    if options.has("dry-run") && options.has("execute") {
        let message = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
        return Err(usage_and_exit(io, TOOL, message));
    }
    if !options.has("dry-run") && !options.has("execute") {
        io.error_line(
            "WARN: No action will be performed as the --execute option is missing. In a future major release, \
             the default behavior of this command will be to prompt the user before executing the reset rather \
             than doing a dry run. You should add the --dry-run option explicitly if you are scripting this \
             command and want to keep the current default behavior without prompting.",
        );
    }
    if !options.has("group") && !options.has("all-groups") {
        return Err(takes_one_scope(io, "reset-offsets"));
    }
    let order = [
        "to-offset",
        "to-datetime",
        "by-duration",
        "to-earliest",
        "to-latest",
        "to-current",
        "shift-by",
        "from-file",
    ];
    for scenario in order {
        check_invalid(io, TOOL, options, scenario, &without(&SCENARIOS, &[scenario]))?;
    }
    Ok(())
}

fn takes_one_scope(io: &mut Io, action: &str) -> Stop {
    let scopes = bracketed(&without(&["group", "all-groups"], &[]));
    usage_and_exit(io, TOOL, &format!("Option [{action}] takes one of these options: {scopes}"))
}

/// What `--reset-offsets` says when no scenario was chosen.
pub(super) fn no_scenario(io: &mut Io) -> Stop {
    let message = format!(
        "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
        bracketed(&without(&SCENARIOS, &[]))
    );
    usage_and_exit(io, TOOL, &message)
}

/// The options in the order of Java's hash set, some left out.
fn without<'a>(names: &[&'a str], removed: &[&str]) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.to_vec();
    sort_as_hash_map(&mut names, |name| 31i32.wrapping_add(string_hash(name)));
    names.retain(|name| !removed.contains(name));
    names
}

fn bracketed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("[{name}]")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_stand_in_the_order_of_the_hash_set() {
        assert_eq!(
            bracketed(&without(&SCENARIOS, &[])),
            "[to-offset], [to-current], [to-datetime], [from-file], [by-duration], [to-earliest], [to-latest], \
             [shift-by]"
        );
    }
}
