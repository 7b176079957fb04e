//! `helm lint` and `helm template`, as snapshots.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::expect_file;
use millrace_operator::check::Checker;
use millrace_operator::manifests::parse;
use millrace_tests::places;
use serde::Deserialize;
use serde_yaml::Value;

/// The oldest Kubernetes that the chart is for.
const KUBERNETES: &str = "1.33.0";

/// `HELM`, or from the search path, or as `tests/setup` puts it.
fn helm_binary() -> Option<PathBuf> {
    let named = std::env::var_os("HELM").map(PathBuf::from);
    let searched = std::env::var_os("PATH").into_iter().flat_map(|path| {
        std::env::split_paths(&path).map(|directory| directory.join("helm")).collect::<Vec<_>>()
    });
    named.into_iter().chain(searched).chain([places::cache().join("bin/helm")]).find(|path| path.is_file())
}

fn chart() -> PathBuf {
    places::repository().join("charts/millrace")
}

/// Runs helm; `None` where there is none.
fn helm(arguments: &[&str]) -> Option<Output> {
    let Some(binary) = helm_binary() else {
        places::left_out("chart", "helm is not there; run tests/setup");
        return None;
    };
    let output = Command::new(binary)
        .args(arguments)
        .env("HELM_CACHE_HOME", std::env::temp_dir())
        .current_dir(chart())
        .output()
        .unwrap();
    Some(output)
}

pub(crate) fn template(flags: &[&str]) -> Option<Output> {
    template_in("shop", flags)
}

fn template_in(namespace: &str, flags: &[&str]) -> Option<Output> {
    let mut arguments = vec!["template", "demo", ".", "--namespace", namespace, "--kube-version", KUBERNETES];
    arguments.extend(flags);
    helm(&arguments)
}

pub(crate) fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// With a file of values: what is null there stands for itself.
fn with_values(values: &str) -> Option<Output> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(values.as_bytes()).unwrap();
    template(&["--values", &file.path().display().to_string()])
}

/// The board is a file of its own; here it would only fill the snapshot.
fn without_board(rendered: &str) -> String {
    let mut inside = false;
    let keep = |line: &&str| {
        if line.starts_with("  millrace.json:") {
            inside = true;
            return true;
        }
        inside = inside && (line.starts_with("    ") || line.is_empty());
        !inside
    };
    rendered.lines().filter(keep).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_chart_has_nothing_to_complain_about() {
    for values in ["values.yaml", "ci/full-values.yaml", "ci/namespaces-values.yaml"] {
        let Some(output) = helm(&["lint", "--strict", ".", "--values", values]) else { return };
        text(&output);
    }
}

#[test]
fn by_itself_it_is_an_operator_with_the_least_rights() {
    let Some(output) = template(&[]) else { return };
    expect_file!["snapshots/default.yaml"].assert_eq(&without_board(&text(&output)));
}

#[test]
fn with_every_switch_on() {
    let Some(output) = template(&["--values", "ci/full-values.yaml"]) else { return };
    let rendered = text(&output);
    expect_file!["snapshots/full.yaml"].assert_eq(&without_board(&rendered));
    let findings = Checker::new().unwrap().check(&parse("chart", &rendered).unwrap(), &[]);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn for_some_namespaces_it_has_rights_in_these_alone() {
    let Some(output) = template(&["--values", "ci/namespaces-values.yaml"]) else { return };
    expect_file!["snapshots/namespaces.yaml"].assert_eq(&text(&output));
}

/// The rules of the roles of this kind that are about brokers' children.
fn working_rules(rendered: &str, kind: &str) -> Vec<Value> {
    let roles = documents(rendered).into_iter().filter(|one| one["kind"] == kind);
    let rules = roles.map(|one| one["rules"].clone());
    rules.filter(|rules| serde_yaml::to_string(rules).unwrap().contains("statefulsets")).collect()
}

/// What of these it needs, and that it needs all of them, the suite on Kubernetes shows for all namespaces.
#[test]
fn rights_in_a_namespace_are_those_that_it_would_have_in_all() {
    let (Some(all), Some(some)) =
        (template(&[]), template(&["--set", "operator.watchNamespaces={billing,shop}"]))
    else {
        return;
    };
    let (all, some) = (text(&all), text(&some));
    let everywhere = working_rules(&all, "ClusterRole");
    assert_eq!(everywhere.len(), 1);
    assert_eq!(working_rules(&some, "Role"), [everywhere[0].clone(), everywhere[0].clone()]);
    assert!(working_rules(&some, "ClusterRole").is_empty() && working_rules(&all, "Role").is_empty());
}

#[test]
fn resources_that_nobody_would_look_after_are_refused() {
    for made in ["cluster.enabled=true", "topics.orders.partitions=1", "groups.readers.maxLag.seconds=60"] {
        let Some(output) = template(&["--set", &format!("operator.watchNamespaces={{billing}},{made}")])
        else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{made} was taken");
        assert!(said.contains("Add shop to operator.watchNamespaces"), "{said}");
        let flags = format!("operator.watchNamespaces={{billing,shop}},{made}");
        let Some(output) = template(&["--set", &flags]) else { return };
        text(&output);
    }
}

fn documents(rendered: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(rendered).map(|one| Value::deserialize(one).unwrap());
    documents.filter(|one| !one.is_null()).collect()
}

/// Kind, namespace and name of everything that was rendered.
fn objects(rendered: &str) -> BTreeSet<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let objects = documents(rendered).into_iter().map(|one| {
        let meta = &one["metadata"];
        [text(&one["kind"]), text(&meta["namespace"]), text(&meta["name"])]
    });
    objects.collect()
}

#[test]
fn releases_of_one_name_in_two_namespaces_share_nothing() {
    for values in ["values.yaml", "ci/namespaces-values.yaml"] {
        let flags = ["--values", values];
        let (Some(one), Some(other)) = (template_in("shop", &flags), template_in("stage", &flags)) else {
            return;
        };
        let (one, other) = (objects(&text(&one)), objects(&text(&other)));
        assert!(one.len() > 10, "{one:?}");
        let shared: Vec<_> = one.intersection(&other).collect();
        assert!(shared.is_empty(), "{values}: {shared:?}");
    }
}

#[test]
fn a_digest_pins_the_image_of_operator_and_brokers() {
    let digest = format!("sha256:{:064}", 7);
    for (tag, expected) in [("", "registry/m@"), (",image.tag=v2", "registry/m:v2@")] {
        let values = format!("image.repository=registry/m,image.digest={digest}{tag}");
        let Some(output) = template(&["--set", &values]) else { return };
        let rendered = text(&output);
        assert!(rendered.contains(&format!("image: {expected}{digest}\n")), "{rendered}");
        assert!(rendered.contains(&format!("- --image={expected}{digest}\n")), "{rendered}");
        assert!(!rendered.contains("image: registry/m:0"), "{rendered}");
    }
}

#[test]
fn values_that_are_none_are_refused() {
    let wrong = [
        "cluster.name=Bad_Name",
        "operator.replicas=-1",
        "imagee.tag=2",
        "topics.orders.clusterRef.name=other",
        "metrics.podMonitor.interval=fast",
        "serviceAccount.create=false",
        "image.digest=latest",
        // Not a name that a Service can have.
        "cluster.name=1st",
        // What the chart cannot do without.
        "operator=null",
        "rbac=null",
        // Two labels of one name: which of them holds would be anybody's guess.
        r"operator.podLabels.app\.kubernetes\.io/name=other",
        r"metrics.rules.labels.app\.kubernetes\.io/instance=other",
    ];
    for value in wrong {
        let Some(output) = template(&["--set", value]) else { return };
        assert!(!output.status.success(), "{value} was taken");
    }
}

#[test]
fn what_is_left_out_is_left_out() {
    let switches = ["cluster.enabled=true", "operator.replicas=2", "metrics.dashboards.enabled=true"];
    for absent in [
        "metrics.dashboards.labels",
        "metrics",
        "operator.podDisruptionBudget",
        "operator.podSecurityContext",
        "operator.resources",
        "operator.autoscaling",
        "topics",
        "image.pullSecrets",
        "uninstall",
        "uninstall.timeoutSeconds",
    ] {
        let Some(output) = template(&["--set", &format!("{},{absent}=null", switches.join(","))]) else {
            return;
        };
        // That it can be read is what counts.
        let rendered = text(&output);
        assert!(objects(&rendered).len() > 10, "{absent}");
        // And that uninstalling, which takes no 0, waits as it does by default.
        assert!(rendered.contains(r#"- "--timeout=60""#), "{absent}");
    }
}

#[test]
fn topics_and_groups_may_have_nothing_to_say() {
    let Some(output) = with_values("topics: {plain: }\ngroups: {readers: }\n") else { return };
    let made = objects(&text(&output));
    for (kind, name) in [("Topic", "plain"), ("ConsumerGroup", "readers")] {
        assert!(made.contains(&[kind, "shop", name].map(str::to_owned)), "{made:?}");
    }
}

/// What Helm gives a chart that is a part of another one.
#[test]
fn the_chart_may_be_a_part_of_another() {
    let Some(output) = with_values("enabled: true\nglobal: {registry: mirror.example}\n") else { return };
    text(&output);
}

#[test]
fn all_pods_run_where_and_as_whom_they_are_told_to() {
    let values = "
image: {pullSecrets: [regcred]}
cluster: {enabled: true, spec: {storage: {size: 1Gi}}}
operator:
  podSecurityContext: {runAsUser: , runAsGroup: }
  nodeSelector: {zone: a}
  tolerations: [{key: infra}]
";
    let Some(output) = with_values(values) else { return };
    let rendered = text(&output);
    let mut pods = 0;
    for object in documents(&rendered) {
        let pod = match object["kind"].as_str() {
            Some("Pod") => &object["spec"],
            Some("Deployment" | "Job") => &object["spec"]["template"]["spec"],
            _ => continue,
        };
        pods += 1;
        let said = serde_yaml::to_string(pod).unwrap();
        assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true), "{said}");
        assert!(pod["securityContext"]["runAsUser"].is_null(), "{said}");
        assert_eq!(pod["imagePullSecrets"][0]["name"].as_str(), Some("regcred"), "{said}");
        assert_eq!(pod["nodeSelector"]["zone"].as_str(), Some("a"), "{said}");
        assert_eq!(pod["tolerations"][0]["key"].as_str(), Some("infra"), "{said}");
    }
    assert_eq!(pods, 4, "the operator, two hooks, the test");
}

/// The notes of a release in namespace shop. Helm shows notes of what it installs alone: here they are a template of
/// a chart that has nothing else.
fn notes(values: &str) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path();
    std::fs::create_dir(to.join("templates")).unwrap();
    for file in ["Chart.yaml", "values.yaml", "values.schema.json", "templates/_helpers.tpl"] {
        std::fs::copy(chart().join(file), to.join(file)).unwrap();
    }
    let written = std::fs::read_to_string(chart().join("templates/NOTES.txt")).unwrap();
    let named = format!("{{{{ define \"notes\" }}}}{written}{{{{ end }}}}");
    std::fs::write(to.join("templates/_notes.tpl"), named).unwrap();
    let shown = "notes: |\n{{ include \"notes\" . | indent 2 }}\n";
    std::fs::write(to.join("templates/notes.yaml"), shown).unwrap();
    let flags = ["--namespace", "shop", "--kube-version", KUBERNETES, "--set", values];
    let directory = to.display().to_string();
    let output = helm(&[&["template", "demo", directory.as_str()], flags.as_slice()].concat())?;
    let rendered: Value = serde_yaml::from_str(&text(&output)).unwrap();
    Some(rendered["notes"].as_str().unwrap().to_owned())
}

#[test]
fn the_notes_lead_to_a_namespace_that_is_looked_after() {
    let all = [
        ("alone", "cluster.enabled=false"),
        ("cluster", "cluster.enabled=true"),
        ("elsewhere", "operator.watchNamespaces={billing,stage}"),
        ("without-rights", "rbac.create=false,operator.watchNamespaces={billing,shop}"),
    ];
    for (name, values) in all {
        let Some(notes) = notes(values) else { return };
        expect_file![format!("snapshots/notes-{name}.txt")].assert_eq(&notes);
    }
}

#[test]
fn what_a_release_has_no_use_for_is_not_in_it() {
    let Some(output) = template(&["--set", "operator.installCrds=false,operator.autoscaling.enabled=false"])
    else {
        return;
    };
    let rendered = text(&output);
    assert!(!rendered.contains("deployments/scale"), "{rendered}");
    let definitions = rendered.split("---").find(|part| part.contains("customresourcedefinitions")).unwrap();
    assert!(!definitions.contains("create") && !definitions.contains("patch"), "{definitions}");
}

#[test]
fn the_definitions_in_the_chart_are_those_of_the_types() {
    for crd in millrace_crds::all().unwrap() {
        let file = format!("crds/{}.yaml", crd.spec.names.plural);
        let committed = std::fs::read_to_string(Path::new(&chart()).join(&file)).unwrap();
        assert!(committed == millrace_crds::to_yaml(&crd).unwrap(), "{file} is out of date");
    }
}
