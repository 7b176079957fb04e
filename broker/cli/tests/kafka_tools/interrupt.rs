//! The interrupt key while `kafka-console-consumer` waits for records.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use millrace_cli::{Io, Tool, run_tool};
use millrace_tests::places;
use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::bench::{Bench, admin, create, until, with_bench};
use crate::lines::Answer;
use crate::oracle;

const RECORDS: &str = "one\ntwo\nthree\n";

#[test]
fn an_interrupt_ends_the_console_consumer_in_order() {
    with_bench(|bench| {
        for (name, address) in bench.brokers() {
            let topic = format!("interrupted-{}", name.to_lowercase());
            bench.runtime.block_on(create(&admin(&address), &topic, 1));
            let arguments = |more: &str| -> Vec<String> {
                let line = format!("--bootstrap-server {address} --topic {topic} {more}");
                line.split_whitespace().map(str::to_owned).collect()
            };
            bench.oracle.run(Tool::ConsoleProducer, &arguments(""), RECORDS.as_bytes());
            let reading = arguments("--from-beginning --enable-systest-events");
            let expected = interrupted_java(&places::kafka_libs().unwrap(), &reading);
            let found = interrupted_ours(bench, &reading);
            assert_eq!(found.to_string(), expected.to_string(), "at {name}");
            assert_eq!(found.err, "Processed a total of 3 messages\n");
            assert_eq!(found.status, 130);
        }
    });
}

/// Runs Kafka's tool in a process of its own, interrupts it when it has printed the records.
fn interrupted_java(libs: &Path, arguments: &[String]) -> Answer {
    let classes = oracle::compiled(libs);
    let java = oracle::java(libs, classes);
    // A shell that starts something in the background has it ignore interrupts, and Java then does for ever.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(java.get_program()).args(java.get_args());
    command.arg(oracle::class(Tool::ConsoleConsumer)).args(arguments);
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut out = String::new();
    while out.len() < RECORDS.len() {
        assert_ne!(reader.read_line(&mut out).unwrap(), 0, "it ended by itself: {out}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    reader.read_to_string(&mut out).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let status = child.wait().unwrap();
    let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap();
    Answer { status, out, err }.comparable()
}

/// Runs ours inside this process, and interrupts this process.
fn interrupted_ours(bench: &Bench, arguments: &[String]) -> Answer {
    let (mut io, captured) = Io::captured(b"");
    io.takes_signals = true;
    bench.runtime.block_on(async {
        let interrupt = async {
            until("the records are printed", async || captured.out() == RECORDS).await;
            kill_process(getpid(), Signal::INT).unwrap();
        };
        let (status, ()) = tokio::join!(run_tool(Tool::ConsoleConsumer, arguments, &mut io), interrupt);
        Answer { status: i32::from(status), out: captured.out(), err: captured.err() }.comparable()
    })
}
