//! Brokers' settings: the operator knows which of them a broker takes while it runs.

use millrace_client::{ConfigResource, DescribeConfigsOptions, ResourceKind};
use millrace_operator::broker_cluster::config_keys::is_changed_at_run_time;
use millrace_tests::Millrace;

use crate::workplace::Workplace;

#[test]
fn what_brokers_take_at_run_time_is_what_the_operator_gives_them_then() {
    let broker = Millrace::start(&[]);
    let at = Workplace::at(&broker.address.to_string());
    let cluster = at.wait(at.admin.describe_cluster()).unwrap();
    let resource = ConfigResource { kind: ResourceKind::Broker, name: cluster.brokers[0].id.to_string() };
    let described = at.admin.describe_configs(vec![resource], DescribeConfigsOptions::default());
    let entries = at.wait(described).unwrap().remove(0).1.unwrap();
    assert!(entries.len() > 50, "all settings, not {}", entries.len());
    let other: Vec<_> = entries
        .iter()
        .filter(|entry| is_changed_at_run_time(&entry.name) == entry.read_only)
        .map(|entry| &entry.name)
        .collect();
    assert!(other.is_empty(), "{other:?}");
}
