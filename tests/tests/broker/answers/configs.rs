//! Configurations of things that are not there, keys nobody knows, values that break a rule.

use millrace_protocol::messages::alter_configs::{self, AlterConfigsRequest};
use millrace_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use millrace_protocol::messages::list_config_resources::{ConfigResource, ListConfigResourcesRequest};
use millrace_tests::{Connection, until};

use super::topics::create;
use super::{Case, PRESENT, shown};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A topic that these cases change.
const CONFIGURED: &str = "altered";

pub(super) const CASES: &[Case] = &[
    ("configs: a topic to alter", |c| create(c, CONFIGURED, 1, 1)),
    ("configs: describe a topic that is not there", |c| described(c, TOPIC, "absent", &["retention.ms"])),
    ("configs: describe a bad topic name", |c| described(c, TOPIC, "a b", &["retention.ms"])),
    ("configs: describe an empty topic name", |c| described(c, TOPIC, "", &["retention.ms"])),
    ("configs: describe a broker that is not there", |c| described(c, BROKER, "77", &["log.retention.ms"])),
    ("configs: describe a broker without a number", |c| described(c, BROKER, "one", &["log.retention.ms"])),
    ("configs: describe a kind that nobody knows", |c| {
        // Kafka's text is the one that stands for any malformed request.
        described(c, 99, "thing", &["retention.ms"]).split(':').next().unwrap_or_default().to_owned()
    }),
    ("configs: describe keys that nobody knows", |c| {
        described(c, TOPIC, CONFIGURED, &["retention.ms", "nonsense"])
    }),
    ("configs: list what clients' metrics there are", |c| listed(c, 0, &[])),
    ("configs: list topics and brokers", |c| listed(c, 1, &[TOPIC, BROKER])),
    ("configs: list brokers, twice", |c| listed(c, 1, &[BROKER, BROKER])),
    ("configs: list loggers", |c| listed(c, 1, &[8])),
    ("configs: list groups and clients' metrics", |c| listed(c, 1, &[16, 32])),
    ("configs: list everything", |c| listed(c, 1, &[])),
    ("configs: list a kind that nobody knows", |c| listed(c, 1, &[TOPIC, 99])),
    ("configs: list the kind that is none", |c| listed(c, 1, &[0])),
    ("configs: set an unknown key", |c| incremental(c, TOPIC, CONFIGURED, &[("nonsense", SET, Some("1"))])),
    ("configs: set a number to a word", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("retention.ms", SET, Some("soon"))])
    }),
    ("configs: set a number out of range", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("min.insync.replicas", SET, Some("0"))])
    }),
    ("configs: set a word that is not in its list", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("compression.type", SET, Some("lzma"))])
    }),
    ("configs: set a flag to a number", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("preallocate", SET, Some("2"))])
    }),
    ("configs: set to null", |c| incremental(c, TOPIC, CONFIGURED, &[("retention.ms", SET, None)])),
    ("configs: set twice", |c| {
        let twice = [("retention.ms", SET, Some("1")), ("retention.ms", SET, Some("2"))];
        incremental(c, TOPIC, CONFIGURED, &twice)
    }),
    ("configs: append to what is no list", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("retention.ms", APPEND, Some("5"))])
    }),
    ("configs: subtract from what is no list", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("retention.ms", SUBTRACT, Some("5"))])
    }),
    ("configs: append to a list", |c| {
        let answer = incremental(c, TOPIC, CONFIGURED, &[("cleanup.policy", APPEND, Some("compact"))]);
        format!("{answer}, then {}", settled(c, "cleanup.policy", "delete,compact"))
    }),
    ("configs: subtract from a list", |c| {
        let answer = incremental(c, TOPIC, CONFIGURED, &[("cleanup.policy", SUBTRACT, Some("delete"))]);
        format!("{answer}, then {}", settled(c, "cleanup.policy", "compact"))
    }),
    ("configs: delete what was not set", |c| {
        incremental(c, TOPIC, CONFIGURED, &[("segment.bytes", DELETE, None)])
    }),
    ("configs: alter a topic that is not there", |c| {
        incremental(c, TOPIC, "absent", &[("retention.ms", SET, Some("5"))])
    }),
    ("configs: alter a broker that is not there", |c| {
        incremental(c, BROKER, "77", &[("log.cleaner.threads", SET, Some("2"))])
    }),
    ("configs: alter what a broker cannot change while it runs", |c| {
        incremental(c, BROKER, "1", &[("log.dirs", SET, Some("/elsewhere"))])
    }),
    ("configs: alter the whole of a topic that is not there", |c| whole(c, "absent", "retention.ms", "5")),
    ("configs: alter the whole of a topic, an unknown key", |c| whole(c, CONFIGURED, "nonsense", "5")),
    ("configs: alter the whole of a topic", |c| {
        let answer = whole(c, CONFIGURED, "retention.ms", "5000");
        format!("{answer}, then {}", settled(c, "cleanup.policy", "delete"))
    }),
];

/// What there is of some kinds; of topics only those that every run has.
fn listed(connection: &mut Connection, version: i16, kinds: &[i8]) -> String {
    let request = ListConfigResourcesRequest { resource_types: kinds.to_vec() };
    let answer = connection.ask(&request, version);
    let known = |resource: &&ConfigResource| {
        resource.resource_type != TOPIC || [CONFIGURED, PRESENT].contains(&&*resource.resource_name)
    };
    let mut shown: Vec<_> = answer.config_resources.iter().filter(known).collect();
    shown.sort_by_key(|resource| (resource.resource_type, &resource.resource_name));
    let shown = shown.iter().map(|resource| format!("{} {}", resource.resource_type, resource.resource_name));
    format!("{:?}, [{}]", answer.error_code, shown.collect::<Vec<_>>().join(", "))
}

fn described(connection: &mut Connection, resource_type: i8, name: &str, keys: &[&str]) -> String {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configuration_keys: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let answer = connection.ask(&request, 4);
    let result = &answer.results[0];
    let configs: Vec<_> = result.configs.iter().map(|config| (&config.name, &config.value)).collect();
    format!("{}, {configs:?}", shown(result.error_code, result.error_message.as_deref()))
}

/// Waits until the topic's `key` has that value; shows value and source.
fn settled(connection: &mut Connection, key: &str, value: &str) -> String {
    until("the change shows", || {
        let resource = DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: CONFIGURED.to_owned(),
            configuration_keys: Some(vec![key.to_owned()]),
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let answer = connection.ask(&request, 4);
        let config = &answer.results[0].configs[0];
        (config.value.as_deref() == Some(value)).then(|| format!("{value} from {}", config.config_source))
    })
}

fn incremental(
    connection: &mut Connection,
    resource_type: i8,
    name: &str,
    changes: &[(&str, i8, Option<&str>)],
) -> String {
    let configs = changes.iter().map(|(key, config_operation, value)| AlterableConfig {
        name: (*key).to_owned(),
        config_operation: *config_operation,
        value: value.map(str::to_owned),
    });
    let resource =
        AlterConfigsResource { resource_type, resource_name: name.to_owned(), configs: configs.collect() };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = connection.ask(&request, 1);
    shown(answer.responses[0].error_code, answer.responses[0].error_message.as_deref())
}

fn whole(connection: &mut Connection, name: &str, key: &str, value: &str) -> String {
    let config = alter_configs::AlterableConfig { name: key.to_owned(), value: Some(value.to_owned()) };
    let resource = alter_configs::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.to_owned(),
        configs: vec![config],
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = connection.ask(&request, 2);
    shown(answer.responses[0].error_code, answer.responses[0].error_message.as_deref())
}
