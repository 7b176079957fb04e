"""Several operators: one works, and another takes over whatever becomes of it."""

import time

import pytest

from ground.operators import cut_off, leader
from ground.shop import open_shop, topic
from harness.waiting import until


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


def test_a_leader_that_cannot_reach_the_api_stops_before_another_one_begins(shop, pair, shell, inside):
    first = leader(pair)
    restarts = lambda: sum(one["restartCount"] for one in pair.get(f"pod {first}")["status"]["containerStatuses"])
    before = restarts()
    with cut_off(shell, first):
        second = successor(pair, first)
        assert second != first
        until("it gave up", lambda: restarts() > before, 30, interval_s=0.2)
        said = pair.kubectl(f"logs {first} --previous")
        assert "the Lease was lost: it could not be renewed in time" in said, said
        shop.apply(topic("while-one-is-away", partitions=1))
        shop.wait_ready("topic/while-one-is-away")
    pair.kubectl(f"wait pod/{first} --for=condition=Ready --timeout=120s", deadline_s=150)
    assert leader(pair) == second, "who comes back stands by"
