//! What goes on while the operator runs: drift is mended, changes ring, silence stays silent.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use millrace_operator::kafka::connect::connect;
use millrace_operator::kafka::groups::GroupInterest;
use millrace_operator::kafka::link::{Health, Link, Subject};
use millrace_tests::{Process, until};

use crate::workplace::{Workplace, binary, topic};

pub(crate) fn drift_is_mended(at: &Workplace) {
    at.write(&topic("watched", "partitions: 1, config: {retention.ms: 60000}"));
    let mut command = binary();
    command.args(["local", "--watch", "--interval", "1", "--bootstrap-server", &at.servers, "-f"]);
    command.arg(&at.manifests).stdin(Stdio::null());
    let log = at.manifests.join("watch.log");
    let mut process = Process::start(command, &log);
    until("the topic is there", || (at.partitions("watched") == 1).then_some(()));
    at.set("watched", "retention.ms", "1");
    until("the setting is set back", || (at.settings("watched") == ["retention.ms=60000"]).then_some(()));
    at.delete("watched");
    until("the topic is made again", || (at.partitions("watched") == 1).then_some(()));
    at.write(&topic("watched", "partitions: 3, config: {retention.ms: 60000}"));
    until("a change of the manifest is taken", || (at.partitions("watched") == 3).then_some(()));
    at.write("kind: Topic\napiVersion: millrace.dev/v1alpha1\n");
    until("a broken manifest is told", || process.output().contains("is a required property").then_some(()));
    assert!(process.ended().is_none(), "and the watch goes on:\n{}", process.output());
    process.signal(rustix::process::Signal::INT);
    assert_eq!(process.wait(), Some(0), "{}", process.output());
}

/// How often each subject rang.
type Rung = Arc<Mutex<HashMap<Subject, u32>>>;

pub(crate) fn what_changed_rings_and_what_did_not_is_silent(at: &Workplace) {
    at.create("calm", 1);
    at.create("busy", 1);
    at.commit("bell-group", "busy", 0, 0);
    let rung = Rung::default();
    let noting = Arc::clone(&rung);
    let link = at.wait(async {
        let bell = Arc::new(move |subject| *noting.lock().unwrap().entry(subject).or_default() += 1);
        Link::start(connect(&at.servers).unwrap(), None, bell)
    });
    until("the cluster answers", || (link.health() == Health::Reachable).then_some(()));
    let count = |subject: &Subject| rung.lock().unwrap().get(subject).copied().unwrap_or(0);
    assert_eq!(count(&Subject::All), 1, "that it answers now concerns everybody");
    let interest = GroupInterest { group: "bell-group".into(), ..GroupInterest::default() };
    at.wait(async {
        assert!(link.topic("calm").await.unwrap().is_some());
        assert!(link.topic("busy").await.unwrap().is_some());
        assert!(link.topic("missing").await.unwrap().is_none());
        link.group(interest.clone(), true).await.unwrap();
    });

    at.grow("busy", 2);
    at.create("missing", 1);
    at.produce("busy", 0, 3);
    let rings = |subject: Subject| {
        until(&format!("{subject:?} rings"), || {
            link.hurry();
            (count(&subject) > 0).then_some(())
        });
    };
    rings(Subject::Topic("busy".into()));
    rings(Subject::Topic("missing".into()));
    rings(Subject::Group("bell-group".into()));
    let lag = at.wait(link.group(interest, false)).unwrap().lag_records();
    assert_eq!(lag, Some(3), "what rang is there without asking again");
    until("figures are known", || {
        link.hurry();
        (link.figures("busy").end_offsets == Some(3)).then_some(())
    });

    // Sizes are read in the first round, which may ring once.
    let calm = Subject::Topic("calm".into());
    assert!(count(&calm) <= 1, "nothing happened to it, and it rang {} times", count(&calm));
    assert_eq!(count(&Subject::All), 1);
    link.forget_topic("busy");
    at.delete("busy");
}
