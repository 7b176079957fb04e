//! JoinGroup: who may enter a group, and what entering it sets off
//! (`GroupMetadataManager.classicGroupJoinToClassicGroup`).

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};

use crate::group::{Context, Group, GroupState};
use crate::outcome::{GroupEvent, Reply, Token, legible};
use crate::roster::{Client, Member, Terms};

/// How long a new member's JoinGroup may be parked: it cannot send heartbeats, and one whose client is
/// gone must not take part in rebalances for ever (`GroupCoordinatorConfig`).
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60_000;
/// Ids given out and not yet used, for one group.
const PENDING_MEMBERS_MAX: usize = 10_000;
/// Protocols that one member may bring; clients bring one for each of their assignors.
pub(crate) const PROTOCOLS_MAX: usize = 1000;
/// Records that the metadata of a group's members for all their protocols may come to. The record of
/// a generation has one protocol of each, so a group that works is far below.
const GROUP_RECORDS_MAX: usize = 32;
/// The first version that sends a new member away with an id (KIP-394).
const FIRST_WITH_MEMBER_ID_REQUIRED: i16 = 4;
/// The first version in which a leader can be told to leave assignments alone (KIP-814).
const FIRST_WITH_SKIP_ASSIGNMENT: i16 = 9;

/// A JoinGroup on its way into a group.
#[derive(Debug)]
pub(crate) struct Joiner {
    token: Token,
    api_version: i16,
    client: Client,
    member_id: String,
    instance_id: Option<Arc<str>>,
    protocol_type: String,
    terms: Terms,
    reason: String,
}

impl Joiner {
    /// Takes from the request what a group keeps, in memory of its own: a request's bytes share the
    /// allocation of their frame.
    pub(crate) fn new(token: Token, client: Client, api_version: i16, request: JoinGroupRequest) -> Self {
        let mut protocols: Vec<JoinGroupRequestProtocol> =
            Vec::with_capacity(request.protocols.len().min(16));
        for JoinGroupRequestProtocol { name, metadata } in request.protocols {
            if !protocols.iter().any(|known| known.name == name) {
                protocols
                    .push(JoinGroupRequestProtocol { name, metadata: Bytes::copy_from_slice(&metadata) });
            }
        }
        // Version 0 had one timeout for both.
        let rebalance_timeout_ms =
            if api_version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
        let terms = Terms { rebalance_timeout_ms, session_timeout_ms: request.session_timeout_ms, protocols };
        let reason = request.reason.as_deref().filter(|reason| !reason.is_empty());
        Self {
            token,
            api_version,
            client,
            member_id: request.member_id,
            instance_id: request.group_instance_id.map(Arc::from),
            protocol_type: request.protocol_type,
            terms,
            reason: legible(reason.unwrap_or("not provided")),
        }
    }

    fn metadata_bytes(&self) -> usize {
        self.terms.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum()
    }
}

impl Group {
    /// Handles a JoinGroup; `new_id` is for a member that has no id yet.
    pub(crate) fn join(&mut self, cx: &mut Context<'_>, joiner: Joiner, new_id: Arc<str>) {
        let refused = self.refusal(cx, &joiner);
        if let Some(code) = refused {
            let member_id = if code == ErrorCode::GROUP_MAX_SIZE_REACHED { "" } else { &*joiner.member_id };
            cx.outcome.reply(joiner.token, Reply::join_error(code, member_id));
            if code == ErrorCode::GROUP_MAX_SIZE_REACHED && !joiner.member_id.is_empty() {
                self.remove(cx, &joiner.member_id);
                self.maybe_complete_join(cx);
            }
            return;
        }
        if !joiner.member_id.is_empty() {
            return self.join_known(cx, joiner);
        }
        let existing = joiner.instance_id.as_ref().and_then(|id| self.roster.instance(id)).cloned();
        match existing {
            Some(old_id) => self.join_again_as_static(cx, joiner, &old_id, new_id),
            None if joiner.instance_id.is_none() && joiner.api_version >= FIRST_WITH_MEMBER_ID_REQUIRED => {
                let deadline_ms = cx.now.steady_ms + i64::from(joiner.terms.session_timeout_ms);
                cx.timers.schedule(self.session_key(&new_id), deadline_ms);
                cx.outcome.reply(joiner.token, Reply::join_error(ErrorCode::MEMBER_ID_REQUIRED, &new_id));
                self.roster.add_pending(new_id);
            }
            None => self.add_and_rebalance(cx, joiner, new_id),
        }
    }

    /// What keeps a member out, whoever it is.
    fn refusal(&self, cx: &Context<'_>, joiner: &Joiner) -> Option<ErrorCode> {
        let size_max = cx.settings.size_max;
        let bytes = joiner.metadata_bytes();
        let accepted = match self.state() {
            GroupState::Empty => true,
            // Those that wait count, not the members: when the limit was lowered, the last to come back
            // are turned away.
            GroupState::PreparingRebalance => {
                self.roster.get(&joiner.member_id).is_some_and(Member::is_awaiting_join)
                    || self.roster.awaiting_join() < size_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.roster.contains(&joiner.member_id) || self.roster.len() < size_max
            }
        };
        let fits = self.roster.metadata_bytes() + bytes <= GROUP_RECORDS_MAX * cx.settings.record_bytes_max;
        let one_too_many = joiner.member_id.is_empty() && self.roster.pending_len() >= PENDING_MEMBERS_MAX;
        if !accepted || !fits || one_too_many {
            return Some(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let supported = self.supports(&joiner.protocol_type, &joiner.terms.protocols);
        (!supported).then_some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
    }

    fn join_known(&mut self, cx: &mut Context<'_>, joiner: Joiner) {
        let id = joiner.member_id.clone();
        if self.roster.is_pending(&id) && joiner.instance_id.is_none() {
            return self.add_and_rebalance(cx, joiner, id.into());
        }
        if let Err(code) = self.check_member(&id, joiner.instance_id.as_deref()) {
            return cx.outcome.reply(joiner.token, Reply::join_error(code, &id));
        }
        let same = self.roster.get(&id).is_some_and(|member| member.protocols == joiner.terms.protocols);
        let leader = self.is_leader(&id);
        match self.state() {
            GroupState::PreparingRebalance => {
                let why = format!("member {id} joins again; client reason: {}", joiner.reason);
                self.update_and_rebalance(cx, joiner, why);
            }
            // Its first answer got lost: it is told again.
            GroupState::CompletingRebalance if same => {
                let response = self.joined(&id, leader);
                cx.outcome.reply(joiner.token, Reply::Join(response));
            }
            // Followers may ask as often as they like.
            GroupState::Stable if same && !leader => {
                let response = self.joined(&id, false);
                cx.outcome.reply(joiner.token, Reply::Join(response));
            }
            // A leader asks because it saw something that the members' metadata does not show, such
            // as new partitions.
            GroupState::Stable if leader => {
                let why = format!("leader {id} joins again; client reason: {}", joiner.reason);
                self.update_and_rebalance(cx, joiner, why);
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                let why = format!("member {id} has new metadata; client reason: {}", joiner.reason);
                self.update_and_rebalance(cx, joiner, why);
            }
            GroupState::Empty => {
                cx.outcome.reply(joiner.token, Reply::join_error(ErrorCode::UNKNOWN_MEMBER_ID, &id));
            }
        }
    }

    fn update_and_rebalance(&mut self, cx: &mut Context<'_>, joiner: Joiner, why: String) {
        let Joiner { token, member_id, terms, .. } = joiner;
        self.roster.update(&member_id, terms);
        self.park_join(cx, &member_id, token);
        self.rebalance_or_complete_join(cx, why);
    }

    fn add_and_rebalance(&mut self, cx: &mut Context<'_>, joiner: Joiner, id: Arc<str>) {
        let why = match &joiner.instance_id {
            Some(instance_id) => {
                format!("member {id} of instance {instance_id} is new; client reason: {}", joiner.reason)
            }
            None => format!("member {id} is new; client reason: {}", joiner.reason),
        };
        if let Some(delay) = &mut self.initial_delay {
            delay.newcomer = true;
        }
        if self.roster.is_empty() {
            self.generation.protocol_type = Some(joiner.protocol_type);
        }
        self.generation.leader.get_or_insert_with(|| Arc::clone(&id));
        let mut member = Member::new(Arc::clone(&id), joiner.instance_id, joiner.client, joiner.terms);
        member.is_new = true;
        self.roster.add(member);
        self.park_join(cx, &id, joiner.token);
        cx.timers.schedule(self.session_key(&id), cx.now.steady_ms + NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance_or_complete_join(cx, why);
    }

    /// A static member that has forgotten its id takes the place of what it was before. In a stable
    /// group that chooses the same protocol nothing else has to happen (KIP-345).
    fn join_again_as_static(&mut self, cx: &mut Context<'_>, joiner: Joiner, old_id: &str, new_id: Arc<str>) {
        let Joiner { token, api_version, terms, instance_id, reason, .. } = joiner;
        let was_leader = self.generation.leader.clone();
        self.replace_static(cx, old_id, &new_id);
        let old_terms = self.roster.update(&new_id, terms);
        self.park_join(cx, &new_id, token);
        let who = format!("instance {} joins as member {new_id}", instance_id.as_deref().unwrap_or_default());
        match self.state() {
            GroupState::Stable => {
                let leader = self.generation.leader.as_deref();
                let unchanged = self.roster.elect_protocol(leader) == self.generation.protocol;
                if !unchanged {
                    let why = format!("{who} with a change of protocol; client reason: {reason}");
                    return self.rebalance_or_complete_join(cx, why);
                }
                let record = self.record(|member| member.assignment.clone());
                if record.size_bytes().is_none_or(|size| size > cx.settings.record_bytes_max) {
                    if let Some(terms) = old_terms {
                        self.roster.update(&new_id, terms);
                    }
                    self.roster.park_join(&new_id, None);
                    self.replace_static(cx, &new_id, &old_id.into());
                    self.note(cx, |group| GroupEvent::TooLarge { group });
                    return cx.outcome.reply(token, Reply::join_error(ErrorCode::UNKNOWN_SERVER_ERROR, ""));
                }
                cx.outcome.records.push(record);
                self.roster.park_join(&new_id, None);
                let leader = self.is_leader(&new_id);
                let response = if api_version >= FIRST_WITH_SKIP_ASSIGNMENT {
                    JoinGroupResponse { skip_assignment: leader, ..self.joined(&new_id, leader) }
                } else {
                    // The old leader's id keeps the new one from computing assignments that would not
                    // be taken.
                    let leader = was_leader.as_deref().unwrap_or_default().to_owned();
                    JoinGroupResponse { leader, ..self.joined(&new_id, false) }
                };
                cx.outcome.reply(token, Reply::Join(response));
            }
            // The old id may be in the leader's hands for assignment already.
            GroupState::CompletingRebalance => {
                self.prepare_rebalance(cx, format!("{who}; client reason: {reason}"));
            }
            GroupState::Empty | GroupState::PreparingRebalance => self.maybe_complete_join(cx),
        }
    }

    /// Whoever waits under the old id is fenced.
    fn replace_static(&mut self, cx: &mut Context<'_>, old_id: &str, new_id: &Arc<str>) {
        let fenced = self.roster.park_join(old_id, None);
        if let Some(token) = fenced {
            cx.outcome.reply(token, Reply::join_error(ErrorCode::FENCED_INSTANCE_ID, old_id));
        }
        let Some(old) = self.roster.replace(old_id, Arc::clone(new_id)) else { return };
        if let Some(token) = old.awaiting_sync {
            cx.outcome.reply(token, Reply::sync_error(ErrorCode::FENCED_INSTANCE_ID));
        }
        if self.is_leader(old_id) {
            self.generation.leader = Some(Arc::clone(new_id));
        }
        self.pending_sync.remove(old_id);
        cx.timers.cancel(self.session_key(old_id));
        self.keep_alive(cx, new_id);
    }

    /// The answer to a member of the present generation; with the members for one that assigns.
    pub(crate) fn joined(&self, member_id: &str, with_members: bool) -> JoinGroupResponse {
        let protocol = self.generation.protocol.as_deref().unwrap_or_default();
        let member = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            metadata: member.metadata(protocol),
        };
        let members = if with_members { self.roster.iter().map(member).collect() } else { Vec::new() };
        JoinGroupResponse {
            generation_id: self.generation.id,
            protocol_type: self.generation.protocol_type.clone(),
            protocol_name: self.generation.protocol.clone(),
            leader: self.generation.leader.as_deref().unwrap_or_default().to_owned(),
            member_id: member_id.to_owned(),
            members,
            ..JoinGroupResponse::default()
        }
    }
}
