//! Whole conversations with a group: members that join, wait for one another, restart and leave. Ids are
//! random, so a member is shown by the number under which it first appeared.

use bytes::Bytes;
use millrace_protocol::messages::describe_groups::DescribeGroupsRequest;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use millrace_protocol::messages::list_groups::ListGroupsRequest;
use millrace_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use millrace_protocol::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use millrace_tests::{Connection, until};

use super::{Case, PRESENT};

pub(super) const CASES: &[Case] = &[
    ("rebalance: a second member", |c| {
        let mut talk = Talk::new(c, "pair", 3);
        talk.pair();
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: a follower asks again", |c| {
        let mut talk = Talk::new(c, "asking", 3);
        let (_, follower) = talk.pair();
        talk.join_now(c, Some(&follower), None);
        talk.sync_now(c, &follower, 2, &[]);
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: a follower with new metadata", |c| {
        let mut talk = Talk::new(c, "changing", 3);
        let (leader, follower) = talk.pair();
        let mut second = talk.connect();
        talk.metadata = "other";
        talk.join(&mut second, Some(&follower), None);
        talk.wait_for("PreparingRebalance", c);
        talk.beat(c, &leader, 2, None);
        talk.commit(c, &leader, 2);
        talk.metadata = "";
        talk.join_now(c, Some(&leader), None);
        talk.joined(&mut second);
        talk.beat(c, &leader, 3, None);
        talk.commit(c, &leader, 3);
        talk.sync_now(c, &leader, 2, &[]);
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: a leader asks again", |c| {
        let mut talk = Talk::new(c, "leading", 3);
        let (leader, follower) = talk.pair();
        let mut first = talk.connect();
        talk.join(&mut first, Some(&leader), None);
        talk.wait_for("PreparingRebalance", c);
        talk.sync_now(c, &follower, 2, &[]);
        talk.beat(c, &follower, 2, None);
        talk.leave(c, &[(&follower, None)]);
        talk.joined(&mut first);
        talk.sync_now(&mut first, &leader, 3, &[&leader]);
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: an answer that got lost", |c| {
        let mut talk = Talk::new(c, "lost", 3);
        let member = talk.join_now(c, None, None);
        talk.join_now(c, Some(&member), None);
        talk.commit(c, &member, 1);
        talk.metadata = "other";
        talk.join_now(c, Some(&member), None);
        talk.seen()
    }),
    ("rebalance: those who wait are called back", |c| {
        let mut talk = Talk::new(c, "called", 3);
        let (leader, follower) = talk.pair();
        let mut first = talk.connect();
        let mut second = talk.connect();
        talk.join(&mut first, Some(&leader), None);
        talk.wait_for("PreparingRebalance", c);
        talk.join(&mut second, Some(&follower), None);
        talk.joined(&mut first);
        talk.joined(&mut second);
        talk.sync(&mut second, &follower, 3, &[]);
        let mut third = talk.connect();
        talk.join(&mut third, None, None);
        talk.synced(&mut second);
        talk.leave(c, &[(&leader, None), (&follower, None), ("stranger", None)]);
        talk.joined(&mut third);
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: everybody leaves", |c| {
        let mut talk = Talk::new(c, "leaving", 3);
        let (leader, follower) = talk.pair();
        talk.leave(c, &[(&leader, None), (&follower, None)]);
        talk.beat(c, &leader, 2, None);
        talk.join_now(c, Some(&leader), None);
        talk.describe(c);
        talk.commit(c, "", -1);
        talk.seen()
    }),
    ("rebalance: ids that are given out are waited for", |c| {
        let mut talk = Talk::new(c, "given", 4);
        let id = talk.join_now(c, None, None);
        talk.join_now(c, Some(&id), None);
        talk.sync_now(c, &id, 1, &[&id]);
        let pending = talk.join_now(c, None, None);
        talk.leave(c, &[(&pending, None)]);
        talk.describe(c);
        talk.seen()
    }),
    ("rebalance: protocols are voted on", |c| {
        let mut talk = Talk::new(c, "voting", 7);
        talk.protocols = &["range", "sticky"];
        let first = talk.join_now(c, None, Some("one"));
        talk.protocols = &["sticky", "unheard-of"];
        let mut second = talk.connect();
        talk.join(&mut second, None, Some("two"));
        talk.wait_for("PreparingRebalance", c);
        talk.protocols = &["range", "sticky"];
        talk.join_now(c, Some(&first), Some("one"));
        talk.joined(&mut second);
        talk.seen()
    }),
    ("rebalance: a sync names its protocol", |c| {
        let mut talk = Talk::new(c, "naming", 3);
        let (leader, _) = talk.pair();
        for (kind, name) in [("consumer", "range"), ("connect", "range"), ("consumer", "sticky")] {
            let request = SyncGroupRequest {
                protocol_type: Some(kind.to_owned()),
                protocol_name: Some(name.to_owned()),
                ..talk.sync_request(&leader, 2, &[])
            };
            let answer = c.ask(&request, 5);
            talk.note_sync(&answer);
        }
        let answer = c.ask(&talk.sync_request(&leader, 2, &[]), 5);
        talk.note_sync(&answer);
        talk.seen()
    }),
    ("static: a follower restarts", |c| restarts(c, "static-follower", 8, "two")),
    ("static: a follower restarts, newest", |c| restarts(c, "static-follower-9", 9, "two")),
    ("static: a leader restarts", |c| restarts(c, "static-leader", 8, "one")),
    ("static: a leader restarts, newest", |c| restarts(c, "static-leader-9", 9, "one")),
    ("static: a restart with another protocol", |c| {
        let mut talk = Talk::new(c, "static-protocol", 8);
        let (one, two) = talk.static_pair(c);
        talk.protocols = &["sticky", "range"];
        talk.join_now(c, None, Some("two"));
        talk.protocols = &["sticky", "range"];
        let mut first = talk.connect();
        talk.join(&mut first, None, Some("one"));
        talk.wait_for("PreparingRebalance", c);
        talk.beat(c, &one, 2, Some("one"));
        talk.beat(c, &two, 2, Some("two"));
        talk.seen()
    }),
    ("static: a restart between join and sync", |c| {
        let mut talk = Talk::new(c, "static-between", 8);
        let (one, two) = talk.static_pair(c);
        let mut first = talk.connect();
        talk.join(&mut first, Some(&one), Some("one"));
        talk.wait_for("PreparingRebalance", c);
        let mut second = talk.connect();
        talk.join(&mut second, Some(&two), Some("two"));
        talk.joined(&mut first);
        talk.joined(&mut second);
        // It names the instance, so that it is fenced alike whether it arrives before the new join or after.
        let instance = Some("two".to_owned());
        second.send(&SyncGroupRequest { group_instance_id: instance, ..talk.sync_request(&two, 3, &[]) }, 3);
        let mut third = talk.connect();
        talk.join(&mut third, None, Some("two"));
        talk.synced(&mut second);
        talk.sync_now(c, &one, 3, &[&one, &two]);
        talk.join_now(&mut first, Some(&one), Some("one"));
        talk.joined(&mut third);
        talk.seen()
    }),
    ("static: an instance that waits is fenced", |c| {
        let mut talk = Talk::new(c, "static-waits", 8);
        let (one, two) = talk.static_pair(c);
        let mut first = talk.connect();
        talk.join(&mut first, Some(&one), Some("one"));
        talk.wait_for("PreparingRebalance", c);
        let mut again = talk.connect();
        talk.join(&mut again, None, Some("one"));
        talk.joined(&mut first);
        talk.join_now(c, Some(&two), Some("two"));
        talk.joined(&mut again);
        talk.seen()
    }),
    ("static: instances are removed by name", |c| {
        let mut talk = Talk::new(c, "static-removed", 8);
        let (one, two) = talk.static_pair(c);
        talk.leave(
            c,
            &[("", Some("two")), ("", Some("nobody")), (&one, Some("two")), ("stranger", Some("one"))],
        );
        talk.beat(c, &two, 2, Some("two"));
        talk.beat(c, &one, 2, Some("one"));
        talk.beat(c, &one, 2, Some("two"));
        talk.describe(c);
        talk.seen()
    }),
    ("list groups: those of a conversation", |c| {
        let request = ListGroupsRequest { states_filter: vec![" stable".to_owned()], ..Default::default() };
        let shown = |c: &mut Connection, version, types: &[&str]| {
            let types_filter = types.iter().map(|kind| (*kind).to_owned()).collect();
            let answer = c.ask(&ListGroupsRequest { types_filter, ..request.clone() }, version);
            let group = answer.groups.iter().find(|group| group.group_id == "pair");
            format!("{:?}", group.map(|group| (&group.protocol_type, &group.group_state, &group.group_type)))
        };
        let by_type = [shown(c, 5, &["Classic"]), shown(c, 5, &["consumer"]), shown(c, 5, &["nonsense"])];
        format!("{} {}", shown(c, 4, &[]), by_type.join(" "))
    }),
];

fn restarts(c: &mut Connection, group: &'static str, version: i16, instance: &'static str) -> String {
    let mut talk = Talk::new(c, group, version);
    let (one, two) = talk.static_pair(c);
    let back = talk.join_now(c, None, Some(instance));
    talk.sync_now(c, &back, 2, &[]);
    for (member, instance) in [(&one, "one"), (&two, "two")] {
        talk.beat(c, member, 2, Some(instance));
        talk.beat(c, member, 2, None);
    }
    talk.describe(c);
    talk.seen()
}

/// A conversation with one group, and what was seen in it.
struct Talk {
    address: std::net::SocketAddr,
    group: &'static str,
    version: i16,
    protocols: &'static [&'static str],
    /// Stands behind the subscription, as user data.
    metadata: &'static str,
    members: Vec<String>,
    seen: Vec<String>,
}

impl Talk {
    fn new(c: &Connection, group: &'static str, version: i16) -> Self {
        let address = c.stream().peer_addr().unwrap();
        let protocols: &[&str] = &["range"];
        Self { address, group, version, protocols, metadata: "", members: Vec::new(), seen: Vec::new() }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    fn seen(self) -> String {
        self.seen.join("; ")
    }

    /// A member's number, or its id where that is no member's.
    fn name(&mut self, id: &str) -> String {
        if id.len() < 36 {
            return format!("{id:?}");
        }
        let known = self.members.iter().position(|known| known == id);
        let number = known.unwrap_or_else(|| {
            self.members.push(id.to_owned());
            self.members.len() - 1
        });
        format!("#{number}")
    }

    fn join(&mut self, c: &mut Connection, member: Option<&str>, instance: Option<&str>) {
        let protocols = self.protocols.iter().map(|name| JoinGroupRequestProtocol {
            name: (*name).to_owned(),
            metadata: subscription(self.metadata),
        });
        let request = JoinGroupRequest {
            group_id: self.group.to_owned(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 30_000,
            member_id: member.unwrap_or_default().to_owned(),
            group_instance_id: instance.map(str::to_owned),
            protocol_type: "consumer".to_owned(),
            protocols: protocols.collect(),
            ..Default::default()
        };
        c.send(&request, self.version);
    }

    fn joined(&mut self, c: &mut Connection) -> String {
        let answer: JoinGroupResponse = c.answer::<JoinGroupRequest>(self.version);
        let (member, leader) = (self.name(&answer.member_id), self.name(&answer.leader));
        let mut others: Vec<_> = answer.members.iter().map(|other| self.name(&other.member_id)).collect();
        others.sort();
        self.seen.push(format!(
            "join {:?} {member} of {leader} in {} {:?} {:?} {others:?}{}",
            answer.error_code,
            answer.generation_id,
            answer.protocol_type,
            answer.protocol_name,
            if answer.skip_assignment { " skips" } else { "" },
        ));
        answer.member_id
    }

    fn join_now(&mut self, c: &mut Connection, member: Option<&str>, instance: Option<&str>) -> String {
        self.join(c, member, instance);
        self.joined(c)
    }

    fn sync_request(&self, member: &str, generation_id: i32, assigned: &[&str]) -> SyncGroupRequest {
        let assignments = assigned.iter().enumerate().map(|(number, member)| SyncGroupRequestAssignment {
            member_id: (*member).to_owned(),
            assignment: Bytes::from(format!("part {number}")),
        });
        SyncGroupRequest {
            group_id: self.group.to_owned(),
            generation_id,
            member_id: member.to_owned(),
            assignments: assignments.collect(),
            ..Default::default()
        }
    }

    fn sync(&mut self, c: &mut Connection, member: &str, generation: i32, assigned: &[&str]) {
        c.send(&self.sync_request(member, generation, assigned), 3);
    }

    fn synced(&mut self, c: &mut Connection) {
        let answer = c.answer::<SyncGroupRequest>(3);
        self.note_sync(&answer);
    }

    fn note_sync(&mut self, answer: &SyncGroupResponse) {
        let (kind, name) = (&answer.protocol_type, &answer.protocol_name);
        self.seen.push(format!("sync {:?} {:?} {kind:?} {name:?}", answer.error_code, answer.assignment));
    }

    fn sync_now(&mut self, c: &mut Connection, member: &str, generation: i32, assigned: &[&str]) {
        self.sync(c, member, generation, assigned);
        self.synced(c);
    }

    fn beat(&mut self, c: &mut Connection, member: &str, generation_id: i32, instance: Option<&str>) {
        let request = HeartbeatRequest {
            group_id: self.group.to_owned(),
            generation_id,
            member_id: member.to_owned(),
            group_instance_id: instance.map(str::to_owned),
        };
        let code = c.ask(&request, 3).error_code;
        let member = self.name(member);
        self.seen.push(format!("heartbeat of {member} {code:?}"));
    }

    fn commit(&mut self, c: &mut Connection, member: &str, generation: i32) {
        let partition = OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() };
        let topic = OffsetCommitRequestTopic { name: PRESENT.to_owned(), partitions: vec![partition] };
        let request = OffsetCommitRequest {
            group_id: self.group.to_owned(),
            generation_id_or_member_epoch: generation,
            member_id: member.to_owned(),
            topics: vec![topic],
            ..Default::default()
        };
        let code = c.ask(&request, 7).topics[0].partitions[0].error_code;
        self.seen.push(format!("commit {code:?}"));
    }

    fn leave(&mut self, c: &mut Connection, members: &[(&str, Option<&str>)]) {
        let identities = members.iter().map(|(member, instance)| MemberIdentity {
            member_id: (*member).to_owned(),
            group_instance_id: instance.map(str::to_owned),
            reason: None,
        });
        let request = LeaveGroupRequest {
            group_id: self.group.to_owned(),
            members: identities.collect(),
            ..Default::default()
        };
        let answer = c.ask(&request, 4);
        let codes: Vec<_> = answer.members.iter().map(|member| member.error_code).collect();
        self.seen.push(format!("leave {:?} {codes:?}", answer.error_code));
    }

    fn describe(&mut self, c: &mut Connection) {
        let request = DescribeGroupsRequest {
            groups: vec![self.group.to_owned()],
            include_authorized_operations: true,
        };
        let group = c.ask(&request, 5).groups.remove(0);
        let mut members: Vec<_> = group
            .members
            .iter()
            .map(|member| {
                let (metadata, assignment) = (member.member_metadata.len(), &member.member_assignment);
                format!(
                    "{} {:?} {metadata} {assignment:?}",
                    self.name(&member.member_id),
                    member.group_instance_id
                )
            })
            .collect();
        members.sort();
        self.seen.push(format!(
            "group {:?} {} {:?} {:?} {members:?} may {:b}",
            group.error_code,
            group.group_state,
            group.protocol_type,
            group.protocol_data,
            group.authorized_operations
        ));
    }

    /// Waits until what was sent on another connection has arrived.
    fn wait_for(&self, state: &str, c: &mut Connection) {
        let request = DescribeGroupsRequest { groups: vec![self.group.to_owned()], ..Default::default() };
        until("the group is in that state", || {
            (c.ask(&request, 5).groups[0].group_state == state).then_some(())
        });
    }

    /// Two members, stable in generation 2; the leader first.
    fn pair(&mut self) -> (String, String) {
        let (mut first, mut second) = (self.connect(), self.connect());
        let leader = self.join_now(&mut first, None, None);
        self.join(&mut second, None, None);
        self.wait_for("PreparingRebalance", &mut first);
        self.join_now(&mut first, Some(&leader), None);
        let follower = self.joined(&mut second);
        self.sync_now(&mut first, &leader, 2, &[&leader, &follower]);
        self.sync_now(&mut second, &follower, 2, &[]);
        (leader, follower)
    }

    /// As [`Talk::pair`], with the instances `one` and `two`.
    fn static_pair(&mut self, c: &mut Connection) -> (String, String) {
        let one = self.join_now(c, None, Some("one"));
        let mut second = self.connect();
        self.join(&mut second, None, Some("two"));
        self.wait_for("PreparingRebalance", c);
        self.join_now(c, Some(&one), Some("one"));
        let two = self.joined(&mut second);
        self.sync_now(c, &one, 2, &[&one, &two]);
        self.sync_now(&mut second, &two, 2, &[]);
        (one, two)
    }
}

/// Kafka's subscription of a consumer, version 0: a topic, and user data.
fn subscription(user_data: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, PRESENT.len() as u8];
    bytes.extend_from_slice(PRESENT.as_bytes());
    bytes.extend_from_slice(&(user_data.len() as i32).to_be_bytes());
    bytes.extend_from_slice(user_data.as_bytes());
    bytes.into()
}
