//! `kafka-consumer-groups` on a group that has members: both kinds look at the same one.

use std::time::Duration;

use millrace_client::{Admin, Consumer, ConsumerConfig, MemberToRemove, Producer, ProducerConfig, Record};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bench::{admin, create, until, with_bench};

const GROUP: &str = "crowd";

const SCRIPT: &str = "
kafka-consumer-groups --list
kafka-consumer-groups --list --state
kafka-consumer-groups --list --state stable --type classic
kafka-consumer-groups --describe --group crowd
kafka-consumer-groups --describe --group crowd --verbose
kafka-consumer-groups --describe --group crowd --members
kafka-consumer-groups --describe --group crowd --members --verbose
kafka-consumer-groups --describe --group crowd --state
kafka-consumer-groups --describe --group crowd --state --verbose
kafka-consumer-groups --describe --all-groups --group crowd
kafka-consumer-groups --describe --all-groups --members
kafka-consumer-groups --reset-offsets --group crowd --topic t --to-earliest --execute
kafka-consumer-groups --reset-offsets --group crowd --all-topics --to-latest --export --dry-run
kafka-consumer-groups --delete-offsets --group crowd --topic t
kafka-consumer-groups --delete-offsets --group crowd --topic nothing:0
kafka-consumer-groups --delete --group crowd
kafka-consumer-groups --delete --group crowd --group nothing
kafka-configs --describe --group crowd
";

#[test]
fn a_group_with_members_looks_the_same_to_both() {
    with_bench(|bench| {
        bench.compare_in_place(
            async |address| {
                let admin = admin(address);
                create(&admin, "t", 3).await;
                create(&admin, "a-topic-with-a-rather-long-name", 2).await;
                produce_one(address, "t").await;
                Crowd::gather(&admin, address).await
            },
            |_| SCRIPT.to_owned(),
            async |crowd| crowd.disperse().await,
        );
    });
}

/// Before anybody reads: how soon a commit follows a record is not what is compared.
async fn produce_one(address: &str, topic: &str) {
    let producer = Producer::new(ProducerConfig::new(address)).await.unwrap();
    let record = Record { partition: Some(2), value: Some(b"one"), ..Record::to(topic) };
    producer.send(record).await.unwrap().await.unwrap();
    producer.close(Duration::from_secs(5)).await.unwrap();
}

/// Consumers in a group, one of them with a fixed name, one with nothing to read.
struct Crowd {
    admin: Admin,
    stop: watch::Sender<bool>,
    members: Vec<JoinHandle<()>>,
}

impl Crowd {
    async fn gather(admin: &Admin, address: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut members = Vec::new();
        for (client, instance) in
            [("first-client", None), ("second", Some("fixed-name")), ("third", None), ("fourth", None)]
        {
            let mut config = ConsumerConfig::new(address).in_group(GROUP);
            config.client.client_id = client.to_owned();
            config.offsets.auto_commit_interval = Duration::from_millis(100);
            let group = config.group.as_mut().unwrap();
            group.session_timeout = Duration::from_secs(6);
            group.instance_id = instance.map(str::to_owned);
            group.heartbeat_interval = Duration::from_millis(200);
            let mut consumer = Consumer::new(config).await.unwrap();
            consumer.subscribe(["t", "a-topic-with-a-rather-long-name"]).unwrap();
            members.push(tokio::spawn(live(consumer, stopped.clone())));
        }
        until("the group is settled", async || {
            let described = admin.describe_groups(vec![GROUP.to_owned()]).await.unwrap().pop().unwrap().1;
            described.is_ok_and(|group| group.state == "Stable" && group.members.len() == 4)
        })
        .await;
        until("every position is committed, and the record is behind one of them", async || {
            let committed = admin.list_group_offsets(GROUP, None).await.unwrap();
            let offsets: Vec<i64> =
                committed.into_values().filter_map(|offset| Some(offset.ok()??.offset)).collect();
            offsets.len() == 5 && offsets.iter().sum::<i64>() == 1
        })
        .await;
        Self { admin: admin.clone(), stop, members }
    }

    async fn disperse(self) {
        self.stop.send_replace(true);
        for member in self.members {
            member.await.unwrap();
        }
        // A member with a fixed name stays when its consumer ends.
        let fixed = MemberToRemove::Instance("fixed-name".to_owned());
        self.admin.remove_members(GROUP, vec![fixed]).await.unwrap();
    }
}

async fn live(mut consumer: Consumer, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            records = consumer.poll(Duration::from_secs(1)) => drop(records.unwrap()),
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    consumer.close(Duration::from_secs(5)).await.unwrap();
}
