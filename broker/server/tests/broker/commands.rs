//! The program's own commands, and the names that it goes by.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use millrace_tests::{Millrace, places};

fn run(program: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn settings_are_listed_and_explained() {
    let millrace = places::millrace();
    let (status, list, _) = run(&millrace, &["config", "list"]);
    assert_eq!(status, Some(0));
    assert!(list.starts_with("KEY ") && list.contains("\nlog.retention.ms "), "{list}");
    let (status, text, _) = run(&millrace, &["config", "explain", "log.retention.ms"]);
    assert_eq!(status, Some(0));
    assert!(text.contains("environment  KAFKA_LOG_RETENTION_MS"), "{text}");
    let (status, json, _) = run(&millrace, &["config", "explain", "retention.ms", "--output", "json"]);
    assert_eq!(status, Some(0));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()[0]["default"], "604800000");
    let (status, _, error) = run(&millrace, &["config", "explain", "log.retention.m"]);
    assert_eq!(status, Some(2));
    assert_eq!(error, "error: no such key: log.retention.m; did you mean log.retention.ms?\n");
}

#[test]
fn help_names_every_command() {
    let (status, help, _) = run(&places::millrace(), &["--help"]);
    assert_eq!(status, Some(0));
    for command in
        ["serve", "config", "topics", "produce", "consume", "groups", "configs", "offsets", "cluster", "logs"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in\n{help}");
    }
    assert_eq!(run(&places::millrace(), &["sreve"]).0, Some(2));
}

#[test]
fn kafkas_names_are_kafkas_tools() {
    let broker = Millrace::start(&[]);
    broker.create_topic("named", &[]);
    let directory = tempfile::tempdir().unwrap();
    for name in ["kafka-topics", "kafka-topics.sh"] {
        let link = directory.path().join(name);
        symlink(places::millrace(), &link).unwrap();
        let (status, topics, error) =
            run(&link, &["--bootstrap-server", &broker.address.to_string(), "--list"]);
        assert_eq!((status, topics.as_str(), error.as_str()), (Some(0), "named\n", ""));
    }
}

#[test]
fn logs_are_json_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (process, _) = crate::serve(directory.path(), &["--log-format", "json"]);
    let output = process.output();
    let lines: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let says =
        |line: &serde_json::Value| line["message"].as_str().is_some_and(|text| text.contains("listens on"));
    assert!(lines.iter().any(says), "{output}");
}
