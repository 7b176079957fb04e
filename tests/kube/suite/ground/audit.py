"""Who wrote what, from the API server's audit log."""

import json
from collections import Counter


class Audit:
    """Reads the audit log from a mark on."""

    def __init__(self, log):
        self._log = log

    def mark(self):
        """Where the log ends now."""
        return self._log.stat().st_size

    def writes(self, mark, user):
        """How often each kind of object was written since `mark` by a user whose name contains `user`, and how."""
        with open(self._log, "rb") as log:
            log.seek(mark)
            lines = [json.loads(line) for line in log.read().splitlines() if line.endswith(b"}")]
        counted = Counter()
        for line in lines:
            if user not in line["user"]["username"]:
                continue
            to = line.get("objectRef", {})
            what = "/".join(part for part in [to.get("resource"), to.get("subresource")] if part)
            counted[f"{line['verb']} {what} {to.get('namespace', '')}/{to.get('name', '')}"] += 1
        return counted

    def refused(self, mark, user):
        """The requests of such a user that were forbidden."""
        with open(self._log, "rb") as log:
            log.seek(mark)
            lines = [json.loads(line) for line in log.read().splitlines() if line.endswith(b"}")]
        mine = [line for line in lines if user in line["user"]["username"]]
        return [line["requestURI"] for line in mine if line.get("responseStatus", {}).get("code") == 403]
