//! Who is in a group: members, members-to-be that were given an id and have not come back with it, and
//! what all of them understand. Counts what it would be slow to count again (Kafka's
//! `ClassicGroupMember` and half of its `ClassicGroup`). Knows no states and no timers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::messages::join_group::JoinGroupRequestProtocol;

use crate::outcome::Token;

/// Where a member's requests come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// What the client calls itself.
    pub id: String,
    /// Its address as Kafka prints it: `/127.0.0.1`.
    pub host: String,
}

/// A member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    /// The name that a static member keeps when it restarts (KIP-345).
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client: Client,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// Protocols that it understands, the preferred one first, with its metadata for each.
    pub(crate) protocols: Vec<JoinGroupRequestProtocol>,
    pub(crate) assignment: Bytes,
    pub(crate) awaiting_sync: Option<Token>,
    /// It has not been in any generation yet, and is lost if it does not come back even while it waits.
    pub(crate) is_new: bool,
    awaiting_join: Option<Token>,
}

/// What a member says of itself when it joins.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<JoinGroupRequestProtocol>,
}

impl Member {
    pub(crate) fn new(id: Arc<str>, instance_id: Option<Arc<str>>, client: Client, terms: Terms) -> Self {
        Self {
            id,
            instance_id,
            client,
            rebalance_timeout_ms: terms.rebalance_timeout_ms,
            session_timeout_ms: terms.session_timeout_ms,
            protocols: terms.protocols,
            assignment: Bytes::new(),
            awaiting_sync: None,
            is_new: false,
            awaiting_join: None,
        }
    }

    pub(crate) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(crate) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// A member whose request is parked cannot send heartbeats; a new one might never come back.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// Its metadata for a protocol; empty if it does not know the protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| known.name == protocol);
        known.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    fn metadata_bytes(&self) -> usize {
        self.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum()
    }

    fn terms(&self) -> Terms {
        Terms {
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: self.protocols.clone(),
        }
    }
}

/// The members of a group.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<Arc<str>, Member>,
    /// Ids of static members by instance id.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    pending: BTreeSet<Arc<str>>,
    awaiting_join: usize,
    /// How many members understand a protocol.
    support: HashMap<String, usize>,
    metadata_bytes: usize,
}

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    /// Bytes of all members' metadata for all their protocols.
    pub(crate) fn metadata_bytes(&self) -> usize {
        self.metadata_bytes
    }

    /// The member that has an instance id.
    pub(crate) fn instance(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.instances.get(instance_id)
    }

    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_pending(&self, id: &str) -> bool {
        self.pending.contains(id)
    }

    pub(crate) fn add_pending(&mut self, id: Arc<str>) {
        self.pending.insert(id);
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Arc<str>> {
        self.pending.iter()
    }

    pub(crate) fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    /// Everybody that may come has come.
    pub(crate) fn all_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending.is_empty()
    }

    /// The longest time that a member asks for; all wait for the slowest.
    pub(crate) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).fold(0, i64::max)
    }

    pub(crate) fn add(&mut self, member: Member) {
        self.pending.remove(&member.id);
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(&member.id));
        }
        self.count(&member);
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Removes a member or a member-to-be.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        self.pending.remove(id);
        let member = self.members.remove(id)?;
        self.discount(&member);
        if let Some(instance_id) = &member.instance_id
            && self.instances.get(instance_id) == Some(&member.id)
        {
            self.instances.remove(instance_id);
        }
        Some(member)
    }

    /// A static member's new incarnation takes its place, with nothing parked. Returns the old one.
    pub(crate) fn replace(&mut self, old_id: &str, new_id: Arc<str>) -> Option<Member> {
        let old = self.remove(old_id)?;
        let mut new = Member::new(new_id, old.instance_id.clone(), old.client.clone(), old.terms());
        new.assignment = old.assignment.clone();
        self.add(new);
        Some(old)
    }

    /// Gives a member new terms. Returns the old ones.
    pub(crate) fn update(&mut self, id: &str, terms: Terms) -> Option<Terms> {
        let mut member = self.members.remove(id)?;
        self.discount(&member);
        let old = member.terms();
        member.rebalance_timeout_ms = terms.rebalance_timeout_ms;
        member.session_timeout_ms = terms.session_timeout_ms;
        member.protocols = terms.protocols;
        self.count(&member);
        self.members.insert(Arc::clone(&member.id), member);
        Some(old)
    }

    /// Parks a member's JoinGroup, or with `None` takes it out. Returns the one that was parked.
    pub(crate) fn park_join(&mut self, id: &str, token: Option<Token>) -> Option<Token> {
        let member = self.members.get_mut(id)?;
        let before = std::mem::replace(&mut member.awaiting_join, token);
        self.awaiting_join -= usize::from(before.is_some());
        self.awaiting_join += usize::from(token.is_some());
        before
    }

    fn count(&mut self, member: &Member) {
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.metadata_bytes += member.metadata_bytes();
        for protocol in &member.protocols {
            match self.support.get_mut(&protocol.name) {
                Some(count) => *count += 1,
                None => {
                    self.support.insert(protocol.name.clone(), 1);
                }
            }
        }
    }

    fn discount(&mut self, member: &Member) {
        self.awaiting_join -= usize::from(member.is_awaiting_join());
        self.metadata_bytes -= member.metadata_bytes();
        for protocol in &member.protocols {
            if let Some(count) = self.support.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.support.remove(&protocol.name);
                }
            }
        }
    }

    /// Whether every member understands a protocol.
    pub(crate) fn all_understand(&self, protocol: &str) -> bool {
        self.support.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The protocol that most members prefer among those that all understand. Of several with as many
    /// votes the one that `leader` likes best, so that the choice never depends on anything else.
    pub(crate) fn elect_protocol(&self, leader: Option<&str>) -> Option<String> {
        let mut votes: HashMap<&str, usize> = HashMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| self.all_understand(&protocol.name))?;
            *votes.entry(&vote.name).or_default() += 1;
        }
        let judge = leader.and_then(|id| self.members.get(id)).or_else(|| self.members.values().next())?;
        let mut best: Option<(&str, usize)> = None;
        for protocol in &judge.protocols {
            let count = votes.get(protocol.name.as_str()).copied().unwrap_or(0);
            if count > best.map_or(0, |(_, most)| most) {
                best = Some((&protocol.name, count));
            }
        }
        best.map(|(name, _)| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, protocols: &[&str]) -> Member {
        let protocols = protocols.iter().map(|name| JoinGroupRequestProtocol {
            name: (*name).to_owned(),
            metadata: Bytes::from_static(b"meta"),
        });
        let terms =
            Terms { rebalance_timeout_ms: 1000, session_timeout_ms: 500, protocols: protocols.collect() };
        Member::new(id.into(), None, Client::default(), terms)
    }

    fn elected(members: &[(&str, &[&str])], leader: &str) -> Option<String> {
        let mut roster = Roster::default();
        members.iter().for_each(|(id, protocols)| roster.add(member(id, protocols)));
        roster.elect_protocol(Some(leader))
    }

    #[test]
    fn the_protocol_is_what_most_prefer_and_all_understand() {
        assert_eq!(elected(&[("a", &["range", "sticky"])], "a").as_deref(), Some("range"));
        let table: &[(&str, &[&str])] =
            &[("a", &["range", "sticky"]), ("b", &["sticky", "range"]), ("c", &["sticky", "range", "odd"])];
        assert_eq!(elected(table, "a").as_deref(), Some("sticky"));
        let tie: &[(&str, &[&str])] = &[("a", &["range", "sticky"]), ("b", &["sticky", "range"])];
        assert_eq!(elected(tie, "a").as_deref(), Some("range"));
        assert_eq!(elected(tie, "b").as_deref(), Some("sticky"));
        assert_eq!(elected(&[("a", &["range"]), ("b", &["sticky"])], "a"), None);
    }

    #[test]
    fn counts_follow_every_change() {
        let mut roster = Roster::default();
        roster.add(member("a", &["range", "sticky"]));
        roster.add(member("b", &["range"]));
        roster.add_pending("c".into());
        assert!(roster.all_understand("range") && !roster.all_understand("sticky"));
        assert_eq!(roster.metadata_bytes(), 2 * (5 + 4) + 6 + 4);
        assert_eq!(roster.park_join("a", Some(Token(1))), None);
        assert_eq!(roster.park_join("a", Some(Token(2))), Some(Token(1)));
        assert_eq!(roster.park_join("b", Some(Token(3))), None);
        assert_eq!((roster.awaiting_join(), roster.all_joined()), (2, false));
        roster.remove("c");
        assert!(roster.all_joined());
        roster.update("b", member("b", &["sticky"]).terms());
        assert!(roster.all_understand("sticky") && !roster.all_understand("range"));
        assert!(roster.all_joined());
        roster.remove("a");
        roster.remove("b");
        assert_eq!((roster.awaiting_join(), roster.metadata_bytes(), roster.support.len()), (0, 0, 0));
    }
}
