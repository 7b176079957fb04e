//! What the watches tell: keeps the directory, and rings for those whose circumstances changed. Called for
//! every event, before the controller sees it.

use std::collections::HashSet;

use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use millrace_crds::{BrokerCluster, ConsumerGroup, Topic};

use crate::broker_cluster::names::bootstrap;
use crate::conditions::{READY, RESOURCE_CONFLICT, find};
use crate::consumer_group::validate::group_id;
use crate::context::Context;
use crate::directory::{Claim, Claims, ClusterEntry, Want};
use crate::names::ObjectKey;
use crate::pass::Managed;
use crate::topic::validate::topic_name;
use crate::triggers::Triggers;

/// Objects of one watch. A watch that was cut begins with a new list: what is not in it was deleted
/// meanwhile, and no event says so.
#[derive(Debug, Default)]
pub struct Known {
    keys: HashSet<ObjectKey>,
    listed: HashSet<ObjectKey>,
}

impl Known {
    /// Takes an event, and gives the objects that are gone.
    pub fn take<K: ResourceExt>(&mut self, event: &Event<K>) -> Vec<ObjectKey> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(ObjectKey::of(object));
                Vec::new()
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone = self.keys.difference(&listed).cloned().collect();
                self.keys = listed;
                gone
            }
            Event::Apply(object) => {
                self.keys.insert(ObjectKey::of(object));
                Vec::new()
            }
            Event::Delete(object) => {
                let key = ObjectKey::of(object);
                self.keys.remove(&key);
                vec![key]
            }
        }
    }
}

/// A BrokerCluster, as far as others need to know it.
#[must_use]
pub fn cluster_entry(cluster: &BrokerCluster) -> ClusterEntry {
    ClusterEntry {
        uid: cluster.uid().unwrap_or_default(),
        deleting: cluster.meta().deletion_timestamp.is_some(),
        bootstrap: bootstrap(&ObjectKey::of(cluster)),
        allowed_namespaces: cluster.spec.allowed_namespaces.clone().unwrap_or_default(),
    }
}

/// An event about BrokerClusters.
pub fn cluster(context: &Context, known: &mut Known, event: &Event<DeserializeGuard<BrokerCluster>>) {
    if let Event::Apply(guarded) | Event::InitApply(guarded) = event {
        let key = ObjectKey::of(guarded);
        let changed = match &guarded.0 {
            Ok(cluster) => context.directory.put_cluster(key.clone(), cluster_entry(cluster)),
            // It stays what it was, if it was anything.
            Err(_) => context.directory.put_unreadable(key.clone()),
        };
        if changed {
            ring_dependents(context, &key);
        }
    }
    for key in known.take(event) {
        context.directory.remove_cluster(&key);
        context.links.remove(&key);
        cluster_is_gone(context, &key);
        ring_dependents(context, &key);
    }
}

/// An event about Topics.
pub fn topic(context: &Context, known: &mut Known, event: &Event<DeserializeGuard<Topic>>) {
    if let Event::Apply(DeserializeGuard(Ok(topic))) | Event::InitApply(DeserializeGuard(Ok(topic))) = event {
        let want = topic_wanted(topic);
        let has = topic.status.as_ref().is_some_and(|status| status.topic_id.is_some());
        put(&context.directory.topics, &context.bells.topics, want, has, topic);
    }
    for key in known.take(event) {
        let want = context.directory.topics.remove(&key).map(|(want, rivals)| {
            context.bells.topics.pull_all(rivals);
            want
        });
        topic_is_gone(context, &key, want);
    }
}

/// An event about ConsumerGroups.
pub fn group(context: &Context, known: &mut Known, event: &Event<DeserializeGuard<ConsumerGroup>>) {
    if let Event::Apply(DeserializeGuard(Ok(group))) | Event::InitApply(DeserializeGuard(Ok(group))) = event {
        let want = group_wanted(group);
        let ready = group.status.as_ref().and_then(|status| find(&status.conditions, READY));
        let has = ready.is_some_and(|ready| ready.reason != RESOURCE_CONFLICT);
        put(&context.directory.groups, &context.bells.groups, want, has, group);
        claim_target(context, group);
    }
    for key in known.take(event) {
        let want = context.directory.groups.remove(&key).map(|(want, rivals)| {
            context.bells.groups.pull_all(rivals);
            want
        });
        group_is_gone(context, &key, want);
    }
}

/// Notes the Deployment that a group would scale, as long as the group stays.
pub fn claim_target(context: &Context, group: &ConsumerGroup) {
    let scaling = group.spec.autoscaling.as_ref().filter(|_| group.meta().deletion_timestamp.is_none());
    let made = group.meta().creation_timestamp.as_ref().map(|made| made.0);
    let target = scaling.map(|scaling| scaling.target_ref.name.as_str());
    context.scaling.targets.note(&ObjectKey::of(group), made, target);
}

/// The topic that a resource is about.
#[must_use]
pub fn topic_wanted(topic: &Topic) -> Want {
    let key = ObjectKey::of(topic);
    let cluster = ObjectKey::of_cluster(&topic.spec.cluster_ref, &key.namespace);
    Want { cluster, name: topic_name(&key.name, &topic.spec).to_owned() }
}

/// The group that a resource is about.
#[must_use]
pub fn group_wanted(group: &ConsumerGroup) -> Want {
    let key = ObjectKey::of(group);
    let cluster = ObjectKey::of_cluster(&group.spec.cluster_ref, &key.namespace);
    Want { cluster, name: group_id(&key.name, &group.spec).to_owned() }
}

/// Forgets a BrokerCluster that is not there any more.
pub fn cluster_is_gone(context: &Context, key: &ObjectKey) {
    context.ledger.forget(&key.namespace, &key.name);
    context.refused_volumes.forget(key);
    forget(context, BrokerCluster::KIND, key);
}

/// Forgets a Topic that is not there any more, and stops to watch what it wanted, unless somebody else does.
pub fn topic_is_gone(context: &Context, key: &ObjectKey, want: Option<Want>) {
    context.scaling.demands.lock().remove(key);
    forget(context, Topic::KIND, key);
    if let Some(want) = want
        && !context.directory.topics.is_wanted(&want)
        && let Some(link) = context.links.existing(&want.cluster)
    {
        link.forget_topic(&want.name);
    }
}

/// As [`topic_is_gone`], of a ConsumerGroup.
pub fn group_is_gone(context: &Context, key: &ObjectKey, want: Option<Want>) {
    context.scaling.recommendations.lock().remove(key);
    context.scaling.targets.forget(key);
    context.scaling.refused.forget(key);
    forget(context, ConsumerGroup::KIND, key);
    if let Some(want) = want
        && !context.directory.groups.is_wanted(&want)
        && let Some(link) = context.links.existing(&want.cluster)
    {
        link.forget_group(&want.name);
    }
}

/// What a controller needs not keep: the fields that it never reads take more memory than those it does.
pub fn slim<K>(object: &mut DeserializeGuard<K>)
where
    DeserializeGuard<K>: ResourceExt,
{
    // Of one that cannot be read they tell when it was last written.
    if object.0.is_ok() {
        object.managed_fields_mut().clear();
    }
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

fn put<K: ResourceExt>(claims: &Claims, bell: &Triggers, want: Want, has: bool, object: &K) {
    let created = object.meta().creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    let claim = Claim { created, has, uid: object.uid().unwrap_or_default(), object: ObjectKey::of(object) };
    bell.pull_all(claims.put(want, claim));
}

fn ring_dependents(context: &Context, cluster: &ObjectKey) {
    context.bells.topics.pull_all(context.directory.topics.of_cluster(cluster));
    context.bells.groups.pull_all(context.directory.groups.of_cluster(cluster));
}

fn forget(context: &Context, kind: &'static str, key: &ObjectKey) {
    context.attempts.clear(kind, key);
    context.metrics.forget(kind, key);
    context.statuses.forget(kind, key);
    context.reporter.forget(kind, &key.namespace, &key.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        let mut topic = Topic::new(name, millrace_crds::TopicSpec::default());
        topic.metadata.namespace = Some("n".to_owned());
        topic
    }

    fn names(keys: Vec<ObjectKey>) -> Vec<String> {
        keys.into_iter().map(|key| key.name).collect()
    }

    #[test]
    fn what_a_new_list_does_not_name_is_gone() {
        let mut known = Known::default();
        for event in
            [Event::Init, Event::InitApply(topic("a")), Event::InitApply(topic("b")), Event::InitDone]
        {
            assert!(known.take(&event).is_empty());
        }
        assert!(known.take(&Event::Apply(topic("c"))).is_empty());
        assert_eq!(names(known.take(&Event::Delete(topic("b")))), ["b"]);
        known.take::<Topic>(&Event::Init);
        known.take(&Event::InitApply(topic("a")));
        assert_eq!(names(known.take::<Topic>(&Event::InitDone)), ["c"]);
    }
}
