//! One classic group: its state, its generation and its members (Kafka's `ClassicGroup`). What moves it
//! from state to state stands beside it, in `join`, `rebalance`, `sync` and `leave`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::messages::group_records::{
    ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataValue, MemberMetadata,
};
use millrace_protocol::messages::join_group::JoinGroupRequestProtocol;
use millrace_protocol::wire::Reader;
use millrace_protocol::{ErrorCode, Message};

use crate::outcome::{GroupEvent, Outcome, Reply, Token};
use crate::record::GroupRecord;
use crate::roster::{Client, Member, Roster, Terms};
use crate::settings::Settings;
use crate::time::Now;
use crate::timers::{TimerKey, Timers};

/// The protocol type of consumers; Connect has another, and anybody may have their own.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a group is in its life. A dead group is one that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Members have to join again; those that have, wait.
    PreparingRebalance,
    /// Members have joined and wait for the leader's assignment.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
}

impl GroupState {
    /// Kafka's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a group works with while it handles something.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) timers: &'a mut Timers,
    pub(crate) outcome: &'a mut Outcome,
    pub(crate) now: Now,
}

/// State, the one before it, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) state: GroupState,
    pub(crate) previous: Option<GroupState>,
    /// `None` for a group known from its offsets alone.
    pub(crate) since_ms: Option<i64>,
}

/// What the members of one generation share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) id: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<Arc<str>>,
}

/// The wait before a group's first generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    pub(crate) delay_ms: i64,
    pub(crate) remaining_ms: i64,
    /// Somebody came meanwhile: others may follow.
    pub(crate) newcomer: bool,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<str>,
    pub(crate) phase: Phase,
    pub(crate) generation: Generation,
    pub(crate) roster: Roster,
    /// Members of the generation that have not asked for their assignment yet.
    pub(crate) pending_sync: BTreeSet<Arc<str>>,
    /// Topics that the members read; `None` where their metadata does not say.
    pub(crate) subscribed: Option<BTreeSet<String>>,
    pub(crate) initial_delay: Option<InitialDelay>,
}

impl Group {
    /// A group without members. `now_ms` is when it came to be, if that is known.
    pub(crate) fn new(id: Arc<str>, now_ms: Option<i64>) -> Self {
        Self {
            id,
            phase: Phase { state: GroupState::Empty, previous: None, since_ms: now_ms },
            generation: Generation::default(),
            roster: Roster::default(),
            pending_sync: BTreeSet::new(),
            subscribed: None,
            initial_delay: None,
        }
    }

    /// A group as its last record says; its members have to be heard of within their session timeouts.
    pub(crate) fn from_record(id: Arc<str>, value: &GroupMetadataValue) -> Self {
        let state = if value.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        let since_ms = (value.current_state_timestamp >= 0).then_some(value.current_state_timestamp);
        let mut group = Self::new(id, since_ms);
        group.phase.state = state;
        group.generation = Generation {
            id: value.generation,
            protocol_type: Some(value.protocol_type.clone()).filter(|kind| !kind.is_empty()),
            protocol: value.protocol.clone(),
            leader: value.leader.as_deref().map(Arc::from),
        };
        for member in &value.members {
            let name = value.protocol.clone().unwrap_or_default();
            let rebalance_timeout_ms =
                if member.rebalance_timeout < 0 { member.session_timeout } else { member.rebalance_timeout };
            let terms = Terms {
                rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout,
                protocols: vec![JoinGroupRequestProtocol { name, metadata: member.subscription.clone() }],
            };
            let client = Client { id: member.client_id.clone(), host: member.client_host.clone() };
            let instance_id = member.group_instance_id.as_deref().map(Arc::from);
            let mut loaded = Member::new(member.member_id.as_str().into(), instance_id, client, terms);
            loaded.assignment = member.assignment.clone();
            group.generation.leader.get_or_insert_with(|| Arc::clone(&loaded.id));
            group.roster.add(loaded);
        }
        group.subscribed = group.subscribed_topics();
        group
    }

    pub(crate) fn state(&self) -> GroupState {
        self.phase.state
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phase.state == GroupState::Empty
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.generation.leader.as_deref() == Some(member_id)
    }

    pub(crate) fn is_consumer(&self) -> bool {
        self.generation.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    pub(crate) fn enter(&mut self, state: GroupState, now_ms: i64) {
        self.phase = Phase { state, previous: Some(self.phase.state), since_ms: Some(now_ms) };
    }

    /// Whether a member with these protocols can be in the group.
    pub(crate) fn supports(&self, protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.generation.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.roster.all_understand(&protocol.name))
    }

    /// Whether a request comes from a member, and from the right one if the member is static.
    pub(crate) fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.roster.instance(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(known) if **known != *member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.roster.contains(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// Whether offsets may be committed in the name of a member and generation.
    pub(crate) fn check_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        // Tools and consumers that assign themselves name no generation; they may commit while nobody
        // else could.
        if generation < 0 && self.is_empty() {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation.id {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        // The member knows the generation from its JoinGroup and does not have its assignment yet.
        if self.state() == GroupState::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Whether the group reads a topic, or might.
    pub(crate) fn reads(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or_else(|| self.is_consumer(), |topics| topics.contains(topic))
    }

    /// Topics in the members' metadata, if that is a consumer's. Read as version 0, which every later
    /// version begins with.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.is_consumer() {
            return None;
        }
        if self.roster.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.generation.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.roster.iter() {
            let mut reader = Reader::new(member.metadata(protocol));
            reader.read_i16().ok().filter(|version| *version >= 0)?;
            topics.extend(ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?.topics);
        }
        Some(topics)
    }

    /// From when on an offset's time runs out; `None` while it does not
    /// ([KIP-211](https://cwiki.apache.org/confluence/display/KAFKA/KIP-211)).
    pub(crate) fn expires_from_ms(&self, commit_timestamp_ms: i64) -> Option<i64> {
        match self.state() {
            _ if self.generation.protocol_type.is_none() => Some(commit_timestamp_ms),
            GroupState::Empty => Some(self.phase.since_ms.unwrap_or(commit_timestamp_ms)),
            GroupState::Stable if self.subscribed.is_some() => Some(commit_timestamp_ms),
            _ => None,
        }
    }

    /// The record of this generation, with assignments given by the caller.
    pub(crate) fn record(&self, assignment: impl Fn(&Member) -> Bytes) -> GroupRecord {
        let protocol = self.generation.protocol.as_deref().unwrap_or_default();
        let members = self.roster.iter().map(|member| MemberMetadata {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            client_id: member.client.id.clone(),
            client_host: member.client.host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignment(member),
        });
        let value = GroupMetadataValue {
            protocol_type: self.generation.protocol_type.clone().unwrap_or_default(),
            generation: self.generation.id,
            protocol: self.generation.protocol.clone(),
            leader: self.generation.leader.as_deref().map(str::to_owned),
            current_state_timestamp: self.phase.since_ms.unwrap_or(-1),
            members: members.collect(),
        };
        GroupRecord::GroupMetadata(GroupMetadataKey { group: self.id.to_string() }, Some(value))
    }

    /// Lets a member go, leader or not.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, member_id: &str) -> Option<Member> {
        let removed = self.roster.remove(member_id);
        self.pending_sync.remove(member_id);
        cx.timers.cancel(self.session_key(member_id));
        if self.is_leader(member_id) {
            self.generation.leader = self.roster.iter().next().map(|member| Arc::clone(&member.id));
        }
        removed
    }

    pub(crate) fn session_key(&self, member_id: &str) -> TimerKey {
        TimerKey::Session(Arc::clone(&self.id), member_id.into())
    }

    pub(crate) fn join_key(&self) -> TimerKey {
        TimerKey::Join(Arc::clone(&self.id))
    }

    pub(crate) fn sync_key(&self) -> TimerKey {
        TimerKey::Sync(Arc::clone(&self.id))
    }

    /// The member was heard of: its session runs anew.
    pub(crate) fn keep_alive(&self, cx: &mut Context<'_>, member_id: &str) {
        if let Some(member) = self.roster.get(member_id) {
            let key = TimerKey::Session(Arc::clone(&self.id), Arc::clone(&member.id));
            cx.timers.schedule(key, cx.now.steady_ms + i64::from(member.session_timeout_ms));
        }
    }

    pub(crate) fn note(&self, cx: &mut Context<'_>, event: impl FnOnce(Arc<str>) -> GroupEvent) {
        cx.outcome.events.push(event(Arc::clone(&self.id)));
    }

    /// Parks a JoinGroup. If the member had one parked already, it asked again on another connection
    /// and nobody reads the first answer any more.
    pub(crate) fn park_join(&mut self, cx: &mut Context<'_>, member_id: &str, token: Token) {
        if let Some(stale) = self.roster.park_join(member_id, Some(token)) {
            cx.outcome.reply(stale, Reply::join_error(ErrorCode::REBALANCE_IN_PROGRESS, member_id));
        }
    }

    /// Parks a SyncGroup, as [`Group::park_join`].
    pub(crate) fn park_sync(&mut self, cx: &mut Context<'_>, member_id: &str, token: Token) {
        let Some(member) = self.roster.get_mut(member_id) else { return };
        if let Some(stale) = member.awaiting_sync.replace(token) {
            cx.outcome.reply(stale, Reply::sync_error(ErrorCode::REBALANCE_IN_PROGRESS));
        }
    }
}
