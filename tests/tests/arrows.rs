//! The arrows between crates that ARCHITECTURE.md draws, from `cargo metadata`. What is not drawn is not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use millrace_tests::places;

/// Crate, and the crates of this workspace that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("millrace-protocol-derive", &[]),
    ("millrace-protocol", &["millrace-protocol-derive"]),
    ("millrace-log", &["millrace-protocol"]),
    ("millrace-metadata", &["millrace-protocol"]),
    ("millrace-coordinator", &["millrace-metadata", "millrace-protocol"]),
    ("millrace-client", &["millrace-protocol"]),
    ("millrace-cli", &["millrace-client", "millrace-protocol"]),
    (
        "millrace",
        &[
            "millrace-cli",
            "millrace-client",
            "millrace-coordinator",
            "millrace-http",
            "millrace-log",
            "millrace-metadata",
            "millrace-protocol",
        ],
    ),
    ("millrace-http", &[]),
    ("millrace-crds", &[]),
    ("millrace-operator", &["millrace-client", "millrace-crds", "millrace-http", "millrace-protocol"]),
];

/// Tests know everything, and anything may be tested with what the tests share.
const TESTS: &str = "millrace-tests";

struct Dependency {
    user: String,
    used: String,
    for_tests_only: bool,
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(places::repository());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn crates(metadata: &serde_json::Value) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

fn dependencies(metadata: &serde_json::Value) -> Vec<Dependency> {
    let ours = crates(metadata);
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            if ours.contains(used) {
                found.push(Dependency {
                    user: package["name"].as_str().unwrap().to_owned(),
                    used: used.to_owned(),
                    for_tests_only: dependency["kind"] == "dev",
                });
            }
        }
    }
    found
}

#[test]
fn crates_use_what_the_map_allows() {
    let metadata = metadata();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let unknown: Vec<_> =
        crates(&metadata).into_iter().filter(|name| name != TESTS && !arrows.contains_key(&**name)).collect();
    assert!(unknown.is_empty(), "not on the map of ARCHITECTURE.md and this test: {unknown:?}");

    let mut forbidden = Vec::new();
    for Dependency { user, used, for_tests_only } in dependencies(&metadata) {
        let allowed = user == TESTS
            || arrows[&*user].contains(&&*used)
            || (for_tests_only && (used == TESTS || used == "millrace-protocol"));
        if !allowed {
            forbidden.push(format!("{user} -> {used}"));
        }
    }
    assert!(forbidden.is_empty(), "arrows that ARCHITECTURE.md does not draw: {forbidden:?}");
}

/// The oracle reserves whatever array length the wire names: it must not come near the broker.
#[test]
fn the_kafka_protocol_crate_is_for_tests_only() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            assert!(
                dependency["name"] != "kafka-protocol" || dependency["kind"] == "dev",
                "{} uses kafka-protocol outside its tests",
                package["name"]
            );
        }
    }
}

/// Features and versions are named once, in the root Cargo.toml.
#[test]
fn dependencies_are_declared_once() {
    let root = places::repository();
    for package in metadata()["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(manifest).unwrap();
        let sections = text.split("\n[").filter(|section| section.contains("dependencies]"));
        for line in sections.flat_map(|section| section.lines().skip(1)) {
            let shared = line.contains(".workspace = true") || line.contains("workspace = true");
            let plain = line.trim().is_empty() || line.starts_with('#') || shared;
            assert!(plain, "{}: {line}", manifest.trim_start_matches(&root.display().to_string()));
        }
    }
}
