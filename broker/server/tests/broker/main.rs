//! The binary as operators and clients see it: every version that it advertises, its pages, settings that
//! change while it runs. What it does with rude clients and failing disks is held in the repository's
//! `tests/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod commands;
mod pages;
mod settings;
mod versions;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use millrace_tests::{Connection, Process, places, until};

/// An address that nobody listens on.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Starts `millrace serve ARGUMENT...` with its data in `directory`, and waits until it answers.
fn serve(directory: &Path, arguments: &[&str]) -> (Process, SocketAddr) {
    let address = free_address();
    let mut command = Command::new(places::millrace());
    command.arg("serve").args(arguments).current_dir(directory);
    command.args(["--override", &format!("listeners=PLAINTEXT://{address}"), "--override", "http.listen="]);
    let process = Process::start(command, &directory.join("broker.log"));
    until("the broker answers", || Connection::try_open(address)?.knows_brokers().then_some(()));
    (process, address)
}
