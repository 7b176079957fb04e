//! The command line of `kafka-console-producer` (`ConsoleProducer.ConsoleProducerOptions`).

use crate::io::Io;
use crate::kafka::Tool;
use crate::kafka::command_line::{
    Stop, check_required, help_or_version, parse_or_usage, usage_and_exit, validate_bootstrap,
};
use crate::kafka::options::{Kind, Options, Spec};
use crate::kafka::properties::{Properties, from_arguments, load};
use crate::kafka::throwable::Throwable;

const TOOL: Tool = Tool::ConsoleProducer;

/// The last three are the names that Kafka 4.2 gives to older options (KIP-1147).
const SPECS: &[Spec] = &[
    Spec::text("topic"),
    Spec::text("bootstrap-server"),
    Spec::switch("sync"),
    Spec::optional("compression-codec", Kind::Text),
    Spec::int("batch-size").or("16384"),
    Spec::int("message-send-max-retries").or("3"),
    Spec::long("retry-backoff-ms").or("100"),
    Spec::long("timeout").or("1000"),
    Spec::text("request-required-acks").or("-1"),
    Spec::int("request-timeout-ms").or("1500"),
    Spec::long("metadata-expiry-ms").or("300000"),
    Spec::long("max-block-ms").or("60000"),
    Spec::long("max-memory-bytes").or("33554432"),
    Spec::int("max-partition-memory-bytes").or("16384"),
    Spec::text("line-reader").or(LINE_READER),
    Spec::int("socket-buffer-size").or("102400"),
    Spec::text("property"),
    Spec::text("reader-config"),
    Spec::text("producer-property"),
    Spec::text("producer.config"),
    Spec::text("reader-property"),
    Spec::text("command-property"),
    Spec::text("command-config"),
];

const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// Producer properties with the options that set them, where the option converts to a number or not.
const MERGED: [(&str, &str, Kind); 11] = [
    ("linger.ms", "timeout", Kind::Long),
    ("acks", "request-required-acks", Kind::Text),
    ("request.timeout.ms", "request-timeout-ms", Kind::Int),
    ("retries", "message-send-max-retries", Kind::Int),
    ("retry.backoff.ms", "retry-backoff-ms", Kind::Long),
    ("send.buffer.bytes", "socket-buffer-size", Kind::Int),
    ("buffer.memory", "max-memory-bytes", Kind::Long),
    ("batch.size", "batch-size", Kind::Int),
    ("batch.size", "max-partition-memory-bytes", Kind::Int),
    ("metadata.max.age.ms", "metadata-expiry-ms", Kind::Long),
    ("max.block.ms", "max-block-ms", Kind::Long),
];

/// What to send, and how.
#[derive(Debug)]
pub(super) struct Request {
    /// Where to.
    pub(super) topic: String,
    /// One record after the other.
    pub(super) sync: bool,
    /// Of the line reader.
    pub(super) reader: Properties,
    /// Of the producer.
    pub(super) producer: Properties,
}

/// Reads and checks the command line.
pub(super) fn read(arguments: &[String], io: &mut Io) -> Result<Request, Stop> {
    let options = parse_or_usage(io, TOOL, SPECS, arguments)?;
    let purpose = "This tool helps to read data from standard input and publish it to Kafka.";
    help_or_version(io, TOOL, &options, purpose)?;
    check_required(io, TOOL, &options, &["topic"])?;
    validate_bootstrap(options.value("bootstrap-server")?.as_deref())
        .map_err(|error| usage_and_exit(io, TOOL, error.message()))?;
    let class = options.value("line-reader")?.unwrap_or_default();
    if class != LINE_READER {
        return Err(Throwable::new("java.lang.ClassNotFoundException", class).into());
    }
    Ok(Request {
        topic: options.value("topic")?.unwrap_or_default(),
        sync: options.has("sync"),
        reader: reader_properties(&options)?,
        producer: producer_properties(&options)?,
    })
}

fn loaded(options: &Options, names: [&str; 2]) -> Result<Properties, Throwable> {
    let mut properties = Properties::new();
    for name in names {
        if let Some(path) = options.given(name)? {
            properties.extend(load(&path)?);
        }
    }
    Ok(properties)
}

fn reader_properties(options: &Options) -> Result<Properties, Throwable> {
    let mut properties = loaded(options, ["reader-config", "reader-config"])?;
    for name in ["property", "reader-property"] {
        properties.extend(from_arguments(&options.values(name)));
    }
    Ok(properties)
}

fn producer_properties(options: &Options) -> Result<Properties, Throwable> {
    let mut properties = loaded(options, ["producer.config", "command-config"])?;
    for name in ["producer-property", "command-property"] {
        properties.extend(from_arguments(&options.values(name)));
    }
    let codec = if options.has("compression-codec") {
        options.value("compression-codec")?.filter(|codec| !codec.is_empty()).unwrap_or("gzip".to_owned())
    } else {
        "none".to_owned()
    };
    properties.insert("bootstrap.servers".to_owned(), options.value("bootstrap-server")?.unwrap_or_default());
    properties.insert("compression.type".to_owned(), codec);
    properties.entry("client.id".to_owned()).or_insert_with(|| "console-producer".to_owned());
    for (property, option, kind) in MERGED {
        if options.has(option) || !properties.contains_key(property) {
            let value = match kind {
                Kind::Text => options.value(option)?,
                Kind::Int => options.int(option)?.map(|value| value.to_string()),
                Kind::Long => options.long(option)?.map(|value| value.to_string()),
            };
            if let Some(value) = value {
                properties.insert(property.to_owned(), value);
            }
        }
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Properties {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (mut io, _) = Io::captured(b"");
        read(&arguments, &mut io).unwrap().producer
    }

    #[test]
    fn options_beat_properties_and_defaults_do_not() {
        let properties = read_line(
            "--bootstrap-server h:1 --topic t --producer-property linger.ms=7 --producer-property acks=1 \
             --request-required-acks all",
        );
        assert_eq!(properties["linger.ms"], "7");
        assert_eq!(properties["acks"], "all");
        assert_eq!(properties["batch.size"], "16384");
        assert_eq!(properties["client.id"], "console-producer");
    }

    #[test]
    fn a_codec_without_a_name_is_gzip() {
        let properties = read_line("--bootstrap-server h:1 --topic t --compression-codec");
        assert_eq!(properties["compression.type"], "gzip");
        let properties = read_line("--bootstrap-server h:1 --topic t --compression-codec lz4");
        assert_eq!(properties["compression.type"], "lz4");
    }
}
