//! The application's side of a group: when to join, what to give back before and what to take up after.
//! Runs within the application's own calls, so that partitions never change under its hands; the
//! member's task does the talking meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use millrace_protocol::{ApiKey, ErrorCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Rebalance;
use super::assignor::{TopicCounts, user_data};
use super::commit::{Committer, Offsets};
use super::driver::{Core, Interest};
use super::jobs::{Occasion, commit_offsets};
use super::member::{self, Command, JoinRequest, Joined, MemberEvent, MemberHandle, NO_GENERATION};
use super::presence::Presence;
use crate::client::Client;
use crate::cluster::ClusterView;
use crate::config::{AssignorKind, ConsumerConfig, GroupConfig};
use crate::deadline::after;
use crate::error::ClientError;
use crate::group_protocol::{Subscription, encode_subscription};
use crate::topic_partition::TopicPartition;

/// Said to those who need a group and have none, in the words of Kafka's consumer.
const WITHOUT_GROUP: &str = "To use the group management or offset commit APIs, you must provide a valid \
                             group.id in the consumer configuration.";

/// Where the member stands between two rebalances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Out,
    /// Positions are committed before anything is given back.
    Committing,
    Joining,
    Member,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    client: Client,
    config: Arc<GroupConfig>,
    pub(super) presence: Arc<Presence>,
    /// The member's task, once there is something to join for.
    member: Option<MemberHandle>,
    phase: Phase,
    /// Why to join, when that is wanted.
    wish: Option<&'static str>,
    /// Generation and id, while it is a member.
    identity: Option<(i32, String)>,
    /// What the plan of this leader rests on.
    counts: Option<TopicCounts>,
    /// The last assignment and its generation, for sticky leaders.
    past: Option<(Vec<TopicPartition>, i32)>,
    next_auto_commit: Option<Instant>,
    /// A commit is under way.
    is_committing: bool,
    /// Those behind it: one at a time, so that an older one never overtakes a newer one.
    waiting: VecDeque<WaitingCommit>,
}

/// A commit that has not begun.
#[derive(Debug)]
struct WaitingCommit {
    who: Committer,
    offsets: Offsets,
    occasion: Occasion,
}

impl Group {
    pub(super) fn new(client: &Client, group: GroupConfig, config: &ConsumerConfig) -> Self {
        let interval = config.offsets.auto_commit_interval;
        Self {
            client: client.clone(),
            config: Arc::new(group),
            presence: Arc::new(Presence::new()),
            member: None,
            phase: Phase::Out,
            wish: None,
            identity: None,
            counts: None,
            past: None,
            next_auto_commit: config.offsets.auto_commit.then(|| after(Instant::now(), interval)),
            is_committing: false,
            waiting: VecDeque::new(),
        }
    }

    /// What the member tells; `None` while there is no member.
    pub(super) fn events(&mut self) -> Option<&mut mpsc::Receiver<MemberEvent>> {
        self.member.as_mut().map(|member| &mut member.events)
    }

    /// Topics whose partitions a leader gave out; none of who does not lead.
    pub(super) fn counted_topics(&self) -> impl Iterator<Item = Arc<str>> {
        self.counts.iter().flat_map(|counts| counts.keys().map(|topic| Arc::from(topic.as_ref())))
    }

    pub(super) fn identity(&self) -> Option<&(i32, String)> {
        self.identity.as_ref()
    }

    pub(super) fn id(&self) -> &str {
        &self.config.id
    }

    /// Only what moves is given back: possible when every assignor can work that way (KIP-429).
    fn is_cooperative(&self) -> bool {
        self.config.assignors.iter().all(|kind| *kind == AssignorKind::CooperativeSticky)
    }

    fn handle(&mut self) -> &MemberHandle {
        let Self { client, config, presence, member, .. } = self;
        member.get_or_insert_with(|| member::start(client.clone(), Arc::clone(config), Arc::clone(presence)))
    }

    fn join_request(
        &self,
        topics: &BTreeSet<Arc<str>>,
        owned: &[TopicPartition],
        reason: &'static str,
    ) -> JoinRequest {
        let generation = self.identity.as_ref().map(|(generation, _)| *generation);
        let protocols = self.config.assignors.iter().filter_map(|kind| {
            let user_data: Option<Bytes> = match kind {
                AssignorKind::Range | AssignorKind::RoundRobin => None,
                AssignorKind::Sticky => {
                    self.past.as_ref().map(|(had, generation)| user_data::encode_sticky(had, *generation))
                }
                AssignorKind::CooperativeSticky => {
                    let generation = self.past.as_ref().map_or(NO_GENERATION, |(_, generation)| *generation);
                    Some(user_data::encode_cooperative(generation))
                }
            };
            let subscription = Subscription {
                topics: topics.iter().cloned().collect(),
                user_data,
                owned: owned.to_vec(),
                generation,
                rack: None,
            };
            Some((*kind, encode_subscription(&subscription).ok()?))
        });
        JoinRequest { protocols: protocols.collect(), reason }
    }
}

impl Core {
    /// Joins as soon as that is possible.
    pub(super) fn want_to_join(&mut self, reason: &'static str) {
        if let Some(group) = &mut self.group {
            group.wish = Some(reason);
        }
    }

    /// Whether records may be handed out: not between giving partitions back and getting others.
    pub(super) fn may_deliver(&self) -> bool {
        let Some(group) = self.group.as_ref().filter(|_| self.interest.is_subscription()) else {
            return true;
        };
        match group.phase {
            Phase::Committing => false,
            Phase::Joining | Phase::Out => group.is_cooperative(),
            Phase::Member => true,
        }
    }

    /// Starts a rebalance when one is wanted and none is under way.
    pub(super) fn drive_group(&mut self, now: Instant) {
        let is_ready = match &self.interest {
            Interest::Nothing | Interest::Manual => false,
            Interest::Topics(_) => true,
            Interest::Matching { .. } => self.has_metadata(),
        };
        let Some(group) = self.group.as_mut().filter(|_| is_ready) else { return };
        if group.wish.is_none() || matches!(group.phase, Phase::Committing | Phase::Joining) {
            return;
        }
        let offsets = self.partitions.offsets(false);
        let commits = group.next_auto_commit.is_some() && !offsets.is_empty();
        match (group.identity.clone(), commits) {
            (Some(_), true) => {
                group.phase = Phase::Committing;
                self.start_commit(offsets, Occasion::Rebalance);
            }
            _ => self.join(now),
        }
    }

    /// Gives back what has to be, and asks to join.
    fn join(&mut self, now: Instant) {
        let topics = self.interest.topics();
        let Some(group) = &mut self.group else { return };
        let reason = group.wish.take().unwrap_or("rejoining");
        let is_cooperative = group.is_cooperative();
        info!(group = %group.config.id, reason, "joining");
        let is_kept = |name: &TopicPartition| is_cooperative && topics.contains(&name.topic);
        let revoked: Vec<TopicPartition> =
            self.partitions.names().into_iter().filter(|name| !is_kept(name)).collect();
        if !revoked.is_empty() {
            self.tell(Rebalance::Revoked(&revoked));
            self.partitions.retain(is_kept);
            self.drop_stale();
        }
        let owned = self.partitions.names();
        let Some(group) = &mut self.group else { return };
        let request = group.join_request(&topics, &owned, reason);
        group.phase = Phase::Joining;
        if group.handle().commands.try_send(Command::Join(request)).is_err() {
            // The task is busy leaving; the wish stays.
            group.phase = Phase::Out;
            group.wish = Some(reason);
        }
        debug!(elapsed_ms = now.elapsed().as_millis() as u64, "asked to join");
    }

    pub(super) fn take_in_member(&mut self, event: Option<MemberEvent>) {
        let Some(group) = &mut self.group else { return };
        match event {
            None => {
                group.member = None;
                group.phase = Phase::Out;
                self.fail(ClientError::Closed);
            }
            Some(MemberEvent::Rebalance) => self.want_to_join("the group is rebalancing"),
            Some(MemberEvent::Joined(joined)) => self.joined(joined),
            Some(MemberEvent::Lost(error)) => {
                warn!(group = %group.config.id, %error, "partitions are lost");
                group.phase = Phase::Out;
                group.identity = None;
                group.counts = None;
                let lost = self.partitions.names();
                if !lost.is_empty() {
                    self.tell(Rebalance::Lost(&lost));
                    self.partitions.retain(|_| false);
                    self.drop_stale();
                }
                if self.interest.is_subscription() {
                    self.want_to_join("the coordinator does not know this member");
                }
            }
            Some(MemberEvent::Failed(error)) => {
                group.phase = Phase::Out;
                group.wish = Some("the last attempt failed");
                self.fail(error);
            }
        }
    }

    fn joined(&mut self, joined: Joined) {
        let first = self.first_position();
        let Some(group) = &mut self.group else { return };
        let is_cooperative = group.is_cooperative();
        group.phase = Phase::Member;
        group.identity = Some((joined.generation, joined.member_id));
        group.counts = joined.counts;
        group.past = Some((joined.partitions.clone(), joined.generation));
        info!(
            group = %group.config.id,
            generation = joined.generation,
            partitions = joined.partitions.len(),
            "joined"
        );
        let assigned: BTreeSet<TopicPartition> = joined.partitions.into_iter().collect();
        let owned: BTreeSet<TopicPartition> = self.partitions.names().into_iter().collect();
        let revoked: Vec<TopicPartition> = owned.difference(&assigned).cloned().collect();
        if !revoked.is_empty() {
            self.tell(Rebalance::Revoked(&revoked));
            self.partitions.retain(|name| assigned.contains(name));
            self.drop_stale();
            if is_cooperative {
                self.want_to_join("partitions were given back");
            }
        }
        let added: Vec<TopicPartition> = assigned.difference(&owned).cloned().collect();
        for partition in &added {
            self.partitions.add(partition.clone(), first);
        }
        self.tell(Rebalance::Assigned(&added));
        let view = self.client.cluster();
        self.look_at_counts(&view);
    }

    /// A leader whose plan rests on other counts than there are now makes another.
    pub(super) fn look_at_counts(&mut self, view: &ClusterView) {
        let counts = self.group.as_ref().and_then(|group| group.counts.as_ref());
        let count = |topic: &str| view.topic(topic).map_or(0, |topic| topic.partitions.len() as i32);
        let known = |topic: &str| view.topics.contains_key(topic);
        let changed = counts.is_some_and(|counts| {
            counts.iter().any(|(topic, before)| known(topic) && count(topic) != *before)
        });
        if changed {
            self.want_to_join("the number of partitions changed");
        }
    }

    /// The group's id.
    ///
    /// # Errors
    /// [`ClientError::Usage`] without a group.
    pub(super) fn group_id(&self) -> Result<Arc<str>, ClientError> {
        let group = self.group.as_ref().map(|group| Arc::from(group.id()));
        group.ok_or_else(|| ClientError::Usage(WITHOUT_GROUP.to_owned()))
    }

    /// In whose name to commit.
    ///
    /// # Errors
    /// [`ClientError::Usage`] without a group; [`ClientError::Api`] when it is not a member any more.
    pub(super) fn committer(&self) -> Result<Committer, ClientError> {
        let Some(group) = &self.group else { return Err(ClientError::Usage(WITHOUT_GROUP.to_owned())) };
        let (generation, member_id) = match &group.identity {
            Some(identity) => identity.clone(),
            None if self.interest.is_subscription() => {
                let subject = format!("group {}", group.config.id);
                return Err(ClientError::api(ApiKey::OffsetCommit, ErrorCode::UNKNOWN_MEMBER_ID, subject));
            }
            None => (NO_GENERATION, String::new()),
        };
        Ok(Committer {
            group: group.config.id.clone(),
            instance_id: group.config.instance_id.clone().filter(|_| generation != NO_GENERATION),
            generation,
            member_id,
        })
    }

    /// Commits in the background, behind those that were begun before.
    pub(super) fn start_commit(&mut self, offsets: Offsets, occasion: Occasion) {
        let who = match self.committer() {
            Ok(who) => who,
            Err(error) => return debug!(%error, "nothing is committed"),
        };
        let Some(group) = &mut self.group else { return };
        if !group.is_committing {
            group.is_committing = true;
            self.jobs.push(commit_offsets(self.client.clone(), who, offsets, occasion));
            return;
        }
        match group.waiting.back_mut() {
            // So that they do not pile up where the coordinator is slow to answer.
            Some(last) if (last.occasion, occasion) == (Occasion::Passing, Occasion::Passing) => {
                last.offsets.retain(|(name, _)| offsets.iter().all(|(newer, _)| newer != name));
                last.offsets.extend(offsets);
                last.who = who;
            }
            _ => group.waiting.push_back(WaitingCommit { who, offsets, occasion }),
        }
    }

    /// Sees commits through that were begun in the background, but for that before a rebalance, which is told in
    /// `poll` alone.
    pub(super) async fn finish_commits(&mut self) {
        let under_way = |group: &Group| group.is_committing && group.phase != Phase::Committing;
        while self.group.as_ref().is_some_and(under_way) {
            let Some(event) = self.jobs.next().await else { return };
            self.take_in(event);
        }
    }

    /// What `poll` returned before is taken to be processed now: commits it when it is time.
    pub(super) fn auto_commit(&mut self, now: Instant) {
        let interval = self.config.offsets.auto_commit_interval;
        let Some(group) = &mut self.group else { return };
        if group.is_committing || group.next_auto_commit.is_none_or(|at| at > now) {
            return;
        }
        group.next_auto_commit = Some(after(now, interval));
        let offsets = self.partitions.offsets(false);
        if !offsets.is_empty() && self.committer().is_ok() {
            self.start_commit(offsets, Occasion::Passing);
        }
    }

    pub(super) fn committed(
        &mut self,
        occasion: Occasion,
        offsets: &Offsets,
        result: Result<(), ClientError>,
    ) {
        let may_go_better = result.as_ref().is_err_and(ClientError::is_retriable);
        match result {
            Ok(()) => self.partitions.note_committed(offsets),
            Err(error) => warn!(%error, "offsets could not be committed"),
        }
        let soon = Instant::now() + self.config.client.retry.wait_jittered(1);
        let Some(group) = &mut self.group else { return };
        if may_go_better && occasion == Occasion::Passing {
            // Not these offsets again: by then there are newer ones.
            group.next_auto_commit = group.next_auto_commit.map(|at| at.min(soon));
        }
        group.is_committing = group.waiting.pop_front().is_some_and(|next| {
            self.jobs.push(commit_offsets(self.client.clone(), next.who, next.offsets, next.occasion));
            true
        });
        if occasion == Occasion::Rebalance && group.phase == Phase::Committing {
            self.join(Instant::now());
        }
    }

    /// Leaves the group and forgets what it gave.
    pub(super) async fn leave(&mut self) {
        let partitions = self.partitions.names();
        let is_member = self.interest.is_subscription();
        if is_member && !partitions.is_empty() {
            self.tell(Rebalance::Revoked(&partitions));
        }
        self.partitions.retain(|_| false);
        self.drop_stale();
        self.interest = Interest::Nothing;
        let Some(group) = &mut self.group else { return };
        (group.phase, group.wish, group.identity, group.counts) = (Phase::Out, None, None, None);
        if let Some(member) = &mut group.member {
            let (done, left) = oneshot::channel();
            if member.commands.send(Command::Leave(done)).await.is_ok() {
                let _ = left.await;
            }
            // What it told before it left concerns nobody any more.
            while member.events.try_recv().is_ok() {}
        }
    }
}
