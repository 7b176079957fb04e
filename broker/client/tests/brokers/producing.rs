//! What a producer promises, record by record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millrace_client::config::{Acks, BatchCallback};
use millrace_client::{
    ClientError, Delivery, Header, NewPartitions, Producer, ProducerConfig, Record, partition_for_key,
};
use millrace_protocol::ErrorCode;
use millrace_protocol::records::Compression;

use crate::support::{PATIENCE, Place};

async fn producer(place: &Place, change: impl FnOnce(&mut ProducerConfig)) -> Producer {
    let mut config = ProducerConfig::new(&place.servers);
    change(&mut config);
    Producer::new(config).await.unwrap()
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap()
}

/// Keys, values, headers and times, in every codec, to a topic that comes into being with the first.
pub(crate) async fn records_arrive_as_they_were_sent(place: Place) {
    for compression in Compression::ALL {
        let topic = format!("as-sent-{compression}");
        let producer = producer(&place, |config| config.batching.compression = compression).await;
        let headers = [
            Header { key: Bytes::from_static(b"h"), value: Some(Bytes::from_static(b"1")) },
            Header { key: Bytes::from_static(b"h"), value: None },
        ];
        let mut deliveries = Vec::new();
        for number in 0..500_i64 {
            let value = format!("value {number}").repeat(number as usize % 7);
            let record = Record {
                partition: Some(0),
                timestamp_ms: (number % 2 == 0).then_some(1_600_000_000_000 + number),
                key: (number % 3 == 0).then_some(b"key"),
                value: (number % 5 != 0).then_some(value.as_bytes()),
                headers: if number % 4 == 0 { &headers } else { &[] },
                ..Record::to(&topic)
            };
            deliveries.push(producer.send(record).await.unwrap());
        }
        for (number, delivery) in deliveries.into_iter().enumerate() {
            let written = delivery.await.unwrap();
            assert_eq!((written.offset, &*written.partition.topic), (number as i64, &*topic));
        }
        producer.close(PATIENCE).await.unwrap();
        let records = place.read(&topic, 0).await;
        assert_eq!(records.len(), 500);
        for (number, record) in records.iter().enumerate() {
            let value = format!("value {number}").repeat(number % 7);
            assert_eq!(record.value.as_deref(), (number % 5 != 0).then_some(value.as_bytes()));
            assert_eq!(record.key.as_deref(), (number % 3 == 0).then_some(&b"key"[..]));
            assert_eq!(record.headers, if number % 4 == 0 { headers.to_vec() } else { Vec::new() });
            if number % 2 == 0 {
                assert_eq!(record.timestamp_ms, 1_600_000_000_000 + number as i64);
            } else {
                assert!(record.timestamp_ms > 1_600_000_000_000);
            }
        }
    }
}

/// Keyed records by their hash; others spread over all partitions; all of them in order where it counts.
pub(crate) async fn keys_go_where_java_sends_them(place: Place) {
    place.create("keyed", 4, &[]).await;
    let producer = producer(&place, |config| config.batching.batch_bytes = 1000).await;
    for number in 0..5000 {
        let value = format!("{number}");
        let key = format!("k{}", number % 20);
        let key = (number % 2 == 0).then_some(key.as_bytes());
        let record = Record { key, value: Some(value.as_bytes()), ..Record::to("keyed") };
        drop(producer.send(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    let mut keyless = Vec::new();
    let mut seen = 0;
    for partition in 0..4 {
        let records = place.read("keyed", partition).await;
        seen += records.len();
        keyless.push(records.iter().filter(|record| record.key.is_none()).count());
        for key in (0..20).step_by(2).map(|number| format!("k{number}")) {
            let of_key = records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes()));
            let numbers: Vec<u32> =
                of_key.map(|record| text(record.value.as_ref().unwrap()).parse().unwrap()).collect();
            assert!(numbers.is_sorted());
            assert_eq!(numbers.is_empty(), partition_for_key(key.as_bytes(), 4) != partition, "{key}");
        }
    }
    assert_eq!(seen, 5000);
    assert!(keyless.iter().all(|count| *count > 0), "spread: {keyless:?}");
    producer.close(PATIENCE).await.unwrap();
}

/// Each refusal at the right moment and in the right words.
pub(crate) async fn what_cannot_be_sent_is_refused(place: Place) {
    let producer = producer(&place, |config| config.block_max = Duration::from_millis(400)).await;
    let error = producer.send(Record::to("no/such/name")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
    let big = vec![0; 1 << 20];
    let error = producer.send(Record { value: Some(&big), ..Record::to("big") }).await.unwrap_err();
    let ClientError::RecordTooLarge { size_bytes, limit_bytes, key } = error else { panic!("{error}") };
    // The sum that Java's client reckons for this record.
    assert_eq!((size_bytes, limit_bytes, key), (1_048_576 + 88, 1_048_576, "max.request.size"));
    place.create("narrow", 1, &[]).await;
    let error = producer.send(Record { partition: Some(7), ..Record::to("narrow") }).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("partition 7 of topic narrow"), "{error}");
    let error = producer.send(Record { partition: Some(-1), ..Record::to("narrow") }).await.unwrap_err();
    assert!(matches!(error, ClientError::Usage(_)), "{error}");
    place.create("compacted", 1, &[("cleanup.policy", "compact")]).await;
    let keyless = Record { value: Some(b"v"), ..Record::to("compacted") };
    let error = producer.send(keyless).await.unwrap().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
    // The number of the refused batch is gone; the next one starts a new epoch and is taken.
    let keyed = Record { key: Some(b"k"), ..keyless };
    assert_eq!(producer.send(keyed).await.unwrap().await.unwrap().offset, 0);
    assert_eq!(producer.send(keyed).await.unwrap().await.unwrap().offset, 1);
    producer.close(PATIENCE).await.unwrap();
    assert_eq!(producer.send(keyed).await.unwrap_err(), ClientError::Closed);
    assert_eq!(producer.flush().await, Ok(()));
}

/// No more than `buffer.memory` is held; senders wait, and give up after `max.block.ms`.
pub(crate) async fn memory_is_bounded(place: Place) {
    place.create("bounded", 1, &[]).await;
    let producer = producer(&place, |config| {
        config.batching.buffer_bytes = 64 << 10;
        config.batching.linger = Duration::from_secs(60);
    })
    .await;
    let value = [7; 1000];
    let record = Record { value: Some(&value), ..Record::to("bounded") };
    let mut last = None;
    for _ in 0..500 {
        // Far more than fits: who waits for memory makes the rest leave, whatever `linger.ms` says.
        last = Some(producer.send(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    assert_eq!(last.unwrap().await.unwrap().offset, 499);
    producer.close(PATIENCE).await.unwrap();

    let unreachable = Producer::new(ProducerConfig {
        block_max: Duration::from_millis(300),
        ..ProducerConfig::new("127.0.0.1:1")
    });
    let unreachable = unreachable.await.unwrap();
    let error = unreachable.send(record).await.unwrap_err();
    let ClientError::TimedOut { last: Some(last), .. } = &error else { panic!("{error}") };
    assert!(matches!(**last, ClientError::NoBrokers { .. }), "{error}");
}

/// Batches that the topic does not take as they are go on in pieces; a single record that is too large fails.
pub(crate) async fn a_batch_too_large_is_cut(place: Place) {
    place.create("small-batches", 1, &[("max.message.bytes", "2000")]).await;
    let producer = producer(&place, |config| config.batching.linger = Duration::from_secs(60)).await;
    let mut deliveries: Vec<Delivery> = Vec::new();
    for number in 0..40_u8 {
        let value = vec![number; if number == 20 { 3000 } else { 300 }];
        let record = Record { value: Some(&value), ..Record::to("small-batches") };
        deliveries.push(producer.send(record).await.unwrap());
    }
    producer.flush().await.unwrap();
    let mut failed = Vec::new();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        match delivery.await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
                failed.push(number);
            }
        }
    }
    assert_eq!(failed, [20]);
    let values: Vec<u8> =
        place.read("small-batches", 0).await.iter().map(|record| record.value.as_ref().unwrap()[0]).collect();
    assert_eq!(values, (0..40).filter(|number| *number != 20).collect::<Vec<u8>>());
    producer.close(PATIENCE).await.unwrap();
}

/// Connections are cut again and again in the middle of requests and answers: an idempotent producer
/// delivers every record once and in order.
pub(crate) async fn cut_connections_lose_and_repeat_nothing(place: Place) {
    const RECORDS: usize = 20_000;
    const CUTS: usize = 50;
    place.create("cut", 2, &[]).await;
    let reports = Arc::new(parking_lot::Mutex::new(0));
    let counted = Arc::clone(&reports);
    let mut config = ProducerConfig::new(&place.fragile.servers);
    config.client.reconnect = millrace_client::Backoff::from_ms(5, 20);
    config.client.retry = millrace_client::Backoff::from_ms(5, 20);
    config.batching.linger = Duration::ZERO;
    config.batching.batch_bytes = 2_000;
    config.on_batch = Some(BatchCallback(Arc::new(move |report| *counted.lock() += report.record_count)));
    let producer = Producer::new(config).await.unwrap();
    let mut offsets = Vec::with_capacity(RECORDS);
    for chunk in 0..CUTS {
        let mut deliveries = Vec::new();
        for number in chunk * RECORDS / CUTS..(chunk + 1) * RECORDS / CUTS {
            let value = number.to_string();
            let partition = Some((number % 2) as i32);
            let record = Record { partition, value: Some(value.as_bytes()), ..Record::to("cut") };
            deliveries.push(producer.send(record).await.unwrap());
        }
        let mut deliveries = deliveries.into_iter();
        // With the first answer here and others on their way.
        offsets.push(deliveries.next().unwrap().await.unwrap().offset);
        place.fragile.cut();
        for delivery in deliveries {
            offsets.push(delivery.await.unwrap().offset);
        }
    }
    for (number, offset) in offsets.into_iter().enumerate() {
        // -1 where the answer was lost and the broker only knows that it has the batch.
        assert!([-1, (number / 2) as i64].contains(&offset), "record {number} at offset {offset}");
    }
    producer.close(PATIENCE).await.unwrap();
    assert_eq!(*reports.lock(), RECORDS);
    for partition in 0..2 {
        let records = place.read("cut", partition).await;
        let numbers: Vec<usize> =
            records.iter().map(|record| text(record.value.as_ref().unwrap()).parse().unwrap()).collect();
        let expected: Vec<usize> = (partition as usize..RECORDS).step_by(2).collect();
        assert_eq!(numbers.len(), expected.len());
        assert_eq!(numbers, expected);
    }
}

/// `acks=0`: the broker answers nothing, and nobody waits for it.
pub(crate) async fn without_acks_nothing_is_known(place: Place) {
    place.create("no-acks", 1, &[]).await;
    let producer = producer(&place, |config| {
        config.acks = Acks::None;
        config.idempotence = false;
    })
    .await;
    for number in 0..1000 {
        let value = format!("{number}");
        let sent = producer.send(Record { value: Some(value.as_bytes()), ..Record::to("no-acks") }).await;
        let delivery = sent.unwrap();
        if number % 100 == 0 {
            assert_eq!(delivery.await.unwrap().offset, -1);
        }
    }
    producer.close(PATIENCE).await.unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let records = place.read("no-acks", 0).await;
        if records.len() == 1000 {
            assert!(
                records.iter().enumerate().all(|(number, record)| {
                    record.value.as_deref() == Some(number.to_string().as_bytes())
                })
            );
            return;
        }
        assert!(std::time::Instant::now() < end, "{} records", records.len());
    }
}

/// A topic that grows while records are sent to it.
pub(crate) async fn partitions_that_come_later_are_used(place: Place) {
    place.create("growing", 1, &[]).await;
    let producer = producer(&place, |config| {
        config.client.timeouts.metadata_max_age = Duration::from_millis(100);
        config.batching.batch_bytes = 100;
    })
    .await;
    let record = Record { value: Some(&[1; 50]), ..Record::to("growing") };
    assert_eq!(producer.send(record).await.unwrap().await.unwrap().partition.partition, 0);
    let grown = NewPartitions { topic: "growing".into(), total_count: 4, assignments: None };
    place.admin().create_partitions(vec![grown], false).await.unwrap()[0].1.clone().unwrap();
    // A partition that is named is looked for at once.
    let named = producer.send(Record { partition: Some(3), ..record }).await.unwrap().await.unwrap();
    assert_eq!((named.partition.partition, named.offset), (3, 0));
    let end = std::time::Instant::now() + PATIENCE;
    let mut seen = [false; 4];
    while seen != [true; 4] {
        assert!(std::time::Instant::now() < end, "{seen:?}");
        let written = producer.send(record).await.unwrap().await.unwrap();
        seen[written.partition.partition as usize] = true;
    }
    assert_eq!(producer.partitions_for("growing").await.unwrap().len(), 4);
    producer.close(PATIENCE).await.unwrap();
}
