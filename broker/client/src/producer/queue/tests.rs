//! One partition's batches as the sender sees them: order, numbers, retries, deadlines. No broker.

use super::*;
use crate::producer::batch::item_bytes_max;
use millrace_protocol::records::BatchHeader;
use millrace_protocol::{ApiKey, ErrorCode};
use tokio::sync::Semaphore;

const ME: Identity = Identity { id: 9, epoch: 0 };

fn rules() -> Rules {
    Rules {
        batch_bytes: 100,
        compression: Compression::None,
        linger: Duration::from_millis(5),
        idempotent: true,
        in_flight_max: 5,
        retries: 10,
        delivery_timeout: Duration::from_secs(120),
    }
}

fn error(code: ErrorCode) -> ClientError {
    ClientError::api(ApiKey::Produce, code, "t-0")
}

fn out_of_sequence() -> Verdict {
    Verdict::OutOfSequence(error(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER))
}

fn unknown() -> Verdict {
    Verdict::Retry(error(ErrorCode::NETWORK_EXCEPTION))
}

fn written() -> Verdict {
    Verdict::Written(Written { base_offset: 0, append_time_ms: None })
}

/// A queue with one-record batches, as the sender sees it.
struct Scene {
    queue: Queue,
    rules: Rules,
    now: Instant,
}

impl Scene {
    fn new(batches: usize) -> Self {
        let mut scene = Self { queue: Queue::new(), rules: rules(), now: Instant::now() };
        (0..batches).for_each(|_| scene.append(&[1; 100]));
        scene
    }

    fn append(&mut self, value: &[u8]) {
        let memory = Arc::new(Semaphore::new(1));
        let bytes_max = item_bytes_max(None, Some(value), &[]);
        let item = Item {
            timestamp_ms: 0,
            key: None,
            value: Some(value),
            headers: &[],
            bytes_max,
            appended_at: None,
        };
        let partition = TopicPartition::new("t", 0);
        let mut share = memory.try_acquire_owned().ok();
        let appended = self.queue.append(&item, &partition, &self.rules, &mut share, false);
        assert!(matches!(appended, Appended::Done(_)));
    }

    fn is_ready(&self) -> bool {
        self.queue.ready_at(&self.rules, true).is_some_and(|at| at <= self.now + Duration::from_secs(1))
    }

    fn take(&mut self) -> Batch {
        assert!(self.is_ready());
        self.queue.take(&self.rules, Some(ME)).unwrap()
    }

    fn settle(&mut self, batch: Batch, verdict: Verdict) -> Option<Result<Written, ClientError>> {
        let now = self.now;
        self.queue.settle(batch, verdict, &self.rules, now, now).map(|(_, result)| result)
    }
}

/// Epoch and sequence in the batch's bytes.
fn number(batch: &mut Batch) -> (i16, i32) {
    let header = BatchHeader::parse(&batch.bytes().unwrap()).unwrap();
    (header.producer_epoch, header.base_sequence)
}

#[test]
fn a_batch_leaves_when_it_is_full_or_has_waited() {
    let mut scene = Scene::new(0);
    assert_eq!(scene.queue.ready_at(&scene.rules, true), None);
    scene.append(b"v");
    let created = scene.queue.ready_at(&scene.rules, true).unwrap();
    assert_eq!(scene.queue.ready_at(&scene.rules, false), Some(created + Duration::from_millis(5)));
    scene.append(&[0; 90]);
    assert_eq!(scene.queue.ready_at(&scene.rules, false), Some(created), "a second batch closed the first");
    scene.rules.in_flight_max = 1;
    let first = scene.take();
    assert!(!scene.is_ready(), "one at a time");
    scene.settle(first, written()).unwrap().unwrap();
    assert!(scene.is_ready());
}

#[test]
fn numbers_follow_one_another() {
    let mut scene = Scene::new(3);
    let numbers: Vec<(i16, i32)> = (0..3).map(|_| number(&mut scene.take())).collect();
    assert_eq!(numbers, [(0, 0), (0, 1), (0, 2)]);
}

#[test]
fn without_an_id_nothing_leaves() {
    let mut scene = Scene::new(1);
    assert!(scene.queue.take(&scene.rules, None).is_none());
    assert!(scene.queue.take(&scene.rules, Some(ME)).is_some());
}

#[test]
fn retries_keep_their_order_and_numbers() {
    let mut scene = Scene::new(4);
    let (first, second, third) = (scene.take(), scene.take(), scene.take());
    assert!(scene.settle(first, unknown()).is_none());
    assert!(scene.settle(third, out_of_sequence()).is_none());
    let mut first = scene.take();
    assert_eq!(number(&mut first), (0, 0));
    assert!(!scene.is_ready(), "the third waits for the first and the second");
    assert!(scene.settle(second, out_of_sequence()).is_none());
    assert!(!scene.is_ready(), "the second waits for the first");
    scene.settle(first, written()).unwrap().unwrap();
    for expected in [1, 2, 3] {
        let mut batch = scene.take();
        assert_eq!(number(&mut batch), (0, expected));
        scene.settle(batch, written()).unwrap().unwrap();
    }
    assert!(scene.queue.is_idle());
}

#[test]
fn a_refused_batch_makes_those_after_it_start_over() {
    let mut scene = Scene::new(3);
    let (first, second) = (scene.take(), scene.take());
    let refused = Verdict::Refused(error(ErrorCode::INVALID_RECORD));
    scene.settle(first, refused).unwrap().unwrap_err();
    assert!(!scene.is_ready(), "the second is in flight under a number that will not do");
    assert!(scene.settle(second, out_of_sequence()).is_none());
    let mut second = scene.take();
    assert_eq!(number(&mut second), (1, 0));
    assert_eq!(number(&mut scene.take()), (1, 1));
}

#[test]
fn what_became_of_a_batch_given_up_shows_by_the_next() {
    for (verdict, expected) in [(written(), (0, 2)), (out_of_sequence(), (1, 1))] {
        let mut scene = Scene::new(3);
        let (first, second) = (scene.take(), scene.take());
        scene.now += Duration::from_secs(121);
        // The second is as old; only the first is given up here.
        scene.rules.delivery_timeout = Duration::from_secs(1_000);
        scene.rules.retries = 0;
        scene.settle(first, unknown()).unwrap().unwrap_err();
        scene.rules.retries = 10;
        assert!(!scene.is_ready(), "the third waits until the second tells");
        let is_written = matches!(verdict, Verdict::Written(_));
        assert_eq!(scene.settle(second, verdict).is_some(), is_written);
        if !is_written {
            assert_eq!(number(&mut scene.take()), (1, 0));
        }
        assert_eq!(number(&mut scene.take()), expected);
    }
}

#[test]
fn when_nothing_can_tell_a_new_epoch_is_taken() {
    let mut scene = Scene::new(2);
    let first = scene.take();
    scene.rules.retries = 0;
    scene.settle(first, unknown()).unwrap().unwrap_err();
    assert_eq!(number(&mut scene.take()), (1, 0));
}

#[test]
fn an_id_whose_epochs_are_used_up_is_replaced() {
    let mut scene = Scene::new(2);
    let last = Identity { epoch: i16::MAX - 1, ..ME };
    let first = scene.queue.take(&scene.rules, Some(last)).unwrap();
    scene.settle(first, Verdict::Refused(error(ErrorCode::INVALID_RECORD))).unwrap().unwrap_err();
    assert!(scene.queue.take(&scene.rules, Some(last)).is_none());
    let mut second = scene.queue.take(&scene.rules, Some(Identity { id: 10, epoch: 0 })).unwrap();
    assert_eq!(number(&mut second), (0, 0));
}

#[test]
fn a_batch_that_is_too_large_goes_on_in_halves_with_the_same_numbers() {
    let mut scene = Scene::new(0);
    scene.rules.batch_bytes = 200;
    (0..5).for_each(|_| scene.append(b"v"));
    scene.append(&[0; 190]);
    let (mut big, next) = (scene.take(), scene.take());
    big.bytes().unwrap();
    assert!(scene.settle(big, Verdict::TooLarge(error(ErrorCode::MESSAGE_TOO_LARGE))).is_none());
    assert!(scene.settle(next, out_of_sequence()).is_none());
    let mut numbers = Vec::new();
    while scene.is_ready() {
        let mut batch = scene.take();
        numbers.push((number(&mut batch), batch.count()));
        scene.settle(batch, written()).unwrap().unwrap();
    }
    assert_eq!(numbers, [((0, 0), 2), ((0, 2), 3), ((0, 5), 1)]);
}

#[test]
fn time_runs_out_wherever_a_batch_is() {
    let mut scene = Scene::new(3);
    let (first, second) = (scene.take(), scene.take());
    assert!(scene.settle(second, unknown()).is_none());
    let due = scene.queue.expires_at(&scene.rules).unwrap();
    assert!(scene.queue.expire(&scene.rules, due - Duration::from_secs(1)).is_empty());
    let late = due + Duration::from_secs(1);
    let finished = scene.queue.expire(&scene.rules, late);
    assert_eq!(finished.len(), 2, "the second and the third");
    assert!(!first.fate.is_open(), "whoever waits for the first is told now");
    scene.settle(first, written()).unwrap().unwrap_err();
    assert!(scene.queue.is_idle());
}

#[test]
fn without_idempotence_retries_may_overtake() {
    let mut scene = Scene::new(2);
    scene.rules.idempotent = false;
    let (first, second) = (scene.take(), scene.take());
    assert!(scene.settle(second, unknown()).is_none());
    let mut second = scene.take();
    assert_eq!(number(&mut second), (-1, -1));
    scene.settle(first, written()).unwrap().unwrap();
}
