//! `check` and `crds` as a user types them.

use std::io::Write;
use std::process::Stdio;

use crate::workplace::{binary, check, ran, topic};

#[test]
fn good_manifests_are_counted_and_bad_ones_named() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("topics.yaml");
    std::fs::write(&file, topic("a", "partitions: 1") + &topic("b", "partitions: 2") + "---\nkind: Other\n")
        .unwrap();
    let good = check(scratch.path(), &[]);
    assert_eq!(
        (good.code, good.out.trim()),
        (0, "2 resources are valid, 1 of other kinds skipped"),
        "{}",
        good.err
    );

    std::fs::write(&file, topic("a", "partitions: 0")).unwrap();
    let bad = check(&file, &[]);
    assert_eq!(bad.code, 1);
    assert!(
        bad.err.contains("topics.yaml: Topic a: spec.partitions: 0 is less than the minimum"),
        "{}",
        bad.err
    );
}

#[test]
fn changes_are_checked_against_what_was() {
    let scratch = tempfile::tempdir().unwrap();
    let [old, new] = ["old.yaml", "new.yaml"].map(|name| scratch.path().join(name));
    std::fs::write(&old, topic("a", "partitions: 4")).unwrap();
    std::fs::write(&new, topic("a", "partitions: 2")).unwrap();
    assert_eq!(check(&new, &[]).code, 0, "by itself it is fine");
    let shrunk = check(&new, &["--against", old.to_str().unwrap()]);
    assert_eq!(shrunk.code, 1);
    assert!(shrunk.err.contains("partitions can be added, not removed"), "{}", shrunk.err);
}

#[test]
fn standard_input_works_and_what_cannot_be_read_is_an_error() {
    let mut child = binary()
        .args(["check", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(topic("a", "partitions: 1").as_bytes()).unwrap();
    let piped = ran(child.wait_with_output().unwrap());
    assert_eq!((piped.code, piped.out.trim()), (0, "1 resource is valid"), "{}", piped.err);
    let missing = check(std::path::Path::new("/does/not/exist.yaml"), &[]);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("/does/not/exist.yaml"), "{}", missing.err);
}

#[test]
fn the_definitions_are_printed_as_they_are_committed() {
    let printed = ran(binary().arg("crds").output().unwrap());
    let crds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let committed: Vec<String> = ["brokerclusters", "topics", "consumergroups"]
        .iter()
        .map(|name| format!("---\n{}", std::fs::read_to_string(crds.join(format!("{name}.yaml"))).unwrap()))
        .collect();
    assert!(printed.out == committed.concat());
}
