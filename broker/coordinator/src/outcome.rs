//! What comes out of a shard: records to append, and who is told what once they are.

use std::fmt;
use std::sync::Arc;

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::delete_groups::DeletableGroupResult;
use millrace_protocol::messages::heartbeat::HeartbeatResponse;
use millrace_protocol::messages::join_group::JoinGroupResponse;
use millrace_protocol::messages::leave_group::LeaveGroupResponse;
use millrace_protocol::messages::offset_commit::OffsetCommitResponse;
use millrace_protocol::messages::offset_delete::OffsetDeleteResponse;
use millrace_protocol::messages::sync_group::SyncGroupResponse;

use crate::record::GroupRecord;

/// As long as Kafka's clients let their reasons be.
const LEGIBLE_CHARS_MAX: usize = 255;

/// Names a request that waits for its reply. The caller chooses it; no two that wait may be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// The answer to one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To JoinGroup.
    Join(JoinGroupResponse),
    /// To SyncGroup.
    Sync(SyncGroupResponse),
    /// To Heartbeat.
    Heartbeat(HeartbeatResponse),
    /// To LeaveGroup.
    Leave(LeaveGroupResponse),
    /// To OffsetCommit.
    Commit(OffsetCommitResponse),
    /// To OffsetDelete.
    DeleteOffsets(OffsetDeleteResponse),
    /// To DeleteGroups, for the groups of one shard.
    DeleteGroups(Vec<DeletableGroupResult>),
}

impl Reply {
    pub(crate) fn join_error(error_code: ErrorCode, member_id: &str) -> Self {
        let member_id = member_id.to_owned();
        Self::Join(JoinGroupResponse { error_code, member_id, ..JoinGroupResponse::default() })
    }

    pub(crate) fn sync_error(error_code: ErrorCode) -> Self {
        Self::Sync(SyncGroupResponse { error_code, ..SyncGroupResponse::default() })
    }

    pub(crate) fn heartbeat(error_code: ErrorCode) -> Self {
        Self::Heartbeat(HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
    }

    /// Turns the reply into a refusal: its records could not be appended.
    pub fn refuse(&mut self, code: ErrorCode) {
        match self {
            Self::Join(response) => {
                let member_id = std::mem::take(&mut response.member_id);
                *response = JoinGroupResponse { error_code: code, member_id, ..JoinGroupResponse::default() };
            }
            Self::Sync(response) => {
                *response = SyncGroupResponse { error_code: code, ..SyncGroupResponse::default() };
            }
            Self::Heartbeat(response) => response.error_code = code,
            Self::Leave(response) => {
                *response = LeaveGroupResponse { error_code: code, ..LeaveGroupResponse::default() };
            }
            Self::Commit(response) => {
                let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
            }
            Self::DeleteOffsets(response) => {
                *response = OffsetDeleteResponse { error_code: code, ..OffsetDeleteResponse::default() };
            }
            Self::DeleteGroups(results) => results.iter_mut().for_each(|result| result.error_code = code),
        }
    }
}

/// What a client is told when records cannot be appended for the reason `code`
/// (Kafka's `CoordinatorOperationExceptionHelper`).
#[must_use]
pub fn append_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::REQUEST_TIMED_OUT => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::KAFKA_STORAGE_ERROR => ErrorCode::NOT_COORDINATOR,
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE | ErrorCode::INVALID_FETCH_SIZE => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
        other => other,
    }
}

/// Something that an operator may want to read about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// A group's members have to join again.
    Rebalancing {
        /// The group.
        group: Arc<str>,
        /// The generation that ends.
        generation: i32,
        /// Why.
        reason: String,
    },
    /// A group's members have joined a generation.
    Joined {
        /// The group.
        group: Arc<str>,
        /// The generation that begins; with no members the group is empty.
        generation: i32,
        /// How many joined.
        members: usize,
    },
    /// A member was not heard of in time and has been removed.
    MemberLost {
        /// The group.
        group: Arc<str>,
        /// The member.
        member: Arc<str>,
        /// What it did not do.
        missing: &'static str,
    },
    /// A group's state is larger than a record may be.
    TooLarge {
        /// The group.
        group: Arc<str>,
    },
}

impl fmt::Display for GroupEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebalancing { group, generation, reason } => {
                write!(f, "group {} leaves generation {generation}: {reason}", legible(group))
            }
            Self::Joined { group, generation, members: 0 } => {
                write!(f, "group {} is empty, generation {generation}", legible(group))
            }
            Self::Joined { group, generation, members } => {
                write!(f, "group {} has {members} members in generation {generation}", legible(group))
            }
            Self::MemberLost { group, member, missing } => {
                write!(f, "group {} loses member {}: {missing}", legible(group), legible(member))
            }
            Self::TooLarge { group } => {
                write!(f, "the members of group {} do not fit into one record", legible(group))
            }
        }
    }
}

/// A client's text, fit for a line of the log.
pub(crate) fn legible(text: &str) -> String {
    text.chars().take(LEGIBLE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Records, replies and events of one input. The caller appends the records, replays them, and only
/// then sends the replies.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To be appended together, in this order.
    pub records: Vec<GroupRecord>,
    /// To be sent once the records are committed.
    pub replies: Vec<(Token, Reply)>,
    /// For the log of the broker.
    pub events: Vec<GroupEvent>,
}

impl Outcome {
    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.replies.push((token, reply));
    }
}
