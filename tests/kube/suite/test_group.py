"""A ConsumerGroup's life: what its owner expects, and what the operator says and does."""

import json
import re
import time
from datetime import UTC, datetime

import pytest

from ground.operators import kill, metrics
from ground.shop import group, open_shop, resource, topic
from harness.waiting import until

READER = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reader"},
    "spec": {
        "selector": {"matchLabels": {"app": "reader"}},
        "template": {
            "metadata": {"labels": {"app": "reader"}},
            "spec": {
                "terminationGracePeriodSeconds": 5,
                "containers": [{
                    "name": "reader", "image": "millrace-clients:1", "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "/app/parse.py"],
                }],
            },
        },
    },
}  # fmt: skip

# A group is looked at for scaling every 10 s.
SCALED_EVERY_S = 15
FIGURES = {"millrace_topic_lag_records", "millrace_consumer_group_records_per_second", "millrace_consumer_group_lag_records"}


@pytest.fixture(scope="module")
def shop(operator, shell):
    with open_shop(shell, "groups") as shop:
        yield shop


def reader(shop, *arguments):
    """The manifest of a Deployment of readers; how many there are is left to others."""
    deployment = json.loads(json.dumps(READER))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["command"] += arguments
    container["env"] = [{"name": "BOOTSTRAP_SERVERS", "value": shop.bootstrap}]
    return json.dumps(deployment)


def log_lines(shop, topic_name, first, count):
    """So many records as the readers expect them."""
    entry = {"level": "INFO", "message": "m"}
    shop.produce(topic_name, *(json.dumps({**entry, "number": number}) for number in range(first, first + count)))


def figures_above_zero(operator):
    """The operator's series about this file's workers and their topic that have something to tell."""
    found = re.findall(r'^(millrace_\w+)\{cluster="main",(?:group="workers"|name="work").* (\S+)$', metrics(operator), re.M)
    return {name for name, value in found if float(value) > 0}


def lag_of(shop, group_id):
    """The group's lag as Kafka's own tool shows it: a sum over partitions with committed offsets."""
    described = shop.tool(f"kafka-consumer-groups --describe --group {group_id}")
    return sum(int(lag) for lag in re.findall(rf"^{group_id} +\S+ +\d+ +\d+ +\d+ +(\d+)", described, re.M))


def test_from_not_joined_to_lagging_to_a_reset(shop):
    shop.apply(topic("events", partitions=2))
    spec = {"topics": ["events"], "maxLag": {"records": 5}}
    shop.apply(group("readers", **spec))
    shop.wait_condition("consumergroup readers", "Ready", "True", "NotJoined")
    assert "state" not in shop.get("consumergroup readers")["status"]

    shop.wait_ready("topic/events")
    log_lines(shop, "events", 0, 20)
    shop.kubectl("apply -f -", stdin=reader(shop, "--topic", "events", "--group", "readers"))
    shop.wait_condition("consumergroup readers", "Ready", "True", "Consuming")
    status = shop.wait_for(
        "consumergroup readers", "has read all of it", lambda one: one["status"].get("lagRecords") == 0
    )["status"]
    assert (status["state"], status["members"], status["assignor"]) == ("Stable", 1, "range")
    assert status["lagSeconds"] == 0

    # A reset waits for the members to go.
    again = {**spec, "offsetReset": {"id": "again", "to": {"position": "Earliest"}}}
    shop.apply(group("readers", **again))
    waiting = shop.wait_condition("consumergroup readers", "OffsetsReset", "False", "WaitingForMembers")
    assert "1 members" in waiting["message"]

    shop.kubectl("scale deployment reader --replicas 0")
    shop.wait_condition("consumergroup readers", "OffsetsReset", "True", "Done")
    lagging = shop.wait_condition("consumergroup readers", "Lagging", "True", "RecordsBehind")
    assert "more than 5 records" in lagging["message"]
    status = shop.wait_for(
        "consumergroup readers", "is 20 records behind", lambda one: one["status"].get("lagRecords") == 20
    )["status"]
    assert 10 <= status["worstPartition"]["lagRecords"] <= 20
    assert lag_of(shop, "readers") == 20
    # The group is inactive, which is no error.
    shop.wait_condition("consumergroup readers", "Ready", "True", "Inactive")
    reasons = [reason for reason, _ in shop.events("readers")]
    assert {"OffsetsReset", "Lagging"} <= set(reasons), reasons

    # Done once for each id.
    shop.kubectl("scale deployment reader --replicas 1")
    shop.wait_for("consumergroup readers", "has caught up", lambda one: one["status"].get("lagRecords") == 0)
    shop.wait_condition("consumergroup readers", "Lagging", "False", "WithinLimits")
    until("an Event tells", lambda: "CaughtUp" in [reason for reason, _ in shop.events("readers")])
    shop.kubectl("scale deployment reader --replicas 0")
    shop.wait_condition("consumergroup readers", "Ready", "True", "Inactive")
    assert lag_of(shop, "readers") == 0
    columns = shop.kubectl("get consumergroups readers").splitlines()
    assert columns[0].split()[:5] == ["NAME", "CLUSTER", "STATE", "MEMBERS", "LAG"]
    assert columns[1].split()[:5] == ["readers", "main", "Empty", "0", "0"]

    shop.kubectl("delete consumergroup readers --timeout=30s")
    assert "readers" in shop.tool("kafka-consumer-groups --list"), "the group is kept unless asked otherwise"
    shop.kubectl("delete deployment reader")


def test_what_is_not_as_expected_is_named(shop):
    """Members that read something else, and a Deployment that is not there yet."""
    shop.apply("\n".join([topic("expected", partitions=1), topic("read", partitions=1)]))
    shop.wait_ready("topic/expected", "topic/read")
    deployment = lambda name, *arguments: json.dumps({**json.loads(reader(shop, *arguments)), "metadata": {"name": name}})
    shop.kubectl("apply -f -", stdin=deployment("elsewhere", "--topic", "read", "--group", "astray"))
    shop.apply(group("astray", topics=["expected"]))
    condition = shop.wait_condition("consumergroup astray", "Ready", "False", "TopicsNotRead")
    assert "expected" in condition["message"], condition
    until("an Event tells", lambda: "TopicsNotRead" in [reason for reason, _ in shop.events("astray")])
    shop.kubectl("delete deployment elsewhere --timeout=60s", deadline_s=90)

    by_lag = {"targetRef": {"name": "there"}, "minReplicas": 3, "maxReplicas": 9, "lagPerReplica": 1}
    shop.apply(group("astray", topics=["expected"], autoscaling=by_lag))
    condition = shop.wait_condition("consumergroup astray", "Ready", "False", "ScaleTargetNotFound")
    assert "there is no Deployment there" in condition["message"], condition
    # As many as there are partitions, whatever the least is.
    shop.kubectl("apply -f -", stdin=deployment("there", "--topic", "expected", "--group", "astray"))
    shop.wait_condition("consumergroup astray", "Ready", "True", "Consuming", 90)
    shop.wait_for("consumergroup astray", "wants one", lambda one: one["status"]["desiredReplicas"] == 1)
    assert shop.get("deployment there")["spec"]["replicas"] == 1
    shop.kubectl("delete consumergroup astray --timeout=30s")
    shop.kubectl("delete deployment there --timeout=60s", deadline_s=90)


def test_every_goal_of_a_reset_once_for_each_id(shop):
    """Offsets are those that Kafka's own tool shows afterwards; each move has an id of its own."""
    shop.apply(topic("history", partitions=1))
    shop.wait_ready("topic/history")
    log_lines(shop, "history", 0, 6)
    shop.tool("kafka-console-consumer --topic history --group mover --from-beginning --max-messages 6")
    between = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    log_lines(shop, "history", 6, 4)
    goals = [
        ("first", {"position": "Earliest"}, 0), ("fourth", {"offset": 4}, 4), ("on", {"shiftBy": 3}, 7),
        ("back", {"shiftBy": -2}, 5), ("end", {"position": "Latest"}, 10), ("time", {"timestamp": between}, 6),
        ("beyond", {"offset": 99}, 10), ("before", {"shiftBy": -99}, 0),
    ]  # fmt: skip
    for number, to, offset in goals:
        shop.apply(group("mover", offsetReset={"id": number, "to": to}))
        done = lambda one, number=number: (one.get("status", {}).get("offsetReset") or {}).get("id") == number
        shop.wait_for("consumergroup mover", f"has made the move {number}", done)
        assert lag_of(shop, "mover") == 10 - offset, (number, to)
    # An id that was used before moves nothing, whatever came in between.
    shop.apply(group("mover", offsetReset={"id": "end", "to": {"position": "Latest"}}))
    shop.wait_for("consumergroup mover", "was looked at", lambda one: one["status"]["observedGeneration"] == one["metadata"]["generation"])
    assert lag_of(shop, "mover") == 10


def test_a_move_is_made_once_whenever_the_operator_dies(shop, operator):
    """Ten groups move while operators are killed; then members read on, and nothing takes them back."""
    shop.apply(topic("torn", partitions=2))
    shop.wait_ready("topic/torn")
    log_lines(shop, "torn", 0, 10)
    names = [f"torn-{number}" for number in range(10)]
    back = {"id": "back", "to": {"position": "Earliest"}}
    for at, name in enumerate(names):
        shop.apply(group(name, topics=["torn"], offsetReset=back))
        if at % 4 == 2:
            kill(operator)
    for name in names:
        shop.wait_condition(f"consumergroup {name}", "OffsetsReset", "True", "Done", 90)
        assert lag_of(shop, name) == 10
    shop.tool("kafka-console-consumer --topic torn --group torn-0 --max-messages 10")
    kill(operator)
    shop.wait_for("consumergroup torn-0", "has read all", lambda one: one["status"].get("lagRecords") == 0, 90)
    assert lag_of(shop, "torn-0") == 0


def test_members_that_are_stopped_for_a_reset_stay_so_and_one_group_scales_them(shop):
    shop.apply(topic("redone", partitions=2))
    shop.wait_ready("topic/redone")
    log_lines(shop, "redone", 0, 20)
    readers = reader(shop, "--topic", "redone", "--group", "redoers")
    shop.kubectl("apply -f -", stdin=readers)
    # Somebody else's members keep the group from being empty.
    shop.kubectl("apply -f -", stdin=readers.replace('"reader"', '"lingerer"'))
    scaling = {"targetRef": {"name": "reader"}, "minReplicas": 1, "maxReplicas": 2, "lagPerReplica": 10, "stabilizationSeconds": 5}
    spec = {"topics": ["redone"], "autoscaling": scaling}
    shop.apply(group("redoers", **spec))
    shop.wait_for("consumergroup redoers", "has read all of it", lambda one: one.get("status", {}).get("lagRecords") == 0)
    shop.apply(group("rivals", **spec))
    taken = shop.wait_condition("consumergroup rivals", "Ready", "False", "ScaleTargetTaken")
    assert "ConsumerGroup redoers" in taken["message"], taken
    shop.kubectl("delete consumergroup rivals --timeout=30s")
    shop.apply(group("redoers", **spec, offsetReset={"id": "again", "to": {"position": "Earliest"}}))
    shop.wait_condition("consumergroup redoers", "OffsetsReset", "False", "WaitingForMembers")
    shop.kubectl("scale deployment reader --replicas 0")
    time.sleep(SCALED_EVERY_S)
    assert shop.get("deployment reader")["spec"]["replicas"] == 0, "the members that it waits for are gone"
    shop.kubectl("scale deployment lingerer --replicas 0")
    shop.wait_condition("consumergroup redoers", "OffsetsReset", "True", "Done")
    shop.wait_for("deployment reader", "has members for the 20 records", lambda one: one["spec"]["replicas"] > 0)
    shop.wait_for("consumergroup redoers", "has read them again", lambda one: one["status"].get("lagRecords") == 0)
    shop.kubectl("delete consumergroup redoers --timeout=30s")
    shop.kubectl("delete deployment reader lingerer")


def test_lag_in_seconds_has_a_limit_of_its_own(shop):
    shop.apply(topic("slow", partitions=1))
    shop.wait_ready("topic/slow")
    log_lines(shop, "slow", 0, 1)
    shop.tool("kafka-console-consumer --topic slow --group sleepers --from-beginning --max-messages 1")
    shop.apply(group("sleepers", topics=["slow"], maxLag={"seconds": 3}))
    shop.wait_condition("consumergroup sleepers", "Lagging", "False", "WithinLimits")
    assert shop.get("consumergroup sleepers")["status"]["lagSeconds"] == 0
    log_lines(shop, "slow", 1, 1)
    lagging = shop.wait_condition("consumergroup sleepers", "Lagging", "True", "SecondsBehind")
    assert "more than 3 seconds" in lagging["message"], lagging
    assert shop.get("consumergroup sleepers")["status"]["lagSeconds"] > 3
    shop.tool("kafka-console-consumer --topic slow --group sleepers --max-messages 1")
    shop.wait_condition("consumergroup sleepers", "Lagging", "False", "WithinLimits")


def test_a_paused_group_is_left_alone(shop):
    shop.apply(topic("quiet", partitions=1))
    shop.wait_ready("topic/quiet")
    log_lines(shop, "quiet", 0, 3)
    shop.tool("kafka-console-consumer --topic quiet --group asleep --from-beginning --max-messages 3")
    spec = {"offsetReset": {"id": "a", "to": {"position": "Earliest"}}}
    shop.apply(resource("ConsumerGroup", "asleep", spec, annotations={"millrace.dev/pause": "true"}))
    shop.wait_condition("consumergroup asleep", "Paused", "True", "Annotated")
    assert lag_of(shop, "asleep") == 0
    shop.kubectl("annotate consumergroup asleep millrace.dev/pause-")
    shop.wait_condition("consumergroup asleep", "OffsetsReset", "True", "Done")
    assert lag_of(shop, "asleep") == 3
    assert shop.condition("consumergroup asleep", "Paused") == {}


def test_a_group_that_is_to_go_goes_once_it_is_empty(shop):
    shop.apply(topic("short", partitions=1))
    shop.wait_ready("topic/short")
    log_lines(shop, "short", 0, 1)
    shop.tool("kafka-console-consumer --topic short --group passing --from-beginning --max-messages 1")
    shop.apply(group("passing", deletionPolicy="Delete"))
    shop.wait_condition("consumergroup passing", "Ready", "True", "Inactive")
    shop.kubectl("delete consumergroup passing --timeout=30s")
    assert "passing" not in shop.tool("kafka-consumer-groups --list")

    # One with members waits for them, and says so.
    shop.apply(group("staying", topics=["short"], deletionPolicy="Delete"))
    shop.kubectl("apply -f -", stdin=reader(shop, "--topic", "short", "--group", "staying"))
    shop.wait_condition("consumergroup staying", "Ready", "True", "Consuming")
    shop.kubectl("delete consumergroup staying --wait=false")
    shop.wait_condition("consumergroup staying", "Ready", "False", "DeletionBlocked")
    shop.kubectl("delete deployment reader")
    shop.wait_for("consumergroup staying", "is gone", lambda one: one is None, 60)
    assert "staying" not in shop.tool("kafka-consumer-groups --list")


def test_of_two_resources_for_one_group_the_older_has_it(shop):
    shop.apply(topic("both", partitions=1))
    shop.wait_ready("topic/both")
    log_lines(shop, "both", 0, 3)
    shop.tool("kafka-console-consumer --topic both --group shared --from-beginning --max-messages 3")
    shop.apply(group("older", groupId="shared"))
    shop.wait_condition("consumergroup older", "Ready", "True", "Inactive")
    shop.apply(group("younger", groupId="shared", offsetReset={"id": "a", "to": {"position": "Earliest"}}))
    condition = shop.wait_condition("consumergroup younger", "Ready", "False", "ResourceConflict")
    assert "older" in condition["message"], condition
    assert lag_of(shop, "shared") == 0, "it moves nothing"
    shop.kubectl("delete consumergroup older --timeout=30s")
    shop.wait_condition("consumergroup younger", "OffsetsReset", "True", "Done")
    assert lag_of(shop, "shared") == 3


def test_topics_that_are_only_moved_do_not_count(shop):
    shop.apply("\n".join([topic("counted", partitions=1), topic("moved", partitions=1)]))
    shop.wait_ready("topic/counted", "topic/moved")
    log_lines(shop, "counted", 0, 2)
    log_lines(shop, "moved", 0, 5)
    reset = {"id": "a", "to": {"position": "Earliest"}, "topics": ["counted", "moved"]}
    shop.apply(group("narrow", topics=["counted"], maxLag={"records": 3}, offsetReset=reset))
    shop.wait_condition("consumergroup narrow", "OffsetsReset", "True", "Done")
    assert lag_of(shop, "narrow") == 7
    shop.wait_for("consumergroup narrow", "counts one topic", lambda one: one["status"].get("lagRecords") == 2)
    assert shop.condition("consumergroup narrow", "Lagging")["status"] == "False"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"offsetReset": {"id": "a", "to": {"offset": 1, "shiftBy": 2}}}, "exactly one of position, timestamp"),
        ({"maxLag": {}}, "at least one of records and seconds"),
        ({"autoscaling": {"targetRef": {"name": "d"}, "minReplicas": 3, "maxReplicas": 2, "lagPerReplica": 1}},
         "maxReplicas must not be below minReplicas"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_admission(shop, spec, reason):
    refused = shop.shell.try_run(f"kubectl -n {shop.name} apply -f -", stdin=group("wrong", **spec))
    assert refused.code != 0 and reason in refused.err, str(refused)


def test_a_deployment_follows_the_lag_within_its_bounds(shop, operator):
    """Also when operators are killed meanwhile, who take with them what they knew of the lag."""
    shop.apply(topic("work", partitions=2))
    shop.wait_ready("topic/work")
    log_lines(shop, "work", 0, 400)
    # Each reader takes its time for a record.
    shop.kubectl("apply -f -", stdin=reader(shop, "--topic", "work", "--group", "workers", "--delay", "0.05"))
    scaling = {
        "targetRef": {"name": "reader"}, "minReplicas": 0, "maxReplicas": 9, "lagPerReplica": 50,
        "stabilizationSeconds": 5,
    }  # fmt: skip
    shop.apply(group("workers", topics=["work"], autoscaling=scaling))
    kill(operator)
    replicas = lambda wanted: lambda one: one["spec"]["replicas"] == wanted
    shop.wait_for("deployment reader", "has a reader for each partition, not more", replicas(2), 60)
    assert shop.get("consumergroup workers")["status"]["desiredReplicas"] == 2
    until("the group has two members", lambda: shop.get("consumergroup workers")["status"].get("members") == 2, 60)
    shown = lambda: figures_above_zero(operator)
    until(lambda: f"the metrics tell what it reads and what is left: {shown()}", lambda: shown() >= FIGURES, 60, 1)
    kill(operator)
    shop.wait_for("deployment reader", "has no reader when nothing is left to read", replicas(0), 120)
    assert lag_of(shop, "workers") == 0
    notes = lambda: " ".join(note for reason, note in shop.events("workers") if reason == "Scaled")
    until(notes, lambda: re.search(r"from 1 to 2: \d+ records wait", notes()) and "to 0: 0 records wait" in notes())
