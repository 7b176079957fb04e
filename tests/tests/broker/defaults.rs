//! `millrace serve` and nothing more, as somebody types it who has just got it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_tests::records::{batch, produce, read_all};
use millrace_tests::{Connection, DEADLINE, Process, places, until};

const KAFKA: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9092);
const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9644);
/// A release build takes a tenth of a second.
const START_MAX: Duration = Duration::from_secs(10);

fn serve(directory: &Path) -> Process {
    let mut command = Command::new(places::millrace());
    command.arg("serve").current_dir(directory);
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("KAFKA_")) {
        command.env_remove(name);
    }
    command.env_remove("CLUSTER_ID");
    Process::start(command, &directory.join("broker.log"))
}

fn page(path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(HTTP).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn it_serves_an_empty_directory() {
    if let Some(taken) = [KAFKA, HTTP].into_iter().find(|address| TcpListener::bind(address).is_err()) {
        return places::left_out("defaults", &format!("somebody else listens on {taken}"));
    }
    let directory = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut process = serve(directory.path());
    until("it answers", || {
        assert!(process.ended().is_none(), "{}", process.output());
        Connection::try_open(KAFKA)?.knows_brokers().then_some(())
    });
    assert!(started.elapsed() < START_MAX, "it took {:?}", started.elapsed());
    until("it says that it is ready", || page("/readyz")?.starts_with("HTTP/1.1 200").then_some(()));

    let mut listens_on = process.listens_on();
    listens_on.sort();
    assert_eq!(listens_on, [KAFKA, HTTP], "on loopback, and nowhere else");

    let mut connection = Connection::open(KAFKA);
    let topic = MetadataRequestTopic { name: Some("first".to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    until("the topic that somebody asks for is there", || {
        let answer = connection.ask(&request, 9);
        assert_eq!((&*answer.brokers[0].host, answer.brokers[0].port), ("127.0.0.1", 9092));
        answer.topics[0].error_code.is_ok().then_some(())
    });
    assert_eq!(produce(&mut connection, "first", batch(&[b"x"])).error_code, ErrorCode::NONE);
    assert_eq!(read_all(&mut connection, "first"), [(0, "x".into())]);

    let made = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut made: Vec<_> = made.map(|name| name.into_string().unwrap()).collect();
    made.sort();
    assert_eq!(made, ["broker.log", "millrace-data"]);
    assert!(directory.path().join("millrace-data/meta.properties").exists());
    assert!(directory.path().join("millrace-data/first-0").exists());
    assert_eq!(process.terminate(), Some(0), "{}", process.output());
}
