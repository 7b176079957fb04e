"""Who asked the API server for what, from its audit log."""

import json
from collections import Counter
from datetime import datetime

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


class Audit:
    """Reads the audit log: all writes, and whatever pods asked for (tests/kube/cluster says so to the API server)."""

    def __init__(self, log):
        self._log = log

    def mark(self):
        """Where the log ends now."""
        return self._log.stat().st_size

    def requests(self, mark, user):
        """The requests since `mark` of users whose names contain `user`."""
        with open(self._log, "rb") as log:
            log.seek(mark)
            # The last line may be in the middle of being written.
            lines = [json.loads(line) for line in log.read().split(b"\n")[:-1]]
        return [line for line in lines if user in line["user"].get("username", "")]

    def writes(self, mark, user):
        """How often such a user wrote what: verb, kind and object."""
        return Counter(self.written(one) for one in self.requests(mark, user) if one["verb"] in WRITES)

    def refused(self, mark, user):
        """The requests that such a user had no right to. (A namespace that is going answers 403 as well, to everybody.)"""
        requests = self.requests(mark, user)
        forbidden = lambda one: one.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        return [f"{one['verb']} {one['requestURI']}" for one in requests if forbidden(one)]

    @staticmethod
    def written(request):
        to = request.get("objectRef", {})
        what = "/".join(part for part in [to.get("resource"), to.get("subresource")] if part)
        return f"{request['verb']} {what} {to.get('namespace', '')}/{to.get('name', '')}"

    @staticmethod
    def moment(request):
        """When a request came, in seconds."""
        return datetime.fromisoformat(request["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
