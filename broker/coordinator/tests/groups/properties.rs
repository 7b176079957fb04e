//! Whatever clients do, in whatever order: replaying the log gives the state that is served, and
//! everybody who waits is answered exactly once.

use millrace_coordinator::{Durable, Input, Reply, Settings, Token};
use millrace_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use proptest::prelude::*;

use super::bench::{Bench, Join, commit, protocol};

/// Something that a client, an administrator or the time does. Numbers choose among what is there.
#[derive(Debug, Clone)]
enum Step {
    Join { version: i16, member: usize, instance: Option<u8>, topics: u8, sticky: bool },
    Sync { member: usize, generation: i32 },
    Heartbeat { member: usize },
    Leave { member: usize },
    Commit { group: u8, member: usize, topic: u8, offset: i64, retention_ms: i64 },
    DeleteOffsets { topic: u8 },
    DeleteGroups,
    ForgetTopic { topic: u8 },
    Advance { ms: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let instance = prop_oneof![3 => Just(None), 1 => (0_u8..2).prop_map(Some)];
    prop_oneof![
        8 => (0_i16..=9, 0_usize..6, instance, 0_u8..4, any::<bool>()).prop_map(
            |(version, member, instance, topics, sticky)| Step::Join { version, member, instance, topics, sticky }
        ),
        8 => (0_usize..6, -1_i32..=1).prop_map(|(member, generation)| Step::Sync { member, generation }),
        3 => (0_usize..6).prop_map(|member| Step::Heartbeat { member }),
        2 => (0_usize..6).prop_map(|member| Step::Leave { member }),
        4 => (0_u8..3, 0_usize..6, 0_u8..3, 0_i64..100, prop_oneof![3 => Just(-1), 1 => Just(3_600_000)]).prop_map(
            |(group, member, topic, offset, retention_ms)| Step::Commit { group, member, topic, offset, retention_ms }
        ),
        1 => (0_u8..3).prop_map(|topic| Step::DeleteOffsets { topic }),
        1 => Just(Step::DeleteGroups),
        1 => (0_u8..3).prop_map(|topic| Step::ForgetTopic { topic }),
        4 => prop_oneof![0_i64..5_000, 5_000_i64..40_000, Just(4 * 24 * 3_600_000)].prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Restart),
    ]
}

/// A bench and what clients remember of it.
struct World {
    bench: Bench,
    members: Vec<String>,
    generation: i32,
    waiting: Vec<Token>,
}

impl World {
    fn member(&self, choice: usize) -> String {
        self.members.iter().rev().nth(choice).cloned().unwrap_or_default()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join { version, member, instance, topics, sticky } => {
                self.join(version, member, instance, topics, sticky)
            }
            Step::Sync { member, generation } => {
                let (id, generation) = (self.member(member), self.generation + generation.min(0));
                let assignments = [(self.member(0), "zero"), (self.member(1), "one")];
                let assignments: Vec<_> = assignments.iter().map(|(id, text)| (id.as_str(), *text)).collect();
                let token = self.bench.sync(&id, generation, &assignments);
                self.waiting.push(token);
            }
            Step::Heartbeat { member } => {
                let _code = self.bench.heartbeat(&self.member(member), self.generation);
            }
            Step::Leave { member } => {
                self.bench.leave(&[(&self.member(member), None)]);
            }
            Step::Commit { group, member, topic, offset, retention_ms } => {
                let topic = format!("t{topic}");
                let (id, generation) =
                    if group == 0 { (self.member(member), self.generation) } else { (String::new(), -1) };
                let name = if group == 0 { "g".to_owned() } else { format!("alone-{group}") };
                let mut commit = commit(&name, &id, generation, &[(&topic, 0, offset)]);
                commit.request.retention_time_ms = retention_ms;
                self.bench.commit_request(commit);
            }
            Step::DeleteOffsets { topic } => {
                let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
                let topics = vec![OffsetDeleteRequestTopic { name: format!("t{topic}"), partitions }];
                let token = self
                    .bench
                    .send(Input::DeleteOffsets(OffsetDeleteRequest { group_id: "g".into(), topics }));
                self.bench.reply(token);
            }
            Step::DeleteGroups => {
                let token = self.bench.send(Input::DeleteGroups(vec!["g".into(), "alone-1".into()]));
                self.bench.reply(token);
            }
            Step::ForgetTopic { topic } => {
                let gone = format!("t{topic}");
                let outcome = self.bench.shard.forget_topics(|name, _| name != gone);
                self.bench.commit(outcome);
            }
            Step::Advance { ms } => self.bench.advance(ms),
            Step::Restart => {
                let sent_away = self.bench.shard.unload();
                // What was unloaded is served again from the log.
                let (waiting, answered): (Vec<_>, Vec<_>) =
                    self.waiting.iter().partition(|token| self.bench.is_parked(**token));
                let mut expected: Vec<_> = sent_away.into_iter().map(|(token, _)| token).collect();
                expected.sort();
                assert_eq!(waiting, expected, "all who waited are sent away, and nobody else");
                self.waiting = answered;
                let mut served = Durable::default();
                self.bench.log.iter().for_each(|record| {
                    served.replay(record);
                    self.bench.shard.replay(record);
                });
                assert_eq!(&served, self.bench.shard.durable());
                let outcome = self.bench.shard.loaded(self.bench.now());
                self.bench.commit(outcome);
            }
        }
        self.listen();
    }

    fn join(&mut self, version: i16, member: usize, instance: Option<u8>, topics: u8, sticky: bool) {
        let topics: Vec<_> = (0..topics).map(|topic| format!("t{topic}")).collect();
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        let mut protocols = vec![protocol("range", &topics)];
        if sticky {
            protocols.insert(0, protocol("sticky", &topics));
        }
        let mut join = Join::new().version(version).protocols(protocols).member(&self.member(member));
        if let Some(instance) = instance {
            join = join.instance(&format!("instance-{instance}"));
        }
        let token = self.bench.join(join);
        self.waiting.push(token);
    }

    /// Reads the answers that have come.
    fn listen(&mut self) {
        let (waiting, answered): (Vec<_>, Vec<_>) =
            self.waiting.iter().partition(|token| self.bench.is_parked(**token));
        self.waiting = waiting;
        for token in answered {
            if let Reply::Join(response) = self.bench.reply(token) {
                self.generation = self.generation.max(response.generation_id);
                if !response.member_id.is_empty() && !self.members.contains(&response.member_id) {
                    self.members.push(response.member_id);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_the_state_and_nobody_is_forgotten(
        steps in prop::collection::vec(step(), 1..80),
        delay_ms in prop_oneof![Just(0), Just(3000)],
        size_max in prop_oneof![Just(3_usize), Just(1000)],
    ) {
        let settings = Settings { initial_rebalance_delay_ms: delay_ms, size_max, ..Settings::default() };
        let mut world =
            World { bench: Bench::with(settings), members: Vec::new(), generation: 0, waiting: Vec::new() };
        for step in steps {
            world.run(step);
            let mut replayed = Durable::default();
            world.bench.log.iter().for_each(|record| replayed.replay(record));
            prop_assert_eq!(&replayed, world.bench.shard.durable());
        }
        // With nobody alive any more, every wait comes to its end, and in the end so does every group.
        world.bench.advance(3_600_000);
        world.listen();
        prop_assert_eq!(&world.waiting, &[]);
        world.bench.advance(40 * 24 * 3_600_000);
        prop_assert_eq!(world.bench.shard.durable(), &Durable::default());
        prop_assert_eq!(world.bench.shard.summaries().count(), 0);
    }
}
