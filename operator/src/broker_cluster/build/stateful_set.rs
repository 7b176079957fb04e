//! The StatefulSet. Pods start together (`Parallel`), and are replaced by the operator (`OnDelete`), which
//! knows when a broker may go.

use crc_fast::{CrcAlgorithm, Digest};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, HTTPGetAction, Lifecycle, LifecycleHandler, ObjectFieldSelector, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, SleepAction,
    TopologySpreadConstraint, Volume, VolumeMount, VolumeResourceRequirements, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use millrace_crds::ResourcesSpec;

use super::super::ValidatedCluster;
use super::super::names::{
    HTTP_PORT, KAFKA_PORT, POD_INDEX_LABEL, headless_service, labels, selector, shared,
    stateful_set as set_name,
};
use super::super::validate::ValidatedStorage;
use super::config_map::file_name;
use super::metadata;
use super::properties::{Advertised, DATA_MOUNT, properties};

/// On pods: changes when their settings do, which restarts them.
const CONFIG_ANNOTATION: &str = "millrace.dev/config-hash";
/// Where pods find their settings.
const CONFIG_MOUNT: &str = "/etc/millrace";
/// The image's user.
const USER: i64 = 1000;
/// How long a broker may take to stop.
const GRACE_SECONDS: i64 = 60;
/// How long a pod that is to go still serves. It leaves the cluster's names at once, but clients and resolvers
/// may hold on to its address for CoreDNS's 5 seconds: who reconnects to an address that is gone is not even
/// refused, and waits for its timeout, which is 10 seconds with Java and 30 with kafka-python.
const FAREWELL_SECONDS: i64 = 6;
/// How long a broker may take until it answers at all, which it does before it opens its logs: while it reads those
/// again that were not closed it lives, and is not ready.
const START_SECONDS: i32 = 3600;

/// What the StatefulSet depends on, beside the spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// The size in the volume claims of the StatefulSet that is there. It cannot change; volumes grow one by
    /// one.
    pub claimed_size: Option<String>,
}

/// Builds it.
#[must_use]
pub fn stateful_set(cluster: &ValidatedCluster, advertised: &Advertised, present: &Present) -> StatefulSet {
    let name = &cluster.key.name;
    StatefulSet {
        metadata: metadata(cluster, set_name(name)),
        spec: Some(StatefulSetSpec {
            replicas: Some(cluster.replicas),
            service_name: Some(headless_service(name)),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            selector: LabelSelector { match_labels: Some(selector(name)), ..LabelSelector::default() },
            template: template(cluster, advertised),
            volume_claim_templates: cluster
                .storage
                .as_ref()
                .map(|storage| vec![claim(name, storage, present)]),
            persistent_volume_claim_retention_policy: cluster.storage.as_ref().map(retention),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn template(cluster: &ValidatedCluster, advertised: &Advertised) -> PodTemplateSpec {
    let pod = &cluster.pod;
    let mut all_labels = pod.labels.clone().unwrap_or_default();
    all_labels.extend(labels(&cluster.key.name));
    let mut annotations = pod.annotations.clone().unwrap_or_default();
    annotations.insert(CONFIG_ANNOTATION.to_owned(), config_hash(cluster, advertised));
    if cluster.scrape_annotations {
        let port = HTTP_PORT.to_string();
        for (name, value) in [("scrape", "true"), ("port", port.as_str()), ("path", "/metrics")] {
            annotations.insert(format!("prometheus.io/{name}"), value.to_owned());
        }
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container(cluster)],
            volumes: Some(volumes(cluster)),
            service_account_name: Some(shared(&cluster.key.name)),
            automount_service_account_token: Some(false),
            // Variables such as MAIN_BOOTSTRAP_PORT of other Services are no settings.
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(grace_seconds(cluster)),
            security_context: Some(pod_security(pod.security_context.as_ref())),
            affinity: Some(pod.affinity.clone().unwrap_or_else(|| different_nodes(cluster))),
            topology_spread_constraints: spread(cluster),
            node_selector: pod.node_selector.clone(),
            tolerations: pod.tolerations.clone(),
            priority_class_name: pod.priority_class_name.clone(),
            image_pull_secrets: pod.image_pull_secrets.clone(),
            ..PodSpec::default()
        }),
    }
}

fn grace_seconds(cluster: &ValidatedCluster) -> i64 {
    cluster.pod.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS)
}

/// Most of the time to stop is the broker's own.
fn farewell(cluster: &ValidatedCluster) -> Lifecycle {
    let seconds = FAREWELL_SECONDS.min(grace_seconds(cluster) / 3);
    let sleep = Some(SleepAction { seconds });
    Lifecycle {
        pre_stop: Some(LifecycleHandler { sleep, ..LifecycleHandler::default() }),
        ..Lifecycle::default()
    }
}

fn container(cluster: &ValidatedCluster) -> Container {
    let mut ports = vec![port("kafka", KAFKA_PORT), port("metrics", HTTP_PORT)];
    ports.extend(cluster.listeners.iter().map(|listener| port(&listener.name, listener.port)));
    Container {
        name: "broker".to_owned(),
        image: Some(cluster.image.clone()),
        image_pull_policy: cluster.pod.image_pull_policy.clone(),
        // The image's entry point is the binary. Kubernetes puts the pod's number in.
        args: Some(vec![
            "serve".to_owned(),
            format!("{CONFIG_MOUNT}/{}", file_name("$(POD_INDEX)")),
            "--log-format".to_owned(),
            "json".to_owned(),
        ]),
        env: Some(environment(cluster)),
        ports: Some(ports),
        volume_mounts: Some(vec![mount("data", DATA_MOUNT, false), mount("config", CONFIG_MOUNT, true)]),
        resources: resources(&cluster.resources),
        security_context: Some(container_security()),
        lifecycle: Some(farewell(cluster)),
        startup_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(START_SECONDS),
            ..probe("/livez")
        }),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            failure_threshold: Some(6),
            ..probe("/livez")
        }),
        readiness_probe: Some(Probe {
            period_seconds: Some(2),
            failure_threshold: Some(3),
            ..probe("/readyz")
        }),
        // Why a broker did not start is then in the pod's status, and from there in the cluster's.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn environment(cluster: &ValidatedCluster) -> Vec<EnvVar> {
    let mut variables = vec![from_label("POD_INDEX", POD_INDEX_LABEL)];
    if let Some(key) = &cluster.rack_key {
        // From Kubernetes 1.35 on, new pods carry zone and region of their node; without the label the rack is
        // empty, and the status says why.
        variables.push(from_label("KAFKA_BROKER_RACK", key));
    }
    let own = cluster.pod.env.iter().flatten().map(|variable| EnvVar {
        name: variable.name.clone(),
        value: Some(variable.value.clone()),
        ..EnvVar::default()
    });
    variables.extend(own);
    variables
}

fn from_label(name: &str, label: &str) -> EnvVar {
    let field = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: format!("metadata.labels['{label}']"),
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

fn volumes(cluster: &ValidatedCluster) -> Vec<Volume> {
    let config = Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: shared(&cluster.key.name),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let data = Volume {
        name: "data".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    if cluster.storage.is_some() { vec![config] } else { vec![config, data] }
}

fn claim(cluster: &str, storage: &ValidatedStorage, present: &Present) -> PersistentVolumeClaim {
    let size = present.claimed_size.clone().unwrap_or_else(|| storage.size.clone());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some("data".to_owned()),
            labels: Some(labels(cluster)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage.class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(size))].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

/// Brokers that are taken away leave their volumes: they are drained before, and data is not deleted on the
/// strength of a number.
fn retention(storage: &ValidatedStorage) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(if storage.retain { "Retain" } else { "Delete" }.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}

/// The same in every release of the operator: another value restarts brokers.
fn config_hash(cluster: &ValidatedCluster, advertised: &Advertised) -> String {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    for broker in 0..cluster.replicas {
        digest.update(properties(cluster, broker, advertised).as_bytes());
    }
    format!("{:016x}", digest.finalize())
}

/// `given` takes the place of the image's user, and of nothing else.
fn pod_security(given: Option<&PodSecurityContext>) -> PodSecurityContext {
    let image_user = || PodSecurityContext {
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        ..PodSecurityContext::default()
    };
    let chosen = given.cloned().unwrap_or_else(image_user);
    let runtime_default =
        || SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() };
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(chosen.seccomp_profile.clone().unwrap_or_else(runtime_default)),
        ..chosen
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        ..SecurityContext::default()
    }
}

fn different_nodes(cluster: &ValidatedCluster) -> Affinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector(&cluster.key.name)),
            ..LabelSelector::default()
        }),
        ..PodAffinityTerm::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: term,
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn spread(cluster: &ValidatedCluster) -> Option<Vec<TopologySpreadConstraint>> {
    if cluster.pod.topology_spread_constraints.is_some() {
        return cluster.pod.topology_spread_constraints.clone();
    }
    cluster.rack_key.as_ref().map(|key| {
        vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: key.clone(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(LabelSelector {
                match_labels: Some(selector(&cluster.key.name)),
                ..LabelSelector::default()
            }),
            ..TopologySpreadConstraint::default()
        }]
    })
}

fn resources(spec: &ResourcesSpec) -> Option<ResourceRequirements> {
    let quantities = |amounts: &Option<std::collections::BTreeMap<String, millrace_crds::Scalar>>| {
        amounts.as_ref().map(|amounts| {
            amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.to_string()))).collect()
        })
    };
    let (requests, limits) = (quantities(&spec.requests), quantities(&spec.limits));
    (requests.is_some() || limits.is_some()).then(|| ResourceRequirements {
        requests,
        limits,
        ..ResourceRequirements::default()
    })
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(HTTP_PORT),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}
