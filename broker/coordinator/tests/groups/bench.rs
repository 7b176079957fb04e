//! A shard on a bench: a clock that is moved by hand, a log that is a list, and what everybody was told.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_coordinator::{Client, Commit, GroupRecord, Input, Now, Outcome, Reply, Settings, Shard, Token};
use millrace_protocol::messages::group_records::{ConsumerProtocolSubscription, GroupMetadataValue};
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use millrace_protocol::wire::Writer;
use millrace_protocol::{ErrorCode, Message, Uuid};

/// A shard, its log, and its clock.
pub(crate) struct Bench {
    pub(crate) shard: Shard,
    /// The steady clock.
    pub(crate) now_ms: i64,
    /// How far the wall's clock is ahead of it.
    pub(crate) wall_ahead_ms: i64,
    pub(crate) log: Vec<GroupRecord>,
    settings: Settings,
    replies: BTreeMap<Token, Reply>,
    next_token: u64,
}

/// A JoinGroup as consumers send it; change what a test is about.
#[derive(Clone)]
pub(crate) struct Join {
    pub(crate) version: i16,
    pub(crate) request: JoinGroupRequest,
}

impl Join {
    /// A consumer of topic `t` without an id, in the last version before ids are asked for.
    pub(crate) fn new() -> Self {
        Self {
            version: 3,
            request: JoinGroupRequest {
                group_id: "g".into(),
                session_timeout_ms: 10_000,
                rebalance_timeout_ms: 30_000,
                protocol_type: "consumer".into(),
                protocols: vec![protocol("range", &["t"])],
                ..JoinGroupRequest::default()
            },
        }
    }

    pub(crate) fn version(mut self, version: i16) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn member(mut self, id: &str) -> Self {
        self.request.member_id = id.into();
        self
    }

    pub(crate) fn instance(mut self, id: &str) -> Self {
        self.request.group_instance_id = Some(id.into());
        self.version = self.version.max(5);
        self
    }

    pub(crate) fn protocols(mut self, protocols: Vec<JoinGroupRequestProtocol>) -> Self {
        self.request.protocols = protocols;
        self
    }

    pub(crate) fn kind(mut self, protocol_type: &str) -> Self {
        self.request.protocol_type = protocol_type.into();
        self
    }

    pub(crate) fn sessions(mut self, timeout_ms: i32) -> Self {
        self.request.session_timeout_ms = timeout_ms;
        self
    }
}

/// A protocol with a consumer's subscription as its metadata.
pub(crate) fn protocol(name: &str, topics: &[&str]) -> JoinGroupRequestProtocol {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    let mut writer = Writer::default();
    writer.write_i16(1);
    subscription.encode(&mut writer, 1).unwrap();
    JoinGroupRequestProtocol { name: name.into(), metadata: writer.finish_whole().unwrap() }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut shard = Shard::new(settings.clone(), 7);
        let now_ms = 1_000_000;
        assert_eq!(shard.loaded(Now { wall_ms: now_ms, steady_ms: now_ms }), Outcome::default());
        Self {
            shard,
            now_ms,
            wall_ahead_ms: 0,
            log: Vec::new(),
            settings,
            replies: BTreeMap::new(),
            next_token: 0,
        }
    }

    /// What both clocks say.
    pub(crate) fn now(&self) -> Now {
        Now { wall_ms: self.now_ms + self.wall_ahead_ms, steady_ms: self.now_ms }
    }

    /// Sends a request and does what is due at once, as a server does.
    pub(crate) fn send(&mut self, input: Input) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        let outcome = self.shard.handle(token, input, self.now());
        self.commit(outcome);
        self.run_due();
        token
    }

    pub(crate) fn commit(&mut self, outcome: Outcome) {
        for record in outcome.records {
            self.shard.replay(&record);
            self.log.push(record);
        }
        for (token, reply) in outcome.replies {
            assert_eq!(self.replies.insert(token, reply), None, "{token:?} was answered twice");
        }
    }

    fn run_due(&mut self) {
        while self.shard.next_deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            let outcome = self.shard.tick(self.now());
            self.commit(outcome);
        }
    }

    /// Moves the clock, stopping at each deadline on the way.
    pub(crate) fn advance(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        while let Some(due_ms) = self.shard.next_deadline_ms().filter(|due_ms| *due_ms <= end_ms) {
            self.now_ms = self.now_ms.max(due_ms);
            self.run_due();
        }
        self.now_ms = end_ms;
    }

    /// Loads a new shard from the log, as after a restart.
    pub(crate) fn restart(&mut self) {
        self.restart_with(self.settings.clone());
    }

    pub(crate) fn restart_with(&mut self, settings: Settings) {
        let mut shard = Shard::new(settings.clone(), 8);
        self.log.iter().for_each(|record| shard.replay(record));
        assert_eq!(shard.durable(), self.shard.durable(), "the log gives another state");
        self.settings = settings;
        self.shard = shard;
        let outcome = self.shard.loaded(self.now());
        self.commit(outcome);
    }

    pub(crate) fn is_parked(&self, token: Token) -> bool {
        !self.replies.contains_key(&token)
    }

    pub(crate) fn reply(&mut self, token: Token) -> Reply {
        self.replies.remove(&token).unwrap_or_else(|| panic!("{token:?} still waits"))
    }

    // What clients do.

    pub(crate) fn join(&mut self, join: Join) -> Token {
        let client = Client { id: "client".into(), host: "/127.0.0.1".into() };
        self.send(Input::Join { client, api_version: join.version, request: join.request })
    }

    pub(crate) fn joined(&mut self, token: Token) -> JoinGroupResponse {
        match self.reply(token) {
            Reply::Join(response) => response,
            other => panic!("not to a JoinGroup: {other:?}"),
        }
    }

    /// Joins and expects the answer at once.
    pub(crate) fn join_now(&mut self, join: Join) -> JoinGroupResponse {
        let token = self.join(join);
        self.joined(token)
    }

    pub(crate) fn sync(
        &mut self,
        member: &str,
        generation: i32,
        assignments: &[(&str, &'static str)],
    ) -> Token {
        self.sync_request(3, sync_request(member, generation, assignments))
    }

    pub(crate) fn sync_request(&mut self, api_version: i16, request: SyncGroupRequest) -> Token {
        self.send(Input::Sync { api_version, request })
    }

    pub(crate) fn synced(&mut self, token: Token) -> SyncGroupResponse {
        match self.reply(token) {
            Reply::Sync(response) => response,
            other => panic!("not to a SyncGroup: {other:?}"),
        }
    }

    pub(crate) fn sync_now(
        &mut self,
        member: &str,
        generation: i32,
        assignments: &[(&str, &'static str)],
    ) -> Result<Bytes, ErrorCode> {
        let token = self.sync(member, generation, assignments);
        let response = self.synced(token);
        if response.error_code.is_ok() { Ok(response.assignment) } else { Err(response.error_code) }
    }

    pub(crate) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        self.heartbeat_as(member, None, generation)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        let token = self.send(Input::Heartbeat(HeartbeatRequest {
            group_id: "g".into(),
            generation_id: generation,
            member_id: member.into(),
            group_instance_id: instance.map(str::to_owned),
        }));
        match self.reply(token) {
            Reply::Heartbeat(response) => response.error_code,
            other => panic!("not to a Heartbeat: {other:?}"),
        }
    }

    pub(crate) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> LeaveGroupResponse {
        let members = members.iter().map(|(member, instance)| MemberIdentity {
            member_id: (*member).to_owned(),
            group_instance_id: instance.map(str::to_owned),
            reason: Some("done".into()),
        });
        let request = LeaveGroupRequest {
            group_id: "g".into(),
            members: members.collect(),
            ..LeaveGroupRequest::default()
        };
        let token = self.send(Input::Leave(request));
        match self.reply(token) {
            Reply::Leave(response) => response,
            other => panic!("not to a LeaveGroup: {other:?}"),
        }
    }

    /// Commits one offset of `t-0`.
    pub(crate) fn commit_offset(
        &mut self,
        group: &str,
        member: &str,
        generation: i32,
        offset: i64,
    ) -> ErrorCode {
        self.commit_request(commit(group, member, generation, &[("t", 0, offset)]))[0]
    }

    pub(crate) fn commit_request(&mut self, commit: Commit) -> Vec<ErrorCode> {
        let token = self.send(Input::Commit(commit));
        match self.reply(token) {
            Reply::Commit(response) => {
                let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.map(|partition| partition.error_code).collect()
            }
            other => panic!("not to an OffsetCommit: {other:?}"),
        }
    }

    /// Two members in generation 1, stable: the leader first.
    pub(crate) fn pair(&mut self, join: &Join) -> (String, String) {
        let first = self.join(join.clone());
        self.advance(i64::from(self.settings.initial_rebalance_delay_ms));
        let leader = self.joined(first);
        let second = self.join(join.clone());
        let again = self.join(join.clone().member(&leader.member_id));
        let (leader, follower) = (self.joined(again), self.joined(second));
        assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
        let (leader, follower) = (leader.member_id, follower.member_id);
        let waiting = self.sync(&follower, 2, &[]);
        let assignments = [(&*leader, "to the leader"), (&*follower, "to the follower")];
        assert_eq!(self.sync_now(&leader, 2, &assignments).unwrap(), "to the leader");
        assert_eq!(self.synced(waiting).assignment, "to the follower");
        assert_eq!(self.state(), "Stable");
        (leader, follower)
    }

    pub(crate) fn state(&self) -> String {
        self.shard.describe_group("g", 5).group_state
    }

    pub(crate) fn members(&self) -> usize {
        self.shard.describe_group("g", 5).members.len()
    }

    /// The last record of group `g`'s membership.
    pub(crate) fn last_metadata(&self) -> &GroupMetadataValue {
        let last = self.log.iter().rev().find_map(|record| match record {
            GroupRecord::GroupMetadata(key, Some(value)) if key.group == "g" => Some(value),
            _ => None,
        });
        last.expect("the group was never written")
    }
}

pub(crate) fn sync_request(
    member: &str,
    generation: i32,
    assignments: &[(&str, &'static str)],
) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, assignment)| SyncGroupRequestAssignment {
        member_id: (*member).to_owned(),
        assignment: Bytes::from_static(assignment.as_bytes()),
    });
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id: generation,
        member_id: member.into(),
        assignments: assignments.collect(),
        ..SyncGroupRequest::default()
    }
}

pub(crate) fn commit(group: &str, member: &str, generation: i32, offsets: &[(&str, i32, i64)]) -> Commit {
    let topics = offsets.iter().map(|(topic, partition, offset)| OffsetCommitRequestTopic {
        name: (*topic).to_owned(),
        partitions: vec![OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_leader_epoch: 3,
            committed_metadata: Some("note".into()),
        }],
    });
    Commit {
        api_version: 8,
        topic_ids: vec![Uuid([1; 16]); offsets.len()],
        request: OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: generation,
            member_id: member.into(),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        },
    }
}
