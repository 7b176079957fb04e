//! Settings from environment variables, under the names that the common Kafka images give them:
//! `apache/kafka` and Confluent's (`KAFKA_NUM_PARTITIONS`), Bitnami's (`KAFKA_CFG_NUM_PARTITIONS`).
//! Knows names of keys, not what they do.

use millrace_metadata::config::{broker_defs, classify_broker_key};

use super::place::{Entry, Notice, Place, Problem};

const PREFIX: &str = "KAFKA_";
const BITNAMI_PREFIX: &str = "CFG_";

/// Names of the cluster's id in the images.
const CLUSTER_ID: [&str; 3] = ["CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"];

/// Variables of the images and of Kafka's scripts that never were settings of the broker: the
/// virtual machine, its logging, paths inside the image, users that an entry script creates.
const OF_THE_IMAGE: &[&str] = &[
    "BASE_DIR",
    "CERTS_DIR",
    "CERTIFICATE_PASSWORD",
    "CERT_PASSWORD",
    "CLIENT_LISTENER_NAME",
    "CLIENT_PASSWORDS",
    "CLIENT_USERS",
    "CONF_DIR",
    "CONF_FILE",
    "CONTROLLER_PASSWORD",
    "CONTROLLER_USER",
    "CREATE_TOPICS",
    "DAEMON_GROUP",
    "DAEMON_USER",
    "DATA_DIR",
    "DEBUG",
    "DEBUG_PORT",
    "DEBUG_SUSPEND_FLAG",
    "ENABLE_KRAFT",
    "EXTRA_FLAGS",
    "GC_LOG_OPTS",
    "HEAP_OPT",
    "HEAP_OPTS",
    "HOME",
    "INITSCRIPTS_DIR",
    "INITIAL_CONTROLLERS",
    "INTER_BROKER_PASSWORD",
    "INTER_BROKER_USER",
    "JVM_PERFORMANCE_OPTS",
    "MOUNTED_CONF_DIR",
    "OPTS",
    "SKIP_KRAFT_STORAGE_INIT",
    "SERVER_LOG4J_OPTS",
    "USER",
    "VERSION",
    "VOLUME_DIR",
];
/// Families of such variables.
const FAMILIES_OF_THE_IMAGE: &[&str] =
    &["JMX_", "KRAFT_", "LOG4J_", "REST_", "SCHEMA_REGISTRY_", "TLS_", "TOOLS_LOG4J_"];

/// From here on an unknown name is taken for a misspelt one. Many names in a user's environment
/// begin with `KAFKA_` and are meant for clients (`KAFKA_BROKERS`), so this is stricter than for
/// files.
const SIMILARITY_MIN: f64 = 0.8;

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) entries: Vec<Entry>,
    pub(super) cluster_id: Option<Entry>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<Notice>,
}

/// Reads all variables, in the order of their names, so that the same mistake gives the same answer.
pub(super) fn read(variables: &[(String, String)]) -> Reading {
    let mut variables: Vec<_> = variables.iter().collect();
    variables.sort();
    let mut reading = Reading::default();
    for (variable, value) in variables {
        if CLUSTER_ID.contains(&variable.as_str()) {
            reading.set_cluster_id(variable, value);
        } else if let Some(name) = variable.strip_prefix(PREFIX)
            && !is_of_the_image(name)
            && !is_service_link(name, value)
        {
            reading.set(variable, name, value);
        }
    }
    reading
}

impl Reading {
    fn set_cluster_id(&mut self, variable: &str, value: &str) {
        let place = Place::Environment(variable.to_owned());
        let entry = Entry { key: "cluster id".to_owned(), value: value.trim().to_owned(), place };
        match &self.cluster_id {
            Some(other) if other.value != entry.value => {
                self.problems.push(Problem::new(&entry, format!("{} says otherwise", other.place)));
            }
            _ if entry.value.is_empty() => {}
            _ => self.cluster_id = Some(entry),
        }
    }

    fn set(&mut self, variable: &str, name: &str, value: &str) {
        let (name, explicit) = match name.strip_prefix(BITNAMI_PREFIX) {
            Some(name) => (name, true),
            None => (name, false),
        };
        let place = Place::Environment(variable.to_owned());
        let candidates = candidates(name);
        let known = candidates.iter().find(|key| classify_broker_key(key).is_ok());
        if let Some(key) = known {
            self.entries.push(Entry { key: key.clone(), value: value.to_owned(), place });
            return;
        }
        let key = candidates[0].clone();
        match nearest(&key) {
            Some(nearest) => {
                let what =
                    format!("no such key; did you mean {nearest} ({})?", variable_of(nearest, explicit));
                self.problems.push(Problem { key, place, what });
            }
            None if explicit => {
                self.problems.push(Problem { key, place, what: "no such key".to_owned() });
            }
            None => self.notices.push(Notice::Info(format!(
                "environment variable {variable} is not a setting of the broker and has no effect"
            ))),
        }
    }
}

/// The keys that a variable may stand for. The images agree on `_` for a dot; doubled and tripled
/// they mean `_` and `-` to `apache/kafka` and the other way round to Confluent.
fn candidates(name: &str) -> [String; 2] {
    let dotted = name.to_lowercase().replace('_', ".");
    [dotted.replace("...", "-").replace("..", "_"), dotted.replace("...", "_").replace("..", "-")]
}

/// The variable that sets `key`, for hints.
pub(crate) fn variable_of(key: &str, bitnami: bool) -> String {
    let mut name = format!("{PREFIX}{}", if bitnami { BITNAMI_PREFIX } else { "" });
    for letter in key.chars() {
        match letter {
            '.' => name.push('_'),
            '_' => name.push_str("__"),
            '-' => name.push_str("___"),
            letter => name.push(letter.to_ascii_uppercase()),
        }
    }
    name
}

fn nearest(key: &str) -> Option<&'static str> {
    let similarity = |known: &str| {
        // Half a name (`auto.create.topics`) is a slip as well, if it is more than one word.
        let truncated =
            key.contains('.') && known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        if truncated { 1.0 } else { strsim::normalized_damerau_levenshtein(key, known) }
    };
    broker_defs()
        .map(|def| (similarity(def.name), def.name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

fn is_of_the_image(name: &str) -> bool {
    OF_THE_IMAGE.contains(&name) || FAMILIES_OF_THE_IMAGE.iter().any(|family| name.starts_with(family))
}

/// Kubernetes and Docker tell each container of services nearby: where one is called `kafka` or
/// `kafka-...`, their addresses look like settings (`KAFKA_PORT=tcp://10.0.0.7:9092`,
/// `KAFKA_SERVICE_HOST`), and have kept many a Kafka from starting.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_port = |tail: &str| {
        let number = tail.trim_start_matches(|letter: char| letter.is_ascii_digit());
        number.len() < tail.len()
            && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| number.starts_with(protocol))
    };
    let service = |marker: &str| name == marker.trim_start_matches('_') || name.contains(marker);
    service("_SERVICE_HOST")
        || service("_SERVICE_PORT")
        || name.starts_with("SERVICE_PORT_")
        || (is_url && (name == "PORT" || name.ends_with("_PORT")))
        || name.strip_prefix("PORT_").is_some_and(of_port)
        || name.split("_PORT_").skip(1).any(of_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(variables: &[(&str, &str)]) -> Reading {
        let owned: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        read(&owned)
    }

    #[test]
    fn the_names_of_the_common_images_are_understood() {
        let cases = [
            ("KAFKA_ADVERTISED_LISTENERS", "advertised.listeners"),
            ("KAFKA_BROKER_ID", "broker.id"),
            ("KAFKA_NODE_ID", "node.id"),
            ("KAFKA_CFG_NODE_ID", "node.id"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "offsets.topic.replication.factor"),
            ("KAFKA_ZOOKEEPER_CONNECT", "zookeeper.connect"),
            (
                "KAFKA_CONFLUENT_LICENSE_TOPIC_REPLICATION_FACTOR",
                "confluent.license.topic.replication.factor",
            ),
            (
                "KAFKA_LISTENER_NAME_PLAINTEXT_PLAIN_SASL_JAAS_CONFIG",
                "listener.name.plaintext.plain.sasl.jaas.config",
            ),
            ("KAFKA_HTTP_LISTEN", "http.listen"),
            ("KAFKA_PORT", "port"),
        ];
        for (variable, key) in cases {
            let reading = reading(&[(variable, "1")]);
            assert!(reading.problems.is_empty(), "{:?}", reading.problems);
            assert_eq!(reading.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), [key]);
        }
    }

    #[test]
    fn doubled_underscores_mean_what_either_image_makes_of_them() {
        assert_eq!(candidates("A_B__C___D"), ["a.b_c-d", "a.b-c_d"]);
        assert_eq!(variable_of("a.b_c-d", false), "KAFKA_A_B__C___D");
        assert_eq!(variable_of("num.partitions", true), "KAFKA_CFG_NUM_PARTITIONS");
    }

    #[test]
    fn what_is_not_meant_for_the_broker_is_left_alone() {
        let quiet = [
            ("KAFKA_HOME", "/opt/kafka"),
            ("KAFKA_HEAP_OPTS", "-Xmx1g"),
            ("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:+UseG1GC"),
            ("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO"),
            ("KAFKA_TOOLS_LOG4J_LOGLEVEL", "INFO"),
            ("KAFKA_JMX_PORT", "9999"),
            ("KAFKA_OPTS", ""),
            ("KAFKA_VERSION", "4.1.0"),
            ("KAFKA_PORT", "tcp://10.0.0.7:9092"),
            ("KAFKA_SERVICE_HOST", "10.0.0.7"),
            ("KAFKA_SERVICE_PORT", "9092"),
            ("KAFKA_SERVICE_PORT_CLIENT", "9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.7:9092"),
            ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.7"),
            ("KAFKA_HEADLESS_SERVICE_HOST", "10.0.0.8"),
            ("KAFKA_HEADLESS_PORT", "tcp://10.0.0.8:9092"),
            ("KAFKA_HEADLESS_PORT_9092_TCP_PROTO", "tcp"),
            ("PATH", "/bin"),
        ];
        let quiet = reading(&quiet);
        assert!(
            quiet.entries.is_empty() && quiet.problems.is_empty() && quiet.notices.is_empty(),
            "{quiet:?}"
        );

        let told = reading(&[
            ("KAFKA_BROKERS", "a:9092"),
            ("KAFKA_BOOTSTRAP_SERVERS", "a:9092"),
            ("KAFKA_GROUP_ID", "g"),
        ]);
        assert!(told.entries.is_empty() && told.problems.is_empty(), "{told:?}");
        assert_eq!(told.notices.len(), 3);
    }

    #[test]
    fn misspelt_variables_are_refused_with_the_right_name() {
        let cases = [
            ("KAFKA_ADVERTISED_LISTENER", "KAFKA_ADVERTISED_LISTENERS"),
            ("KAFKA_BROKERID", "KAFKA_BROKER_ID"),
            ("KAFKA_AUTO_CREATE_TOPICS", "KAFKA_AUTO_CREATE_TOPICS_ENABLE"),
            ("KAFKA_CFG_LISTNERS", "KAFKA_CFG_LISTENERS"),
        ];
        for (wrong, right) in cases {
            let problems = reading(&[(wrong, "1")]).problems;
            assert_eq!(problems.len(), 1, "{wrong}");
            assert!(problems[0].to_string().contains(right), "{}", problems[0]);
        }
        assert_eq!(reading(&[("KAFKA_CFG_NOTHING_LIKE_IT", "1")]).problems.len(), 1);
    }

    #[test]
    fn the_cluster_has_one_id() {
        let one = reading(&[
            ("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
            ("KAFKA_KRAFT_CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qk"),
        ]);
        assert_eq!(one.cluster_id.unwrap().value, "MkU3OEVBNTcwNTJENDM2Qk");
        assert!(one.problems.is_empty());
        assert_eq!(reading(&[("CLUSTER_ID", "a"), ("KAFKA_CLUSTER_ID", "b")]).problems.len(), 1);
    }
}
