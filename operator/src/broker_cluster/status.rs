//! A BrokerCluster's status from what was seen and done. Pure; the time is handed in.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use millrace_crds::{BrokerClusterStatus, BrokerStatus, ListenerStatus};

use super::ValidatedCluster;
use super::build::properties::Advertised;
use super::names::{bootstrap, pod};
use super::observe::BrokerPod;
use super::plan::roll::Step;
use crate::api::error::ReconcileError;
use crate::conditions::{PROGRESSING, RACK_KNOWN, READY, STORAGE_RESIZED, Verdict, merged};
use crate::kafka::cluster::ClusterObservation;
use crate::kafka::connect::explained;
use crate::kafka::link::Health;
use crate::problem::Problem;

/// Brokers that began to serve so lately may be unknown to the operator's resolver, which remembers for up to 30
/// seconds that a name is not there.
const INTRODUCTION: SignedDuration = SignedDuration::from_secs(60);
/// Labels of nodes that new pods get (KEP-4742, PodTopologyLabelsAdmission: beta and on from Kubernetes 1.35).
const COPIED_LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// What a status is made of.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// What the cluster should be.
    pub cluster: &'a ValidatedCluster,
    /// The generation of the resource that was worked on.
    pub generation: Option<i64>,
    /// The brokers' pods.
    pub pods: &'a [BrokerPod],
    /// Where clients outside find brokers.
    pub advertised: &'a Advertised,
    /// What the brokers themselves say.
    pub seen: Option<&'a ClusterObservation>,
    /// Whether they answer.
    pub health: &'a Health,
    /// Where the roll is.
    pub roll: &'a Step,
    /// What the brokers refused.
    pub refused: Option<&'a Problem>,
    /// How the volumes are; `None` where there are none.
    pub storage: Option<Verdict>,
}

/// The status of a cluster that was looked at.
#[must_use]
pub fn observed(before: &BrokerClusterStatus, from: &Ingredients<'_>, now: Timestamp) -> BrokerClusterStatus {
    let cluster = from.cluster;
    let brokers: Vec<BrokerStatus> =
        (0..cluster.replicas).map(|broker| broker_status(before, from, broker)).collect();
    let serving = brokers.iter().filter(|broker| broker.ready).count();
    let mut verdicts = vec![ready(from, &brokers, now), progressing(from, &brokers)];
    verdicts.extend(from.storage.clone());
    verdicts.extend(rack(from));
    BrokerClusterStatus {
        observed_generation: from.generation,
        replicas: Some(cluster.replicas),
        ready_replicas: Some(i32::try_from(serving).unwrap_or(i32::MAX)),
        cluster_id: from.seen.map(|seen| seen.id.clone()).or_else(|| before.cluster_id.clone()),
        bootstrap: Some(bootstrap(&cluster.key)),
        image: Some(cluster.image.clone()),
        listeners: cluster.listeners.iter().map(|listener| listener_status(from, &listener.name)).collect(),
        brokers,
        conditions: merged(&before.conditions, verdicts, from.generation, now),
    }
}

/// What the status says of a reconcile that did not come to its end. `None` for what passes by itself: somebody
/// wrote at the same time, the API server is busy or does not answer, the namespace goes.
#[must_use]
pub fn obstacle(error: &ReconcileError) -> Option<Verdict> {
    match error {
        ReconcileError::Kubernetes(kube) => match kube.as_ref() {
            kube::Error::Api(status)
                if ![409, 429, 503, 504].contains(&status.code) && !error.is_farewell() =>
            {
                Some(Verdict::no(READY, "ApplyFailed", format!("Kubernetes refuses: {}", status.message)))
            }
            _ => None,
        },
        ReconcileError::Taken(message) => Some(Verdict::no(READY, "ApplyFailed", message.clone())),
        ReconcileError::Kafka(error) => Some(Verdict::no(READY, "BrokerError", explained(error))),
        ReconcileError::Waiting(_)
        | ReconcileError::NotNow
        | ReconcileError::NotItsTurn
        | ReconcileError::TimedOut(_)
        | ReconcileError::Json(_) => None,
    }
}

/// How the volumes are. `refused` is what the API said when a claim was to ask for more.
#[must_use]
pub fn storage_verdict(growing: &[String], refused: Option<&str>) -> Verdict {
    if let Some(refused) = refused {
        let message = format!("the volumes cannot grow: {refused}");
        return Verdict::no(STORAGE_RESIZED, "Refused", message);
    }
    if growing.is_empty() {
        return Verdict::yes(
            STORAGE_RESIZED,
            "AsAsked",
            "the volumes are as large as the spec asks, or larger",
        );
    }
    Verdict::no(STORAGE_RESIZED, "Growing", format!("growing: {}", growing.join(", ")))
}

fn broker_status(before: &BrokerClusterStatus, from: &Ingredients<'_>, broker: i32) -> BrokerStatus {
    let found = from.pods.iter().find(|pod| pod.state.broker == broker);
    let registered = from.seen.is_some_and(|seen| seen.brokers.iter().any(|one| one.id == broker));
    let directory = from.seen.and_then(|seen| seen.directories.get(&broker)).map(ToString::to_string);
    BrokerStatus {
        id: broker,
        pod: pod(&from.cluster.key.name, broker),
        ready: found.is_some_and(|pod| pod.state.ready && !pod.state.terminating),
        registered,
        directory_id: directory.or_else(|| known_directory(before, broker)),
        node: found.and_then(|pod| pod.node.clone()),
        message: found.and_then(|pod| pod.problem.clone()),
    }
}

/// What a broker was known by: it stays known by that while it does not answer.
fn known_directory(before: &BrokerClusterStatus, broker: i32) -> Option<String> {
    before.brokers.iter().find(|one| one.id == broker)?.directory_id.clone()
}

/// What to tell of brokers that lost what they had: all of them, when the cluster itself is another one.
#[must_use]
pub fn replaced(before: &BrokerClusterStatus, after: &BrokerClusterStatus) -> Vec<String> {
    if let (Some(was), Some(is)) = (&before.cluster_id, &after.cluster_id)
        && was != is
    {
        return vec![format!(
            "the brokers' data is not what it was: cluster id {was} is now {is}; topics are made again, empty"
        )];
    }
    let notes = after.brokers.iter().filter_map(|now| {
        let (was, is) = (known_directory(before, now.id)?, now.directory_id.as_ref()?);
        let note = format!(
            "broker {} came back with an empty disk: data directory {was} is now {is}; what only it had is lost",
            now.id
        );
        (was != *is).then_some(note)
    });
    notes.collect()
}

fn listener_status(from: &Ingredients<'_>, name: &str) -> ListenerStatus {
    let addresses: Vec<String> = (0..from.cluster.replicas)
        .filter_map(|broker| from.advertised.get(&(name.to_owned(), broker)))
        .map(ToString::to_string)
        .collect();
    let all = addresses.len() == usize::try_from(from.cluster.replicas).unwrap_or(0);
    ListenerStatus { name: name.to_owned(), bootstrap: if all { addresses.join(",") } else { String::new() } }
}

fn ready(from: &Ingredients<'_>, brokers: &[BrokerStatus], now: Timestamp) -> Verdict {
    if let Some(broken) = brokers.iter().find_map(|one| Some((one, one.message.as_ref()?))) {
        let (broker, message) = broken;
        return Verdict::no(
            READY,
            "BrokerFailing",
            format!("broker {} ({}): {message}", broker.id, broker.pod),
        );
    }
    if let Some(starting) = brokers.iter().find(|one| !one.ready) {
        return Verdict::no(
            READY,
            "BrokersStarting",
            format!("broker {} ({}) does not serve yet", starting.id, starting.pod),
        );
    }
    let is_new =
        |pod: &BrokerPod| pod.ready_since.is_some_and(|since| now.duration_since(since) < INTRODUCTION);
    match (from.health, from.seen) {
        (Health::Unreachable(_), _) if from.pods.iter().any(is_new) => {
            return Verdict::no(READY, "BrokersStarting", "the brokers have not answered yet");
        }
        (Health::Unreachable(reason), _) => {
            return Verdict::no(
                READY,
                "BrokersUnreachable",
                format!("the operator cannot reach the brokers: {reason}"),
            );
        }
        (_, None) => return Verdict::no(READY, "BrokersStarting", "the brokers have not answered yet"),
        _ => {}
    }
    if let Some(missing) = brokers.iter().find(|one| !one.registered) {
        return Verdict::no(
            READY,
            "BrokersStarting",
            format!("broker {} is not part of the cluster yet", missing.id),
        );
    }
    if let Some(refused) = from.refused {
        return Verdict::no(READY, refused.reason, refused.message.clone());
    }
    if let Step::Restart(_) | Step::Wait(_) | Step::Blocked(_) = from.roll {
        return Verdict::no(READY, "Rolling", "the brokers do not run with the settings of the spec yet");
    }
    if let Some(unknown) =
        from.cluster.listeners.iter().find(|one| listener_status(from, &one.name).bootstrap.is_empty())
    {
        return Verdict::no(
            READY,
            "ListenerPending",
            format!("listener {} has no address yet", unknown.name),
        );
    }
    Verdict::yes(READY, "Ready", "all brokers serve with the settings of the spec")
}

fn progressing(from: &Ingredients<'_>, brokers: &[BrokerStatus]) -> Verdict {
    match from.roll {
        Step::Restart(broker) => {
            Verdict::yes(PROGRESSING, "Restarting", format!("broker {broker} is being restarted"))
        }
        Step::Wait(why) => Verdict::yes(PROGRESSING, "Waiting", why.clone()),
        Step::Blocked(why) => Verdict::no(PROGRESSING, "Blocked", why.clone()),
        Step::Done if brokers.iter().any(|broker| !broker.ready) => {
            Verdict::yes(PROGRESSING, "Starting", "brokers are starting")
        }
        Step::Done => Verdict::no(PROGRESSING, "Settled", "nothing is being changed"),
    }
}

/// Whether brokers were told their zones; `None` where nobody asked for zones.
fn rack(from: &Ingredients<'_>) -> Option<Verdict> {
    let key = from.cluster.rack_key.as_deref()?;
    let placed = || from.pods.iter().filter(|pod| pod.node.is_some() && !pod.state.terminating);
    if let Some(without) = placed().find(|pod| pod.rack.is_none()) {
        let why = if COPIED_LABELS.contains(&key) {
            "Kubernetes gives a new pod this label of its node from 1.35 on, where the node has it".to_owned()
        } else {
            format!("of a node's labels Kubernetes gives pods none but {}", COPIED_LABELS.join(" and "))
        };
        let broker = without.state.broker;
        let message = format!("broker {broker} has no rack: its pod lacks the label {key}; {why}");
        return Some(Verdict::no(RACK_KNOWN, "LabelMissing", message));
    }
    if placed().count() < usize::try_from(from.cluster.replicas).unwrap_or(0) {
        return Some(Verdict::unknown(RACK_KNOWN, "BrokersStarting", "not every broker has a node yet"));
    }
    Some(Verdict::yes(RACK_KNOWN, "LabelFound", format!("every broker has the rack that {key} names")))
}

#[cfg(test)]
mod tests;
