//! A partition that has no leader, beside those that have one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_operator::kafka::connect::connect;
use millrace_operator::kafka::groups::GroupInterest;
use millrace_operator::kafka::link::Link;
use millrace_protocol::ErrorCode;
use millrace_tests::{Millrace, until};

use crate::workplace::Workplace;

/// Less than a call without a limit of its own would take.
const SHORT: Duration = Duration::from_secs(14);

fn interest(group: &str) -> GroupInterest {
    GroupInterest { group: group.to_owned(), ..GroupInterest::default() }
}

/// A broker comes back with another disk in the place of the one on which its topics were.
#[test]
fn a_partition_without_a_leader_holds_up_neither_looks_nor_polls() {
    let scratch = tempfile::tempdir().unwrap();
    let metadata = format!("metadata.log.dir={}", scratch.path().join("metadata").display());
    let disk = |name: &str| format!("log.dirs={}", scratch.path().join(name).display());
    let mut broker = Millrace::start_in(scratch.path(), &[&disk("lost"), &metadata]);
    broker.create_partitions("torn", 2, &[]);
    assert_eq!(broker.process.terminate(), Some(0));
    let broker = Millrace::start_in(scratch.path(), &[&disk("other"), &metadata]);
    let at = Workplace::at(&broker.address.to_string());
    at.grow("torn", 3);
    at.create("whole", 1);
    at.produce("torn", 2, 4);
    at.produce("whole", 0, 3);
    for partition in [0, 2] {
        at.commit("tearing", "torn", partition, 1);
    }
    at.commit("fine", "whole", 0, 0);

    let link = at.wait(async { Link::start(connect(&at.servers).unwrap(), None, Arc::new(|_| {})) });
    let started = Instant::now();
    let (torn, whole) = at.wait(async {
        tokio::join!(link.group(interest("tearing"), true), link.group(interest("fine"), true))
    });
    assert!(started.elapsed() < SHORT, "{:?}", started.elapsed());
    let torn = torn.unwrap();
    let reason = torn.unanswered.get("torn").and_then(|error| error.code());
    assert_eq!(reason, Some(ErrorCode::LEADER_NOT_AVAILABLE), "{torn:?}");
    assert_eq!(torn.lag_by_topic().get(&Arc::from("torn")), Some(&3), "what has a leader is known");
    assert_eq!(whole.unwrap().lag_records(), Some(3));

    for topic in ["torn", "whole"] {
        assert!(at.wait(link.topic(topic)).unwrap().is_some());
    }
    at.produce("whole", 0, 2);
    let polled = || {
        let group = at.wait(link.group(interest("fine"), false)).unwrap();
        (group.lag_records(), link.figures("whole").end_offsets)
    };
    until("polls show what was produced", || {
        link.hurry();
        (polled() == (Some(5), Some(5))).then_some(())
    });
}
