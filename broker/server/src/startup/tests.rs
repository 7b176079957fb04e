//! Starts that are caught in the middle, by a disk whose reads wait for the test.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use millrace_log::disk::{DirEntry, DiskFile, FileStat, OpenMode};
use millrace_protocol::header::{
    RequestHeader, ResponseHeader, request_header_version, response_header_version,
};
use millrace_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millrace_protocol::messages::delete_groups::DeleteGroupsRequest;
use millrace_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use millrace_protocol::messages::describe_groups::DescribeGroupsRequest;
use millrace_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millrace_protocol::messages::find_coordinator::FindCoordinatorRequest;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::join_group::JoinGroupRequest;
use millrace_protocol::messages::leave_group::LeaveGroupRequest;
use millrace_protocol::messages::list_groups::ListGroupsRequest;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::offset_delete::OffsetDeleteRequest;
use millrace_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use millrace_protocol::messages::produce::{PartitionProduceData, ProduceRequest};
use millrace_protocol::messages::sync_group::SyncGroupRequest;
use millrace_protocol::wire::{Reader, Writer};
use millrace_protocol::{ErrorCode, Message, Request};
use millrace_tests::records::{FETCH_VERSION, PRODUCE_VERSION, batch, produce_request};
use parking_lot::{Condvar, Mutex};

use super::*;
use crate::config::Inputs;
use crate::context::Peer;
use crate::dispatch::{Dispatched, dispatch};
use crate::logging::{self, LogFormat};
use crate::net::Chunk;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Holds up reads of the log files of a topic.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    /// The topic, while the gate is closed.
    closed_to: Option<&'static str>,
    waiting: usize,
    /// Reads that may go on nevertheless.
    passes: usize,
}

impl Gate {
    fn close_to(&self, topic: &'static str) {
        self.state.lock().closed_to = Some(topic);
    }

    fn open(&self) {
        self.state.lock().closed_to = None;
        self.changed.notify_all();
    }

    /// Lets one of those who wait go on. False when nobody waits.
    fn let_one_pass(&self) -> bool {
        let mut state = self.state.lock();
        if state.waiting <= state.passes {
            return false;
        }
        state.passes += 1;
        self.changed.notify_all();
        true
    }

    fn is_waited_at(&self) -> bool {
        self.state.lock().waiting > 0
    }

    fn pass(&self, path: &Path) {
        let directory = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let mut state = self.state.lock();
        let closed =
            |state: &GateState| is_log && state.closed_to.is_some_and(|topic| directory.starts_with(topic));
        state.waiting += 1;
        while closed(&state) && state.passes == 0 {
            self.changed.wait(&mut state);
        }
        state.waiting -= 1;
        if closed(&state) {
            state.passes -= 1;
        }
    }
}

/// The system's disk behind a gate.
#[derive(Debug, Clone, Default)]
struct GatedDisk(Arc<Gate>);

#[derive(Debug)]
struct GatedFile {
    gate: Arc<Gate>,
    path: std::path::PathBuf,
    file: Box<dyn DiskFile>,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let file = OsDisk.open(path, mode)?;
        Ok(Box::new(GatedFile { gate: Arc::clone(&self.0), path: path.to_owned(), file }))
    }
    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        OsDisk.stat(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        OsDisk.list(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir_all(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        OsDisk.lock(path)
    }
}

impl DiskFile for GatedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.gate.pass(&self.path);
        self.file.read_at(buf, offset)
    }
    fn write_all_at(&self, bufs: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bufs, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A broker without sockets, on a data directory of its own.
struct Bench {
    scratch: tempfile::TempDir,
    gate: Arc<Gate>,
    overrides: &'static [&'static str],
}

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(overrides: &'static [&'static str]) -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), gate: Arc::default(), overrides }
    }

    fn config(&self) -> Arc<LiveConfig> {
        let mut overrides = vec![
            format!("log.dirs={}", self.scratch.path().display()),
            "listeners=PLAINTEXT://127.0.0.1:0".to_owned(),
            "http.listen=".to_owned(),
            "offsets.topic.num.partitions=1".to_owned(),
        ];
        overrides.extend(self.overrides.iter().map(|text| (*text).to_owned()));
        let inputs = Inputs { overrides, ..Inputs::default() };
        Arc::new(LiveConfig::load_from(inputs).unwrap().0)
    }

    /// Opens everything; calls `between` once the logs are open and the groups are not.
    async fn start(&self, between: impl FnOnce()) -> Arc<Services> {
        let (config, metrics) = (self.config(), Arc::new(Metrics::new().unwrap()));
        let settings = Arc::clone(&config.load());
        let sockets = bind_all(&settings).await.unwrap();
        let disk = Arc::new(GatedDisk(Arc::clone(&self.gate)));
        tokio::task::block_in_place(|| {
            let logs = open_logs(disk, &settings, 100).unwrap();
            let (partitions, quorum) = open_partitions(logs, &config, &metrics, &sockets.listeners).unwrap();
            between();
            make_services(partitions, quorum, config, levels(), metrics, 100)
        })
    }
}

fn levels() -> LogLevels {
    logging::start(LogFormat::Text, "warn").unwrap()
}

/// Sends a request as a connection does.
fn send<R: Request>(services: &Arc<Services>, request: &R, version: i16) -> Dispatched {
    let header = RequestHeader {
        request_api_key: R::API_KEY.number(),
        request_api_version: version,
        correlation_id: 1,
        client_id: Some("test".to_owned()),
    };
    let mut writer = Writer::default();
    header.encode(&mut writer, request_header_version(R::API_KEY, version)).unwrap();
    request.encode(&mut writer, version).unwrap();
    let peer = Arc::new(Peer::new(([127, 0, 0, 1], 1).into(), "PLAINTEXT".into()));
    dispatch(services, &peer, writer.finish_whole().unwrap())
}

/// As [`send`], and waits for the answer.
async fn ask<R: Request>(services: &Arc<Services>, request: &R, version: i16) -> R::Response {
    let response = match send(services, request, version) {
        Dispatched::Ready(response) => response,
        Dispatched::Waiting { answer, .. } => answer.await.unwrap(),
        Dispatched::Refused(reason) => panic!("{reason}"),
    };
    let mut bytes = BytesMut::new();
    for chunk in response.unwrap().chunks {
        let Chunk::Memory(part) = chunk else { panic!("an answer with files") };
        bytes.extend_from_slice(&part);
    }
    let mut reader = Reader::new(Bytes::from(bytes).slice(4..));
    ResponseHeader::decode(&mut reader, response_header_version(R::API_KEY, version)).unwrap();
    R::Response::decode(&mut reader, version).unwrap()
}

async fn create(services: &Arc<Services>, topic: &str, partitions: i32) {
    create_with(services, topic, partitions, &[]).await;
}

async fn create_with(services: &Arc<Services>, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    });
    let topic = CreatableTopic {
        name: topic.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    assert_eq!(ask(services, &request, 5).await.topics[0].error_code, ErrorCode::NONE);
}

fn commit() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: 7,
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequest {
        group_id: "g".to_owned(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic { name: "t".to_owned(), partitions: vec![partition] }],
        ..OffsetCommitRequest::default()
    }
}

fn fetch_offsets() -> OffsetFetchRequest {
    let group = OffsetFetchRequestGroup { group_id: "g".to_owned(), ..OffsetFetchRequestGroup::default() };
    OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
}

fn find_coordinator() -> FindCoordinatorRequest {
    FindCoordinatorRequest { coordinator_keys: vec!["g".to_owned()], ..FindCoordinatorRequest::default() }
}

/// What clients are told while their group is being loaded, as by `GroupCoordinatorService`.
async fn expect_loading(services: &Arc<Services>) {
    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    let group_id = || "g".to_owned();
    let found = ask(services, &find_coordinator(), 4).await;
    assert_eq!((found.coordinators[0].error_code, found.coordinators[0].node_id), (ErrorCode::NONE, 1));
    let join = JoinGroupRequest {
        group_id: group_id(),
        member_id: "m".to_owned(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        ..JoinGroupRequest::default()
    };
    let joined = ask(services, &join, 5).await;
    assert_eq!((joined.error_code, joined.member_id.as_str(), joined.generation_id), (loading, "m", -1));
    let sync = SyncGroupRequest { group_id: group_id(), ..SyncGroupRequest::default() };
    assert_eq!(ask(services, &sync, 3).await.error_code, loading);
    // A member stays calm: nobody can tell yet whether it is one.
    let heartbeat = HeartbeatRequest { group_id: group_id(), ..HeartbeatRequest::default() };
    assert_eq!(ask(services, &heartbeat, 4).await.error_code, ErrorCode::NONE);
    let leave = LeaveGroupRequest { group_id: group_id(), ..LeaveGroupRequest::default() };
    assert_eq!(ask(services, &leave, 3).await.error_code, loading);
    let committed = ask(services, &commit(), 8).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, loading);
    let fetched = ask(services, &fetch_offsets(), 8).await;
    assert_eq!((fetched.groups[0].error_code, fetched.groups[0].topics.len()), (loading, 0));
    let old = OffsetFetchRequest { group_id: group_id(), ..OffsetFetchRequest::default() };
    assert_eq!(ask(services, &old, 5).await.error_code, loading);
    let listed = ask(services, &ListGroupsRequest::default(), 4).await;
    assert_eq!((listed.error_code, listed.groups.len()), (loading, 0));
    let describe = DescribeGroupsRequest { groups: vec![group_id()], ..DescribeGroupsRequest::default() };
    let described = ask(services, &describe, 5).await.groups.remove(0);
    assert_eq!((described.error_code, described.group_state.as_str()), (loading, ""));
    let delete = DeleteGroupsRequest { groups_names: vec![group_id()] };
    assert_eq!(ask(services, &delete, 2).await.results[0].error_code, loading);
    let forget = OffsetDeleteRequest { group_id: group_id(), topics: Vec::new() };
    assert_eq!(ask(services, &forget, 0).await.error_code, loading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_that_are_being_loaded_say_so() {
    let bench = Bench::new();
    let services = bench.start(|| {}).await;
    create(&services, "t", 1).await;
    ask(&services, &find_coordinator(), 4).await;
    let committed = ask(&services, &commit(), 8).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::NONE);
    stop(&services, TaskTracker::new(), TaskTracker::new()).await.unwrap();
    drop(services);

    let services = bench.start(|| bench.gate.close_to("__consumer_offsets")).await;
    let started = Instant::now();
    while !bench.gate.is_waited_at() {
        assert!(started.elapsed() < PATIENCE, "nobody loads the groups");
        tokio::task::yield_now().await;
    }
    expect_loading(&services).await;
    bench.gate.open();
    let group = loop {
        let group = ask(&services, &fetch_offsets(), 8).await.groups.remove(0);
        if group.error_code.is_ok() {
            break group;
        }
        assert_eq!(group.error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        assert!(started.elapsed() < PATIENCE, "the groups are never loaded");
        tokio::task::yield_now().await;
    };
    assert_eq!(group.topics[0].partitions[0].committed_offset, 7, "what was tried meanwhile left nothing");
    stop(&services, TaskTracker::new(), TaskTracker::new()).await.unwrap();
}

/// `flush.ms` is kept although nobody looks at all logs meanwhile, and records without it are left to the system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_flush_times_are_kept() {
    let bench = Bench::new();
    let services = bench.start(|| {}).await;
    create_with(&services, "quick", 1, &[("flush.ms", "50")]).await;
    create(&services, "patient", 1).await;
    let flushing = tokio::spawn(upkeep::flush_in_time(Arc::clone(&services)));
    for topic in ["patient", "quick", "quick"] {
        let records = Some(batch(&[b"x"]));
        ask(&services, &produce_request(topic, 0, 1, records), PRODUCE_VERSION).await;
    }
    let log = |topic| Arc::clone(services.partitions.find(topic, 0).unwrap().log());
    let started = Instant::now();
    while log("quick").recovery_point() < 2 {
        assert!(started.elapsed() < PATIENCE, "nothing is flushed");
        tokio::task::yield_now().await;
    }
    assert_eq!(log("patient").recovery_point(), 0);
    flushing.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_ends_when_the_broker_has_to() {
    const PARTITIONS: i32 = 200;
    let bench = Bench::new();
    let services = bench.start(|| {}).await;
    create(&services, "long", PARTITIONS).await;
    for partition in 0..PARTITIONS {
        let request = produce_request("long", partition, 1, Some(batch(&[b"kept"])));
        let answer = ask(&services, &request, PRODUCE_VERSION).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
    }
    // Without a stop, as after a crash.
    drop(services);

    bench.gate.close_to("long");
    let shutdown = CancellationToken::new();
    let disk = Arc::new(GatedDisk(Arc::clone(&bench.gate)));
    let broker = tokio::spawn(run_on(disk, bench.config(), levels(), shutdown.clone()));
    let started = Instant::now();
    while !bench.gate.is_waited_at() {
        assert!(started.elapsed() < PATIENCE && !broker.is_finished(), "nothing is recovered");
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    let mut passed = 0;
    while !broker.is_finished() {
        assert!(started.elapsed() < PATIENCE, "the broker does not end");
        passed += i32::from(bench.gate.let_one_pass());
        tokio::task::yield_now().await;
    }
    broker.await.unwrap().unwrap();
    assert!(passed < PARTITIONS / 2, "it ended after {passed} reads only");
    bench.gate.open();

    let marker = bench.scratch.path().join(".kafka_cleanshutdown");
    assert!(!marker.exists(), "what was not recovered is not clean");
    let services = bench.start(|| {}).await;
    let logs = services.partitions.logs().logs();
    let kept = logs.iter().filter(|log| log.partition().topic == "long" && log.end_offset() == 1).count();
    assert_eq!(kept, PARTITIONS as usize);
    stop(&services, TaskTracker::new(), TaskTracker::new()).await.unwrap();
    drop(services);
    assert!(marker.exists());
}

/// A short question may have a long answer: what answers take together is bounded until they have left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_hold_a_part_of_the_budget() {
    const TOPICS: usize = 400;
    let bench = Bench::with(&["socket.request.max.bytes=1048576", "queued.max.request.bytes=4194304"]);
    let services = bench.start(|| {}).await;
    let names: Vec<_> = (0..TOPICS).map(|number| format!("told-{number}")).collect();
    let topic = |name: &String| CreatableTopic {
        name: name.clone(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let topics = names.iter().map(topic).collect();
    let request = CreateTopicsRequest { topics, timeout_ms: 1_000, ..CreateTopicsRequest::default() };
    ask(&services, &request, 5).await;
    let resource = |resource_name: &String| DescribeConfigsResource {
        resource_type: 2,
        resource_name: resource_name.clone(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: names.iter().map(resource).collect(),
        include_synonyms: true,
        include_documentation: true,
    };
    let mut answers = Vec::new();
    let reason = loop {
        match send(&services, &request, 4) {
            Dispatched::Ready(Some(answer)) => answers.push(answer),
            Dispatched::Refused(reason) => break reason,
            _ => panic!("it is answered at once"),
        }
        assert!(answers.len() < 10, "what answers take is not bounded");
    };
    assert!(reason.starts_with("no memory for an answer of"), "{reason}");
    let taken: usize = answers.iter().map(crate::net::Response::memory_bytes).sum();
    assert!((1..=4_194_304).contains(&taken), "{} answers of {taken} bytes", answers.len());
    assert_eq!(services.budget.in_use_bytes(), taken);
    answers.clear();
    assert_eq!(services.budget.in_use_bytes(), 0);
    assert!(matches!(send(&services, &request, 4), Dispatched::Ready(Some(_))));
}

/// A fetch from so many partitions of the topic `wide`, whether they are there or not.
fn wide_fetch(count: i32, session_epoch: i32) -> FetchRequest {
    let partition = |partition| FetchPartition { partition, partition_max_bytes: 1, ..Default::default() };
    let partitions = (0..count).map(partition).collect();
    let topic = FetchTopic { topic: "wide".to_owned(), partitions, ..Default::default() };
    let topics = vec![topic];
    FetchRequest {
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1,
        session_epoch,
        topics,
        ..Default::default()
    }
}

/// As [`wide_fetch`], a record to each.
fn wide_produce(count: i32) -> ProduceRequest {
    let data = |index| PartitionProduceData { index, records: Some(batch(&[b"x"])) };
    let mut request = produce_request("wide", 0, -1, None);
    request.topic_data[0].partition_data = (0..count).map(data).collect();
    request
}

/// Fetches and produces that name much hold a part of the budget: while they wait, and until they are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_and_produces_hold_what_they_name() {
    const WIDE: i32 = 200;
    const MUCH: i32 = 5_000;
    const ENTRY_BYTES: usize = 256;
    let bench = Bench::with(&["socket.request.max.bytes=8388608", "queued.max.request.bytes=33554432"]);
    let services = bench.start(|| {}).await;
    let topic = CreatableTopic {
        name: "wide".to_owned(),
        num_partitions: WIDE,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, ..Default::default() };
    ask(&services, &request, 5).await;
    let in_use = || services.budget.in_use_bytes();

    let Dispatched::Waiting { answer: narrow, barrier: false } =
        send(&services, &wide_fetch(1, -1), FETCH_VERSION)
    else {
        panic!("there is nothing to read")
    };
    assert_eq!(in_use(), 0, "what names little holds nothing");
    let Dispatched::Waiting { answer: wide, barrier: false } =
        send(&services, &wide_fetch(WIDE, -1), FETCH_VERSION)
    else {
        panic!("there is nothing to read")
    };
    assert_eq!(in_use(), (1 + WIDE as usize) * ENTRY_BYTES, "while it is parked");
    drop(narrow);

    let Dispatched::Ready(Some(written)) = send(&services, &wide_produce(WIDE), PRODUCE_VERSION) else {
        panic!("it is read and answered at once")
    };
    assert_eq!(in_use(), (1 + WIDE as usize) * ENTRY_BYTES + written.memory_bytes());
    drop(written);
    let read = wide.await.unwrap().unwrap();
    assert_eq!(in_use(), read.memory_bytes(), "woken by what was written");
    drop(read);
    assert_eq!(in_use(), 0);

    let requests = [
        send(&services, &wide_fetch(MUCH, -1), FETCH_VERSION),
        send(&services, &wide_fetch(MUCH, 0), FETCH_VERSION),
        send(&services, &wide_produce(MUCH), PRODUCE_VERSION),
    ];
    for waiting in requests {
        let Dispatched::Waiting { answer, barrier: true } = waiting else {
            panic!("it waits for its turn, and holds up the next")
        };
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(in_use(), answer.memory_bytes());
        drop(answer);
        assert_eq!(in_use(), 0);
    }
    let unknown = ask(&services, &wide_produce(MUCH), PRODUCE_VERSION).await;
    let codes = unknown.responses[0].partition_responses.iter().map(|partition| partition.error_code);
    assert_eq!(codes.filter(|code| code.is_err()).count(), (MUCH - WIDE) as usize);
}
