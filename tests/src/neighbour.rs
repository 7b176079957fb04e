//! Another client, minding its own business while a test does something rude: it must notice nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrace_protocol::ErrorCode;

use crate::connection::Connection;
use crate::records::{batch, fetch, produce, values};
use crate::waiting::until;

const TOPIC: &str = "neighbour";
/// A pause between rounds, so that the neighbour is a light load.
const PAUSE: Duration = Duration::from_millis(2);

/// A client that produces a record and reads it back, over and over, on one connection.
#[derive(Debug)]
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Duration>,
}

impl Neighbour {
    /// Starts one. Its topic comes into being with its first record.
    #[must_use]
    pub fn move_in(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicU64::new(0));
        let thread = {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            std::thread::spawn(move || live(address, &stop, &rounds))
        };
        let neighbour = Self { stop, rounds, thread };
        neighbour.keeps_going();
        neighbour
    }

    /// Waits until the neighbour has got ten rounds further.
    pub fn keeps_going(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        until("the neighbour goes on", || {
            let ended = self.thread.is_finished();
            (ended || self.rounds.load(Ordering::Relaxed) >= before + 10).then_some(())
        });
        assert!(!self.thread.is_finished(), "the neighbour fell");
    }

    /// Ends it; returns its slowest round.
    ///
    /// # Panics
    /// When a round failed.
    pub fn move_out(self) -> Duration {
        self.keeps_going();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the neighbour noticed something")
    }
}

fn live(address: SocketAddr, stop: &AtomicBool, rounds: &AtomicU64) -> Duration {
    let mut connection = Connection::open(address);
    create_topic(&mut connection);
    let mut slowest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let round = rounds.load(Ordering::Relaxed);
        let value = format!("round {round}");
        let written = produce(&mut connection, TOPIC, batch(&[value.as_bytes()]));
        assert_eq!(written.error_code, ErrorCode::NONE, "{written:?}");
        let read = values(&fetch(&mut connection, TOPIC, written.base_offset, 1 << 20));
        assert_eq!(read, [(written.base_offset, value.into())]);
        slowest = slowest.max(started.elapsed());
        rounds.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
    slowest
}

/// As clients do: ask for the topic until it has a leader.
fn create_topic(connection: &mut Connection) {
    use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
    let topic = MetadataRequestTopic { name: Some(TOPIC.to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    until("the neighbour's topic is there", || {
        let answer = connection.ask(&request, 9);
        answer.topics[0].error_code.is_ok().then_some(())
    });
}
