//! How Kafka's tools end early: usage on standard error and status 1
//! (`org.apache.kafka.server.util.CommandLineUtils`). Never talks to a broker.

use super::Tool;
use super::options::{Options, Spec};
use super::throwable::Throwable;
use super::usage::usage;
use crate::io::Io;

/// Why a tool ends before its work is done.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    /// With this status; everything is said.
    Exit(u8),
    /// With an exception that somebody above words.
    Throw(Throwable),
}

impl From<Throwable> for Stop {
    fn from(error: Throwable) -> Self {
        Self::Throw(error)
    }
}

/// The Kafka version whose tools these are: `--version` prints it.
pub(crate) const KAFKA_VERSION: &str = "4.1.1";

/// Prints `message` and the usage, and ends with 1.
pub(crate) fn usage_and_exit(io: &mut Io, tool: Tool, message: &str) -> Stop {
    io.error_line(message);
    io.error(usage(tool));
    Stop::Exit(1)
}

/// Reads the command line of a tool that lets joptsimple's exceptions through.
pub(crate) fn parse(specs: &[Spec], arguments: &[String]) -> Result<Options, Stop> {
    Ok(Options::parse(specs, arguments)?)
}

/// Reads the command line of a tool that answers joptsimple's exceptions with the usage.
pub(crate) fn parse_or_usage(
    io: &mut Io,
    tool: Tool,
    specs: &[Spec],
    arguments: &[String],
) -> Result<Options, Stop> {
    Options::parse(specs, arguments).map_err(|error| usage_and_exit(io, tool, error.message()))
}

/// `--help`, `--version`, or no argument at all.
pub(crate) fn help_or_version(io: &mut Io, tool: Tool, options: &Options, purpose: &str) -> Result<(), Stop> {
    if options.arguments().is_empty() || options.has("help") {
        return Err(usage_and_exit(io, tool, purpose));
    }
    if options.has("version") {
        io.line(KAFKA_VERSION);
        return Err(Stop::Exit(0));
    }
    Ok(())
}

/// Every option of `required` must be there.
pub(crate) fn check_required(
    io: &mut Io,
    tool: Tool,
    options: &Options,
    required: &[&str],
) -> Result<(), Stop> {
    for name in required {
        if !options.has(name) {
            return Err(usage_and_exit(io, tool, &format!("Missing required argument \"[{name}]\"")));
        }
    }
    Ok(())
}

/// With `used`, none of `invalid` may be there.
pub(crate) fn check_invalid(
    io: &mut Io,
    tool: Tool,
    options: &Options,
    used: &str,
    invalid: &[&str],
) -> Result<(), Stop> {
    if !options.has(used) {
        return Ok(());
    }
    for name in invalid {
        if options.has(name) {
            let message = format!("Option \"[{used}]\" can't be used with option \"[{name}]\"");
            return Err(usage_and_exit(io, tool, &message));
        }
    }
    Ok(())
}

/// Ends a tool whose `main` prints what it could not handle: the message, then the stack trace.
pub(crate) fn end_with_trace(io: &mut Io, result: Result<(), Stop>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Throw(error)) => {
            io.error_line(error.message());
            io.error_line(error.stack_trace());
            1
        }
    }
}

/// Ends a tool whose `main` lets everything through to the virtual machine.
pub(crate) fn end_uncaught(io: &mut Io, result: Result<(), Stop>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(Stop::Exit(status)) => status,
        Err(Stop::Throw(error)) => {
            io.error(format!("Exception in thread \"main\" {}", error.stack_trace()));
            1
        }
    }
}

/// Each server must be `host:port`.
///
/// # Errors
/// `IllegalArgumentException` in the words of `ToolsUtils.validateBootstrapServer`.
pub(crate) fn validate_bootstrap(servers: Option<&str>) -> Result<(), Throwable> {
    let servers = servers.unwrap_or_default();
    if servers.trim().is_empty() {
        return Err(Throwable::illegal_argument("Error while validating the bootstrap address\n"));
    }
    let valid = servers.trim_end_matches(',').split(',').all(|server| {
        let server = server.split_once("://").map_or(server, |(_, rest)| rest);
        server.rsplit_once(':').is_some_and(|(host, port)| {
            let host = host.strip_prefix('[').map_or(host, |host| host.strip_suffix(']').unwrap_or(host));
            let legal = |letter: char| letter.is_ascii_alphanumeric() || "-%._:".contains(letter);
            host.chars().all(legal) && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
        })
    });
    if valid {
        Ok(())
    } else {
        Err(Throwable::illegal_argument("Please provide valid host:port like host1:9091,host2:9092\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_servers_need_ports() {
        for good in ["localhost:9092", "a:1,b:2", "[::1]:9092", "PLAINTEXT://x:9092"] {
            assert_eq!(validate_bootstrap(Some(good)), Ok(()), "{good}");
        }
        for bad in ["localhost", "a:1,b", "a:x", "a:"] {
            assert!(validate_bootstrap(Some(bad)).is_err(), "{bad}");
        }
        assert!(validate_bootstrap(None).is_err());
    }
}
