//! A broker that crashes and comes back while records are sent and read.

use std::time::Duration;

use millrace_client::{Backoff, Producer, ProducerConfig, Record, TopicPartition};
use millrace_tests::Millrace;

use crate::consuming;
use crate::support::{PATIENCE, Place};

const ROUNDS: i64 = 5;
const RECORDS: i64 = 2_000;

/// `kill -9` in the middle of every round: an idempotent producer goes on, and every record is there
/// once and in order; a consumer reads them all.
pub(crate) async fn crashes_cost_nothing_that_was_acknowledged(place: Place, mut broker: Millrace) {
    place.create("crash", 1, &[]).await;
    let mut config = ProducerConfig::new(&place.servers);
    config.client.retry = Backoff::from_ms(5, 50);
    config.client.reconnect = Backoff::from_ms(5, 50);
    config.batching.batch_bytes = 1_000;
    let producer = Producer::new(config).await.unwrap();
    let mut reader = consuming::consumer(&place, |config| {
        config.client.retry = Backoff::from_ms(5, 50);
        config.client.reconnect = Backoff::from_ms(5, 50);
    })
    .await;
    reader.assign([TopicPartition::new("crash", 0)]).unwrap();
    for round in 0..ROUNDS {
        let mut deliveries = Vec::new();
        for number in round * RECORDS..(round + 1) * RECORDS {
            let value = number.to_string();
            let record = Record { value: Some(value.as_bytes()), ..Record::to("crash") };
            deliveries.push(producer.send(record).await.unwrap());
        }
        let mut deliveries = deliveries.into_iter();
        deliveries.next().unwrap().await.unwrap();
        broker = tokio::task::spawn_blocking(move || {
            broker.process.kill();
            broker.start_again();
            broker
        })
        .await
        .unwrap();
        for delivery in deliveries {
            delivery.await.unwrap();
        }
        let numbers = consuming::read(&mut reader, RECORDS as usize).await;
        assert_eq!(numbers, (round * RECORDS..(round + 1) * RECORDS).collect::<Vec<i64>>(), "round {round}");
    }
    assert!(reader.poll(Duration::from_millis(200)).await.unwrap().is_empty(), "nothing is there twice");
    producer.close(PATIENCE).await.unwrap();
    reader.close(PATIENCE).await.unwrap();
}
