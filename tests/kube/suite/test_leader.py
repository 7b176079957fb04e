"""Several operators: one works, and another takes over whatever becomes of it."""

import re
import time
from datetime import UTC, datetime

import pytest

from ground.operators import cut_off, hung_up, leader
from ground.shop import open_shop, topic
from harness.waiting import until

LOST = "the Lease was lost: it could not be renewed in time"


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "leaders") as shop:
        yield shop


@pytest.fixture(scope="module")
def pair(operator):
    """Two operators while these tests need them."""
    operator.kubectl("scale deployment/millrace-operator --replicas 2")
    operator.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    yield operator
    operator.kubectl("scale deployment/millrace-operator --replicas 1")
    operator.kubectl("rollout status deployment/millrace-operator --timeout=60s")


def moment(timestamp):
    """A time as Kubernetes writes it, to the microsecond."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", timestamp))


def restarts(pair, pod):
    """How often the operator in this pod was restarted."""
    return pair.get(f"pod {pod}")["status"]["containerStatuses"][0]["restartCount"]


def successor(pair, first):
    """Whoever leads once `first` does not."""
    until("another one leads", lambda: leader(pair) not in (first, None), 60, interval_s=0.2)
    return leader(pair)


def test_the_lease_is_handed_over_in_good_order_and_taken_from_the_dead(shop, pair):
    first = leader(pair)
    began = time.monotonic()
    pair.kubectl(f"delete pod {first} --wait=false")
    second = successor(pair, first)
    # A Lease that is not given back is waited for until it ends.
    given_back = time.monotonic() - began < 10
    shop.apply(topic("after-one", partitions=1))
    shop.wait_ready("topic/after-one")
    assert given_back, "the Lease was not given back"
    pair.kubectl("rollout status deployment/millrace-operator --timeout=60s")
    pair.kubectl(f"delete pod {second} --force --grace-period=0 --wait=false")
    successor(pair, second)
    shop.apply(topic("after-two", partitions=1))
    shop.wait_ready("topic/after-two")
    pair.kubectl("rollout status deployment/millrace-operator --timeout=60s")


def test_watches_that_break_are_taken_up_again(shop, pair, shell, inside):
    """The same process goes on, and sees what happened while it was not told."""
    shop.apply(topic("going", partitions=1))
    shop.wait_ready("topic/going")
    first = leader(pair)
    before = restarts(pair, first)
    # At once, and in one go: what the shell takes for it is time in which the Lease is not renewed.
    change = f"kubectl -n {shop.name} delete topic going --wait=false & kubectl -n {shop.name} apply -f - && wait"
    began, since = time.monotonic(), datetime.now(UTC).isoformat()
    with hung_up(shell, first):
        silent = time.monotonic()
        shell.run(change, stdin=topic("coming", partitions=1))
        # So long that the Lease was to be renewed, which is done every four seconds.
        until("that has passed", lambda: time.monotonic() - silent > 4.6, interval_s=0.1)
    lasted = time.monotonic() - began
    assert lasted < 7.5, f"the Lease may be lost in {lasted:.1f} s"
    log = pair.kubectl(f"logs {first} --since-time={since}")
    assert "the Lease can be neither taken nor kept" in log, "no renewal was missed"
    shop.wait_ready("topic/coming")
    shop.wait_for("topic going", "is gone", lambda one: one is None)
    # Clusters have nine watches: theirs and those of their parts.
    shop.kubectl("annotate brokercluster main millrace.dev/pause=true")
    shop.wait_condition("brokercluster main", "Paused", "True", "Annotated", 30)
    shop.kubectl("annotate brokercluster main millrace.dev/pause-")
    shop.wait_for("brokercluster main", "is looked after", lambda one: shop.condition("brokercluster main", "Paused") == {}, 30)
    assert leader(pair) == first
    assert restarts(pair, first) == before


def test_a_lease_that_is_deleted_costs_nobody_its_place(shop, pair):
    first = leader(pair)
    before = restarts(pair, first)
    pair.kubectl("delete lease millrace-operator")
    until("there is one again", lambda: pair.get("lease millrace-operator") and leader(pair) == first, 30)
    shop.apply(topic("after-the-lease", partitions=1))
    shop.wait_ready("topic/after-the-lease")
    assert restarts(pair, first) == before
    assert leader(pair) == first


def test_a_leader_that_cannot_reach_the_api_stops_before_another_one_begins(shop, pair, shell, inside):
    first = leader(pair)
    log = shell.start("cut-off-leader", "kubectl", "-n", pair.name, "logs", "--follow", "--timestamps", "--since=1s", first)
    try:
        with cut_off(shell, first):
            second = successor(pair, first)
            until(log.log_tail, lambda: LOST in log.log_tail(), 30)
            shop.apply(topic("while-one-is-away", partitions=1))
            shop.wait_ready("topic/while-one-is-away")
    finally:
        log.kill()
    lost_at = next(line.split()[0] for line in log.log_tail().splitlines() if LOST in line)
    acquired_at = pair.get("lease millrace-operator")["spec"]["acquireTime"]
    assert moment(lost_at) < moment(acquired_at), f"{lost_at} is not before {acquired_at}"
    pair.kubectl(f"wait pod/{first} --for=condition=Ready --timeout=120s", deadline_s=150)
    assert leader(pair) == second, "who comes back stands by"
