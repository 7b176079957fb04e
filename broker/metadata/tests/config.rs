//! The configuration table against what Kafka 4.1 itself declares, and the rules of resolution.
#![allow(clippy::panic, reason = "a test says what is wrong and stops")]

use std::collections::BTreeSet;

use expect_test::expect;
use millrace_metadata::config::{
    BrokerKey, CompressionType, ConfigLayers, ConfigMap, ConfigSource, Scope, TopicConfig, UpdateMode,
    broker_def, broker_defs, classify_broker_key, ignored_keys, nearest_name, resolve, topic_def, topic_defs,
    validate_topic_configs,
};

fn map(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_broker_key_of_kafka_4_1_is_recognised() {
    let names = include_str!("data/kafka-4.1-broker-keys.txt");
    let unknown: Vec<_> = names.lines().filter(|name| classify_broker_key(name).is_err()).collect();
    assert!(unknown.is_empty(), "not recognised: {unknown:?}");
}

#[test]
fn every_topic_key_of_kafka_4_1_has_its_type_and_default() {
    let facts = include_str!("data/kafka-4.1-topic-keys.txt");
    let mut names = BTreeSet::new();
    for line in facts.lines() {
        let [name, kind, default] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("bad line {line}");
        };
        let def = topic_def(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((def.kind.name(), def.default), (kind, Some(default)), "{name}");
        names.insert(name);
    }
    let ours: BTreeSet<_> = topic_defs().map(|def| def.name).collect();
    assert_eq!(ours, names);
}

#[test]
fn the_table_is_consistent() {
    let mut seen = BTreeSet::new();
    for def in topic_defs().chain(broker_defs()) {
        assert!(seen.insert((def.scope, def.name)), "{} stands twice", def.name);
        assert!(def.doc.ends_with('.'), "{}: the text is no sentence", def.name);
        if let Some(default) = def.default {
            let value = def.parse(default).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(value.to_string(), default, "{}: default is not canonical", def.name);
        }
        for synonym in def.synonyms {
            let broker = broker_def(synonym.name).unwrap_or_else(|| panic!("{} is missing", synonym.name));
            if def.scope == Scope::Topic
                && let Some(default) = broker.default
            {
                let converted = synonym.unit.convert(default);
                assert_eq!(Some(converted.as_str()), def.default, "{} and {}", def.name, synonym.name);
            }
        }
    }
    for (name, reason) in ignored_keys() {
        assert!(seen.insert((Scope::Broker, name)), "{name} stands twice");
        assert!(!reason.is_empty());
    }
}

#[test]
fn values_are_refused_in_kafkas_words() {
    let cases = [
        ("retention.ms", "x"),
        ("retention.ms", "-2"),
        ("preallocate", "maybe"),
        ("cleanup.policy", "compact,foo"),
        ("compression.type", "foo"),
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("min.cleanable.dirty.ratio", "abc"),
        ("segment.bytes", "5"),
        ("segment.bytes", "99999999999"),
        ("leader.replication.throttled.replicas", "5"),
        ("message.timestamp.type", "foo"),
        ("retention.msec", "1"),
        ("remote.storage.enable", "true"),
    ];
    let mut answers = String::new();
    for (name, value) in cases {
        let error = validate_topic_configs(&map(&[(name, value)])).expect_err(name);
        answers.push_str(&format!("{error}\n"));
        if let Some(hint) = error.hint() {
            answers.push_str(&format!("  {hint}\n"));
        }
    }
    let lags = map(&[("min.compaction.lag.ms", "100"), ("max.compaction.lag.ms", "10")]);
    answers.push_str(&validate_topic_configs(&lags).expect_err("contradiction").to_string());
    expect![[r#"
        Invalid value x for configuration retention.ms: Not a number of type LONG
        Invalid value -2 for configuration retention.ms: Value must be at least -1
        Invalid value maybe for configuration preallocate: Expected value to be either true or false
        Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete
        Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer
        Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1
        Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17
        Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1
        Invalid value abc for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE
        Invalid value 5 for configuration segment.bytes: Value must be at least 1048576
        Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT
        Invalid value [5] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...
        Invalid value foo for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime
        Unknown topic config name: retention.msec
          did you mean retention.ms?
        Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.
        conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (10)"#]]
    .assert_eq(&answers);
}

#[test]
fn values_that_kafka_accepts_are_accepted() {
    for (name, value) in [
        ("retention.ms", " 55 "),
        ("preallocate", "TRUE"),
        ("cleanup.policy", ""),
        ("cleanup.policy", "compact, delete"),
        ("compression.type", " gzip "),
        ("leader.replication.throttled.replicas", "1:2,3:4"),
        ("leader.replication.throttled.replicas", "*"),
        ("remote.storage.enable", "false"),
    ] {
        assert_eq!(validate_topic_configs(&map(&[(name, value)])), Ok(()), "{name}={value}");
    }
}

#[test]
fn a_misspelt_name_is_given_the_nearest_right_one() {
    for (given, meant) in [
        ("log.retention.hour", Some("log.retention.hours")),
        ("advertised.listner", Some("advertised.listeners")),
        ("num.partition", Some("num.partitions")),
        ("listenrs", Some("listeners")),
        ("zookeper.conect", Some("zookeeper.connect")),
        ("completely.different", None),
    ] {
        assert_eq!(nearest_name(given, Scope::Broker), meant, "{given}");
    }
}

#[test]
fn a_name_is_known_ignored_refused_or_wrong() {
    assert!(matches!(classify_broker_key("log.dirs"), Ok(BrokerKey::Known(_))));
    for name in ["zookeeper.connect", "ssl.keystore.location", "listener.name.internal.ssl.key"] {
        assert!(matches!(classify_broker_key(name), Ok(BrokerKey::Ignored { .. })), "{name}");
    }
    let refused = classify_broker_key("authorizer.class.name");
    assert!(matches!(refused, Ok(BrokerKey::Refused { .. })), "{refused:?}");
    assert_eq!(
        classify_broker_key("log.retention.hour").expect_err("misspelt").hint().as_deref(),
        Some("did you mean log.retention.hours?"),
    );
}

#[test]
fn read_only_keys_are_told_from_dynamic_ones() {
    let mode = |name| broker_def(name).map(|def| def.update);
    assert_eq!(mode("log.retention.ms"), Some(UpdateMode::ClusterWide));
    assert_eq!(mode("log.retention.hours"), Some(UpdateMode::ReadOnly));
    assert_eq!(mode("listeners"), Some(UpdateMode::ReadOnly));
}

/// `key=value source [name=value@source ...]`
fn resolved(name: &str, layers: &ConfigLayers<'_>) -> String {
    let answer = resolve(topic_def(name).expect(name), layers);
    let places: Vec<_> = answer
        .synonyms
        .iter()
        .map(|place| format!("{}:{}={}", place.source.name(), place.name, place.value))
        .collect();
    let value = answer.value.unwrap_or_default();
    format!("{name}={value} {} [{}]\n", answer.source.name(), places.join(", "))
}

#[test]
fn the_strongest_layer_counts_and_all_are_listed() {
    let none = ConfigMap::new();
    let topic = map(&[("retention.ms", "1000")]);
    let broker = map(&[("log.retention.ms", "2000")]);
    let default_broker = map(&[("log.retention.ms", "3000"), ("log.segment.bytes", "2097152")]);
    let file = map(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]);
    let layers = |topic, broker, default_broker, static_broker| ConfigLayers {
        topic: Some(topic),
        broker,
        default_broker,
        static_broker,
    };
    let mut answers = resolved("retention.ms", &layers(&topic, &broker, &default_broker, &file));
    answers += &resolved("retention.ms", &layers(&none, &broker, &default_broker, &file));
    answers += &resolved("retention.ms", &layers(&none, &none, &none, &file));
    answers += &resolved("retention.ms", &layers(&none, &none, &none, &none));
    answers += &resolved("segment.bytes", &layers(&none, &none, &default_broker, &none));
    answers += &resolved("segment.bytes", &layers(&none, &none, &none, &none));
    answers += &resolved("remote.storage.enable", &layers(&none, &none, &none, &none));
    expect![[r#"
        retention.ms=1000 DYNAMIC_TOPIC_CONFIG [DYNAMIC_TOPIC_CONFIG:retention.ms=1000, DYNAMIC_BROKER_CONFIG:log.retention.ms=2000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=3000, STATIC_BROKER_CONFIG:log.retention.minutes=3, STATIC_BROKER_CONFIG:log.retention.hours=2, DEFAULT_CONFIG:log.retention.hours=168]
        retention.ms=2000 DYNAMIC_BROKER_CONFIG [DYNAMIC_BROKER_CONFIG:log.retention.ms=2000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=3000, STATIC_BROKER_CONFIG:log.retention.minutes=3, STATIC_BROKER_CONFIG:log.retention.hours=2, DEFAULT_CONFIG:log.retention.hours=168]
        retention.ms=180000 STATIC_BROKER_CONFIG [STATIC_BROKER_CONFIG:log.retention.minutes=3, STATIC_BROKER_CONFIG:log.retention.hours=2, DEFAULT_CONFIG:log.retention.hours=168]
        retention.ms=604800000 DEFAULT_CONFIG []
        segment.bytes=2097152 DYNAMIC_DEFAULT_BROKER_CONFIG [DYNAMIC_DEFAULT_BROKER_CONFIG:log.segment.bytes=2097152, DEFAULT_CONFIG:log.segment.bytes=1073741824]
        segment.bytes=1073741824 DEFAULT_CONFIG [DEFAULT_CONFIG:log.segment.bytes=1073741824]
        remote.storage.enable=false DEFAULT_CONFIG []
    "#]]
    .assert_eq(&answers);
}

#[test]
fn for_ever_stays_for_ever_through_the_units() {
    for (key, value) in
        [("log.retention.hours", "-1"), ("log.retention.minutes", "-7"), ("log.retention.ms", "-5")]
    {
        let (none, file) = (ConfigMap::new(), map(&[(key, value)]));
        let layers = ConfigLayers { topic: None, broker: &none, default_broker: &none, static_broker: &file };
        assert_eq!(TopicConfig::resolve(&layers).retention.ms, None, "{key}={value}");
    }
}

/// `KafkaConfig.validateValues`: nothing is kept for no time at all by default, and no segment is begun
/// at every moment. A topic of its own may be kept for no time.
#[test]
fn times_of_zero_are_refused_where_kafka_refuses_them() {
    for key in ["log.retention.hours", "log.retention.minutes", "log.retention.ms", "log.roll.ms"] {
        let def = broker_def(key).unwrap();
        assert!(def.parse("0").is_err(), "{key}");
        assert!(def.parse("1").is_ok(), "{key}");
    }
    let refused = broker_def("log.retention.hours").unwrap().parse("0").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Invalid value 0 for configuration log.retention.hours: log.retention.hours must be unlimited (-1) or, \
         greater than or equal to 1"
    );
    assert!(topic_def("retention.ms").unwrap().parse("0").is_ok());
}

#[test]
fn a_topic_reads_its_configuration_as_plain_values() {
    let none = ConfigMap::new();
    let topic = map(&[("cleanup.policy", "compact, delete"), ("compression.type", "zstd")]);
    let layers =
        ConfigLayers { topic: Some(&topic), broker: &none, default_broker: &none, static_broker: &none };
    let config = TopicConfig::resolve(&layers);
    assert!(config.cleanup.compact && config.cleanup.delete);
    assert_eq!(config.message.compression, CompressionType::Zstd(3));
    assert_eq!(
        resolve(topic_def("cleanup.policy").expect("known"), &layers).source,
        ConfigSource::DynamicTopic
    );
}

/// A misspelt name in `TopicConfig::resolve` would read as zero or false; every default that is
/// not zero or false shows here, and the rest is listed by hand.
#[test]
fn every_key_that_is_read_is_in_the_table() {
    expect![[r#"
        TopicConfig {
            segment: SegmentConfig {
                bytes: 1073741824,
                ms: 604800000,
                jitter_ms: 0,
                index_bytes: 10485760,
                index_interval_bytes: 4096,
                preallocate: false,
            },
            retention: RetentionConfig {
                ms: Some(
                    604800000,
                ),
                bytes: None,
                file_delete_delay_ms: 60000,
            },
            cleanup: CleanupConfig {
                delete: true,
                compact: false,
                min_cleanable_dirty_ratio: 0.5,
                tombstone_retention_ms: 86400000,
                min_compaction_lag_ms: 0,
                max_compaction_lag_ms: 9223372036854775807,
            },
            flush: FlushConfig {
                messages: 9223372036854775807,
                ms: 9223372036854775807,
            },
            message: MessageConfig {
                max_bytes: 1048588,
                compression: Producer,
                timestamp_type: CreateTime,
                timestamp_before_max_ms: 9223372036854775807,
                timestamp_after_max_ms: 3600000,
            },
            min_insync_replicas: 1,
            unclean_leader_election: false,
        }
    "#]]
    .assert_debug_eq(&TopicConfig::default());
    let none = ConfigMap::new();
    let topic = map(&[
        ("segment.jitter.ms", "1"),
        ("preallocate", "true"),
        ("retention.bytes", "2"),
        ("min.compaction.lag.ms", "3"),
        ("unclean.leader.election.enable", "true"),
    ]);
    let config = TopicConfig::resolve(&ConfigLayers {
        topic: Some(&topic),
        broker: &none,
        default_broker: &none,
        static_broker: &none,
    });
    assert!(config.segment.preallocate && config.unclean_leader_election);
    assert_eq!(config.segment.jitter_ms, 1);
    assert_eq!(config.retention.bytes, Some(2));
    assert_eq!(config.cleanup.min_compaction_lag_ms, 3);
}
