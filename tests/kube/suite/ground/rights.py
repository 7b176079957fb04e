"""What a role grants, and what of it was used: (verb, resource) with the subresource behind a slash and the API group behind
a dot."""

import json


def granted(rules):
    """What a role's rules grant."""
    return {
        (verb, f"{resource}.{group}")
        for rule in rules for resource in rule["resources"] for group in rule["apiGroups"] for verb in rule["verbs"]
    }  # fmt: skip


def rules_of(shell, account, namespace):
    """The rules of all roles that are bound to a ServiceAccount."""
    bindings = json.loads(shell.run("kubectl get clusterrolebindings,rolebindings --all-namespaces -o json"))["items"]
    rules = []
    for binding in bindings:
        subjects = [(one["kind"], one["name"], one.get("namespace")) for one in binding.get("subjects", [])]
        if ("ServiceAccount", account, namespace) in subjects:
            role, where = binding["roleRef"], binding["metadata"].get("namespace", "default")
            found = json.loads(shell.run(f"kubectl -n {where} get {role['kind'].lower()} {role['name']} -o json"))
            rules += found["rules"]
    return rules


def used(audit, mark, user):
    """What such a user asked for since `mark`."""
    found = set()
    for request in audit.requests(mark, user):
        to = request.get("objectRef", {})
        what = "/".join(part for part in [to.get("resource"), to.get("subresource")] if part) + f".{to.get('apiGroup', '')}"
        found.add((request["verb"], what))
        # Whoever applies what is not there needs the right to create it.
        if request["verb"] == "patch" and request.get("responseStatus", {}).get("code") == 201:
            found.add(("create", what))
    return found


def of_hooks(shell, release, namespace):
    """What the hooks of a release are granted, by the ServiceAccount, which is called like its roles begin."""
    made = shell.run(f"helm get hooks {release} --namespace {namespace} | kubectl create --dry-run=client -o json -f -")
    decoder, rights, rest = json.JSONDecoder(), {}, made.strip()
    objects = []
    while rest:
        one, end = decoder.raw_decode(rest)
        objects += one["items"] if one["kind"] == "List" else [one]
        rest = rest[end:].strip()
    for account in (one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"):
        roles = [one for one in objects if one["kind"] in ("Role", "ClusterRole") and one["metadata"]["name"].startswith(account)]
        rights[account] = set().union(*(granted(role["rules"]) for role in roles))
    return rights
