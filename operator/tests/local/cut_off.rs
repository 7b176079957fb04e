//! Brokers that go away in the middle of bringing a topic to its spec: what was done before is known.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use millrace_client::{Admin, Client, ClientConfig};
use millrace_crds::{TopicOrigin, TopicSpec, TopicStatus};
use millrace_operator::kafka::link::{Link, TopicFigures};
use millrace_operator::local::pass::{Depth, Mode, pass};
use millrace_operator::local::set::ResourceSet;
use millrace_operator::topic::ValidatedTopic;
use millrace_operator::topic::apply::{Brought, Creation, bring};
use millrace_operator::topic::plan::TopicChange;
use millrace_operator::topic::status::{Ingredients, begun, observed};
use millrace_operator::topic::validate::validate;
use millrace_protocol::ApiKey;
use millrace_tests::{Millrace, Process, free_port, until};

use crate::proxy::{Proxy, Trap};
use crate::workplace::{Workplace, binary, topic};

/// For brokers to show what was done.
const SHOWN: Duration = Duration::from_secs(10);

/// A broker that is reached through a proxy alone.
struct Fragile {
    _broker: Millrace,
    proxy: Proxy,
    at: Workplace,
    link: Link,
}

impl Fragile {
    fn start() -> Self {
        let address = ([127, 0, 0, 1], free_port()).into();
        let proxy = Proxy::listen(address);
        let advertised = format!("advertised.listeners=PLAINTEXT://{}", proxy.address);
        let broker = Millrace::start_at(address, &[&advertised]);
        let at = Workplace::at(&proxy.address.to_string());
        let mut config = ClientConfig::new(&at.servers);
        config.timeouts.request = Duration::from_secs(2);
        config.timeouts.api = Duration::from_secs(2);
        let link =
            at.wait(async { Link::start(Admin::new(Client::new(config).unwrap()), None, Arc::new(|_| {})) });
        Self { _broker: broker, proxy, at, link }
    }

    fn bring(&self, topic: &ValidatedTopic, demanded: Option<i32>) -> Brought {
        self.at.wait(async {
            let seen = self.link.topic(&topic.name).await.unwrap();
            bring(&self.link, topic, seen, demanded, SHOWN).await
        })
    }
}

fn orders() -> ValidatedTopic {
    let spec = "{clusterRef: {name: main}, partitions: 2, config: {retention.ms: 60000}}";
    validate("orders", &serde_yaml::from_str::<TopicSpec>(spec).unwrap()).unwrap()
}

fn status(before: &TopicStatus, brought: &Brought) -> TopicStatus {
    let from = Ingredients {
        name: "orders",
        generation: Some(1),
        seen: brought.after.as_deref(),
        figures: TopicFigures::default(),
        creation: &brought.creation,
        problems: &brought.problems(),
    };
    observed(before, &from, Timestamp::now())
}

fn created(brought: &Brought) -> bool {
    matches!(brought.done[..], [TopicChange::Create { .. }])
}

#[test]
fn a_topic_whose_broker_goes_right_after_making_it_is_known_to_be_made() {
    let fragile = Fragile::start();
    fragile.proxy.set(ApiKey::CreateTopics, Trap::Last);
    let brought = fragile.bring(&orders(), None);
    assert!(brought.error.is_some() && created(&brought), "{brought:?}");
    let first = status(&begun(&TopicStatus::default(), "orders"), &brought);
    assert_eq!(
        (first.origin, first.conditions[0].reason.as_str()),
        (Some(TopicOrigin::Created), "BrokerError")
    );
    assert!(first.topic_id.is_some(), "the answer has it");

    fragile.proxy.mend();
    let again = fragile.bring(&orders(), None);
    assert!(again.done.is_empty() && again.error.is_none(), "{again:?}");
    let second = status(&first, &again);
    assert_eq!((second.origin, second.conditions[0].reason.as_str()), (Some(TopicOrigin::Created), "Ready"));
    assert_eq!(second.topic_id, first.topic_id);
}

#[test]
fn a_topic_whose_creation_nobody_answers_is_not_taken_for_one_that_was_there() {
    let fragile = Fragile::start();
    fragile.proxy.set(ApiKey::CreateTopics, Trap::Silence);
    let brought = fragile.bring(&orders(), None);
    assert_eq!((&brought.creation, brought.done.len()), (&Creation::Unknown, 0), "{brought:?}");
    let first = status(&begun(&TopicStatus::default(), "orders"), &brought);
    fragile.proxy.mend();
    let second = status(&first, &fragile.bring(&orders(), None));
    assert_eq!((second.origin, second.partitions), (Some(TopicOrigin::Created), Some(2)));
}

#[test]
fn a_creation_that_is_sent_twice_is_one_creation() {
    let fragile = Fragile::start();
    fragile.proxy.set(ApiKey::CreateTopics, Trap::Lost);
    let brought = fragile.bring(&orders(), None);
    assert!(brought.error.is_none() && brought.problems().is_empty() && created(&brought), "{brought:?}");
    let status = status(&begun(&TopicStatus::default(), "orders"), &brought);
    assert_eq!(status.origin, Some(TopicOrigin::Created));
    fragile.proxy.mend();
}

#[test]
fn partitions_that_were_added_before_the_broker_went_are_told() {
    let fragile = Fragile::start();
    fragile.bring(&orders(), None);
    let grown = |from, to| [TopicChange::AddPartitions { from, to }];
    fragile.proxy.set(ApiKey::CreatePartitions, Trap::Last);
    let brought = fragile.bring(&orders(), Some(3));
    assert!(brought.error.is_some(), "{brought:?}");
    assert_eq!(brought.done, grown(2, 3));

    fragile.proxy.mend();
    fragile.proxy.set(ApiKey::CreatePartitions, Trap::Silence);
    let brought = fragile.bring(&orders(), Some(4));
    assert!(brought.error.is_some() && brought.done.is_empty(), "{brought:?}");

    fragile.proxy.mend();
    fragile.proxy.set(ApiKey::CreatePartitions, Trap::Lost);
    let brought = fragile.bring(&orders(), Some(5));
    assert!(brought.error.is_none() && brought.problems().is_empty(), "{brought:?}");
    assert_eq!(brought.done, grown(4, 5), "the request that was sent twice");
    fragile.proxy.mend();
}

#[test]
fn local_mode_shows_what_it_did_before_it_fails() {
    let fragile = Fragile::start();
    let set = ResourceSet { topics: vec![orders()], ..ResourceSet::default() };
    let mode = Mode { depth: Depth::Act, reset_offsets: false, colour: false };
    let run = || fragile.at.wait(pass(&fragile.link, &set, mode));
    fragile.proxy.set(ApiKey::CreateTopics, Trap::Last);
    let report = run();
    assert!(report.error.is_some() && report.diff.contains("topic orders (new)"), "{report:?}");
    fragile.proxy.mend();
    let report = run();
    assert!(report.error.is_none() && report.diff.is_empty() && report.rows[0].ready, "{report:?}");
}

#[test]
fn local_mode_shows_what_it_is_about_to_do() {
    let fragile = Fragile::start();
    fragile.at.write(&topic("orders", "partitions: 2"));
    fragile.proxy.set(ApiKey::CreateTopics, Trap::Silence);
    let mut command = binary();
    command.args(["local", "--bootstrap-server", &fragile.at.servers, "-f"]).arg(&fragile.at.manifests);
    let mut process = Process::start(command, &fragile.at.manifests.join("local.log"));
    until("the plan is shown", || process.output().contains("topic orders (new)").then_some(()));
    assert_eq!(process.ended(), None, "it waits for an answer:\n{}", process.output());
}
