//! What the operator does through its link, where a user's hands are too slow: moments between two requests.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_crds::{TopicOrigin, TopicSpec, TopicStatus};
use millrace_operator::kafka::connect::connect;
use millrace_operator::kafka::link::{Link, TopicFigures};
use millrace_operator::topic::apply::bring;
use millrace_operator::topic::status::{Ingredients, observed};
use millrace_operator::topic::validate::validate;

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
    let brought = at.wait(bring(&link, &topic, seen, None, Duration::from_secs(10))).unwrap();
    assert!(!brought.created() && brought.plan.problems.is_empty(), "{brought:?}");
    assert_eq!(
        (at.partitions("overtaken"), at.settings("overtaken")),
        (3, vec!["retention.ms=60000".into()])
    );
    let from = Ingredients {
        name: "overtaken",
        generation: Some(1),
        seen: brought.after.as_deref(),
        figures: TopicFigures::default(),
        created: brought.created(),
        problems: &brought.plan.problems,
    };
    let status = observed(&TopicStatus::default(), &from, Timestamp::now());
    assert_eq!((status.origin, status.partitions), (Some(TopicOrigin::Adopted), Some(3)));
    at.delete("overtaken");
}
