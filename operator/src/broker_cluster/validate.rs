//! A BrokerCluster's spec, checked: the rules of its schema again, for resources that came past them, and
//! in the types that the builders want. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use millrace_crds::{BrokerClusterSpec, Listener, ListenerKind, PodTemplateSpec, ResourcesSpec, Scalar};

use super::config_keys::{RESERVED, is_changed_at_run_time};
use super::names::{HTTP_PORT, KAFKA_PORT};
use super::quantity::bytes;
use crate::names::ObjectKey;
use crate::problem::Problem;

/// Brokers in a cluster, until there is replication.
const BROKERS_MAX: i32 = 1;
/// Bytes in a cluster's name.
const NAME_MAX: usize = 40;

/// A cluster as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedCluster {
    /// The BrokerCluster.
    pub key: ObjectKey,
    /// The BrokerCluster, as its children name it.
    pub owner: OwnerReference,
    /// How many brokers.
    pub replicas: i32,
    /// What they run.
    pub image: String,
    /// Their volumes; `None` for data that goes with the pod.
    pub storage: Option<ValidatedStorage>,
    /// Ways in from outside.
    pub listeners: Vec<ValidatedListener>,
    /// Settings.
    pub config: ValidatedConfig,
    /// Requests and limits.
    pub resources: ResourcesSpec,
    /// The label of nodes that names their zone.
    pub rack_key: Option<String>,
    /// Pods tell Prometheus where to look.
    pub scrape_annotations: bool,
    /// Who may connect; `None` for no NetworkPolicy.
    pub network_policy: Option<ValidatedNetworkPolicy>,
    /// Changes to the pods.
    pub pod: PodTemplateSpec,
}

/// A volume for each broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedStorage {
    /// How large, as a quantity.
    pub size: String,
    /// The StorageClass; `None` for the default.
    pub class: Option<String>,
    /// Volumes stay when the cluster goes.
    pub retain: bool,
}

/// A way in from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedListener {
    /// Its name, as in Services.
    pub name: String,
    /// The brokers' port for it.
    pub port: i32,
    /// What lets clients in.
    pub kind: ListenerKind,
    /// The host that clients dial, with `{broker}` for the number.
    pub advertised_host: Option<String>,
    /// The port that clients dial, for broker 0.
    pub advertised_port: Option<i32>,
    /// The port on the nodes, for broker 0.
    pub node_port: Option<i32>,
    /// Of the Services.
    pub annotations: BTreeMap<String, String>,
}

/// Settings, by how brokers take them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidatedConfig {
    /// At start, from their file.
    pub at_start: BTreeMap<String, String>,
    /// At run time.
    pub at_run_time: BTreeMap<String, String>,
}

/// Who may connect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ValidatedNetworkPolicy {
    /// To the clients' port; `None` for everybody.
    pub clients: Option<Vec<NetworkPolicyPeer>>,
}

impl ValidatedListener {
    /// Its name, as in the brokers' settings.
    #[must_use]
    pub fn kafka_name(&self) -> String {
        self.name.to_uppercase()
    }
}

/// Checks the spec of the BrokerCluster `key`. `image` is what brokers run when the spec does not say.
///
/// # Errors
/// The first rule that is broken.
pub fn validate(
    key: ObjectKey,
    owner: OwnerReference,
    spec: &BrokerClusterSpec,
    image: &str,
) -> Result<ValidatedCluster, Problem> {
    if !is_service_name(&key.name) {
        let message =
            "the name may have at most 40 lower-case letters, digits and hyphens, beginning with a letter";
        return Err(Problem::new("InvalidName", message));
    }
    let replicas = spec.replicas.unwrap_or(1);
    if !(1..=BROKERS_MAX).contains(&replicas) {
        let message = "this release runs one broker in each cluster; several come with replication";
        return Err(Problem::new("InvalidReplicas", message));
    }
    Ok(ValidatedCluster {
        key,
        owner,
        replicas,
        image: spec.image.clone().unwrap_or_else(|| image.to_owned()),
        storage: storage(spec)?,
        listeners: listeners(spec.listeners.as_deref().unwrap_or_default())?,
        config: config(spec.config.as_ref())?,
        resources: spec.resources.clone().unwrap_or_default(),
        rack_key: spec.rack.as_ref().map(|rack| rack.topology_key.clone()),
        scrape_annotations: spec.metrics.as_ref().and_then(|one| one.scrape_annotations).unwrap_or(false),
        network_policy: match &spec.network_policy {
            Some(policy) if policy.enabled == Some(false) => None,
            Some(policy) => Some(ValidatedNetworkPolicy { clients: policy.clients.clone() }),
            None => Some(ValidatedNetworkPolicy::default()),
        },
        pod: pod(spec.pod_template.as_ref())?,
    })
}

/// A label as in RFC 1035, short enough for what Services and pods add to it.
fn is_service_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(legal)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

fn pod(template: Option<&PodTemplateSpec>) -> Result<PodTemplateSpec, Problem> {
    let template = template.cloned().unwrap_or_default();
    let mut names = BTreeSet::new();
    for variable in template.env.iter().flatten() {
        let why = match variable.name.as_str() {
            "POD_INDEX" => "the operator sets it itself",
            "CLUSTER_ID" => "settings of the broker belong into spec.config",
            name if name.starts_with("KAFKA_") => "settings of the broker belong into spec.config",
            name if !names.insert(name) => "it is there twice",
            _ => continue,
        };
        return Err(Problem::new("InvalidEnvironment", format!("podTemplate.env: {}: {why}", variable.name)));
    }
    Ok(template)
}

fn storage(spec: &BrokerClusterSpec) -> Result<Option<ValidatedStorage>, Problem> {
    let Some(storage) = &spec.storage else { return Ok(None) };
    if bytes(&storage.size).is_none_or(|bytes| bytes == 0) {
        let message = format!("storage.size {:?} is no size, such as 10Gi", storage.size);
        return Err(Problem::new("InvalidStorage", message));
    }
    Ok(Some(ValidatedStorage {
        size: storage.size.clone(),
        class: storage.class_name.clone(),
        retain: storage.retain_on_delete.unwrap_or(true),
    }))
}

fn config(config: Option<&BTreeMap<String, Scalar>>) -> Result<ValidatedConfig, Problem> {
    let mut validated = ValidatedConfig::default();
    for (name, value) in config.into_iter().flatten() {
        if RESERVED.contains(&name.as_str()) {
            return Err(Problem::new("InvalidConfig", format!("config: the operator sets {name} itself")));
        }
        let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let value = value.to_string();
        if name.is_empty() || !name.chars().all(legal) || value.contains(['\n', '\r']) {
            return Err(Problem::new("InvalidConfig", format!("config: {name:?} is no setting")));
        }
        let kind =
            if is_changed_at_run_time(name) { &mut validated.at_run_time } else { &mut validated.at_start };
        kind.insert(name.clone(), value);
    }
    Ok(validated)
}

fn listeners(specs: &[Listener]) -> Result<Vec<ValidatedListener>, Problem> {
    let invalid =
        |name: &str, why: &str| Err(Problem::new("InvalidListener", format!("listener {name}: {why}")));
    let mut validated: Vec<ValidatedListener> = Vec::new();
    for spec in specs {
        if [KAFKA_PORT, HTTP_PORT].contains(&spec.port)
            || validated.iter().any(|other| other.port == spec.port)
        {
            return invalid(&spec.name, "its port is taken");
        }
        if validated.iter().any(|other| other.name == spec.name) || spec.name == "internal" {
            return invalid(&spec.name, "its name is taken");
        }
        if spec.kind == ListenerKind::NodePort && spec.advertised_host.is_none() {
            return invalid(&spec.name, "type NodePort needs advertisedHost");
        }
        validated.push(ValidatedListener {
            name: spec.name.clone(),
            port: spec.port,
            kind: spec.kind,
            advertised_host: spec.advertised_host.clone(),
            advertised_port: spec.advertised_port,
            node_port: spec.node_port,
            annotations: spec.annotations.clone().unwrap_or_default(),
        });
    }
    Ok(validated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<ValidatedCluster, &'static str> {
        let key = ObjectKey { namespace: "shop".into(), name: "main".into() };
        let spec = serde_yaml::from_str(yaml).unwrap();
        validate(key, OwnerReference::default(), &spec, "default:1").map_err(|problem| problem.reason)
    }

    #[test]
    fn settings_are_told_apart_by_how_brokers_take_them() {
        let cluster = check("config: {log.retention.ms: 1000, num.partitions: 4}").unwrap();
        assert_eq!(cluster.config.at_run_time, BTreeMap::from([("log.retention.ms".into(), "1000".into())]));
        assert_eq!(cluster.config.at_start, BTreeMap::from([("num.partitions".into(), "4".into())]));
        assert_eq!(cluster.image, "default:1");
        assert!(cluster.network_policy.is_some() && cluster.storage.is_none());
    }

    #[test]
    fn what_came_past_the_schema_is_refused_here() {
        assert_eq!(check("replicas: 3"), Err("InvalidReplicas"));
        assert_eq!(check("storage: {size: large}"), Err("InvalidStorage"));
        assert_eq!(check("config: {log.dirs: /tmp}"), Err("InvalidConfig"));
        assert_eq!(check("config: {a: \"b\\nlog.dirs=/tmp\"}"), Err("InvalidConfig"));
        let listener = |fields: &str| check(&format!("listeners: [{{name: out, type: NodePort, {fields}}}]"));
        assert_eq!(listener("port: 9094"), Err("InvalidListener"));
        assert_eq!(listener("port: 9092, advertisedHost: h"), Err("InvalidListener"));
        assert!(listener("port: 9094, advertisedHost: h").is_ok());
        let env = |names: &str| check(&format!("podTemplate: {{env: [{names}]}}"));
        assert!(env("{name: A}, {name: B}").is_ok());
        assert_eq!(env("{name: A}, {name: A}"), Err("InvalidEnvironment"));
        assert_eq!(env("{name: POD_INDEX}"), Err("InvalidEnvironment"));
        assert_eq!(env("{name: KAFKA_NUM_PARTITIONS}"), Err("InvalidEnvironment"));
    }

    #[test]
    fn names_are_those_of_services() {
        let check = |name: &str| {
            let key = ObjectKey { namespace: "shop".into(), name: name.into() };
            validate(key, OwnerReference::default(), &BrokerClusterSpec::default(), "i")
                .map_err(|one| one.reason)
        };
        assert!(check("main").is_ok() && check("m-2").is_ok() && check(&"m".repeat(40)).is_ok());
        for name in ["main.v2", "2main", "main-", "Main", "", &"m".repeat(41)] {
            assert_eq!(check(name).err(), Some("InvalidName"), "{name}");
        }
    }
}
