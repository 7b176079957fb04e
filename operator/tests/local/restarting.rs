//! What a restart of brokers depends on, as brokers tell it.

use millrace_operator::broker_cluster::live::min_insync_replicas;
use millrace_operator::kafka::cluster::ReplicaSet;
use millrace_tests::until;

use crate::workplace::Workplace;

pub(crate) fn topics_tell_their_own_min_insync_replicas(at: &Workplace) {
    at.create("roll-careful", 1);
    at.create("roll-plain", 1);
    at.set("roll-careful", "min.insync.replicas", "2");
    until("the setting is there", || {
        (at.settings("roll-careful") == ["min.insync.replicas=2"]).then_some(())
    });
    let set = |partition: &str| ReplicaSet {
        partition: partition.into(),
        // As if there were two brokers: topics with one replica are not asked about.
        replicas: vec![0, 1],
        isr: vec![0, 1],
    };
    let partitions = [set("roll-careful-0"), set("roll-plain-0"), set("roll-gone-0")];
    let seen = at.wait(min_insync_replicas(&at.admin, &partitions, 1)).unwrap();
    assert_eq!((seen.default, seen.topics), (1, [("roll-careful".to_owned(), 2)].into()));
}
