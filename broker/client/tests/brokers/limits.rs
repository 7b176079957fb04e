//! Admin calls with a limit of their own, where something about which they ask has nobody to answer.

use std::time::{Duration, Instant};

use millrace_client::{
    Admin, Client, ClientConfig, ClientError, CommittedOffset, IsolationLevel, NewPartitions, OffsetSpec,
    TopicPartition,
};
use millrace_protocol::ErrorCode;
use millrace_tests::Millrace;
use tokio::runtime::Runtime;

/// Far longer than the test waits for anything; a call that is as patient as this has no limit of its own.
const API_TIMEOUT: Duration = Duration::from_secs(300);
/// Enough for answers from a broker that lives, on a busy machine.
const LIMIT: Duration = Duration::from_secs(5);

fn admin(broker: &Millrace) -> Admin {
    let mut config = ClientConfig::new(&broker.address.to_string());
    config.timeouts.api = API_TIMEOUT;
    Admin::new(Client::new(config).unwrap())
}

/// A broker comes back with another disk in the place of the one on which its topics were: half of a topic's
/// partitions, and half of all groups, have nobody to answer for them. Those about the rest are answered all the same,
/// in the time that was given, and of the others is told why not.
#[test]
fn what_has_nobody_to_answer_takes_the_given_time_and_hides_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let metadata = format!("metadata.log.dir={}", scratch.path().join("metadata").display());
    let disk = |name: &str| format!("log.dirs={}", scratch.path().join(name).display());
    let with =
        |disk: &str| Millrace::start_in(scratch.path(), &[disk, &metadata, "offsets.topic.num.partitions=1"]);
    let mut broker = with(&disk("lost"));
    broker.create_partitions("torn", 2, &[]);
    let partitions: Vec<TopicPartition> = (0..4).map(|number| TopicPartition::new("torn", number)).collect();
    let (torn, _) = partitions.split_at(2);
    let groups: Vec<String> = (0..16).map(|number| format!("group-{number}")).collect();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let committed = vec![(partitions[0].clone(), CommittedOffset::at(0))];
        let answer = admin(&broker).alter_group_offsets(&groups[0], committed).await;
        answer.unwrap().remove(0).1.unwrap();
    });
    assert_eq!(broker.process.terminate(), Some(0));
    let mut broker = with(&disk("other"));
    let grown = [("torn", 4), ("__consumer_offsets", 2)].map(|(topic, total_count)| NewPartitions {
        topic: topic.to_owned(),
        total_count,
        assignments: None,
    });
    let grown = runtime.block_on(async { admin(&broker).create_partitions(grown.into(), false).await });
    grown.unwrap().into_iter().for_each(|(_, result)| result.unwrap());
    // How many partitions groups are spread over is read at the start.
    assert_eq!(broker.process.terminate(), Some(0));
    broker.start_again();

    runtime.block_on(async {
        let admin = admin(&broker).within(LIMIT);
        let started = Instant::now();
        let wanted = partitions.iter().map(|one| (one.clone(), OffsetSpec::Latest)).collect();
        let (listed, fetched) = tokio::join!(
            admin.list_offsets(wanted, IsolationLevel::ReadUncommitted),
            admin.list_offsets_of_groups(groups.clone())
        );
        assert!(started.elapsed() < API_TIMEOUT / 2, "{:?}", started.elapsed());
        for (partition, result) in listed.unwrap() {
            let code = result.map(|_| ()).map_err(|error| error.code());
            let expected =
                if torn.contains(&partition) { Err(Some(ErrorCode::LEADER_NOT_AVAILABLE)) } else { Ok(()) };
            assert_eq!(code, expected, "{partition}");
        }
        let unavailable = |result: &Result<_, ClientError>| {
            result.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::COORDINATOR_NOT_AVAILABLE))
        };
        let (missing, there): (Vec<_>, Vec<_>) =
            fetched.unwrap().into_iter().map(|(_, result)| result).partition(unavailable);
        assert!(!missing.is_empty() && !there.is_empty(), "{missing:?} {there:?}");
        assert!(there.iter().all(Result::is_ok), "{there:?}");
    });
}
