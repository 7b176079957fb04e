//! Fetches that park while the topics that they name come and go.

use std::path::PathBuf;

use millrace_log::disk::sim::SimDisk;
use millrace_log::{Intervals, LogConfig, LogManager, ManagerConfig};
use millrace_protocol::messages::fetch::{FetchPartition, FetchTopic};
use millrace_protocol::{ApiKey, Uuid};

use super::*;
use crate::context::Peer;
use crate::metrics::Metrics;
use crate::partitions::Placement;

const WAIT: Duration = Duration::from_secs(60);
const BY_NAME: i16 = 12;

/// Partitions in memory.
struct Shelf {
    partitions: Arc<Partitions>,
    sessions: FetchSessions,
}

impl Shelf {
    fn new() -> Self {
        let config = ManagerConfig {
            dirs: vec![PathBuf::from("/data")],
            node_id: 1,
            cluster_id: None,
            open_files_max: 64,
            threads_per_dir: 1,
            dedupe_bytes_max: 1 << 20,
            intervals: Intervals::default(),
        };
        let logs = Arc::new(LogManager::open(Arc::new(SimDisk::new()), config, 0).unwrap());
        let partitions = Partitions::new(logs, Arc::new(Metrics::new().unwrap()), 100);
        Self { partitions, sessions: FetchSessions::new(100, Duration::ZERO) }
    }

    fn place(&self, topic_id: Uuid, count: i32) {
        let placement = |index| Placement {
            topic: "t".into(),
            topic_id,
            index,
            leader_id: 1,
            leader_epoch: 0,
            config: Arc::new(LogConfig::default()),
        };
        let placements: Vec<_> = (0..count).map(placement).collect();
        let failed = self.partitions.place(&placements);
        assert!(failed.is_empty(), "{failed:?}");
    }

    fn remove(&self, topic_id: Uuid) {
        let failed = self.partitions.remove(&topic_id);
        assert!(failed.is_empty(), "{failed:?}");
    }

    fn fetch(&self, version: i16, request: &FetchRequest) -> Fetch {
        let context = self.sessions.context(request, version >= FIRST_WITH_IDS).unwrap();
        Fetch {
            partitions: Arc::clone(&self.partitions),
            context,
            version,
            read_committed: false,
            first: 0,
            bytes_max: 1 << 20,
        }
    }

    fn start(&self, request: FetchRequest) -> FetchStarted {
        let context = RequestContext {
            peer: Arc::new(Peer::new(([127, 0, 0, 1], 1).into(), "PLAINTEXT".into())),
            api_key: ApiKey::Fetch,
            api_version: BY_NAME,
            correlation_id: 1,
            client_id: None,
        };
        start(&self.partitions, &self.sessions, 1 << 20, &context, request)
    }
}

fn request(topic_id: Uuid, session_epoch: i32, partitions: &[i32]) -> FetchRequest {
    let partition =
        |&partition| FetchPartition { partition, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let partitions = partitions.iter().map(partition).collect();
    let topics = vec![FetchTopic { topic: "t".into(), topic_id, partitions }];
    FetchRequest { session_epoch, topics, max_wait_ms: 60_000, min_bytes: 1, ..FetchRequest::default() }
}

/// What each kind of fetch is told when `change` comes after it has looked and before it parks.
fn told_after(change: impl Fn(&Shelf)) -> Vec<ErrorCode> {
    let id = Uuid([1; 16]);
    let cases = [BY_NAME, FIRST_WITH_IDS].into_iter().flat_map(|version| [(version, -1), (version, 0)]);
    let told = cases.map(|(version, session_epoch)| {
        let shelf = Shelf::new();
        shelf.place(id, 1);
        let fetch = shelf.fetch(version, &request(id, session_epoch, &[0]));
        let first = fetch.pass();
        change(&shelf);
        match fetch.park(&first, 1, WAIT) {
            FetchStarted::Ready(answer) => answer.response.responses[0].partitions[0].error_code,
            FetchStarted::Parked(_) => panic!("version {version}, session {session_epoch}: it sleeps"),
        }
    });
    told.collect()
}

#[test]
fn a_topic_that_goes_while_a_fetch_parks_is_missed_at_once() {
    let told = told_after(|shelf| shelf.remove(Uuid([1; 16])));
    let (name, id) = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(told, [name, name, id, id]);
}

#[test]
fn a_topic_that_is_made_again_while_a_fetch_parks_is_another() {
    let told = told_after(|shelf| {
        shelf.remove(Uuid([1; 16]));
        shelf.place(Uuid([2; 16]), 1);
    });
    let (name, id) = (ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(told, [name, name, id, id]);
}

#[tokio::test]
async fn a_parked_fetch_is_told_when_its_topic_goes() {
    let shelf = Shelf::new();
    shelf.place(Uuid([1; 16]), 1);
    let FetchStarted::Parked(parked) = shelf.start(request(Uuid::ZERO, -1, &[0])) else {
        panic!("there is nothing to read")
    };
    shelf.remove(Uuid([1; 16]));
    let answer = tokio::time::timeout(WAIT / 2, parked.wait()).await.unwrap();
    let code = answer.response.responses[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}
