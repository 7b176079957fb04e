//! Brings file, environment and command line together: what is set, by whom, and what is wrong with
//! it. The command line beats the environment, the environment beats the file. Knows the table of
//! keys, not what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use millrace_metadata::config::{
    BrokerKey, ConfigError, ConfigMap, RefusedKeys, broker_def, classify_broker_key, topic_def,
};

use super::environment;
use super::place::{Entry, Notice, Place, Problem, Refused};
use super::properties;

/// Keys that name one thing twice, besides those that the table lists as siblings.
const TWINS: [[&str; 2]; 1] = [["log.dir", "log.dirs"]];

/// 16 bytes in base64 without padding.
const CLUSTER_ID_LETTERS: usize = 22;

/// What `serve` was given. Kept, so that SIGHUP reads the same again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// The properties file.
    pub(crate) file: Option<PathBuf>,
    /// Variables and their values.
    pub(crate) environment: Vec<(String, String)>,
    /// Each `key=value`.
    pub(crate) overrides: Vec<String>,
    /// `--cluster-id`.
    pub(crate) cluster_id: Option<String>,
}

/// What is set, each value of the right type and within its rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    entries: BTreeMap<String, Entry>,
    pub(crate) cluster_id: Option<Entry>,
    pub(crate) notices: Vec<Notice>,
}

impl Settings {
    /// Keys and values alone: the layer below everything that is set at run time.
    pub(crate) fn layer(&self) -> ConfigMap {
        self.entries.values().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }

    /// Where `key` was set.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or(Place::Default, |entry| entry.place.clone())
    }

    /// The cluster's id, which Kafka wants to be 16 bytes in base64 as `kafka-storage random-uuid`
    /// prints them.
    pub(crate) fn cluster_id(&self) -> Result<Option<String>, Refused> {
        let Some(entry) = &self.cluster_id else { return Ok(None) };
        let in_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if entry.value.len() == CLUSTER_ID_LETTERS && entry.value.bytes().all(in_base64) {
            return Ok(Some(entry.value.clone()));
        }
        let what = format!("{:?} is not 16 bytes in base64, like MkU3OEVBNTcwNTJENDM2Qk", entry.value);
        Err(Refused(vec![Problem::new(entry, what)]))
    }

    /// Keys that are set to something else than in `before`, in order.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let value = |settings: &Self, key: &str| settings.entries.get(key).map(|entry| entry.value.clone());
        let keys: BTreeSet<_> = self.entries.keys().chain(before.entries.keys()).collect();
        keys.into_iter().filter(|key| value(self, key) != value(before, key)).cloned().collect()
    }

    /// Sets `key` to what it was `before`.
    pub(crate) fn keep(&mut self, key: &str, before: &Self) {
        match before.entries.get(key) {
            Some(entry) => self.entries.insert(key.to_owned(), entry.clone()),
            None => self.entries.remove(key),
        };
    }
}

impl Inputs {
    /// Reads everything and checks each value by itself.
    ///
    /// # Errors
    /// Every unknown key and bad value, with its place and the nearest right name.
    pub(crate) fn read(&self) -> Result<Settings, Refused> {
        let mut problems = Vec::new();
        let from_file = self.read_file(&mut problems);
        let environment = environment::read(&self.environment);
        problems.extend(environment.problems);
        let from_overrides = self.read_overrides(&mut problems);

        let mut gathered = Gathered {
            settings: Settings { notices: environment.notices, ..Settings::default() },
            ignored: BTreeMap::new(),
        };
        for layer in [from_file, environment.entries, from_overrides] {
            gathered.add_layer(layer, &mut problems);
        }
        let mut settings = gathered.finish();
        let from_flag = self.cluster_id.as_ref().map(|id| Entry {
            key: "cluster id".to_owned(),
            value: id.clone(),
            place: Place::Flag("--cluster-id"),
        });
        settings.cluster_id = from_flag.or(environment.cluster_id);
        if problems.is_empty() { Ok(settings) } else { Err(Refused(problems)) }
    }

    fn read_file(&self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let Some(path) = &self.file else { return Vec::new() };
        let path = Arc::new(path.clone());
        let mut unreadable = |place: Place, what: String| {
            problems.push(Problem { key: "properties file".to_owned(), place, what });
            Vec::new()
        };
        let bytes = match std::fs::read(&*path) {
            Ok(bytes) => bytes,
            Err(error) => return unreadable(Place::WholeFile(path), error.to_string()),
        };
        let properties = match properties::parse(&properties::decode(bytes)) {
            Ok(properties) => properties,
            Err(error) => {
                return unreadable(Place::File { path, line: error.line }, error.to_string());
            }
        };
        let entry = |property: properties::Property| Entry {
            key: property.key,
            value: property.value,
            place: Place::File { path: Arc::clone(&path), line: property.line },
        };
        properties.into_iter().map(entry).collect()
    }

    fn read_overrides(&self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for text in &self.overrides {
            match text.split_once('=') {
                Some((key, value)) => {
                    let (key, value) = (key.trim().to_owned(), value.to_owned());
                    entries.push(Entry { key, value, place: Place::Override });
                }
                None => problems.push(Problem {
                    key: text.clone(),
                    place: Place::Override,
                    what: "expected KEY=VALUE".to_owned(),
                }),
            }
        }
        entries
    }
}

/// Settings under construction.
struct Gathered {
    settings: Settings,
    /// Keys without effect by the reason that they have none.
    ignored: BTreeMap<&'static str, Vec<String>>,
}

impl Gathered {
    /// Adds a layer that is stronger than those before it.
    fn add_layer(&mut self, layer: Vec<Entry>, problems: &mut Vec<Problem>) {
        let mut accepted: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in layer {
            if !self.accepts(&entry, problems) {
                continue;
            }
            if let Some(before) = accepted.insert(entry.key.clone(), entry) {
                self.settings.notices.push(Notice::Warning(format!(
                    "{} ({}) is set again further on, which counts",
                    before.key, before.place
                )));
            }
        }
        // A stronger layer that sets hours silences milliseconds of a weaker one, although within
        // one layer milliseconds are the more precise.
        for key in accepted.keys() {
            for sibling in siblings(key) {
                self.settings.entries.remove(sibling);
            }
        }
        self.settings.entries.append(&mut accepted);
    }

    /// Whether an entry sets something. Problems and ignored keys are noted.
    fn accepts(&mut self, entry: &Entry, problems: &mut Vec<Problem>) -> bool {
        let error = match classify_broker_key(&entry.key) {
            Ok(BrokerKey::Known(def)) => match def.parse(&entry.value) {
                Ok(_) => return true,
                Err(error) => error,
            },
            Ok(BrokerKey::Ignored { reason }) => {
                self.ignored.entry(reason).or_default().push(format!("{} ({})", entry.key, entry.place));
                return false;
            }
            Ok(BrokerKey::Refused { .. }) if RefusedKeys::is_off(&entry.value) => return false,
            Ok(BrokerKey::Refused { name, reason }) => ConfigError::Unsupported { name, reason },
            Err(error) => error,
        };
        problems.push(Problem::new(entry, explain(&error)));
        false
    }

    fn finish(mut self) -> Settings {
        for (reason, keys) in self.ignored {
            self.settings
                .notices
                .push(Notice::Warning(format!("without effect, since {reason}: {}", keys.join(", "))));
        }
        self.settings
    }
}

/// The error without the key, which the problem names already.
fn explain(error: &ConfigError) -> String {
    match error {
        ConfigError::Unknown { name, nearest, .. } => match (topic_def(name), nearest) {
            (Some(def), _) => match def.synonyms.first() {
                Some(synonym) => {
                    format!("this is a topic's key; the broker's default for it is {}", synonym.name)
                }
                None => "this is a topic's key, and the broker has no default for it".to_owned(),
            },
            (None, Some(nearest)) => format!("no such key; did you mean {nearest}?"),
            (None, None) => "no such key; `millrace config list` names them all".to_owned(),
        },
        ConfigError::Invalid { value, rule, .. } => format!("invalid value {value:?}: {rule}"),
        ConfigError::Unsupported { reason, .. } => format!("not supported: {reason}"),
        ConfigError::Conflict(text) => text.clone(),
    }
}

/// The other names of what `key` sets.
fn siblings(key: &str) -> Vec<&'static str> {
    let listed =
        broker_def(key).map(|def| def.synonyms).unwrap_or_default().iter().map(|synonym| synonym.name);
    let twins = TWINS.iter().filter(|twins| twins.contains(&key)).flatten().copied();
    listed.chain(twins).filter(|name| *name != key).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn inputs(file: &tempfile::NamedTempFile, environment: &[(&str, &str)], overrides: &[&str]) -> Inputs {
        Inputs {
            file: Some(file.path().to_owned()),
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            overrides: overrides.iter().map(|text| (*text).into()).collect(),
            cluster_id: None,
        }
    }

    #[test]
    fn the_command_line_beats_the_environment_beats_the_file() {
        let file = file("num.partitions=2\nlog.retention.bytes=5\nlog.segment.bytes=2000000\n");
        let settings = inputs(
            &file,
            &[("KAFKA_NUM_PARTITIONS", "3"), ("KAFKA_LOG_RETENTION_BYTES", "6")],
            &["num.partitions=4"],
        )
        .read()
        .unwrap();
        let layer = settings.layer();
        let found: Vec<_> = layer.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            found,
            [("log.retention.bytes", "6"), ("log.segment.bytes", "2000000"), ("num.partitions", "4")]
        );
        assert_eq!(settings.place("num.partitions"), Place::Override);
        assert_eq!(settings.place("log.segment.bytes").to_string(), format!("{}:3", file.path().display()));
        assert_eq!(settings.place("node.id"), Place::Default);
    }

    #[test]
    fn a_stronger_layer_silences_other_names_of_the_same_thing() {
        let file = file("log.retention.ms=1000\nbroker.id=7\nlog.dirs=/a,/b\n");
        let overrides = ["log.retention.hours=2", "node.id=8", "log.dir=/c"];
        let layer = inputs(&file, &[], &overrides).read().unwrap().layer();
        assert_eq!(layer.keys().collect::<Vec<_>>(), ["log.dir", "log.retention.hours", "node.id"]);
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let file =
            file("num.partition=2\nretention.ms=5\nnum.partitions=x\nauthorizer.class.name=a.b.C\nqqq=1\n");
        let environment = [("KAFKA_DEFAULT_REPLICATION_FACTOR", "0"), ("KAFKA_LISTENER", "x")];
        let refused = inputs(&file, &environment, &["nonsense"]).read().unwrap_err();
        let path = file.path().display().to_string();
        expect_test::expect![[r#"
            environment variable KAFKA_LISTENER: listener: no such key; did you mean listeners (KAFKA_LISTENERS)?
            --override: nonsense: expected KEY=VALUE
            FILE:1: num.partition: no such key; did you mean num.partitions?
            FILE:2: retention.ms: this is a topic's key; the broker's default for it is log.retention.ms
            FILE:3: num.partitions: invalid value "x": Not a number of type INT
            FILE:4: authorizer.class.name: not supported: it names a Java class that decides what is allowed, and this broker runs no Java: nothing would be checked
            FILE:5: qqq: no such key; `millrace config list` names them all
            environment variable KAFKA_DEFAULT_REPLICATION_FACTOR: default.replication.factor: invalid value "0": Value must be between 1 and 32767"#]]
        .assert_eq(&refused.to_string().replace(&path, "FILE"));
    }

    #[test]
    fn a_key_without_effect_gets_one_line() {
        let file = file(
            "zookeeper.connect=a:2181\nzookeeper.session.timeout.ms=1\nnum.io.threads=8\nnum.io.threads=9\n",
        );
        let notices = inputs(&file, &[("KAFKA_ZOOKEEPER_CONNECT", "b:2181")], &[]).read().unwrap().notices;
        assert_eq!(notices.len(), 2, "{notices:?}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let inputs = Inputs { file: Some("/no/such/file".into()), ..Inputs::default() };
        assert!(
            inputs
                .read()
                .unwrap_err()
                .to_string()
                .starts_with("/no/such/file: properties file: No such file")
        );
    }
}
