"""What is kept of a cluster when a test failed, for people to read: target/tests-output/kube/TEST/."""

import re

from harness.places import OUTPUT

QUESTIONS = {
    "overview": "kubectl get all,millrace,pvc,pv,leases --all-namespaces -o wide",
    "events": "kubectl get events --all-namespaces --sort-by=.metadata.creationTimestamp",
    "resources.yaml": "kubectl get millrace --all-namespaces -o yaml",
    "described": "kubectl describe pods --all-namespaces",
    "releases": "helm list --all-namespaces --all",
}


def keep(shell, test):
    """Asks the cluster and writes the answers down. Never fails: the test has failed already."""
    directory = OUTPUT / "kube" / re.sub(r"[^\w-]+", "_", test)
    directory.mkdir(parents=True, exist_ok=True)
    for name, line in QUESTIONS.items():
        answer(shell, line, directory / name)
    pods = shell.try_run(
        "kubectl get pods --all-namespaces -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{\"\\n\"}{end}'"
    )
    for namespace, pod in (line.split() for line in pods.out.splitlines()):
        for flag, suffix in [("", ""), (" --previous", ".previous")]:
            logs = f"kubectl -n {namespace} logs {pod} --all-containers --prefix --tail=2000{flag}"
            answer(shell, logs, directory / f"{namespace}.{pod}{suffix}.log", only_good=bool(flag))
    return directory


def answer(shell, line, file, only_good=False):
    done = shell.try_run(line, deadline_s=30)
    if done.code == 0 or not only_good:
        file.write_text(f"$ {line}\n{done.out}{done.err}")
