//! The command line of `kafka-topics` and what it refuses before it talks to a broker
//! (`TopicCommand.TopicCommandOptions`).

use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::{
    Stop, check_invalid, check_required, help_or_version, parse, usage_and_exit,
};
use crate::kafka::options::{Options, Spec};
use crate::kafka::throwable::Throwable;

const TOOL: Tool = Tool::Topics;

const SPECS: &[Spec] = &[
    Spec::text("bootstrap-server"),
    Spec::text("command-config"),
    Spec::switch("list"),
    Spec::switch("create"),
    Spec::switch("delete"),
    Spec::switch("alter"),
    Spec::switch("describe"),
    Spec::text("topic"),
    Spec::text("topic-id"),
    Spec::text("config"),
    Spec::text("delete-config"),
    Spec::int("partitions"),
    Spec::int("replication-factor"),
    Spec::text("replica-assignment"),
    Spec::switch("under-replicated-partitions"),
    Spec::switch("unavailable-partitions"),
    Spec::switch("under-min-isr-partitions"),
    Spec::switch("at-min-isr-partitions"),
    Spec::switch("topics-with-overrides"),
    Spec::switch("if-exists"),
    Spec::switch("if-not-exists"),
    Spec::switch("exclude-internal"),
    Spec::int("partition-size-limit-per-response"),
];

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];

/// Switches that narrow `--describe`.
pub(super) const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Options, Stop> {
    let options = parse(SPECS, arguments)?;
    if arguments.is_empty() {
        return Err(usage_and_exit(io, TOOL, "Create, delete, describe, or change a topic."));
    }
    let purpose = "This tool helps to create, delete, describe, or change a topic.";
    help_or_version(io, TOOL, &options, purpose)?;
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        return Err(usage_and_exit(
            io,
            TOOL,
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    if options.has("delete-config") {
        io.error_line(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be \
             fully removed in future releases.",
        );
    }
    check_needed(&options, io)?;
    check_conflicts(&options, io)?;
    Ok(options)
}

fn check_needed(options: &Options, io: &mut Io) -> Result<(), Stop> {
    if !options.has("bootstrap-server") {
        return Err(Throwable::illegal_argument("--bootstrap-server must be specified").into());
    }
    if options.has("describe") && options.has("if-exists") {
        if !options.has("topic") && !options.has("topic-id") {
            return Err(usage_and_exit(io, TOOL, "--topic or --topic-id is required to describe a topic"));
        }
        if options.has("topic") && options.has("topic-id") {
            io.line(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
                 Uuid.ZERO_UUID",
            );
        }
    }
    if !options.has("list") && !options.has("describe") {
        check_required(io, TOOL, options, &["topic"])?;
    }
    if options.has("alter") {
        if options.has("config") {
            return Err(usage_and_exit(
                io,
                TOOL,
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter \
                 topic configurations, the kafka-configs tool can be used.)",
            ));
        }
        check_required(io, TOOL, options, &["partitions"])?;
    }
    Ok(())
}

fn check_conflicts(options: &Options, io: &mut Io) -> Result<(), Stop> {
    let except = |kept: &[&str]| -> Vec<&str> {
        ACTIONS.into_iter().filter(|action| !kept.contains(action)).collect()
    };
    for option in ["config", "partitions"] {
        check_invalid(io, TOOL, options, option, &except(&["alter", "create"]))?;
    }
    check_invalid(io, TOOL, options, "replication-factor", &except(&["create"]))?;
    check_invalid(io, TOOL, options, "replica-assignment", &except(&["alter", "create"]))?;
    if options.has("create") {
        check_invalid(io, TOOL, options, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        let mut refused = except(&["describe"]);
        refused.push("topics-with-overrides");
        check_invalid(io, TOOL, options, report, &refused)?;
    }
    let mut refused = except(&["describe"]);
    refused.extend(REPORTS);
    check_invalid(io, TOOL, options, "topics-with-overrides", &refused)?;
    check_invalid(io, TOOL, options, "if-exists", &except(&["alter", "delete", "describe"]))?;
    check_invalid(io, TOOL, options, "if-not-exists", &except(&["create"]))?;
    check_invalid(io, TOOL, options, "exclude-internal", &except(&["list", "describe"]))
}
