//! How a group gets from one generation to the next: everybody is asked to join again, whoever does not
//! in time is left behind, and the rest are the new generation (the rebalance half of
//! `GroupMetadataManager`).

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::ErrorCode;
use millrace_protocol::messages::sync_group::SyncGroupResponse;

use crate::group::{Context, Group, GroupState, InitialDelay};
use crate::outcome::{GroupEvent, Reply};

/// A rebalance that nobody joins is looked at again, but not in a tight loop for members that ask for
/// no time at all.
const RETRY_MIN_MS: i64 = 100;

impl Group {
    /// Starts a rebalance, or if one is on, ends it when everybody has come.
    pub(crate) fn rebalance_or_complete_join(&mut self, cx: &mut Context<'_>, why: String) {
        if self.state() == GroupState::PreparingRebalance {
            self.maybe_complete_join(cx);
        } else {
            self.prepare_rebalance(cx, why);
        }
    }

    /// Sends everybody back to JoinGroup.
    pub(crate) fn prepare_rebalance(&mut self, cx: &mut Context<'_>, why: String) {
        if self.state() == GroupState::CompletingRebalance {
            self.reset_assignments(cx, ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.pending_sync.clear();
        cx.timers.cancel(self.sync_key());
        let initial = self.is_empty();
        let generation = self.generation.id;
        self.enter(GroupState::PreparingRebalance, cx.now.wall_ms);
        self.note(cx, |group| GroupEvent::Rebalancing { group, generation, reason: why });
        if initial {
            let delay_ms = i64::from(cx.settings.initial_rebalance_delay_ms);
            let remaining_ms = (self.roster.rebalance_timeout_ms() - delay_ms).max(0);
            self.initial_delay = Some(InitialDelay { delay_ms, remaining_ms, newcomer: false });
            cx.timers.schedule(self.join_key(), cx.now.steady_ms + delay_ms);
        } else if self.roster.all_joined() {
            self.complete_join(cx);
        } else {
            cx.timers.schedule(self.join_key(), cx.now.steady_ms + self.roster.rebalance_timeout_ms());
        }
    }

    /// Ends the join phase when everybody has come. A group's first one lasts its time, since nobody
    /// knows yet who everybody is.
    pub(crate) fn maybe_complete_join(&mut self, cx: &mut Context<'_>) {
        let preparing = self.state() == GroupState::PreparingRebalance;
        if preparing && self.initial_delay.is_none() && self.roster.all_joined() {
            self.complete_join(cx);
        }
    }

    /// The time to join is over.
    pub(crate) fn join_expired(&mut self, cx: &mut Context<'_>) {
        if self.state() != GroupState::PreparingRebalance {
            return;
        }
        if let Some(delay) = self.initial_delay.filter(|delay| delay.newcomer && delay.remaining_ms > 0) {
            let next_ms = i64::from(cx.settings.initial_rebalance_delay_ms).min(delay.remaining_ms);
            let remaining_ms = (delay.remaining_ms - delay.delay_ms).max(0);
            self.initial_delay = Some(InitialDelay { delay_ms: next_ms, remaining_ms, newcomer: false });
            cx.timers.schedule(self.join_key(), cx.now.steady_ms + next_ms);
            return;
        }
        self.complete_join(cx);
    }

    /// Makes those who have joined the next generation. Dynamic members that have not are removed;
    /// static ones keep their place until their session ends.
    fn complete_join(&mut self, cx: &mut Context<'_>) {
        cx.timers.cancel(self.join_key());
        self.initial_delay = None;
        let late = self.roster.iter().filter(|member| !member.is_awaiting_join() && !member.is_static());
        let late: Vec<_> = late.map(|member| Arc::clone(&member.id)).collect();
        for member in late {
            self.remove(cx, &member);
            let missing = "it did not join in time";
            self.note(cx, |group| GroupEvent::MemberLost { group, member, missing });
        }
        if !self.roster.is_empty() && !self.elect_leader() {
            let wait_ms = self.roster.rebalance_timeout_ms().max(RETRY_MIN_MS);
            cx.timers.schedule(self.join_key(), cx.now.steady_ms + wait_ms);
            return;
        }
        self.next_generation(cx);
        if self.is_empty() {
            let record = self.record(|member| member.assignment.clone());
            cx.outcome.records.push(record);
        } else {
            self.answer_joins(cx);
            cx.timers.schedule(self.sync_key(), cx.now.steady_ms + self.roster.rebalance_timeout_ms());
        }
        let (generation, members) = (self.generation.id, self.roster.len());
        self.note(cx, |group| GroupEvent::Joined { group, generation, members });
    }

    /// A leader that has not joined loses its role to one that has. False when nobody has joined.
    fn elect_leader(&mut self) -> bool {
        let leader = self.generation.leader.as_deref().and_then(|id| self.roster.get(id));
        if leader.is_some_and(|leader| leader.is_awaiting_join()) {
            return true;
        }
        let Some(elected) = self.roster.iter().find(|member| member.is_awaiting_join()) else { return false };
        self.generation.leader = Some(Arc::clone(&elected.id));
        true
    }

    fn next_generation(&mut self, cx: &mut Context<'_>) {
        self.generation.id = self.generation.id.checked_add(1).unwrap_or(1);
        self.generation.protocol = self.roster.elect_protocol(self.generation.leader.as_deref());
        self.subscribed = self.subscribed_topics();
        let state = if self.roster.is_empty() { GroupState::Empty } else { GroupState::CompletingRebalance };
        self.enter(state, cx.now.wall_ms);
        self.pending_sync.clear();
    }

    fn answer_joins(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<_> = self.roster.iter().map(|member| Arc::clone(&member.id)).collect();
        for id in ids {
            let response = self.joined(&id, self.is_leader(&id));
            if let Some(token) = self.roster.park_join(&id, None) {
                cx.outcome.reply(token, Reply::Join(response));
            }
            self.keep_alive(cx, &id);
            if let Some(member) = self.roster.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_sync.insert(id);
        }
    }

    /// A member was not heard of for as long as its session lasts.
    pub(crate) fn session_expired(&mut self, cx: &mut Context<'_>, member_id: &str) {
        let missing = "it was not heard of within its session timeout";
        let member: Arc<str> = member_id.into();
        if self.roster.is_pending(member_id) {
            self.remove(cx, member_id);
            self.note(cx, |group| GroupEvent::MemberLost { group, member, missing });
            return self.maybe_complete_join(cx);
        }
        if self.roster.get(member_id).is_none_or(|member| member.is_excused()) {
            return;
        }
        self.note(cx, |group| GroupEvent::MemberLost { group, member, missing });
        self.dismiss(cx, member_id);
        let why = format!("member {member_id} was not heard of within its session timeout");
        self.after_departure(cx, why);
    }

    /// Removes a member and answers what it has parked.
    pub(crate) fn dismiss(&mut self, cx: &mut Context<'_>, member_id: &str) {
        if let Some(token) = self.roster.park_join(member_id, None) {
            cx.outcome.reply(token, Reply::join_error(ErrorCode::UNKNOWN_MEMBER_ID, ""));
        }
        if let Some(token) = self.remove(cx, member_id).and_then(|member| member.awaiting_sync) {
            cx.outcome.reply(token, Reply::sync_error(ErrorCode::UNKNOWN_MEMBER_ID));
        }
    }

    /// Somebody has left: the others share anew, or a join phase has nobody left to wait for.
    pub(crate) fn after_departure(&mut self, cx: &mut Context<'_>, why: String) {
        match self.state() {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(cx, why),
            GroupState::PreparingRebalance => self.maybe_complete_join(cx),
            GroupState::Empty => {}
        }
    }

    /// Members that joined a generation have not asked for their assignment in time.
    pub(crate) fn sync_expired(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.state(), GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let late = std::mem::take(&mut self.pending_sync);
        if late.is_empty() {
            return;
        }
        let why = format!("{} members did not ask for their assignment in time", late.len());
        for member in late {
            self.dismiss(cx, &member);
            let missing = "it did not ask for its assignment in time";
            self.note(cx, |group| GroupEvent::MemberLost { group, member, missing });
        }
        self.prepare_rebalance(cx, why);
    }

    /// Nobody's assignment counts any more, and those who wait for one are told why.
    pub(crate) fn reset_assignments(&mut self, cx: &mut Context<'_>, code: ErrorCode) {
        self.roster.iter_mut().for_each(|member| member.assignment = Bytes::new());
        self.answer_syncs(cx, code);
    }

    /// Answers every parked SyncGroup, whose member may then be expected to send heartbeats.
    pub(crate) fn answer_syncs(&mut self, cx: &mut Context<'_>, code: ErrorCode) {
        let ok = code.is_ok();
        let (kind, name) = (self.generation.protocol_type.clone(), self.generation.protocol.clone());
        let mut answered = Vec::new();
        for member in self.roster.iter_mut() {
            let Some(token) = member.awaiting_sync.take() else { continue };
            let response = SyncGroupResponse {
                error_code: code,
                protocol_type: kind.clone().filter(|_| ok),
                protocol_name: name.clone().filter(|_| ok),
                assignment: member.assignment.clone(),
                ..SyncGroupResponse::default()
            };
            cx.outcome.reply(token, Reply::Sync(response));
            answered.push(Arc::clone(&member.id));
        }
        for id in answered {
            self.keep_alive(cx, &id);
        }
    }
}
