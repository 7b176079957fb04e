"""The README's quick start, letter by letter, in the namespace that its user has."""

import re

from ground.shell import Namespace
from harness.places import REPOSITORY


def commands(part):
    """What stands in a marked block of the README, as one script."""
    text = (REPOSITORY / "README.md").read_text()
    return re.search(rf"<!-- {part}:begin -->\n```\n(.*?)```\n<!-- {part}:end -->", text, re.S)[1]


def test_the_quick_start_letter_by_letter(shell):
    started = commands("kubernetes")
    try:
        printed = shell.run(started, deadline_s=360)
        listed = printed[printed.index("brokercluster.millrace.dev/main ") :]
        columns = {line.split()[0].split("/")[-1]: line.split()[1:] for line in listed.splitlines() if ".millrace.dev/" in line}
        assert columns["main"][:2] == ["1", "1"] and columns["main"][3:5] == ["True", "Ready"], listed
        assert columns["billing"][:4] == ["main", "Empty", "0", "400"], listed
        assert columns["orders"][:5] == ["main", "4", "1", "True", "Ready"], listed
        # `kubectl explain` breaks lines as it likes.
        explained = " ".join(listed.split())
        assert "partitions <integer>" in explained and "Can be raised, never lowered" in explained, listed
        consumed = [line for line in printed.splitlines() if line.isdigit()]
        assert consumed == [str(number) for number in range(1, 601)]
    finally:
        ended = shell.try_run(commands("kubernetes-end"), deadline_s=180)
        shell.try_run("helm uninstall millrace --namespace millrace --wait; kubectl delete namespace millrace --timeout=60s", deadline_s=150)
    assert ended.code == 0, str(ended)
    mine = Namespace(shell, "default")
    mine.wait_for("pods", "are gone", lambda pods: not pods or not pods["items"])
    assert [claim["metadata"]["name"] for claim in mine.get("pvc")["items"]] == ["data-main-broker-0"]
    mine.kubectl("delete pvc data-main-broker-0 --timeout=30s")
