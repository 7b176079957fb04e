//! SyncGroup and Heartbeat: the leader hands out assignments, everybody else waits for them, and all
//! say that they are still there (`GroupMetadataManager.classicGroupSyncToClassicGroup`,
//! `classicGroupHeartbeatToClassicGroup`).

use std::collections::HashMap;

use bytes::Bytes;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

use crate::group::{Context, Group, GroupState};
use crate::outcome::{GroupEvent, Reply, Token};

impl Group {
    /// Handles a SyncGroup.
    pub(crate) fn sync(&mut self, cx: &mut Context<'_>, token: Token, request: SyncGroupRequest) {
        if let Err(code) = self.check_sync(&request) {
            return cx.outcome.reply(token, Reply::sync_error(code));
        }
        let member_id = request.member_id;
        match self.state() {
            GroupState::Empty => cx.outcome.reply(token, Reply::sync_error(ErrorCode::UNKNOWN_MEMBER_ID)),
            GroupState::PreparingRebalance => {
                cx.outcome.reply(token, Reply::sync_error(ErrorCode::REBALANCE_IN_PROGRESS));
            }
            GroupState::CompletingRebalance => {
                self.park_sync(cx, &member_id, token);
                self.synced(cx, &member_id);
                if self.is_leader(&member_id) {
                    self.assign(cx, request.assignments);
                }
            }
            GroupState::Stable => {
                self.synced(cx, &member_id);
                let assignment = self.roster.get(&member_id).map(|member| member.assignment.clone());
                let response = SyncGroupResponse {
                    protocol_type: self.generation.protocol_type.clone(),
                    protocol_name: self.generation.protocol.clone(),
                    assignment: assignment.unwrap_or_default(),
                    ..SyncGroupResponse::default()
                };
                cx.outcome.reply(token, Reply::Sync(response));
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation.id {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<String>, known: &Option<String>| {
            asked.is_some() && known.is_some() && asked != known
        };
        if differs(&request.protocol_type, &self.generation.protocol_type)
            || differs(&request.protocol_name, &self.generation.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn synced(&mut self, cx: &mut Context<'_>, member_id: &str) {
        self.pending_sync.remove(member_id);
        if self.pending_sync.is_empty() {
            cx.timers.cancel(self.sync_key());
        }
    }

    /// The leader's assignment makes the group stable, if it can be written down.
    fn assign(&mut self, cx: &mut Context<'_>, assignments: Vec<SyncGroupRequestAssignment>) {
        let mut given: HashMap<String, Bytes> = HashMap::with_capacity(self.roster.len());
        for SyncGroupRequestAssignment { member_id, assignment } in assignments {
            if self.roster.contains(&member_id) {
                // The request's bytes share the allocation of their frame.
                given.insert(member_id, Bytes::copy_from_slice(&assignment));
            }
        }
        let record = self.record(|member| given.get(&*member.id).cloned().unwrap_or_default());
        if record.size_bytes().is_none_or(|size| size > cx.settings.record_bytes_max) {
            self.note(cx, |group| GroupEvent::TooLarge { group });
            self.reset_assignments(cx, ErrorCode::UNKNOWN_SERVER_ERROR);
            return self.prepare_rebalance(cx, "its assignment is too large to be stored".to_owned());
        }
        cx.outcome.records.push(record);
        for member in self.roster.iter_mut() {
            member.assignment = given.remove(&*member.id).unwrap_or_default();
        }
        self.answer_syncs(cx, ErrorCode::NONE);
        self.enter(GroupState::Stable, cx.now.wall_ms);
    }

    /// Handles a Heartbeat.
    pub(crate) fn heartbeat(&mut self, cx: &mut Context<'_>, request: &HeartbeatRequest) -> ErrorCode {
        if let Err(code) = self.check_member(&request.member_id, request.group_instance_id.as_deref()) {
            return code;
        }
        if request.generation_id != self.generation.id {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        match self.state() {
            GroupState::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            GroupState::PreparingRebalance => {
                self.keep_alive(cx, &request.member_id);
                ErrorCode::REBALANCE_IN_PROGRESS
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.keep_alive(cx, &request.member_id);
                ErrorCode::NONE
            }
        }
    }
}
