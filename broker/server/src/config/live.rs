//! The configuration as it is now: what the broker was started with, under what has been changed at
//! run time through AlterConfigs or by SIGHUP. Readers take a snapshot without a lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use millrace_metadata::config::{ConfigLayers, ConfigMap, UpdateMode, broker_def};
use millrace_metadata::image::ClusterImage;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::inputs::{Inputs, Settings};
use super::place::{Notice, Problem, Refused};
use super::server::ServerConfig;

/// May change at run time in Kafka; here sockets are opened at start.
const LISTENERS: &str = "listeners";

/// Shared by everybody who reads configuration.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    current: ArcSwap<ServerConfig>,
    writer: Mutex<Layers>,
    /// Told after each second reading.
    reloaded: Notify,
}

/// The layers that `current` was built from.
#[derive(Debug)]
struct Layers {
    inputs: Inputs,
    settings: Settings,
    /// Set at run time on this broker.
    broker: ConfigMap,
    /// Set at run time on all brokers.
    default_broker: ConfigMap,
}

/// What became of a second reading of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloaded {
    /// Keys whose new value counts from now on.
    pub(crate) applied: Vec<String>,
    /// Keys whose new value counts from the next start on.
    pub(crate) restart_needed: Vec<String>,
}

impl LiveConfig {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every reason not to start.
    pub(crate) fn load_from(inputs: Inputs) -> Result<(Self, Vec<Notice>), Refused> {
        let settings = inputs.read()?;
        let layers = Layers { inputs, settings, broker: ConfigMap::new(), default_broker: ConfigMap::new() };
        let mut notices = layers.settings.notices.clone();
        let config = layers.build(&layers.settings, &mut notices)?;
        Ok((
            Self {
                current: ArcSwap::from_pointee(config),
                writer: Mutex::new(layers),
                reloaded: Notify::new(),
            },
            notices,
        ))
    }

    /// The configuration as it is now. Keep it for the length of one request, not longer.
    pub(crate) fn load(&self) -> Guard<Arc<ServerConfig>> {
        self.current.load()
    }

    /// Takes over what `image` says about this broker and about all brokers.
    pub(crate) fn follow(&self, image: &ClusterImage) {
        let mut layers = self.writer.lock();
        let current = self.load();
        let set = image.configs.broker_layers(&current.node_id.to_string(), &current.properties);
        let (broker, default_broker) = (dynamic(set.broker), dynamic(set.default_broker));
        if layers.broker == broker && layers.default_broker == default_broker {
            return;
        }
        (layers.broker, layers.default_broker) = (broker, default_broker);
        match layers.build(&layers.settings, &mut Vec::new()) {
            Ok(config) => self.current.store(Arc::new(config)),
            // Values were checked one by one before they became records; together they may still
            // break a rule. The broker goes on with what it had.
            Err(refused) => tracing::error!("a dynamic configuration cannot be used: {refused}"),
        }
    }

    /// Waits for the next second reading: topics take their defaults from here, and have to be told.
    pub(crate) async fn reloaded(&self) {
        self.reloaded.notified().await;
    }

    /// Reads the file again (SIGHUP). Keys that need a restart keep the value they were started with.
    ///
    /// # Errors
    /// As at start; nothing has changed then.
    pub(crate) fn reload(&self) -> Result<Reloaded, Refused> {
        let mut layers = self.writer.lock();
        let mut settings = layers.inputs.read()?;
        let changed = settings.differences(&layers.settings);
        let (applied, restart_needed): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| is_dynamic(key));
        for key in &restart_needed {
            settings.keep(key, &layers.settings);
        }
        let config = layers.build(&settings, &mut Vec::new())?;
        layers.settings = settings;
        self.current.store(Arc::new(config));
        self.reloaded.notify_one();
        Ok(Reloaded { applied, restart_needed })
    }
}

impl Layers {
    fn build(&self, settings: &Settings, notices: &mut Vec<Notice>) -> Result<ServerConfig, Refused> {
        let static_broker = settings.layer();
        let layers = ConfigLayers {
            topic: None,
            broker: &self.broker,
            default_broker: &self.default_broker,
            static_broker: &static_broker,
        };
        let cluster_id = settings.cluster_id()?;
        ServerConfig::build(layers, cluster_id, notices).map_err(|(key, what)| {
            Refused(vec![Problem { key: key.to_owned(), place: settings.place(key), what }])
        })
    }
}

fn is_dynamic(key: &str) -> bool {
    key != LISTENERS && broker_def(key).is_some_and(|def| def.update != UpdateMode::ReadOnly)
}

/// The part of a dynamic layer that can count at run time.
fn dynamic(layer: &ConfigMap) -> ConfigMap {
    layer.iter().filter(|(key, _)| is_dynamic(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use millrace_metadata::config::broker_defs;

    use super::*;

    fn inputs(overrides: &[&str]) -> Inputs {
        Inputs { overrides: overrides.iter().map(|text| (*text).to_owned()).collect(), ..Inputs::default() }
    }

    fn refused(overrides: &[&str]) -> String {
        LiveConfig::load_from(inputs(overrides)).unwrap_err().to_string()
    }

    #[test]
    fn defaults_serve_a_laptop() {
        let (live, notices) = LiveConfig::load_from(inputs(&[])).unwrap();
        let config = live.load();
        assert!(notices.is_empty(), "{notices:?}");
        assert_eq!((config.node_id, config.topics.partitions, config.topics.auto_create), (1, 1, true));
        assert_eq!(config.log_dirs, [std::env::current_dir().unwrap().join("millrace-data")]);
        assert_eq!(config.log.metadata.dir, config.log_dirs[0]);
        assert_eq!(config.http_listen, Some("127.0.0.1:9644".parse().unwrap()));
        assert_eq!(config.limits.request_bytes_max, 100 << 20);
        assert_eq!(config.groups.offsets_topic.replication_factor, None);
    }

    #[test]
    fn every_key_of_the_table_is_accepted_with_its_default() {
        let overrides: Vec<_> =
            broker_defs().filter_map(|def| Some(format!("{}={}", def.name, def.default?))).collect();
        let overrides: Vec<_> = overrides.iter().map(String::as_str).collect();
        LiveConfig::load_from(inputs(&overrides)).unwrap();
    }

    #[test]
    fn rules_between_keys_name_the_key_and_the_place() {
        let cases: &[&[&str]] = &[
            &["process.roles=controller"],
            &["controller.quorum.voters=1@a:1,2@b:1,3@c:1"],
            &["controller.quorum.voters=localhost:9093"],
            &["node.id=1", "broker.id=2"],
            &["log.dirs=/a,/b,/a"],
            &["queued.max.request.bytes=1000"],
            &["group.min.session.timeout.ms=2000000"],
            &["max.connections.per.ip.overrides=127.0.0.1"],
            &["http.listen=nonsense"],
        ];
        let answers: Vec<_> = cases.iter().map(|overrides| refused(overrides)).collect();
        expect_test::expect![[r#"
            --override: process.roles: a node that is a controller only is not served; set it to broker,controller
            --override: controller.quorum.voters: names node 2, and this is node 1: a cluster of several nodes is not served yet
            --override: controller.quorum.voters: expected ID@HOST:PORT separated by commas, found localhost:9093
            --override: node.id: is 1, and broker.id is 2: set one of them, or both to the same
            --override: log.dirs: /a stands twice
            --override: queued.max.request.bytes: queued.max.request.bytes, 1000, must be larger or equal to socket.request.max.bytes, 104857600
            --override: group.min.session.timeout.ms: group.min.session.timeout.ms, 2000000, must not be above group.max.session.timeout.ms, 1800000
            --override: max.connections.per.ip.overrides: expected ADDRESS:COUNT separated by commas, found 127.0.0.1
            --override: http.listen: nonsense: invalid socket address"#]].assert_eq(&answers.join("\n"));
    }

    /// Whoever set one of two keys that do not go together is sent to the one that they set.
    #[test]
    fn variables_are_named_where_they_break_a_rule() {
        let cases = [
            ("KAFKA_LISTENERS", "junk"),
            ("KAFKA_LISTENERS", "CLIENTS://:9092"),
            ("KAFKA_LISTENERS", "SSL://:9092"),
            ("KAFKA_LISTENERS", "PLAINTEXT://0.0.0.0:9092"),
            ("KAFKA_LISTENERS", "PLAINTEXT://:1,PLAINTEXT://:2"),
            ("KAFKA_ADVERTISED_LISTENERS", "OTHER://localhost:9092"),
            ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "OTHER:PLAINTEXT"),
            ("KAFKA_INTER_BROKER_LISTENER_NAME", "OTHER"),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "PLAINTEXT"),
            ("KAFKA_SOCKET_REQUEST_MAX_BYTES", "2000000000"),
            ("KAFKA_GROUP_MAX_SESSION_TIMEOUT_MS", "5"),
            ("KAFKA_LOG_RETENTION_HOURS", "0"),
            ("KAFKA_HTTP_LISTEN", "nonsense"),
            ("KAFKA_CLUSTER_ID", "short"),
        ];
        for (variable, value) in cases {
            let environment = vec![(variable.to_owned(), value.to_owned())];
            let refused = LiveConfig::load_from(Inputs { environment, ..Inputs::default() }).unwrap_err();
            let place = format!("environment variable {variable}: ");
            assert!(refused.to_string().starts_with(&place), "{refused}");
        }
    }

    #[test]
    fn overrides_by_address_are_read() {
        let (live, _) =
            LiveConfig::load_from(inputs(&["max.connections.per.ip.overrides=127.0.0.1:5,[::1]:7"])).unwrap();
        let limits = &live.load().limits.connections_of_ip_max;
        assert_eq!((limits[&"127.0.0.1".parse().unwrap()], limits[&"::1".parse().unwrap()]), (5, 7));
    }

    #[test]
    fn a_second_reading_applies_what_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.properties");
        std::fs::write(&file, "log.retention.ms=1000\nnum.partitions=1\nmax.connections=10\n").unwrap();
        let (live, _) =
            LiveConfig::load_from(Inputs { file: Some(file.clone()), ..Inputs::default() }).unwrap();
        std::fs::write(&file, "log.retention.ms=2000\nnum.partitions=3\n").unwrap();
        let reloaded = live.reload().unwrap();
        assert_eq!(reloaded.applied, ["log.retention.ms", "max.connections"]);
        assert_eq!(reloaded.restart_needed, ["num.partitions"]);
        let config = live.load();
        assert_eq!((config.topics.partitions, config.limits.connections_max), (1, 2_147_483_647));
        assert_eq!(config.properties.get("log.retention.ms").map(String::as_str), Some("2000"));
        std::fs::write(&file, "log.retention.ms=soon\n").unwrap();
        assert!(live.reload().unwrap_err().to_string().contains("server.properties:1: log.retention.ms"));
        assert_eq!(live.load().properties.get("log.retention.ms").map(String::as_str), Some("2000"));
    }
}
