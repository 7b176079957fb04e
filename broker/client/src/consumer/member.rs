//! A member of a group, in a task of its own: it joins when it is told to, sends heartbeats while nobody
//! waits for it, assigns partitions when it leads, and leaves when the application stopped polling. What
//! happens it tells as events; what they mean for partitions and positions is not its business.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use millrace_protocol::messages::heartbeat::HeartbeatRequest;
use millrace_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use millrace_protocol::{ApiKey, ErrorCode};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::assignor::TopicCounts;
use super::join::join;
use super::presence::Presence;
use crate::client::{Call, Client, Target};
use crate::config::{AssignorKind, GroupConfig};
use crate::error::ClientError;
use crate::net::{Exchange, Lane};
use crate::topic_partition::TopicPartition;

/// Commands and events that wait, at most; there is never more than one rebalance under way.
const WAITING_MAX: usize = 8;

/// Generation of somebody who is not a member.
pub(super) const NO_GENERATION: i32 = -1;

/// What the member is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Join, or join again.
    Join(JoinRequest),
    /// Leave and forget who it was; answers when that is done.
    Leave(oneshot::Sender<()>),
}

/// What a member says of itself when it joins.
#[derive(Debug, Clone)]
pub(super) struct JoinRequest {
    /// Assignors in order of preference, each with the subscription as it reads it.
    pub(super) protocols: Vec<(AssignorKind, Bytes)>,
    pub(super) reason: &'static str,
}

/// What a member gets when it has joined.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) member_id: String,
    pub(super) partitions: Vec<TopicPartition>,
    /// What the plan rests on, when this member leads: other counts call for another plan.
    pub(super) counts: Option<TopicCounts>,
}

/// What happens to the member.
#[derive(Debug)]
pub(super) enum MemberEvent {
    /// The group changes: join again.
    Rebalance,
    Joined(Joined),
    /// It is no member any more, and what it had may be read by others.
    Lost(ClientError),
    /// It cannot be a member.
    Failed(ClientError),
}

/// Who the member is.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) member_id: String,
    pub(super) generation: i32,
}

/// What every request of a member needs.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) client: Client,
    pub(super) config: Arc<GroupConfig>,
    pub(super) identity: Arc<Mutex<Identity>>,
}

impl Membership {
    pub(super) fn call(&self, lane: Lane, within: Duration) -> Call {
        Call { target: Target::Coordinator(self.config.id.clone()), lane, exchange: Exchange::within(within) }
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.client.config().timeouts.request
    }

    pub(super) fn error(&self, api: ApiKey, code: ErrorCode) -> ClientError {
        ClientError::api(api, code, format!("group {}", self.config.id))
    }

    /// Starts over as somebody whom the coordinator does not know.
    fn forget(&self) {
        *self.identity.lock() = Identity { member_id: String::new(), generation: NO_GENERATION };
    }
}

/// The application's end of a member.
#[derive(Debug)]
pub(super) struct MemberHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: mpsc::Receiver<MemberEvent>,
}

/// See the module.
struct Member {
    membership: Membership,
    presence: Arc<Presence>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<MemberEvent>,
    /// The application knows of the rebalance under way.
    has_told: bool,
    /// Heartbeats that failed in a row.
    failures: u32,
}

/// How the work at hand ended.
pub(super) enum Outcome {
    Joined(Joined),
    Lost(ClientError),
    Failed(ClientError),
    Beat(Beat),
}

/// What a heartbeat brought.
pub(super) enum Beat {
    Alive,
    Rebalance,
    /// No answer that says anything: try again soon.
    Unclear(ClientError),
    /// The application did not poll for too long.
    PollOverdue,
}

enum Step {
    Told(Option<Command>),
    Done(Outcome),
}

/// Starts a member, which does nothing until it is told to.
pub(super) fn start(client: Client, config: Arc<GroupConfig>, presence: Arc<Presence>) -> MemberHandle {
    let (commands, told) = mpsc::channel(WAITING_MAX);
    let (events, happened) = mpsc::channel(WAITING_MAX);
    let identity = Arc::new(Mutex::new(Identity { member_id: String::new(), generation: NO_GENERATION }));
    let membership = Membership { client, config, identity };
    let member = Member { membership, presence, commands: told, events, has_told: false, failures: 0 };
    tokio::spawn(member.run());
    MemberHandle { commands, events: happened }
}

impl Member {
    async fn run(mut self) {
        let mut work: Option<BoxFuture<'static, Outcome>> = None;
        loop {
            let step = tokio::select! {
                command = self.commands.recv() => Step::Told(command),
                outcome = progress(&mut work) => Step::Done(outcome),
            };
            work = match step {
                // The consumer is gone without a word: its session runs out.
                Step::Told(None) => return,
                Step::Told(Some(Command::Join(request))) => {
                    self.has_told = false;
                    Some(join(self.membership.clone(), request).boxed())
                }
                Step::Told(Some(Command::Leave(done))) => {
                    self.leave("the consumer is being closed").await;
                    let _ = done.send(());
                    None
                }
                Step::Done(outcome) => self.take_in(outcome).await,
            };
        }
    }

    /// Tells what happened; returns what to do next.
    async fn take_in(&mut self, outcome: Outcome) -> Option<BoxFuture<'static, Outcome>> {
        let interval = self.membership.config.heartbeat_interval;
        match outcome {
            Outcome::Joined(joined) => {
                self.failures = 0;
                self.tell(MemberEvent::Joined(joined)).await;
                Some(self.beat(interval))
            }
            Outcome::Lost(error) => {
                info!(group = %self.membership.config.id, %error, "no longer a member");
                self.membership.forget();
                self.tell(MemberEvent::Lost(error)).await;
                None
            }
            Outcome::Failed(error) => {
                self.tell(MemberEvent::Failed(error)).await;
                None
            }
            Outcome::Beat(Beat::Alive) => {
                self.failures = 0;
                Some(self.beat(interval))
            }
            Outcome::Beat(Beat::Rebalance) => {
                self.failures = 0;
                if !std::mem::replace(&mut self.has_told, true) {
                    self.tell(MemberEvent::Rebalance).await;
                }
                Some(self.beat(interval))
            }
            Outcome::Beat(Beat::Unclear(error)) => {
                debug!(group = %self.membership.config.id, %error, "a heartbeat got no answer");
                self.failures = self.failures.saturating_add(1);
                let wait = self.membership.client.config().retry.wait_jittered(self.failures);
                Some(self.beat(wait.min(interval)))
            }
            Outcome::Beat(Beat::PollOverdue) => {
                let poll_interval_max_ms = self.membership.config.poll_interval_max.as_millis();
                warn!(
                    group = %self.membership.config.id,
                    poll_interval_max_ms,
                    "leaving the group: the time between two polls exceeded max.poll.interval.ms"
                );
                self.leave("consumer poll timeout has expired").await;
                let error = self.membership.error(ApiKey::Heartbeat, ErrorCode::UNKNOWN_MEMBER_ID);
                self.tell(MemberEvent::Lost(error)).await;
                None
            }
        }
    }

    async fn tell(&self, event: MemberEvent) {
        // Nobody listens any more when the consumer is gone; `run` ends by itself then.
        let _ = self.events.send(event).await;
    }

    fn beat(&self, wait: Duration) -> BoxFuture<'static, Outcome> {
        beat(self.membership.clone(), Arc::clone(&self.presence), Instant::now() + wait).boxed()
    }

    /// Leaves, unless the member is static: those come back under the same name.
    async fn leave(&self, reason: &str) {
        let member_id = self.membership.identity.lock().member_id.clone();
        self.membership.forget();
        if member_id.is_empty() || self.membership.config.instance_id.is_some() {
            return;
        }
        let group_id = self.membership.config.id.clone();
        let make = |version: i16| {
            let (alone, members) = match version {
                0..=2 => (member_id, Vec::new()),
                _ => {
                    let reason = Some(reason.to_owned());
                    let member = MemberIdentity { member_id, group_instance_id: None, reason };
                    (String::new(), vec![member])
                }
            };
            LeaveGroupRequest { group_id, member_id: alone, members }
        };
        // Not behind the JoinGroup that may be waiting on the group's own connection.
        let call = self.membership.call(Lane::Shared, self.membership.request_timeout());
        let left = timeout(self.membership.request_timeout(), self.membership.client.call_once(&call, make));
        if let Ok(Err(error)) = left.await {
            debug!(group = %self.membership.config.id, %error, "could not leave; the session runs out");
        }
    }
}

/// The work at hand; waits for ever when there is none.
async fn progress(work: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// Waits until a heartbeat is due and sends it.
async fn beat(membership: Membership, presence: Arc<Presence>, due: Instant) -> Outcome {
    loop {
        let overdue_at = presence.overdue_at(membership.config.poll_interval_max);
        if overdue_at <= Instant::now() {
            return Outcome::Beat(Beat::PollOverdue);
        }
        if due <= Instant::now() {
            break;
        }
        sleep_until(due.min(overdue_at)).await;
    }
    let (generation_id, member_id) = {
        let identity = membership.identity.lock();
        (identity.generation, identity.member_id.clone())
    };
    let request = HeartbeatRequest {
        group_id: membership.config.id.clone(),
        generation_id,
        member_id,
        group_instance_id: membership.config.instance_id.clone(),
    };
    let call = membership.call(Lane::Group, membership.request_timeout());
    let code = match membership.client.call_once(&call, |_| request).await {
        Ok(response) => response.error_code,
        Err(error) if error.is_retriable() => {
            membership.client.distrust(&call.target);
            return Outcome::Beat(Beat::Unclear(error));
        }
        Err(error) => return Outcome::Failed(error),
    };
    let error = membership.error(ApiKey::Heartbeat, code);
    match code {
        ErrorCode::NONE => Outcome::Beat(Beat::Alive),
        ErrorCode::REBALANCE_IN_PROGRESS => Outcome::Beat(Beat::Rebalance),
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => Outcome::Lost(error),
        code if code.is_retriable() => {
            membership.client.distrust(&call.target);
            Outcome::Beat(Beat::Unclear(error))
        }
        _ => Outcome::Failed(error),
    }
}

/// Every topic that somebody subscribes to.
pub(super) fn topics_of<'a>(subscriptions: impl Iterator<Item = &'a [Arc<str>]>) -> BTreeSet<Arc<str>> {
    subscriptions.flatten().cloned().collect()
}
