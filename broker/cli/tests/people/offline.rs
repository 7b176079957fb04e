//! What needs no broker: misuse, missing brokers, completions.

use std::net::TcpListener;

use crate::bench::millrace;

#[test]
fn a_missing_broker_is_told_at_once_with_a_hint() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for command in ["topics list", "produce x", "consume x", "groups list", "cluster", "perf produce x"] {
        let started = std::time::Instant::now();
        let err = millrace(&format!("{command} -b 127.0.0.1:{port}"), b"").failed(1);
        assert!(
            err.starts_with(&format!("error: cannot connect to 127.0.0.1:{port}: Connection refused")),
            "{err}"
        );
        assert!(err.contains(" hint: is a broker running? `millrace serve` starts one"), "{err}");
        assert!(started.elapsed().as_secs() < 5, "{command} took {:?}", started.elapsed());
    }
}

#[test]
fn misuse_has_status_two() {
    for line in [
        "topics",
        "topics create",
        "topics crate x",
        "topics list --output yaml",
        "consume",
        "consume x --from soon",
        "consume x -f %x",
        "produce x --partition one",
        "groups reset g",
        "groups reset g --to earliest --shift 1",
        "configs set topic t novalue",
        "offsets x:y",
        "perf produce x -n 0",
        "cluster -X nonsense",
    ] {
        let answer = millrace(line, b"");
        assert_eq!(answer.status, 2, "{line}: {answer:?}");
    }
    let err = millrace("cluster -b nonsense", b"").failed(2);
    assert_eq!(err, "error: Invalid url in bootstrap.servers: nonsense\n");
    let err = millrace("cluster --command-config /no/such/file", b"").failed(1);
    assert_eq!(err, "error: /no/such/file: No such file or directory\n");
}

#[test]
fn settings_that_are_not_named_are_asked_for() {
    for line in ["configs get topic orders", "configs set topic orders", "configs unset topic orders"] {
        let err = millrace(line, b"").failed(2);
        assert!(err.starts_with("error: topic 'orders': "), "{err}");
        assert!(err.contains(" is missing\n hint: `millrace configs list topic orders --all`"), "{err}");
    }
}

#[test]
fn programs_read_failures_as_json() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (format!("topics list -o json -b 127.0.0.1:{port}"), 1, "Connection refused", "`millrace serve`"),
        ("configs get topic orders --output json".to_owned(), 2, "KEY is missing", "configs list"),
        ("configs get topic --output=json".to_owned(), 2, "<NAME>", "Usage: millrace configs get"),
        ("topics -ojson crate x".to_owned(), 2, "crate", ""),
        ("topics crate x -o json".to_owned(), 2, "crate", "create"),
        ("topics list --no-such -o json".to_owned(), 2, "--no-such", ""),
    ];
    for (line, status, error, hint) in cases {
        let err = millrace(&line, b"").failed(status);
        let told: serde_json::Value = serde_json::from_str(&err).unwrap_or_else(|_| panic!("{line}: {err}"));
        assert!(told["error"].as_str().is_some_and(|text| text.contains(error)), "{line}: {told}");
        assert!(told["hint"].as_str().unwrap_or_default().contains(hint), "{line}: {told}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn options_may_stand_before_or_behind_the_subcommand() {
    for line in ["topics -b 127.0.0.1:1 list", "topics list -b 127.0.0.1:1"] {
        assert!(millrace(line, b"").failed(1).contains("127.0.0.1:1"), "{line}");
    }
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = millrace(&format!("completions {shell}"), b"").ok();
        assert!(script.contains("bootstrap-server") && script.contains("end-to-end"), "{shell}");
    }
}

#[test]
fn files_that_are_no_logs_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let err = millrace(&format!("logs dump {path}"), b"").failed(1);
    assert!(err.contains("no file of a log is in there"), "{err}");
    std::fs::write(directory.path().join("notes.txt"), "x").unwrap();
    let err = millrace(&format!("logs dump {path}/notes.txt"), b"").failed(1);
    assert!(err.contains("no file of a log has such a name"), "{err}");
    let err = millrace("logs dump /no/such/dir", b"").failed(1);
    assert_eq!(err, "error: /no/such/dir: No such file or directory\n");
}
