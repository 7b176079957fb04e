//! All groups of one partition of `__consumer_offsets`: `handle` takes a request, `tick` the time, both
//! give records and replies; `replay` takes the records back (Kafka's `GroupCoordinatorShard`).
//!
//! What is durable stands in [`Durable`] and is changed by `replay` alone. Beside it stand the
//! generations that are running: members, who waits, when they time out. Those are made from what is
//! durable when the shard is loaded, and are gone when it is unloaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use millrace_protocol::messages::offset_delete::OffsetDeleteRequest;
use millrace_protocol::messages::sync_group::SyncGroupRequest;

use crate::durable::Durable;
use crate::group::{Context, Group};
use crate::join::{Joiner, PROTOCOLS_MAX};
use crate::offsets::Commit;
use crate::outcome::{Outcome, Reply, Token};
use crate::record::GroupRecord;
use crate::roster::Client;
use crate::settings::Settings;
use crate::time::Now;
use crate::timers::{TimerKey, Timers};

/// The first version in which a SyncGroup has to name protocol type and protocol (KIP-559).
const FIRST_SYNC_WITH_PROTOCOL: i16 = 5;
/// A client's name at the front of a member's id, at most; ids are strings of at most 32767 bytes.
const MEMBER_ID_PREFIX_BYTES_MAX: usize = 1024;

/// A request to the groups of a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// JoinGroup.
    Join {
        /// Who asks.
        client: Client,
        /// Version of the request.
        api_version: i16,
        /// The request.
        request: JoinGroupRequest,
    },
    /// SyncGroup.
    Sync {
        /// Version of the request.
        api_version: i16,
        /// The request.
        request: SyncGroupRequest,
    },
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup, with the member of old versions in the list of members.
    Leave(LeaveGroupRequest),
    /// OffsetCommit.
    Commit(Commit),
    /// OffsetDelete, of partitions that exist.
    DeleteOffsets(OffsetDeleteRequest),
    /// DeleteGroups: those groups that belong to this shard, each once.
    DeleteGroups(Vec<String>),
}

/// The groups of one partition.
#[derive(Debug)]
pub struct Shard {
    pub(crate) settings: Settings,
    pub(crate) durable: Durable,
    pub(crate) groups: BTreeMap<Arc<str>, Group>,
    pub(crate) timers: Timers,
    rng: Rng,
    loaded: bool,
}

impl Shard {
    /// A shard that has nothing in it and has to be loaded: [`Shard::replay`] for every record, then
    /// [`Shard::loaded`]. Member ids come from `seed`.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            durable: Durable::default(),
            groups: BTreeMap::new(),
            timers: Timers::default(),
            rng: Rng::with_seed(seed),
            loaded: false,
        }
    }

    /// What the records so far amount to.
    #[must_use]
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Changes how much one batch may hold (`max.message.bytes` of the topic).
    pub fn set_record_bytes_max(&mut self, bytes: usize) {
        self.settings.record_bytes_max = bytes;
    }

    /// Takes over a record that is committed: every one while loading, and afterwards those that
    /// `handle` and `tick` gave.
    pub fn replay(&mut self, record: &GroupRecord) {
        self.durable.replay(record);
        if !self.loaded {
            return;
        }
        match record {
            GroupRecord::GroupMetadata(key, None) => self.forget(&key.group),
            GroupRecord::OffsetCommit(key, Some(_)) if !self.groups.contains_key(key.group.as_str()) => {
                let id: Arc<str> = key.group.as_str().into();
                self.groups.insert(Arc::clone(&id), Group::new(id, None));
            }
            _ => {}
        }
    }

    fn forget(&mut self, id: &str) {
        let Some(group) = self.groups.remove(id) else { return };
        self.timers.cancel(group.join_key());
        self.timers.cancel(group.sync_key());
        let pending = group.roster.pending().map(|member| group.session_key(member));
        let members = group.roster.iter().map(|member| group.session_key(&member.id));
        pending.chain(members).for_each(|key| self.timers.cancel(key));
    }

    /// Begins to serve what was replayed: members' sessions run from now on.
    pub fn loaded(&mut self, now: Now) -> Outcome {
        self.loaded = true;
        let mut outcome = Outcome::default();
        for (id, durable) in self.durable.iter() {
            let group = match &durable.metadata {
                Some(value) => Group::from_record(Arc::clone(id), value),
                None => Group::new(Arc::clone(id), None),
            };
            self.groups.insert(Arc::clone(id), group);
        }
        let mut cx =
            Context { settings: &self.settings, timers: &mut self.timers, outcome: &mut outcome, now };
        for group in self.groups.values_mut() {
            let members: Vec<_> = group.roster.iter().map(|member| Arc::clone(&member.id)).collect();
            members.iter().for_each(|member| group.keep_alive(&mut cx, member));
            // The limit may have been lowered since: the last to join again will be turned away.
            if members.len() > cx.settings.size_max {
                group.prepare_rebalance(
                    &mut cx,
                    "it was loaded with more members than it may have".to_owned(),
                );
            }
        }
        let next_ms = now.steady_ms.saturating_add(self.settings.offsets_retention_check_interval_ms);
        self.timers.schedule(TimerKey::Expiry, next_ms);
        outcome
    }

    /// Stops serving. Whoever waits is sent to find the coordinator anew.
    pub fn unload(&mut self) -> Vec<(Token, Reply)> {
        let mut outcome = Outcome::default();
        for group in self.groups.values_mut() {
            let members: Vec<_> = group.roster.iter().map(|member| Arc::clone(&member.id)).collect();
            for id in members {
                if let Some(token) = group.roster.park_join(&id, None) {
                    outcome.reply(token, Reply::join_error(ErrorCode::NOT_COORDINATOR, &id));
                }
                let parked = group.roster.get_mut(&id).and_then(|member| member.awaiting_sync.take());
                if let Some(token) = parked {
                    outcome.reply(token, Reply::sync_error(ErrorCode::NOT_COORDINATOR));
                }
            }
        }
        self.loaded = false;
        self.durable = Durable::default();
        self.groups.clear();
        self.timers.clear();
        outcome.replies
    }

    /// When [`Shard::tick`] is to be called next, by the steady clock.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_ms()
    }

    /// Does the earliest thing whose time has come, if there is one. To be called again, after its
    /// records are replayed, until nothing is due.
    pub fn tick(&mut self, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(key) = self.timers.pop_due(now.steady_ms) else { return outcome };
        let id = match &key {
            TimerKey::Join(group) | TimerKey::Sync(group) | TimerKey::Session(group, _) => group,
            TimerKey::Expiry => {
                self.expire_offsets(now.wall_ms, &mut outcome);
                let next_ms = now.steady_ms.saturating_add(self.settings.offsets_retention_check_interval_ms);
                self.timers.schedule(TimerKey::Expiry, next_ms);
                return outcome;
            }
        };
        let (Some(group), mut cx) = self.group_and_context(id, now, &mut outcome) else { return outcome };
        match &key {
            TimerKey::Join(_) => group.join_expired(&mut cx),
            TimerKey::Sync(_) => group.sync_expired(&mut cx),
            TimerKey::Session(_, member) => group.session_expired(&mut cx, member),
            TimerKey::Expiry => {}
        }
        outcome
    }

    /// Handles a request. Its reply may come at once or in a later outcome; `token` names it.
    pub fn handle(&mut self, token: Token, input: Input, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        match input {
            Input::Join { client, api_version, request } => {
                self.join(token, client, api_version, request, now, &mut outcome);
            }
            Input::Sync { api_version, request } => self.sync(token, api_version, request, now, &mut outcome),
            Input::Heartbeat(request) => self.heartbeat(token, &request, now, &mut outcome),
            Input::Leave(request) => self.leave(token, request, now, &mut outcome),
            Input::Commit(commit) => self.commit(token, commit, now, &mut outcome),
            Input::DeleteOffsets(request) => self.delete_offsets(token, request, &mut outcome),
            Input::DeleteGroups(ids) => {
                let results = self.delete_groups(ids, &mut outcome);
                outcome.reply(token, Reply::DeleteGroups(results));
            }
        }
        outcome
    }

    fn join(
        &mut self,
        token: Token,
        client: Client,
        api_version: i16,
        request: JoinGroupRequest,
        now: Now,
        outcome: &mut Outcome,
    ) {
        let known = self.groups.contains_key(request.group_id.as_str());
        if let Err(code) = self.check_join(&request, known) {
            return outcome.reply(token, Reply::join_error(code, &request.member_id));
        }
        let id: Arc<str> = request.group_id.as_str().into();
        let new_id = self.new_member_id(request.group_instance_id.as_deref().unwrap_or(&client.id));
        let joiner = Joiner::new(token, client, api_version, request);
        let group = self
            .groups
            .entry(Arc::clone(&id))
            .or_insert_with(|| Group::new(Arc::clone(&id), Some(now.wall_ms)));
        // Of a new group that nobody may join, nothing stays.
        let record = (!known).then(|| group.record(|member| member.assignment.clone()));
        let mut cx = Context { settings: &self.settings, timers: &mut self.timers, outcome, now };
        group.join(&mut cx, joiner, new_id);
        if !known && group.roster.is_empty() && group.roster.pending_len() == 0 {
            self.groups.remove(&id);
        } else {
            outcome.records.splice(0..0, record);
        }
    }

    fn check_join(&self, request: &JoinGroupRequest, known: bool) -> Result<(), ErrorCode> {
        let too_large =
            |protocol: &JoinGroupRequestProtocol| protocol.metadata.len() > self.settings.record_bytes_max;
        let (min_ms, max_ms) = (self.settings.session_timeout_min_ms, self.settings.session_timeout_max_ms);
        if request.group_id.is_empty() {
            Err(ErrorCode::INVALID_GROUP_ID)
        } else if !(min_ms..=max_ms).contains(&request.session_timeout_ms) {
            Err(ErrorCode::INVALID_SESSION_TIMEOUT)
        } else if !known && !request.member_id.is_empty() {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        } else if request.protocols.len() > PROTOCOLS_MAX {
            Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
        } else if request.protocols.iter().any(too_large) {
            // What can never be stored; Kafka says so when the leader assigns.
            Err(ErrorCode::UNKNOWN_SERVER_ERROR)
        } else {
            Ok(())
        }
    }

    /// An id that no other member has: a name that people recognise, and a random UUID.
    fn new_member_id(&mut self, name: &str) -> Arc<str> {
        let mut end = name.len().min(MEMBER_ID_PREFIX_BYTES_MAX);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let mut bits = self.rng.u128(..);
        bits = bits & !(0xf << 76) | (4 << 76);
        bits = bits & !(0x3 << 62) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let name = &name[..end];
        format!("{name}-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            .into()
    }

    fn sync(
        &mut self,
        token: Token,
        api_version: i16,
        request: SyncGroupRequest,
        now: Now,
        outcome: &mut Outcome,
    ) {
        let unnamed = request.protocol_type.is_none() || request.protocol_name.is_none();
        if api_version >= FIRST_SYNC_WITH_PROTOCOL && unnamed {
            return outcome.reply(token, Reply::sync_error(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
        }
        if request.group_id.is_empty() {
            return outcome.reply(token, Reply::sync_error(ErrorCode::INVALID_GROUP_ID));
        }
        let (group, mut cx) = self.group_and_context(&request.group_id, now, outcome);
        match group {
            Some(group) => group.sync(&mut cx, token, request),
            None => outcome.reply(token, Reply::sync_error(ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    fn heartbeat(&mut self, token: Token, request: &HeartbeatRequest, now: Now, outcome: &mut Outcome) {
        let (group, mut cx) = self.group_and_context(&request.group_id, now, outcome);
        let code = match group {
            _ if request.group_id.is_empty() => ErrorCode::INVALID_GROUP_ID,
            Some(group) => group.heartbeat(&mut cx, request),
            None => ErrorCode::UNKNOWN_MEMBER_ID,
        };
        outcome.reply(token, Reply::heartbeat(code));
    }

    fn leave(&mut self, token: Token, request: LeaveGroupRequest, now: Now, outcome: &mut Outcome) {
        if request.group_id.is_empty() {
            let error_code = ErrorCode::INVALID_GROUP_ID;
            let response = LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
            return outcome.reply(token, Reply::Leave(response));
        }
        let (group, mut cx) = self.group_and_context(&request.group_id, now, outcome);
        let response = match group {
            Some(group) => group.leave(&mut cx, request.members),
            None => {
                let members = request.members.into_iter().map(|member| MemberResponse {
                    member_id: member.member_id,
                    group_instance_id: member.group_instance_id,
                    error_code: ErrorCode::UNKNOWN_MEMBER_ID,
                });
                LeaveGroupResponse { members: members.collect(), ..LeaveGroupResponse::default() }
            }
        };
        outcome.reply(token, Reply::Leave(response));
    }
}
