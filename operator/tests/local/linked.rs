//! What the operator does through its link, where a user's hands are too slow: moments between two requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{ConsumerGroupStatus, TopicOrigin, TopicSpec, TopicStatus};
use millrace_operator::consumer_group::act::{aim, make_move};
use millrace_operator::consumer_group::history;
use millrace_operator::consumer_group::reset::{Move, decide};
use millrace_operator::consumer_group::validate::{Goal, ValidatedReset};
use millrace_operator::kafka::connect::connect;
use millrace_operator::kafka::groups::{self, GroupInterest};
use millrace_operator::kafka::link::{Link, TopicFigures};
use millrace_operator::kafka::record_times::RecordTimes;
use millrace_operator::topic::apply::{Creation, bring, refused_again};
use millrace_operator::topic::status::{Ingredients, begun, observed};
use millrace_operator::topic::validate::validate;

use millrace_tests::{Millrace, free_port};

use crate::workplace::Workplace;

fn link(at: &Workplace) -> Link {
    at.wait(async { Link::start(connect(&at.servers).unwrap(), None, Arc::new(|_| {})) })
}

pub(crate) fn a_topic_that_a_producer_makes_first_is_adopted_whole(at: &Workplace) {
    let link = link(at);
    let spec: TopicSpec =
        serde_yaml::from_str("{clusterRef: {name: main}, partitions: 3, config: {retention.ms: 60000}}")
            .unwrap();
    let topic = validate("overtaken", &spec).unwrap();
    let seen = at.wait(link.topic("overtaken")).unwrap();
    assert!(seen.is_none());

    at.create("overtaken", 1);
    let brought = at.wait(bring(&link, &topic, seen, None, Duration::from_secs(10)));
    assert_eq!(brought.creation, Creation::Overtaken);
    assert!(brought.error.is_none() && brought.problems().is_empty(), "{brought:?}");
    assert_eq!(
        (at.partitions("overtaken"), at.settings("overtaken")),
        (3, vec!["retention.ms=60000".into()])
    );
    let from = Ingredients {
        name: "overtaken",
        generation: Some(1),
        seen: brought.after.as_deref(),
        figures: TopicFigures::default(),
        creation: &brought.creation,
        problems: &[],
    };
    let status = observed(&begun(&TopicStatus::default(), "overtaken"), &from, Timestamp::now());
    assert_eq!((status.origin, status.partitions), (Some(TopicOrigin::Adopted), Some(3)));
    at.delete("overtaken");
}

pub(crate) fn a_topic_that_is_refused_again_is_not_made_until_it_is_not(at: &Workplace) {
    let link = link(at);
    let topic = |config: &str| {
        let spec = format!("{{clusterRef: {{name: main}}, partitions: 1, config: {{{config}: 60000}}}}");
        validate("refused", &serde_yaml::from_str(&spec).unwrap()).unwrap()
    };
    let refused = at.wait(bring(&link, &topic("retention.mss"), None, None, Duration::from_secs(10)));
    assert_eq!((&refused.creation, refused.problems().len()), (&Creation::Refused, 1), "{refused:?}");
    let again = at.wait(refused_again(&link, &topic("retention.mss"))).unwrap().unwrap();
    assert_eq!((&again.creation, again.problems()), (&Creation::Refused, refused.problems()));
    assert!(at.wait(refused_again(&link, &topic("retention.ms"))).unwrap().is_none());
    assert_eq!(at.partitions("refused"), 0, "it was only asked about");
}

/// The operator dies between the commit of a move and the status that says so; then members read on.
pub(crate) fn a_move_whose_end_was_not_noted_is_not_made_twice(at: &Workplace) {
    at.create("interrupted", 2);
    at.produce("interrupted", 0, 10);
    at.commit("sleepers", "interrupted", 0, 8);
    at.commit("sleepers", "interrupted", 1, 0);
    let link = link(at);
    let interest = GroupInterest { group: "sleepers".into(), ..GroupInterest::default() };
    let look = || at.wait(link.group(interest.clone(), true)).unwrap();
    let reset = ValidatedReset { id: "back-three".into(), to: Goal::Shift(-3), topics: None };

    let seen = look();
    let begun = history::begin(&ConsumerGroupStatus::default(), &reset, &seen, Timestamp::now());
    let Move::Make(partitions) = decide(&reset, &begun, &seen) else { panic!("{seen:?}") };
    let offsets = at.wait(aim(link.admin(), &reset, &partitions, &seen)).unwrap();
    at.wait(make_move(link.admin(), "sleepers", &reset, &offsets, &seen)).unwrap();
    assert_eq!(at.committed("sleepers", "interrupted"), [5, 0]);

    at.commit("sleepers", "interrupted", 0, 10);
    let again = decide(&reset, &begun, &look());
    assert_eq!(again, Move::Make([].into()), "partition 1 still tells that it was made");
    at.commit("sleepers", "interrupted", 1, 0);
    assert_eq!(decide(&reset, &begun, &look()), Move::Interrupted, "nothing tells any more");
}

/// How many requests of each kind a broker has answered.
fn requests(http: SocketAddr) -> BTreeMap<String, u64> {
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let counts = page.lines().filter_map(|line| {
        let line = line.strip_prefix("millrace_request_duration_seconds_count{api=\"")?;
        let (api, count) = line.split_once("\"} ")?;
        Some((api.to_owned(), count.parse().unwrap()))
    });
    counts.collect()
}

#[test]
fn hundreds_of_groups_cost_a_handful_of_requests() {
    let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let broker = Millrace::start(&[&format!("http.listen={http}")]);
    let at = Workplace::at(&broker.address.to_string());
    at.create("shared", 2);
    at.produce("shared", 0, 5);
    let groups: Vec<String> = (0..300).map(|number| format!("crowd-{number}")).collect();
    for group in &groups {
        at.commit(group, "shared", 0, 2);
    }
    let interest = |group: &String| GroupInterest { group: group.clone(), ..GroupInterest::default() };
    let interests: Vec<GroupInterest> = groups.iter().map(interest).collect();
    let admin = at.wait(async { connect(&at.servers).unwrap() });
    let mut times = RecordTimes::default();
    let before = requests(http);
    let seen = at.wait(groups::observe(&admin, &interests, &mut times));
    assert!(seen.iter().all(|one| one.as_ref().is_ok_and(|one| one.lag_records() == Some(3))), "{seen:?}");
    let after = requests(http);
    let asked: BTreeMap<&String, u64> = after
        .iter()
        .map(|(api, count)| (api, count - before.get(api).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert!(asked.contains_key(&"OffsetFetch".to_owned()), "{asked:?}");
    assert!(asked.values().sum::<u64>() <= 16 && asked.values().all(|count| *count <= 4), "{asked:?}");
}
