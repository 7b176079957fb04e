//! The broker under test: the real binary in a directory of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use millrace_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};

use crate::connection::Connection;
use crate::places;
use crate::ports::free_port;
use crate::process::Process;
use crate::waiting::until;

/// A Millrace broker; ended when dropped.
#[derive(Debug)]
pub struct Millrace {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
    /// The process; restarted ones are others.
    pub process: Process,
    overrides: Vec<String>,
    descriptors_max: Option<usize>,
    directory: PathBuf,
    _scratch: Option<tempfile::TempDir>,
}

impl Millrace {
    /// Starts one in a new directory, with `overrides` such as `num.partitions=4`, and waits until it answers.
    #[must_use]
    pub fn start(overrides: &[&str]) -> Self {
        let scratch = tempfile::Builder::new().prefix("millrace-tests-").tempdir().unwrap();
        let mut broker = Self::start_in(scratch.path(), overrides);
        broker._scratch = Some(scratch);
        broker
    }

    /// Starts one in a new directory that listens at `address`, among others if `overrides` name them, and waits
    /// until it answers.
    #[must_use]
    pub fn start_at(address: SocketAddr, overrides: &[&str]) -> Self {
        let scratch = tempfile::Builder::new().prefix("millrace-tests-").tempdir().unwrap();
        let mut broker = Self::start_at_in(address, scratch.path(), overrides);
        broker._scratch = Some(scratch);
        broker
    }

    /// As [`Millrace::start`], with no more than so many files and sockets open at once.
    #[must_use]
    pub fn start_with_descriptors(max: usize, overrides: &[&str]) -> Self {
        let scratch = tempfile::Builder::new().prefix("millrace-tests-").tempdir().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut broker = Self::start_limited(address, scratch.path(), overrides, Some(max));
        broker._scratch = Some(scratch);
        broker
    }

    /// Starts one that keeps its data under `directory`, and waits until it answers.
    #[must_use]
    pub fn start_in(directory: &Path, overrides: &[&str]) -> Self {
        Self::start_at_in(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())), directory, overrides)
    }

    fn start_at_in(address: SocketAddr, directory: &Path, overrides: &[&str]) -> Self {
        Self::start_limited(address, directory, overrides, None)
    }

    fn start_limited(
        address: SocketAddr,
        directory: &Path,
        overrides: &[&str],
        descriptors_max: Option<usize>,
    ) -> Self {
        let data = directory.join("data");
        let mut settings =
            vec![format!("listeners=PLAINTEXT://{address}"), format!("log.dirs={}", data.display())];
        settings.push("http.listen=".to_owned());
        settings.extend(overrides.iter().map(|each| (*each).to_owned()));
        let process = spawn(directory, &settings, descriptors_max);
        let broker = Self {
            address,
            data,
            process,
            overrides: settings,
            descriptors_max,
            directory: directory.to_owned(),
            _scratch: None,
        };
        broker.until_ready()
    }

    fn until_ready(mut self) -> Self {
        self.wait_ready();
        self
    }

    fn wait_ready(&mut self) {
        let (process, address) = (&mut self.process, self.address);
        until("the broker answers", || {
            let ended = process.ended();
            assert!(ended.is_none(), "the broker ended, {ended:?}:\n{}", process.output());
            Connection::try_open(address)?.knows_brokers().then_some(())
        });
    }

    /// Starts the process anew over the same data, at the same address; the old one must have ended.
    /// Returns the time it took until it answered.
    pub fn start_again(&mut self) -> Duration {
        assert!(self.process.ended().is_some(), "the broker runs");
        let started = Instant::now();
        self.process = spawn(&self.directory, &self.overrides, self.descriptors_max);
        self.wait_ready();
        started.elapsed()
    }

    /// A connection to it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Creates a topic of one partition.
    pub fn create_topic(&self, name: &str, configs: &[(&str, &str)]) {
        self.create_partitions(name, 1, configs);
    }

    /// Creates a topic.
    pub fn create_partitions(&self, name: &str, count: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        });
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: count,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer = self.connect().ask(&request, 7);
        assert!(answer.topics[0].error_code.is_ok(), "{answer:?}");
    }

    /// Resident memory in KiB: now, and the most there ever was.
    #[must_use]
    pub fn memory_kib(&self) -> (u64, u64) {
        (self.process.status_kib("VmRSS"), self.process.status_kib("VmHWM"))
    }
}

fn spawn(directory: &Path, settings: &[String], descriptors_max: Option<usize>) -> Process {
    let mut command = match descriptors_max {
        None => Command::new(places::millrace()),
        Some(max) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {max} && exec \"$@\""), "sh"]).arg(places::millrace());
            shell
        }
    };
    command.arg("serve").current_dir(directory);
    for setting in settings {
        command.args(["--override", setting]);
    }
    Process::start(command, &directory.join("broker.log"))
}
