//! What members of a group can rely on, with every assignor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_client::config::{AssignorKind, OffsetReset};
use millrace_client::{Consumer, ConsumerConfig, NewPartitions, Rebalance, TopicFilter, TopicPartition};
use millrace_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::consuming::send_numbers;
use crate::support::{PATIENCE, Place};

/// What a member has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) numbers: Vec<i64>,
    pub(crate) assignment: BTreeSet<TopicPartition>,
    pub(crate) generation: i32,
    pub(crate) revoked: Vec<TopicPartition>,
    pub(crate) lost: usize,
}

/// A consumer that polls in a task of its own until it is told to stop.
pub(crate) struct Reader {
    pub(crate) seen: Arc<Mutex<Seen>>,
    stop: oneshot::Sender<()>,
    stopped: tokio::task::JoinHandle<()>,
}

impl Reader {
    pub(crate) async fn start(
        place: &Place,
        group: &str,
        topics: &[&str],
        change: impl FnOnce(&mut ConsumerConfig),
    ) -> Self {
        let mut consumer = member(place, group, change).await;
        consumer.subscribe(topics.iter().copied()).unwrap();
        Self::around(consumer)
    }

    pub(crate) fn around(mut consumer: Consumer) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, mut stopping) = oneshot::channel();
        let told = Arc::clone(&seen);
        consumer.on_rebalance(move |rebalance| {
            let mut seen = told.lock();
            match rebalance {
                Rebalance::Assigned(_) => {}
                Rebalance::Revoked(partitions) => seen.revoked.extend_from_slice(partitions),
                Rebalance::Lost(partitions) => seen.lost += partitions.len(),
            }
        });
        let shared = Arc::clone(&seen);
        let stopped = tokio::spawn(async move {
            loop {
                let records = tokio::select! {
                    records = consumer.poll(Duration::from_millis(100)) => records.unwrap(),
                    _ = &mut stopping => break,
                };
                let mut seen = shared.lock();
                let number =
                    |value: &bytes::Bytes| std::str::from_utf8(value).unwrap().parse::<i64>().unwrap();
                seen.numbers.extend(records.iter().map(|record| number(record.value.as_ref().unwrap())));
                seen.assignment = consumer.assignment().into_iter().collect();
                seen.generation = consumer.membership().map_or(-1, |member| member.generation);
            }
            consumer.close(PATIENCE).await.unwrap();
        });
        Self { seen, stop, stopped }
    }

    pub(crate) async fn stop(self) -> Seen {
        self.stop.send(()).unwrap();
        self.stopped.await.unwrap();
        std::mem::take(&mut *self.seen.lock())
    }
}

pub(crate) async fn member(place: &Place, group: &str, change: impl FnOnce(&mut ConsumerConfig)) -> Consumer {
    let mut config = ConsumerConfig::new(&place.servers).in_group(group);
    config.offsets.reset = OffsetReset::Earliest;
    config.client.timeouts.metadata_max_age = Duration::from_millis(500);
    if let Some(group) = &mut config.group {
        group.heartbeat_interval = Duration::from_millis(100);
        group.session_timeout = Duration::from_secs(10);
    }
    change(&mut config);
    Consumer::new(config).await.unwrap()
}

pub(crate) fn assignors(kinds: &[AssignorKind]) -> impl FnOnce(&mut ConsumerConfig) + use<> {
    let kinds = kinds.to_vec();
    move |config| {
        if let Some(group) = &mut config.group {
            group.assignors = kinds;
        }
    }
}

/// Waits until `holds`, looking as often as anything can have changed.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    while !holds() {
        assert!(Instant::now() < end, "waited until {what}");
        ticks.tick().await;
    }
}

fn sizes(readers: &[&Reader]) -> Vec<usize> {
    readers.iter().map(|reader| reader.seen.lock().assignment.len()).collect()
}

/// Together, the members have each of `count` partitions once.
fn covers(readers: &[&Reader], count: usize) -> bool {
    let assignments: Vec<TopicPartition> =
        readers.iter().flat_map(|reader| reader.seen.lock().assignment.clone()).collect();
    assignments.len() == count && assignments.iter().collect::<BTreeSet<_>>().len() == count
}

/// Members come and go: the others take over where they stopped, and nothing is read twice.
pub(crate) async fn members_share_and_take_over(place: Place) {
    for kind in
        [AssignorKind::Range, AssignorKind::RoundRobin, AssignorKind::Sticky, AssignorKind::CooperativeSticky]
    {
        let topic = format!("shared-{}", kind.name());
        let topics = [topic.as_str()];
        place.create(&topic, 4, &[]).await;
        let first = Reader::start(&place, &topic, &topics, assignors(&[kind])).await;
        eventually("the first has all", || covers(&[&first], 4)).await;
        send_numbers(&place, &topic, 4, 0..1_000, |_| {}).await;
        eventually("all is read", || first.seen.lock().numbers.len() == 1_000).await;

        let second = Reader::start(&place, &topic, &topics, assignors(&[kind])).await;
        eventually("both have half", || covers(&[&first, &second], 4) && sizes(&[&first, &second]) == [2, 2])
            .await;
        send_numbers(&place, &topic, 4, 1_000..2_000, |_| {}).await;
        let read = |reader: &Reader| reader.seen.lock().numbers.len();
        eventually("all is read", || read(&first) + read(&second) == 2_000).await;
        assert_eq!(read(&second), 500);

        // What the one that leaves has read is committed on its way out.
        let mut seen = first.stop().await.numbers;
        eventually("the second has all", || covers(&[&second], 4)).await;
        send_numbers(&place, &topic, 4, 2_000..3_000, |_| {}).await;
        eventually("all is read", || read(&second) == 1_500).await;
        let second = second.stop().await;
        assert_eq!(second.lost, 0);
        seen.extend(second.numbers);
        seen.sort_unstable();
        assert_eq!(seen, (0..3_000).collect::<Vec<i64>>(), "{kind:?}");

        let described = place.admin().describe_groups(vec![topic.clone()]).await.unwrap();
        assert_eq!(described[0].1.as_ref().unwrap().state, "Empty", "everybody has left");
    }
}

/// A cooperative rebalance takes from a member only what moves.
pub(crate) async fn cooperative_members_keep_what_stays(place: Place) {
    place.create("keeps", 4, &[]).await;
    let cooperative = || assignors(&[AssignorKind::CooperativeSticky]);
    let first = Reader::start(&place, "keeps", &["keeps"], cooperative()).await;
    eventually("the first has all", || covers(&[&first], 4)).await;
    let second = Reader::start(&place, "keeps", &["keeps"], cooperative()).await;
    eventually("both have half", || covers(&[&first, &second], 4) && sizes(&[&first, &second]) == [2, 2])
        .await;
    assert_eq!(first.seen.lock().revoked.len(), 2);
    assert!(second.seen.lock().revoked.is_empty());
    let kept = first.seen.lock().assignment.clone();
    assert!(first.seen.lock().revoked.iter().all(|partition| !kept.contains(partition)));
    second.stop().await;
    eventually("the first has all again", || covers(&[&first], 4)).await;
    assert_eq!(first.seen.lock().revoked.len(), 2);
    first.stop().await;
}

/// Topics that grow, and topics that come into being, while they are read.
pub(crate) async fn what_comes_later_is_read_too(place: Place) {
    place.create("later-a", 1, &[]).await;
    let reader = Reader::start(&place, "later", &["later-a"], |_| {}).await;
    let mut matching = member(&place, "later-matching", |_| {}).await;
    matching.subscribe_matching(TopicFilter(Arc::new(|topic| topic.starts_with("later-")))).unwrap();
    let matching = Reader::around(matching);
    eventually("both read", || covers(&[&reader], 1) && covers(&[&matching], 1)).await;
    let grown = NewPartitions { topic: "later-a".into(), total_count: 3, assignments: None };
    place.admin().create_partitions(vec![grown], false).await.unwrap()[0].1.clone().unwrap();
    eventually("the new partitions are read", || covers(&[&reader], 3) && covers(&[&matching], 3)).await;
    place.create("later-b", 2, &[]).await;
    eventually("the new topic is read", || covers(&[&matching], 5)).await;
    send_numbers(&place, "later-b", 2, 0..100, |_| {}).await;
    eventually("its records come", || matching.seen.lock().numbers.len() == 100).await;
    reader.stop().await;
    matching.stop().await;

    // A topic that nobody made yet comes into being by being subscribed to.
    let eager = Reader::start(&place, "later-made", &["made-by-reading"], |_| {}).await;
    eventually("the topic is there", || !eager.seen.lock().assignment.is_empty()).await;
    eager.stop().await;
}

/// Whoever has much to hand out takes part in the group all the same: it commits, and shares with who comes.
pub(crate) async fn a_full_buffer_keeps_nobody_waiting(place: Place) {
    const NUMBERS: i64 = 20_000;
    place.create("full", 2, &[]).await;
    send_numbers(&place, "full", 2, 0..NUMBERS, |_| {}).await;
    let mut slow = member(&place, "full", |config| {
        config.poll_records_max = 1;
        config.offsets.auto_commit = true;
        config.offsets.auto_commit_interval = Duration::from_millis(100);
    })
    .await;
    slow.subscribe(["full"]).unwrap();
    let (end, pause) = (Instant::now() + PATIENCE, Duration::from_millis(2));
    let mut read = 0;
    while committed(&place, "full").await == 0 {
        assert!(Instant::now() < end, "nothing was committed after {read} records");
        read += slow.poll(PATIENCE).await.unwrap().len();
        tokio::time::sleep(pause).await;
    }
    let other = Reader::start(&place, "full", &["full"], |_| {}).await;
    while sizes(&[&other]) != [1] {
        assert!(Instant::now() < end, "the other has nothing after {read} records");
        read += slow.poll(PATIENCE).await.unwrap().len();
        tokio::time::sleep(pause).await;
    }
    assert!(read < NUMBERS as usize / 2, "only after {read} records");
    other.stop().await;
    slow.close(PATIENCE).await.unwrap();
}

/// Whatever is committed in the background, the last one counts, and closing waits for it.
pub(crate) async fn commits_keep_their_order(place: Place) {
    place.create("ordered", 1, &[]).await;
    send_numbers(&place, "ordered", 1, 0..1_000, |_| {}).await;
    let mut consumer = member(&place, "ordered", |config| config.poll_records_max = 10).await;
    consumer.subscribe(["ordered"]).unwrap();
    while consumer.poll(PATIENCE).await.unwrap().is_empty() {}
    for round in 1..=20 {
        consumer.commit_in_background();
        assert_eq!(consumer.poll(PATIENCE).await.unwrap().len(), 10);
        consumer.commit().await.unwrap();
        assert_eq!(committed(&place, "ordered").await, (round + 1) * 10, "what is acknowledged stays");
    }
    for _ in 0..20 {
        assert_eq!(consumer.poll(PATIENCE).await.unwrap().len(), 10);
        consumer.commit_in_background();
    }
    consumer.close(PATIENCE).await.unwrap();
    assert_eq!(committed(&place, "ordered").await, 410);
}

/// The sum of what a group committed.
async fn committed(place: &Place, group: &str) -> i64 {
    let offsets = place.admin().list_group_offsets(group, None).await.unwrap();
    offsets.into_values().filter_map(|committed| Some(committed.unwrap()?.offset)).sum()
}

/// The leader looks after topics that only others read.
pub(crate) async fn a_leader_minds_the_topics_of_others(place: Place) {
    place.create("minded-a", 1, &[]).await;
    place.create("minded-b", 1, &[]).await;
    let leader = Reader::start(&place, "minded", &["minded-a"], assignors(&[AssignorKind::Range])).await;
    eventually("the leader reads", || covers(&[&leader], 1)).await;
    let both = ["minded-a", "minded-b"];
    let other = Reader::start(&place, "minded", &both, assignors(&[AssignorKind::Range])).await;
    eventually("all is read", || covers(&[&leader, &other], 2)).await;
    let grown = NewPartitions { topic: "minded-b".into(), total_count: 4, assignments: None };
    place.admin().create_partitions(vec![grown], false).await.unwrap()[0].1.clone().unwrap();
    eventually("the new partitions are read", || covers(&[&leader, &other], 5)).await;
    leader.stop().await;
    other.stop().await;
}

/// A static member comes back under its name, within its session, to what it had: nobody rebalances.
pub(crate) async fn a_static_member_comes_back(place: Place) {
    place.create("static", 2, &[]).await;
    let named = |name: &'static str| {
        move |config: &mut ConsumerConfig| {
            if let Some(group) = &mut config.group {
                group.instance_id = Some(name.to_owned());
                group.assignors = vec![AssignorKind::Range];
            }
        }
    };
    let one = Reader::start(&place, "static", &["static"], named("one")).await;
    let two = Reader::start(&place, "static", &["static"], named("two")).await;
    eventually("both have one", || covers(&[&one, &two], 2) && sizes(&[&one, &two]) == [1, 1]).await;
    send_numbers(&place, "static", 2, 0..100, |_| {}).await;
    eventually("all is read", || one.seen.lock().numbers.len() + two.seen.lock().numbers.len() == 100).await;
    let generation = one.seen.lock().generation;
    let before = two.stop().await;
    send_numbers(&place, "static", 2, 100..200, |_| {}).await;
    let two = Reader::start(&place, "static", &["static"], named("two")).await;
    eventually("it reads on where it stopped", || two.seen.lock().numbers.len() == 50).await;
    assert_eq!(two.seen.lock().assignment, before.assignment);
    assert!(two.seen.lock().numbers.iter().all(|number| *number >= 100));
    assert_eq!(two.seen.lock().generation, generation, "no rebalance");
    assert_eq!(one.seen.lock().generation, generation);
    two.stop().await;
    one.stop().await;
}

/// Who does not poll any more makes room for others, and learns of it when it does again.
pub(crate) async fn who_does_not_poll_is_out(place: Place) {
    place.create("absent", 2, &[]).await;
    let mut absent = member(&place, "absent", |config| {
        if let Some(group) = &mut config.group {
            group.poll_interval_max = Duration::from_millis(1_000);
        }
    })
    .await;
    absent.subscribe(["absent"]).unwrap();
    let lost = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&lost);
    absent.on_rebalance(move |rebalance| {
        if let Rebalance::Lost(partitions) = rebalance {
            *counted.lock() += partitions.len();
        }
    });
    let end = Instant::now() + PATIENCE;
    while absent.assignment().len() < 2 {
        assert!(Instant::now() < end);
        absent.poll(Duration::from_millis(100)).await.unwrap();
    }
    let present = Reader::start(&place, "absent", &["absent"], |_| {}).await;
    eventually("the other has all", || covers(&[&present], 2)).await;
    let error = absent
        .commit_offsets(&[(TopicPartition::new("absent", 0), millrace_client::CommittedOffset::at(0))])
        .await;
    assert_eq!(error.unwrap_err().code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    let absent = Reader::around(absent);
    eventually("both have one", || covers(&[&present, &absent], 2) && sizes(&[&present, &absent]) == [1, 1])
        .await;
    absent.stop().await;
    present.stop().await;
}

/// Members whose connections are cut again and again stay members, read everything and commit it.
pub(crate) async fn cut_connections_do_not_cost_membership(place: Place) {
    place.create("cut-group", 4, &[]).await;
    let fragile = |config: &mut ConsumerConfig| {
        config.client.bootstrap_servers = vec![place.fragile.servers.clone()];
        config.client.reconnect = millrace_client::Backoff::from_ms(5, 20);
        config.client.retry = millrace_client::Backoff::from_ms(5, 20);
        config.offsets.auto_commit_interval = Duration::from_millis(20);
    };
    let one = Reader::start(&place, "cut-group", &["cut-group"], fragile).await;
    let two = Reader::start(&place, "cut-group", &["cut-group"], fragile).await;
    eventually("both have half", || covers(&[&one, &two], 4) && sizes(&[&one, &two]) == [2, 2]).await;
    let generation = one.seen.lock().generation;
    for chunk in 0..10 {
        send_numbers(&place, "cut-group", 4, chunk * 100..(chunk + 1) * 100, |_| {}).await;
        place.fragile.cut();
        let read = || one.seen.lock().numbers.len() + two.seen.lock().numbers.len();
        eventually("all is read", || read() >= 100 * (chunk as usize + 1)).await;
    }
    assert_eq!((one.seen.lock().generation, two.seen.lock().generation), (generation, generation));
    let mut numbers = one.stop().await.numbers;
    numbers.extend(two.stop().await.numbers);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1_000).collect::<Vec<i64>>());
    let partitions: Vec<TopicPartition> =
        (0..4).map(|number| TopicPartition::new("cut-group", number)).collect();
    let mut last = member(&place, "cut-group", |_| {}).await;
    let committed = last.committed(&partitions).await.unwrap();
    let offsets: BTreeMap<i32, i64> = committed
        .into_iter()
        .map(|(partition, offset)| (partition.partition, offset.unwrap().offset))
        .collect();
    assert_eq!(offsets, (0..4).map(|number| (number, 250)).collect());
}

/// Dozens of members at once, while the broker hands them their ids one by one.
pub(crate) async fn a_crowd_settles(place: Place) {
    place.create("crowd", 20, &[]).await;
    let (ready, mut all_ready) = mpsc::channel(20);
    let mut readers = Vec::new();
    for _ in 0..20 {
        let (place, ready) = (place.clone(), ready.clone());
        tokio::spawn(async move {
            let reader = Reader::start(&place, "crowd", &["crowd"], |_| {}).await;
            assert!(ready.send(reader).await.is_ok());
        });
    }
    drop(ready);
    while let Some(reader) = all_ready.recv().await {
        readers.push(reader);
    }
    let all: Vec<&Reader> = readers.iter().collect();
    eventually("each has one", || covers(&all, 20) && sizes(&all) == [1; 20]).await;
    send_numbers(&place, "crowd", 20, 0..2_000, |_| {}).await;
    let read = || all.iter().map(|reader| reader.seen.lock().numbers.len()).sum::<usize>();
    eventually("all is read", || read() == 2_000).await;
    for reader in readers {
        reader.stop().await;
    }
}
