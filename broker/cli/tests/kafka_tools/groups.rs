//! `kafka-consumer-groups`.

use crate::bench::with_bench;

const WITHOUT_MEMBERS: &str = "
kafka-consumer-groups --list
kafka-topics --create --topic t --partitions 3
kafka-topics --create --topic u --partitions 2
kafka-consumer-groups --reset-offsets --group g --topic t --to-earliest --execute
kafka-consumer-groups --list
kafka-consumer-groups --list --state
kafka-consumer-groups --list --type
kafka-consumer-groups --list --state --type
kafka-consumer-groups --list --state empty,Stable
kafka-consumer-groups --list --state Stable
kafka-consumer-groups --list --type classic
kafka-consumer-groups --list --type consumer --state Empty
kafka-consumer-groups --describe --group g
kafka-consumer-groups --describe --group g --offsets
kafka-consumer-groups --describe --group g --verbose
kafka-consumer-groups --describe --group g --members
kafka-consumer-groups --describe --group g --members --verbose
kafka-consumer-groups --describe --group g --state
kafka-consumer-groups --describe --group g --state --verbose
kafka-consumer-groups --describe --group nothing
kafka-consumer-groups --describe --group nothing --members
kafka-consumer-groups --describe --group nothing --state
kafka-consumer-groups --describe --all-groups
kafka-consumer-groups --reset-offsets --group g --topic t:0,1 --to-latest --dry-run
kafka-consumer-groups --reset-offsets --group g --topic t --topic u --to-latest --dry-run
kafka-consumer-groups --reset-offsets --group g --topic t --to-offset 9 --execute
kafka-consumer-groups --reset-offsets --group g --topic t --to-offset 0
kafka-consumer-groups --reset-offsets --group g --topic t --shift-by -3 --dry-run
kafka-consumer-groups --reset-offsets --group g --topic u --shift-by 3 --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-current --dry-run
kafka-consumer-groups --reset-offsets --group g --topic u --to-current --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --by-duration P1D --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --by-duration nonsense --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-datetime 2024-01-01T00:00:00.000 --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-datetime 2024-01-01T00:00:00.000+02:00 --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-datetime yesterday --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-datetime 2024-01-01Tnow --dry-run
kafka-consumer-groups --reset-offsets --group g --all-topics --to-earliest --export --dry-run
kafka-consumer-groups --reset-offsets --group g --group other --topic t --to-earliest --export --dry-run
kafka-consumer-groups --reset-offsets --group g --from-file {files}/plan.csv --dry-run
kafka-consumer-groups --reset-offsets --group g --from-file {files}/groups.csv --dry-run
kafka-consumer-groups --reset-offsets --group g --group other --from-file {files}/groups.csv --execute
kafka-consumer-groups --reset-offsets --group g --group third --from-file {files}/groups.csv --dry-run
kafka-consumer-groups --reset-offsets --group g --from-file {files}/broken.csv --dry-run
kafka-consumer-groups --reset-offsets --group g --from-file {files}/short.csv --dry-run
kafka-consumer-groups --reset-offsets --group g --from-file {files}/missing.csv --dry-run
kafka-consumer-groups --reset-offsets --all-groups --all-topics --to-earliest --dry-run
kafka-consumer-groups --delete-offsets --group g --topic t:0
kafka-consumer-groups --delete-offsets --group g --topic t
kafka-consumer-groups --delete-offsets --group g --topic nothing --topic t:1
kafka-consumer-groups --delete-offsets --group nothing --topic t
kafka-consumer-groups --describe --group g
kafka-consumer-groups --delete --group g
kafka-consumer-groups --delete --group other --group nothing
kafka-consumer-groups --delete --group nothing
kafka-consumer-groups --delete --all-groups
kafka-consumer-groups --list
";

#[test]
fn offsets_of_a_group_without_members() {
    with_bench(|bench| {
        bench.compare(
            &[
                ("plan.csv", "t,0,0\nt,1,7\n"),
                ("groups.csv", "g,t,0,0\nother,t,1,0\n"),
                ("broken.csv", "g,t,zero,0\n"),
                ("short.csv", "t\n"),
            ],
            WITHOUT_MEMBERS,
        );
    });
}

#[test]
fn what_kafka_consumer_groups_refuses() {
    with_bench(|bench| {
        bench.compare(
            &[],
            "
            alone kafka-consumer-groups
            alone kafka-consumer-groups --help
            alone kafka-consumer-groups --version
            alone kafka-consumer-groups --list
            alone kafka-consumer-groups --validate-regex 'a.*'
            alone kafka-consumer-groups --validate-regex 'a('
            alone kafka-consumer-groups --validate-regex '['
            alone kafka-consumer-groups --nonsense
            kafka-consumer-groups
            kafka-consumer-groups --list --describe
            kafka-consumer-groups --list --group g
            kafka-consumer-groups --list --members
            kafka-consumer-groups --list --state nonsense
            kafka-consumer-groups --list --type nonsense
            kafka-consumer-groups --describe
            kafka-consumer-groups --describe --group g --all-groups
            kafka-consumer-groups --describe --group g --members --state
            kafka-consumer-groups --describe --group g --members --offsets
            kafka-consumer-groups --describe --group g --state Stable
            kafka-consumer-groups --describe --group g --type
            kafka-consumer-groups --describe --group g --topic t
            kafka-consumer-groups --delete
            kafka-consumer-groups --delete --group g --topic t
            kafka-consumer-groups --delete-offsets --group g
            kafka-consumer-groups --delete-offsets --topic t
            kafka-consumer-groups --delete-offsets --group g --topic t:x
            kafka-consumer-groups --reset-offsets
            kafka-consumer-groups --reset-offsets --group g
            kafka-consumer-groups --reset-offsets --group g --topic t
            kafka-consumer-groups --reset-offsets --group g --to-earliest
            kafka-consumer-groups --reset-offsets --group g --topic t --to-earliest --to-latest
            kafka-consumer-groups --reset-offsets --group g --topic t --to-earliest --dry-run --execute
            kafka-consumer-groups --reset-offsets --group g --topic t --to-offset x --dry-run
            kafka-consumer-groups --reset-offsets --group g --topic t --shift-by x --dry-run
            kafka-consumer-groups --reset-offsets --group g --topic nothing --to-earliest --dry-run
            kafka-consumer-groups --reset-offsets --group g --topic nothing:0 --to-earliest --dry-run
            kafka-consumer-groups --reset-offsets --group g --topic t:0:1 --to-earliest --dry-run
            kafka-consumer-groups --reset-offsets --group g --topic t:x --to-earliest --dry-run
            kafka-consumer-groups --list --timeout soon
            kafka-consumer-groups --list --timeout 9000
            kafka-consumer-groups --list --command-config {files}/missing
            kafka-consumer-groups --verbose --list
            ",
        );
    });
}
