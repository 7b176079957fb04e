//! What is there of a cluster in Kubernetes: the StatefulSet, pods, volumes and Services.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, PersistentVolumeClaim, Pod, PodCondition, Service};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, Client, ResourceExt};
use millrace_crds::{ListenerKind, ListenerStatus};

use super::ValidatedCluster;
use super::build::properties::{Address, Advertised};
use super::build::stateful_set::Present;
use super::names::{LISTENER_LABEL, label_query, listener_service, pod, stateful_set};
use super::plan::roll::PodState;
use super::plan::storage::VolumeState;
use super::validate::ValidatedListener;
use crate::api::apply::list;
use crate::api::error::ReconcileError;

/// See the module.
#[derive(Debug, Default)]
pub struct ClusterChildren {
    /// The StatefulSet.
    pub set: Option<StatefulSet>,
    /// The brokers' pods, by broker.
    pub pods: Vec<BrokerPod>,
    /// Their volume claims.
    pub volumes: Vec<VolumeState>,
    /// Services for listeners to the outside.
    pub listener_services: Vec<Service>,
}

/// A broker's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPod {
    /// What the roll wants to know.
    pub state: PodState,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Where it runs.
    pub node: Option<String>,
    /// The zone that its broker is told, where the pod carries it.
    pub rack: Option<String>,
    /// Since when it serves; `None` while it does not.
    pub ready_since: Option<Timestamp>,
    /// Why it does not serve, where Kubernetes says.
    pub problem: Option<String>,
}

/// A pod that is not scheduled for so long is somebody's problem: before, its volume is being made, or its node.
const UNSCHEDULED: SignedDuration = SignedDuration::from_secs(60);

/// Asks for all children that decisions depend on.
///
/// # Errors
/// What the API says.
pub async fn observe(client: &Client, cluster: &ValidatedCluster) -> Result<ClusterChildren, ReconcileError> {
    let (namespace, name) = (&cluster.key.namespace, &cluster.key.name);
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let set = sets.get_opt(&stateful_set(name)).await?;
    let labels = label_query(name);
    let pods: Vec<Pod> = list(client, namespace, &labels).await?;
    let claims: Vec<PersistentVolumeClaim> = match cluster.storage {
        Some(_) => list(client, namespace, &labels).await?,
        None => Vec::new(),
    };
    let listener_services = list(client, namespace, &format!("{labels},{LISTENER_LABEL}")).await?;
    let revision = set.as_ref().and_then(|set| set.status.as_ref()?.update_revision.clone());
    let now = Timestamp::now();
    let pods = pods.iter().filter_map(|one| broker_pod(cluster, one, revision.as_deref(), now));
    let mut pods: Vec<BrokerPod> = pods.collect();
    pods.sort_by_key(|pod| pod.state.broker);
    Ok(ClusterChildren { set, pods, volumes: claims.iter().map(volume).collect(), listener_services })
}

impl ClusterChildren {
    /// What the StatefulSet depends on.
    #[must_use]
    pub fn present(&self) -> Present {
        let claims = self.set.as_ref().and_then(|set| set.spec.as_ref()?.volume_claim_templates.as_ref());
        let request = claims.and_then(|claims| {
            claims.first()?.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
        });
        Present { claimed_size: request.map(|quantity| quantity.0.clone()) }
    }

    /// Where clients outside find brokers, as far as it is known. `before` is what they were told last.
    #[must_use]
    pub fn advertised(&self, cluster: &ValidatedCluster, before: &[ListenerStatus]) -> Advertised {
        let mut advertised = Advertised::new();
        for listener in &cluster.listeners {
            for broker in 0..cluster.replicas {
                let name = listener_service(&cluster.key.name, &listener.name, broker);
                let service = self.listener_services.iter().find(|service| service.name_any() == name);
                let address =
                    address(listener, broker, service).or_else(|| told_last(listener, broker, before));
                if let Some(address) = address {
                    advertised.insert((listener.name.clone(), broker), address);
                }
            }
        }
        advertised
    }

    /// Services of listeners that the spec does not have any more.
    #[must_use]
    pub fn obsolete_services(&self, wanted: &[Service]) -> Vec<String> {
        let wanted: Vec<String> = wanted.iter().map(ResourceExt::name_any).collect();
        self.listener_services
            .iter()
            .map(ResourceExt::name_any)
            .filter(|name| !wanted.contains(name))
            .collect()
    }

    /// Every broker has a pod that serves and stays.
    #[must_use]
    pub fn all_serve(&self, cluster: &ValidatedCluster) -> bool {
        let serving = self.pods.iter().filter(|pod| pod.state.ready && !pod.state.terminating).count();
        i32::try_from(serving).is_ok_and(|serving| serving >= cluster.replicas)
    }

    /// The StatefulSet controller has seen the StatefulSet as it is now.
    #[must_use]
    pub fn is_set_observed(&self) -> bool {
        self.set.as_ref().is_some_and(|set| {
            set.status.as_ref().and_then(|status| status.observed_generation) == set.metadata.generation
        })
    }
}

/// The address of a broker for a listener, once everything that it depends on is known.
fn address(listener: &ValidatedListener, broker: i32, service: Option<&Service>) -> Option<Address> {
    let spec = service.and_then(|service| service.spec.as_ref());
    let port = spec.and_then(|spec| spec.ports.as_ref()?.first());
    let told_port = listener.advertised_port.map(|first| first + broker);
    let told_host =
        listener.advertised_host.as_ref().map(|host| host.replace("{broker}", &broker.to_string()));
    match listener.kind {
        ListenerKind::NodePort => {
            let chosen = listener.node_port.map(|first| first + broker);
            let node_port = chosen.or_else(|| port.and_then(|port| port.node_port));
            Some(Address { host: told_host?, port: told_port.or(node_port)? })
        }
        ListenerKind::LoadBalancer => {
            let status = service.and_then(|service| service.status.as_ref()?.load_balancer.as_ref());
            let ingress = status.and_then(|balancer| balancer.ingress.as_ref()?.first());
            let given = ingress.and_then(|ingress| ingress.hostname.clone().or_else(|| ingress.ip.clone()));
            Some(Address { host: told_host.or(given)?, port: told_port.unwrap_or(listener.port) })
        }
    }
}

/// What clients were told last, while the load balancer gives no address: brokers that would stop to tell it
/// restart for that, and once more for the next one.
fn told_last(listener: &ValidatedListener, broker: i32, before: &[ListenerStatus]) -> Option<Address> {
    if listener.kind != ListenerKind::LoadBalancer || listener.advertised_host.is_some() {
        return None;
    }
    let told = before.iter().find(|one| one.name == listener.name)?;
    let address = told.bootstrap.split(',').nth(usize::try_from(broker).ok()?).and_then(Address::parse)?;
    // With another port it is of a listener that was another one.
    let port = listener.advertised_port.map_or(listener.port, |first| first + broker);
    (address.port == port).then_some(address)
}

fn broker_pod(
    cluster: &ValidatedCluster,
    found: &Pod,
    revision: Option<&str>,
    now: Timestamp,
) -> Option<BrokerPod> {
    let name = found.name_any();
    let broker: i32 = name.strip_prefix(&format!("{}-broker-", cluster.key.name))?.parse().ok()?;
    debug_assert_eq!(name, pod(&cluster.key.name, broker));
    let serving = condition(found, "Ready", "True");
    let ready = serving.is_some();
    let state = PodState {
        broker,
        up_to_date: revision.is_none()
            || found.labels().get("controller-revision-hash").map(String::as_str) == revision,
        ready,
        terminating: found.metadata.deletion_timestamp.is_some(),
    };
    let rack = cluster.rack_key.as_ref().and_then(|key| found.labels().get(key));
    Some(BrokerPod {
        state,
        rack: rack.filter(|rack| !rack.is_empty()).cloned(),
        uid: found.uid().unwrap_or_default(),
        node: found.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ready_since: serving.and_then(since),
        problem: if ready { None } else { problem(found, now) },
        name,
    })
}

fn condition<'a>(pod: &'a Pod, type_: &str, status: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|one| one.type_ == type_ && one.status == status)
}

fn since(condition: &PodCondition) -> Option<Timestamp> {
    condition.last_transition_time.as_ref().map(|time| time.0)
}

/// Why a pod does not serve: not scheduled, image, crash with its last words.
fn problem(pod: &Pod, now: Timestamp) -> Option<String> {
    if let Some(unscheduled) = condition(pod, "PodScheduled", "False") {
        let lasts = since(unscheduled).is_none_or(|since| now.duration_since(since) >= UNSCHEDULED);
        let why = unscheduled.message.as_deref().unwrap_or_default();
        return lasts.then(|| format!("not scheduled: {why}"));
    }
    pod.status.as_ref()?.container_statuses.iter().flatten().find_map(container_problem)
}

fn container_problem(status: &ContainerStatus) -> Option<String> {
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref()).or(last);
    let words = ended.and_then(|ended| {
        let message = ended.message.as_deref().unwrap_or_default().trim();
        let message = message.lines().last().unwrap_or_default();
        (!message.is_empty()).then(|| format!("exit code {}: {message}", ended.exit_code))
    });
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    let waiting = waiting.and_then(|waiting| {
        let reason = waiting.reason.as_deref()?;
        // These are the usual first seconds.
        if ["ContainerCreating", "PodInitializing"].contains(&reason) {
            return None;
        }
        Some(waiting.message.as_ref().map_or_else(|| reason.to_owned(), |text| format!("{reason}: {text}")))
    });
    match (waiting, words) {
        (Some(waiting), Some(words)) => Some(format!("{words}; {waiting}")),
        (waiting, words) => words.or(waiting),
    }
}

fn volume(claim: &PersistentVolumeClaim) -> VolumeState {
    let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    let status = claim.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    VolumeState {
        name: claim.name_any(),
        requested: requests
            .and_then(|requests| requests.get("storage"))
            .map_or_else(String::new, |size| size.0.clone()),
        capacity: status
            .and_then(|status| status.capacity.as_ref()?.get("storage"))
            .map(|size| size.0.clone()),
        condition: conditions.into_iter().flatten().next().map(|one| {
            one.message.clone().filter(|message| !message.is_empty()).unwrap_or_else(|| one.type_.clone())
        }),
    }
}

#[cfg(test)]
mod tests;
