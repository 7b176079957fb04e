//! LeaveGroup: members go at once rather than by session timeout, on their own or by an administrator's
//! hand (`GroupMetadataManager.classicGroupLeaveToClassicGroup`, KIP-345).

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::leave_group::{LeaveGroupResponse, MemberIdentity, MemberResponse};

use crate::group::{Context, Group};
use crate::outcome::legible;

/// Members that are named when many leave at once.
const NAMED_MAX: usize = 10;

impl Group {
    /// Handles a LeaveGroup.
    pub(crate) fn leave(&mut self, cx: &mut Context<'_>, members: Vec<MemberIdentity>) -> LeaveGroupResponse {
        let mut left = Vec::new();
        let mut responses = Vec::with_capacity(members.len().min(1024));
        for member in members {
            let outcome = self.leave_one(cx, &member);
            if outcome.is_ok() {
                let reason = member.reason.as_deref().filter(|reason| !reason.is_empty());
                let who = if member.member_id.is_empty() { &member.group_instance_id } else { &None };
                let who = who.as_deref().unwrap_or(&member.member_id);
                left.push(format!("{} ({})", legible(who), legible(reason.unwrap_or("no reason given"))));
            }
            responses.push(MemberResponse {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                error_code: outcome.err().unwrap_or(ErrorCode::NONE),
            });
        }
        if !left.is_empty() {
            let others = left.len().saturating_sub(NAMED_MAX);
            left.truncate(NAMED_MAX);
            let others = if others == 0 { String::new() } else { format!(" and {others} others") };
            self.after_departure(cx, format!("members left: {}{others}", left.join(", ")));
        }
        LeaveGroupResponse { members: responses, ..LeaveGroupResponse::default() }
    }

    fn leave_one(&mut self, cx: &mut Context<'_>, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance_id = member.group_instance_id.as_deref();
        // Administrators know an instance, not the id that it has at present.
        if member.member_id.is_empty() {
            let id = instance_id.and_then(|instance_id| self.roster.instance(instance_id)).cloned();
            self.dismiss(cx, &id.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?);
            return Ok(());
        }
        if self.roster.is_pending(&member.member_id) {
            self.remove(cx, &member.member_id);
            return Ok(());
        }
        self.check_member(&member.member_id, instance_id)?;
        self.dismiss(cx, &member.member_id);
        Ok(())
    }
}
