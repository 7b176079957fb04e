//! The alerts by Prometheus' own tool: each tells of what it is for, and of nothing else (`alerts.yaml`).

use std::path::{Path, PathBuf};
use std::process::Command;

use millrace_tests::places;
use serde_yaml::Value;

use crate::rendered::{template, text};

fn promtool(directory: &Path, arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(directory).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{out}{err}");
}

/// Writes the rules of a release as Prometheus reads them; `None` where a tool is missing.
fn write_rules(to: &Path, flags: &[&str]) -> Option<PathBuf> {
    if Command::new("promtool").arg("--version").output().is_err() {
        places::left_out("alerts", "promtool is not there; run tests/setup");
        return None;
    }
    let flags = [&["--show-only", "templates/prometheusrule.yaml"], flags].concat();
    let rendered = text(&template(&flags)?);
    let rule: Value = serde_yaml::from_str(&rendered).unwrap();
    let file = to.join("rules.yaml");
    std::fs::write(&file, serde_yaml::to_string(&rule["spec"]).unwrap()).unwrap();
    Some(file)
}

#[test]
fn alerts_tell_of_what_they_are_for_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    if write_rules(directory.path(), &["--values", "ci/full-values.yaml"]).is_none() {
        return;
    }
    let tests = places::repository().join("operator/tests/chart/alerts.yaml");
    std::fs::copy(tests, directory.path().join("alerts.yaml")).unwrap();
    promtool(directory.path(), &["test", "rules", "alerts.yaml"]);
}

#[test]
fn prometheus_takes_the_alerts_whatever_is_switched_off() {
    let directory = tempfile::tempdir().unwrap();
    for flags in ["metrics.rules.enabled=true", "metrics.rules.enabled=true,metrics.rules.lagSeconds=0"] {
        let Some(file) = write_rules(directory.path(), &["--set", flags]) else { return };
        promtool(directory.path(), &["check", "rules", &file.display().to_string()]);
    }
}
