//! Plans of the assignors, by example and against Kafka's own over random groups.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bytes::Bytes;
use millrace_tests::places;

use super::*;

fn member(id: &str, topics: &[&str]) -> GroupMember {
    let subscription =
        Subscription { topics: topics.iter().map(|topic| Arc::from(*topic)).collect(), ..Default::default() };
    GroupMember { id: id.to_owned(), instance_id: None, subscription }
}

fn counts(topics: &[(&str, i32)]) -> TopicCounts {
    topics.iter().map(|(topic, count)| (Arc::from(*topic), *count)).collect()
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.iter()
        .map(|partitions| {
            let mut names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
            names.sort();
            names.join(",")
        })
        .collect()
}

#[test]
fn ranges_and_turns() {
    let members = [member("b", &["t", "u"]), member("a", &["t", "u"]), member("c", &["u"])];
    let counts = counts(&[("t", 3), ("u", 4), ("nobody's", 5)]);
    let range = assign(AssignorKind::Range, &counts, &members);
    assert_eq!(shown(&range), ["t-2,u-2", "t-0,t-1,u-0,u-1", "u-3"]);
    let turns = assign(AssignorKind::RoundRobin, &counts, &members);
    assert_eq!(shown(&turns), ["t-1,u-0,u-3", "t-0,t-2,u-2", "u-1"]);
    let mut named = members.clone();
    named[2].instance_id = Some("z".to_owned());
    let range = assign(AssignorKind::Range, &counts, &named);
    assert_eq!(shown(&range)[2], "u-0,u-1", "members with a name of their own come first");
}

#[test]
fn a_cooperative_group_hands_over_in_two_steps() {
    let counts = counts(&[("t", 4)]);
    let mut members = vec![member("a", &["t"]), member("b", &["t"])];
    members[0].subscription.owned = partitions(&Arc::from("t"), 4).collect();
    members[0].subscription.generation = Some(1);
    let plan = assign(AssignorKind::CooperativeSticky, &counts, &members);
    assert_eq!(shown(&plan), ["t-0,t-1", ""], "b gets what a has given back, and not before");
    members[0].subscription.owned.truncate(2);
    members.iter_mut().for_each(|member| member.subscription.generation = Some(2));
    let plan = assign(AssignorKind::CooperativeSticky, &counts, &members);
    assert_eq!(shown(&plan), ["t-0,t-1", "t-2,t-3"]);
}

/// A group at some moment of its life: what members had comes from an earlier plan, perturbed.
fn any_group(random: &mut fastrand::Rng, kind: AssignorKind) -> (TopicCounts, Vec<GroupMember>) {
    let topics: Vec<String> = (0..random.usize(1..6)).map(|number| format!("topic-{number}")).collect();
    let counts: TopicCounts =
        topics.iter().map(|topic| (Arc::from(topic.as_str()), random.i32(0..9))).collect();
    let same = random.bool();
    let mut members: Vec<GroupMember> = (0..random.usize(1..24))
        .map(|_| {
            let always = random.usize(..topics.len());
            let wanted: Vec<&str> = topics
                .iter()
                .enumerate()
                .filter(|(place, _)| same || *place == always || random.u8(0..3) > 0)
                .map(|(_, topic)| topic.as_str())
                .collect();
            let mut new = member(&format!("consumer-{:08x}", random.u32(..)), &wanted);
            new.instance_id = (random.u8(0..4) == 0).then(|| format!("static-{:016x}", random.u64(..)));
            new
        })
        .collect();
    for generation in 1..random.i32(1..4) {
        let plan = assign(kind, &counts, &members);
        for (member, partitions) in members.iter_mut().zip(plan) {
            // Some members miss a generation, some lose a partition; others leave.
            if random.u8(0..5) == 0 {
                continue;
            }
            let mut partitions = partitions;
            if random.u8(0..5) == 0 {
                partitions.pop();
            }
            member.subscription.user_data = match kind {
                AssignorKind::Sticky => Some(user_data::encode_sticky(&partitions, generation)),
                _ => Some(user_data::encode_cooperative(generation)),
            };
            member.subscription.generation = Some(generation);
            member.subscription.owned = match kind {
                AssignorKind::CooperativeSticky => partitions,
                _ => Vec::new(),
            };
        }
        if members.len() > 2 && random.bool() {
            members.swap_remove(random.usize(..members.len()));
        }
    }
    (counts, members)
}

/// A case as the oracle reads it.
fn line(kind: AssignorKind, counts: &TopicCounts, members: &[GroupMember]) -> String {
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    // The topics of a group are those that somebody subscribes to.
    let exists =
        |topic: &str, count: i32| count > 0 && members.iter().any(|member| member.subscribes_to(topic));
    let topics: Vec<String> = counts
        .iter()
        .filter(|(topic, count)| exists(topic, **count))
        .map(|(topic, count)| format!("{topic}={count}"))
        .collect();
    let mut line = format!("{}|{}", kind.name(), or_none(topics.join(" ")));
    for member in members {
        let subscription = &member.subscription;
        let hex = |data: &Bytes| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(
            line,
            "|{};{};{};{};{};{}",
            member.id,
            member.instance_id.as_deref().unwrap_or("-"),
            subscription.generation.unwrap_or(-1),
            or_none(subscription.user_data.as_ref().map_or(String::new(), hex)),
            or_none(subscription.topics.join(",")),
            or_none(subscription.owned.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        )
        .unwrap();
    }
    line
}

/// The answers of Kafka's own assignors.
fn ask_java(libs: &std::path::Path, cases: &str) -> Vec<String> {
    let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/Assignors.java");
    let mut java = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp"])
        .arg(libs.join("*"))
        .arg(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = java.stdin.take().unwrap();
    let cases = cases.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(cases.as_bytes()).unwrap());
    let output = java.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn plans_agree_with_java_s() {
    let Some(libs) = places::kafka_libs() else {
        return places::left_out("assignors-of-kafka", "Kafka's jars are not there; run tests/setup");
    };
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let kinds = [
        AssignorKind::Range,
        AssignorKind::RoundRobin,
        AssignorKind::Sticky,
        AssignorKind::CooperativeSticky,
    ];
    let cases: Vec<_> = (0..2_000)
        .map(|number| {
            let kind = kinds[number % kinds.len()];
            (kind, any_group(&mut random, kind))
        })
        .collect();
    let text: String =
        cases.iter().map(|(kind, (counts, members))| line(*kind, counts, members) + "\n").collect();
    let answers = ask_java(&libs, &text);
    assert_eq!(answers.len(), cases.len());
    for ((kind, (counts, members)), java) in cases.iter().zip(&answers) {
        let ours = shown(&assign(*kind, counts, members));
        let ours: Vec<String> = members
            .iter()
            .zip(ours)
            .map(|(member, partitions)| format!("{}={partitions}", member.id))
            .collect();
        assert_eq!(&ours.join(" "), java, "{}", line(*kind, counts, members));
    }
}
