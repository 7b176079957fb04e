//! Apache Kafka as the oracle: what it answers is right.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::connection::Connection;
use crate::places;
use crate::ports::free_port;
use crate::process::Process;
use crate::waiting::until;

/// An Apache Kafka broker in KRaft's combined mode; ended when dropped.
#[derive(Debug)]
pub struct Kafka {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Kafka {
    /// Starts one in a new directory and waits until it answers; `None` when its jars are not there.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())), |_| Vec::new())
    }

    /// As [`Kafka::start`], listening at `address`; `settings` gets the listener of its controller and returns
    /// properties that replace those this would choose.
    #[must_use]
    pub fn start_at(address: SocketAddr, settings: impl FnOnce(&str) -> Vec<String>) -> Option<Self> {
        let libs = places::kafka_libs()?;
        let directory = tempfile::Builder::new().prefix("millrace-tests-kafka-").tempdir().unwrap();
        let controller = free_port();
        let properties = directory.path().join("server.properties");
        let mut text = properties_text(address, controller, directory.path());
        for line in settings(&format!("CONTROLLER://127.0.0.1:{controller}")) {
            text += &format!("{line}\n");
        }
        std::fs::write(&properties, text).unwrap();
        let mut format = java(&libs, "kafka.tools.StorageTool");
        format.args(["format", "-t", "MillraceTestsOracle00w", "-c"]).arg(&properties);
        let formatted = format.output().unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let mut command = java(&libs, "kafka.Kafka");
        command.arg(&properties);
        let mut process = Process::start(command, &directory.path().join("broker.log"));
        until("Kafka answers", || {
            assert!(process.ended().is_none(), "Kafka ended:\n{}", process.output());
            Connection::try_open(address)?.knows_brokers().then_some(())
        });
        Some(Self { address, _process: process, _directory: directory })
    }
}

fn java(libs: &Path, main_class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(libs.join("*")).arg(main_class);
    command
}

fn properties_text(address: SocketAddr, controller: u16, directory: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://{address}\n\
         log.dirs={}/data\n\
         offsets.topic.num.partitions=5\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        directory.display()
    )
}
