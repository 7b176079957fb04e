//! What a consumer promises outside of groups: positions, order, resets, refusals.

use std::time::{Duration, Instant};

use millrace_client::config::OffsetReset;
use millrace_client::{
    ClientError, CommittedOffset, Consumer, ConsumerConfig, Producer, ProducerConfig, Record, TopicPartition,
};
use millrace_protocol::records::Compression;

use crate::support::{PATIENCE, Place};

pub(crate) async fn consumer(place: &Place, change: impl FnOnce(&mut ConsumerConfig)) -> Consumer {
    let mut config = ConsumerConfig::new(&place.servers);
    config.offsets.reset = OffsetReset::Earliest;
    change(&mut config);
    Consumer::new(config).await.unwrap()
}

/// Sends the numbers of a range, each to partition number modulo `partitions`, with itself as time.
pub(crate) async fn send_numbers(
    place: &Place,
    topic: &str,
    partitions: i32,
    numbers: std::ops::Range<i64>,
    change: impl FnOnce(&mut ProducerConfig),
) {
    let mut config = ProducerConfig::new(&place.servers);
    change(&mut config);
    let producer = Producer::new(config).await.unwrap();
    let mut deliveries = Vec::new();
    for number in numbers {
        let value = number.to_string();
        let record = Record {
            partition: Some((number % i64::from(partitions)) as i32),
            timestamp_ms: Some(1_000_000 + number),
            value: Some(value.as_bytes()),
            ..Record::to(topic)
        };
        deliveries.push(producer.send(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close(PATIENCE).await.unwrap();
}

fn number(value: Option<&bytes::Bytes>) -> i64 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

/// Polls until `count` records came.
pub(crate) async fn read(consumer: &mut Consumer, count: usize) -> Vec<i64> {
    let end = Instant::now() + PATIENCE;
    let mut numbers = Vec::new();
    while numbers.len() < count {
        assert!(Instant::now() < end, "{} of {count} records, {:?}", numbers.len(), consumer.assignment());
        let records = consumer.poll(Duration::from_secs(1)).await.unwrap();
        numbers.extend(records.iter().map(|record| number(record.value.as_ref())));
    }
    numbers
}

/// Every codec, in batches that do not fit one fetch, a few records at a time, as records and as batches.
pub(crate) async fn records_come_in_order_and_once(place: Place) {
    for compression in Compression::ALL {
        let topic = format!("in-order-{compression}");
        place.create(&topic, 2, &[]).await;
        send_numbers(&place, &topic, 2, 0..3_000, |config| {
            config.batching.compression = compression;
            config.batching.batch_bytes = 500;
        })
        .await;
        let partitions = [0, 1].map(|number| TopicPartition::new(topic.as_str(), number));
        let mut records = consumer(&place, |config| {
            config.poll_records_max = 7;
            config.fetch.partition_bytes_max = 1_000;
            config.fetch.prefetch_bytes_max = 2_000;
        })
        .await;
        records.assign(partitions.clone()).unwrap();
        let read = read(&mut records, 3_000).await;
        for parity in 0..2 {
            let of_partition: Vec<i64> = read.iter().copied().filter(|number| number % 2 == parity).collect();
            assert_eq!(of_partition, (0..3_000).skip(parity as usize).step_by(2).collect::<Vec<i64>>());
        }
        assert!(records.poll(Duration::from_millis(50)).await.unwrap().is_empty());
        assert_eq!(records.position(&partitions[1]).await, Ok(1_500));
        assert_eq!(records.lag(&partitions[1]), Some(0));
        records.close(PATIENCE).await.unwrap();

        let mut batches = consumer(&place, |_| {}).await;
        batches.assign(partitions.clone()).unwrap();
        batches.seek(&partitions[0], 1_001).unwrap();
        let end = Instant::now() + PATIENCE;
        let mut seen = [0, 0];
        while seen != [499, 1_500] {
            assert!(Instant::now() < end, "{seen:?}");
            for batch in batches.poll_batches(Duration::from_secs(1)).await.unwrap() {
                seen[batch.partition.partition as usize] += batch.records().map(Result::unwrap).count();
            }
        }
        batches.close(PATIENCE).await.unwrap();
    }
}

/// Beginning, end, a time, anywhere; pauses; and offsets as the broker lists them.
pub(crate) async fn positions_go_where_they_are_sent(place: Place) {
    place.create("seeks", 1, &[]).await;
    send_numbers(&place, "seeks", 1, 0..1_000, |config| config.batching.batch_bytes = 300).await;
    let at = TopicPartition::new("seeks", 0);
    let all = std::slice::from_ref(&at);
    let mut consumer = consumer(&place, |config| config.poll_records_max = 10).await;
    assert!(matches!(consumer.poll(Duration::ZERO).await, Err(ClientError::Usage(_))));
    assert!(matches!(consumer.seek(&at, 0), Err(ClientError::Usage(_))));
    consumer.assign([at.clone()]).unwrap();
    assert_eq!(read(&mut consumer, 10).await, (0..10).collect::<Vec<i64>>());
    consumer.seek(&at, 555).unwrap();
    assert_eq!(read(&mut consumer, 10).await, (555..565).collect::<Vec<i64>>());
    consumer.seek_to_end(&[]).unwrap();
    assert_eq!(consumer.position(&at).await, Ok(1_000));
    assert!(consumer.poll(Duration::from_millis(100)).await.unwrap().is_empty());
    consumer.seek_to_beginning(all).unwrap();
    assert_eq!(read(&mut consumer, 10).await, (0..10).collect::<Vec<i64>>());
    consumer.pause(all).unwrap();
    assert_eq!(consumer.paused(), all);
    assert!(consumer.poll(Duration::from_millis(100)).await.unwrap().is_empty());
    consumer.resume(all).unwrap();
    assert_eq!(read(&mut consumer, 10).await, (10..20).collect::<Vec<i64>>());
    // An assignment that keeps a partition keeps its position.
    consumer.assign([at.clone(), TopicPartition::new("seeks-other", 0)]).unwrap();
    assert_eq!(read(&mut consumer, 10).await, (20..30).collect::<Vec<i64>>());

    let times = consumer.offsets_for_times(&[(at.clone(), 1_000_500)]).await.unwrap();
    assert_eq!(times[0].1.clone().unwrap().unwrap().offset, 500);
    let times = consumer.offsets_for_times(&[(at.clone(), 2_000_000)]).await.unwrap();
    assert_eq!(times[0].1, Ok(None));
    assert_eq!(consumer.beginning_offsets(all).await.unwrap(), [(at.clone(), Ok(0))]);
    assert_eq!(consumer.end_offsets(all).await.unwrap(), [(at.clone(), Ok(1_000))]);
    assert_eq!(consumer.partitions_for("seeks").await.unwrap().len(), 1);
    assert!(consumer.partitions_for("seeks-none").await.unwrap().is_empty());
    let error = consumer.subscribe(["seeks"]).unwrap_err();
    assert!(matches!(error, ClientError::Usage(_)), "no group");
    consumer.close(PATIENCE).await.unwrap();
}

/// Each way to begin where nothing is committed, and what happens when the position is deleted.
pub(crate) async fn resets_follow_the_setting(place: Place) {
    place.create("resets", 1, &[]).await;
    send_numbers(&place, "resets", 1, 0..100, |_| {}).await;
    let at = TopicPartition::new("resets", 0);
    let cases = [
        (OffsetReset::Earliest, Some(0)),
        (OffsetReset::Latest, Some(100)),
        // Records are from 1970; those of the last hour are yet to come.
        (OffsetReset::ByDuration(Duration::from_secs(3_600)), Some(100)),
        (OffsetReset::None, None),
    ];
    for (reset, expected) in cases {
        let mut consumer = consumer(&place, |config| config.offsets.reset = reset).await;
        consumer.assign([at.clone()]).unwrap();
        let position = consumer.position(&at).await;
        match expected {
            Some(offset) => assert_eq!(position, Ok(offset), "{reset:?}"),
            None => assert_eq!(position, Err(ClientError::NoOffset { partition: at.clone() })),
        }
    }
    let deleted = place.admin().delete_records(vec![(at.clone(), 60)]).await.unwrap();
    assert_eq!(deleted[0].1, Ok(60));
    let mut earliest = consumer(&place, |_| {}).await;
    earliest.assign([at.clone()]).unwrap();
    earliest.seek(&at, 10).unwrap();
    assert_eq!(read(&mut earliest, 40).await, (60..100).collect::<Vec<i64>>());
    let mut insists = consumer(&place, |config| config.offsets.reset = OffsetReset::None).await;
    insists.assign([at.clone()]).unwrap();
    insists.seek(&at, 10).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end);
        match insists.poll(Duration::from_secs(1)).await {
            Ok(records) => assert!(records.is_empty()),
            Err(error) => {
                let expected = ClientError::OffsetOutOfRange { partition: at.clone(), offset: 10 };
                assert_eq!(error, expected);
                break;
            }
        }
    }
    insists.seek(&at, 99).unwrap();
    assert_eq!(read(&mut insists, 1).await, [99]);
}

/// A consumer that assigns itself and yet commits under a group's name.
pub(crate) async fn a_lone_consumer_commits(place: Place) {
    place.create("lone", 1, &[]).await;
    send_numbers(&place, "lone", 1, 0..100, |_| {}).await;
    let at = TopicPartition::new("lone", 0);
    let in_group = |config: &mut ConsumerConfig| {
        *config = config.clone().in_group("lone-group");
        config.offsets.auto_commit = false;
        config.poll_records_max = 10;
    };
    let mut first = consumer(&place, in_group).await;
    first.assign([at.clone()]).unwrap();
    assert_eq!(first.committed(std::slice::from_ref(&at)).await.unwrap()[&at], None);
    read(&mut first, 30).await;
    first.commit().await.unwrap();
    read(&mut first, 10).await;
    first.close(PATIENCE).await.unwrap();

    let mut second = consumer(&place, in_group).await;
    second.assign([at.clone()]).unwrap();
    assert_eq!(read(&mut second, 10).await, (30..40).collect::<Vec<i64>>());
    let offset = CommittedOffset { offset: 77, leader_epoch: None, metadata: "by hand".to_owned() };
    second.commit_offsets(&[(at.clone(), offset.clone())]).await.unwrap();
    let committed = second.committed(std::slice::from_ref(&at)).await.unwrap();
    assert_eq!(committed[&at], Some(offset));
    drop(second);

    // What was returned is committed as it goes, and at the end.
    let mut third = consumer(&place, |config| {
        in_group(config);
        config.offsets.auto_commit = true;
    })
    .await;
    third.assign([at.clone()]).unwrap();
    assert_eq!(read(&mut third, 10).await, (77..87).collect::<Vec<i64>>());
    third.close(PATIENCE).await.unwrap();
    let mut last = consumer(&place, in_group).await;
    last.assign([at.clone()]).unwrap();
    assert_eq!(read(&mut last, 10).await[0], 87);
}

/// Connections are cut again and again: everything is read, once and in order.
pub(crate) async fn cut_connections_lose_nothing_that_is_read(place: Place) {
    place.create("cut-reading", 1, &[]).await;
    send_numbers(&place, "cut-reading", 1, 0..20_000, |_| {}).await;
    let mut consumer = consumer(&place, |config| {
        config.client.bootstrap_servers = vec![place.fragile.servers.clone()];
        config.client.reconnect = millrace_client::Backoff::from_ms(5, 20);
        config.client.retry = millrace_client::Backoff::from_ms(5, 20);
        config.fetch.partition_bytes_max = 2_000;
        config.fetch.prefetch_bytes_max = 4_000;
    })
    .await;
    consumer.assign([TopicPartition::new("cut-reading", 0)]).unwrap();
    let mut numbers = Vec::new();
    for _ in 0..40 {
        numbers.extend(read(&mut consumer, 500.min(20_000 - numbers.len())).await);
        place.fragile.cut();
        if numbers.len() >= 20_000 {
            break;
        }
    }
    if numbers.len() < 20_000 {
        let left = 20_000 - numbers.len();
        numbers.extend(read(&mut consumer, left).await);
    }
    assert_eq!(numbers, (0..20_000).collect::<Vec<i64>>());
    consumer.close(PATIENCE).await.unwrap();
}
