"""What a role grants, and what of it was used: (verb, resource) with the subresource behind a slash."""

import json


def granted(rules):
    """What a role's rules grant."""
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def used(audit, mark, user):
    """What such a user asked for since `mark`."""
    found = set()
    for request in audit.requests(mark, user):
        to = request.get("objectRef", {})
        found.add((request["verb"], "/".join(part for part in [to.get("resource"), to.get("subresource")] if part)))
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
