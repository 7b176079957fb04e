//! The command line on a terminal: colour and progress where a person looks, neither where a program reads.

use std::process::{Command, Stdio};

use millrace_tests::{Millrace, places};

const ESCAPE: &str = "\x1b[";
/// What progress bars are drawn of.
const BAR: char = '━';

/// What a command shows on a terminal that `script` (util-linux) makes for it; its output and errors go there.
fn on_a_terminal(arguments: &str, environment: &[(&str, &str)]) -> Option<String> {
    let line = format!("stty cols 100; exec {} {arguments}", places::millrace().display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color").envs(environment.iter().copied());
    let output = command.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn piped(arguments: &str) -> (String, String) {
    let output = Command::new(places::millrace()).args(arguments.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{err}");
    (out, err)
}

#[test]
fn colour_and_progress_are_for_people() {
    let broker = Millrace::start(&[]);
    broker.create_topic("seen", &[("retention.ms", "5000")]);
    let server = format!("--bootstrap-server {}", broker.address);
    let describe = format!("topics describe seen {server}");
    let Some(shown) = on_a_terminal(&describe, &[]) else {
        return places::left_out("terminal", "script is not there (Debian: bsdutils)");
    };
    assert!(shown.contains("seen") && shown.contains(ESCAPE), "{shown:?}");
    let plain = on_a_terminal(&describe, &[("NO_COLOR", "1")]).unwrap();
    assert!(plain.contains("seen") && !plain.contains(ESCAPE), "{plain:?}");
    let (out, err) = piped(&describe);
    assert!(out.contains("seen") && !out.contains(ESCAPE) && err.is_empty(), "{out:?} {err:?}");

    let work = format!("perf produce seen --records 20000 --rate 20000 {server}");
    let shown = on_a_terminal(&work, &[]).unwrap();
    assert!(shown.contains(BAR), "{shown:?}");
    let (out, err) = piped(&work);
    assert!(!out.contains(BAR) && !err.contains(BAR), "{out:?} {err:?}");
}
