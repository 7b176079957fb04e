//! Every series that a board or an alert asks for is one that somebody shows.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use millrace_client::{CommittedOffset, TopicPartition};
use millrace_operator::kafka::connect::connect;
use millrace_operator::kafka::groups::{GroupObservation, Position};
use millrace_operator::kafka::link::{Health, TopicFigures};
use millrace_operator::metrics::{ClusterFigures, Figures, GroupFigures, Metrics};
use millrace_operator::names::ObjectKey;
use millrace_tests::{Millrace, free_port, places, records, until};
use serde_json::Value;

/// The names of series in a PromQL expression.
fn names(expression: &str) -> BTreeSet<String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expression.split(|letter: char| !word(letter));
    words
        .filter(|word| word.starts_with("kafka_") || word.starts_with("millrace_"))
        .map(str::to_owned)
        .collect()
}

fn asked_by_the_board() -> BTreeSet<String> {
    let path = places::repository().join("charts/millrace/dashboards/millrace.json");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut asked: BTreeSet<String> =
        panels().iter().flat_map(|(_, target)| names(target["expr"].as_str().unwrap())).collect();
    for variable in board["templating"]["list"].as_array().unwrap() {
        asked.extend(names(variable["definition"].as_str().unwrap_or_default()));
    }
    assert!(asked.len() > 10, "{asked:?}");
    asked
}

/// What a panel asks, with the title of the panel.
fn panels() -> Vec<(String, Value)> {
    let path = places::repository().join("charts/millrace/dashboards/millrace.json");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap().clone();
    let targets = panels.into_iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| (title.clone(), target))
    });
    targets.collect()
}

fn asked_by_the_alerts() -> BTreeSet<String> {
    let path = places::repository().join("charts/millrace/templates/prometheusrule.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    // Values of the chart go, words to people too; a metric beside a value stays.
    let lines = text
        .lines()
        .filter(|line| !["alert:", "summary:", "description:"].iter().any(|key| line.contains(key)));
    let outside = lines.flat_map(|line| {
        line.split("{{").enumerate().map(|(number, part)| match part.split_once("}}") {
            Some((_, rest)) if number > 0 => rest,
            _ => part,
        })
    });
    let asked: BTreeSet<String> = outside.flat_map(names).collect();
    assert!(asked.contains("millrace_consumer_group_lag_seconds"), "{asked:?}");
    asked
}

fn shown(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.flat_map(|line| {
        let mut words = line.split_whitespace();
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        parts.iter().map(move |part| format!("{name}{part}"))
    });
    names.collect()
}

fn shown_by_the_operator() -> BTreeSet<String> {
    let metrics = Metrics::new().unwrap();
    let key = ObjectKey { namespace: "n".into(), name: "o".into() };
    let _under_way = metrics.started("Topic");
    metrics.succeeded("Topic", &key, std::time::Duration::ZERO);
    metrics.ready("Topic", &key, true);
    let topic = TopicFigures { records_in_per_second: Some(1.0), ..TopicFigures::default() };
    let position = Position { committed: Some(0), ..Position::default() };
    let positions = [(TopicPartition::new("orders", 0), position)].into();
    let group = GroupObservation { positions, ..GroupObservation::default() };
    let figures = Figures::new().unwrap();
    figures.add(&ClusterFigures {
        cluster: key.clone(),
        health: Health::Reachable,
        topics: vec![(key.clone(), "orders".into(), topic)],
        groups: vec![GroupFigures {
            key,
            group: "readers".into(),
            seen: group.into(),
            records_per_second: Some(1.0),
            lagging: Some(true),
        }],
    });
    shown(&String::from_utf8(metrics.page(&figures).unwrap()).unwrap())
}

fn shown_by_a_broker() -> BTreeSet<String> {
    let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let broker = Millrace::start(&[&format!("http.listen={http}")]);
    broker.create_topic("orders", &[]);
    let mut connection = broker.connect();
    let answer = records::produce(&mut connection, "orders", records::batch(&[b"a", b"b"]));
    assert!(answer.error_code.is_ok(), "{answer:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let admin = connect(&broker.address.to_string()).unwrap();
        let offsets = vec![(TopicPartition::new("orders", 0), CommittedOffset::at(1))];
        admin.alter_group_offsets("readers", offsets).await.unwrap().remove(0).1.unwrap();
    });
    until("the broker shows the group", || {
        let names = shown(&get(http, "/metrics")?);
        names.contains("kafka_consumergroup_lag").then_some(names)
    })
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

#[test]
fn boards_and_alerts_ask_for_what_is_shown() {
    let mut there = shown_by_the_operator();
    there.extend(shown_by_a_broker());
    let mut asked = asked_by_the_board();
    asked.extend(asked_by_the_alerts());
    let missing: Vec<&String> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "nobody shows {missing:?}");
}

/// Series of the operator's own work belong to no cluster.
#[test]
fn the_board_keeps_clusters_apart() {
    for (title, target) in panels() {
        let (asked, legend) = (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
        for selector in asked.split("kafka_").skip(1) {
            let labels = selector.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0;
            let chosen = r#"namespace=~"$namespace", app_kubernetes_io_instance=~"$cluster""#;
            assert!(labels.starts_with(chosen), "{title}: {asked}");
            for (label, variable) in [("{{topic}}", "$topic"), ("{{consumergroup}}", "$group")] {
                assert!(!legend.contains(label) || labels.contains(variable), "{title}: {asked}");
            }
            let lines =
                legend.is_empty() || legend.starts_with("{{namespace}}/{{app_kubernetes_io_instance}} ");
            assert!(lines, "{title}: {legend}");
        }
        for selector in asked.split("millrace_resource_ready").skip(1) {
            assert!(selector.starts_with(r#"{namespace=~"$namespace"}"#), "{title}: {asked}");
        }
    }
}
