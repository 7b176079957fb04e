"""The worked example, part c: a Django shop logs to the topic `logss`, one command parses, one stores in MariaDB."""

import re
import urllib.error
import urllib.request

import pytest

from harness.ports import free_port
from harness.waiting import until

from .conftest import PROJECT

ORDERS_EACH_TIME = 60


class Shop:
    """The Django project with its web server, its commands and its database."""

    def __init__(self, example, mariadb, database):
        self.example = example
        self.mariadb = mariadb
        self.database = database
        self.env = mariadb.new_database(database)
        self.port = free_port()
        self.placed = 0

    def manage(self, *arguments):
        return self.example.start([PROJECT / "manage.py", *arguments], env=self.env)

    def manage_to_the_end(self, *arguments):
        program = self.manage(*arguments)
        code = program.wait(60)
        assert code == 0, program.log_tail()
        return program.lines()

    def start_server(self):
        server = self.manage("runserver", "--noreload", f"127.0.0.1:{self.port}")

        def answers():
            assert server.exit_code() is None, server.log_tail()
            return self._get("/").startswith("404")

        until(lambda: f"the shop serves\n{server.log_tail()}", answers, 30)
        return server

    def _get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return f"{answer.status} {answer.read().decode().strip()}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode(errors='replace').strip()}"
        except (urllib.error.URLError, ConnectionError) as error:
            return f"none: {error}"

    def place_orders(self, count=ORDERS_EACH_TIME):
        for number in range(self.placed + 1, self.placed + count + 1):
            expected = "500 refused" if number % 7 == 0 else "200 placed"
            assert self._get(f"/orders/{number}") == expected
        self.placed += count

    def expected_messages(self):
        return sorted(
            ("ERROR", f"order {n} refused") if n % 7 == 0 else ("INFO", f"order {n} placed")
            for n in range(1, self.placed + 1)
        )

    def rows(self, what="level, message"):
        return self.mariadb.query(f"SELECT {what} FROM {self.database}.logs_rawlog ORDER BY id")

    def wait_until_stored(self):
        until(lambda: f"{self.placed} rows, have {len(self.rows())}", lambda: len(self.rows()) >= self.placed, 60)
        assert sorted(tuple(row) for row in self.rows()) == self.expected_messages(), "each record stored once"

    def wait_until_shared(self, members, partitions):
        """Waits until the members of a group have the partitions between them, each at least one."""

        def shared():
            assigned = [re.findall(r"^assigned \[(.*)\]$", member.log.read_text(), re.MULTILINE) for member in members]
            shares = [each[-1].split(", ") if each and each[-1] else [] for each in assigned]
            together = sorted(int(partition) for share in shares for partition in share)
            return all(shares) and together == list(range(partitions))

        until(lambda: f"shared\n{[member.log_tail() for member in members]}", shared, 60)

    def wait_until_parsed(self, *parsers):
        def lines():
            return [line for parser in parsers for line in parser.lines()]

        until(lambda: f"{self.placed} parsed, have {len(lines())}", lambda: len(lines()) >= self.placed, 60)
        # Each line is "PARTITION:OFFSET LEVEL LOGGER: MESSAGE".
        parsed = [line.split(" ", 3) for line in lines()]
        assert sorted((level, message) for _, level, _, message in parsed) == self.expected_messages()
        assert {logger for _, _, logger, _ in parsed} == {"shop.orders:"}


@pytest.fixture
def shop(example, example_broker, mariadb):
    return Shop(example, mariadb, "shop_" + example_broker[0].replace("-", "_"))


def test_logs_of_a_django_project_are_parsed_and_stored(shop):
    shop.manage_to_the_end("migrate", "--no-input")
    assert "No changes detected" in shop.manage_to_the_end("makemigrations", "--check", "--dry-run")
    assert shop.rows() == []
    server = shop.start_server()

    # Both groups get everything: one parses, one stores.
    shop.place_orders()
    parser = shop.manage("consume_parse_logs")
    store = shop.manage("consume_store_logs")
    shop.place_orders()
    shop.wait_until_stored()
    shop.wait_until_parsed(parser)
    offsets = [int(line.split(" ")[0].split(":")[1]) for line in parser.lines()]
    assert offsets == list(range(shop.placed)), "one partition, in order"
    tracebacks = shop.rows("JSON_VALUE(payload, '$.traceback')")
    assert sum("has no items" in row[0] for row in tracebacks) == shop.placed // 7

    # A crash of the storing command loses nothing and stores nothing twice.
    store.kill()
    shop.place_orders()
    store = shop.manage("consume_store_logs")
    shop.wait_until_stored()

    # More partitions, and a second member in each group.
    shop.example.admin("grow", "logss", 4)
    parsers = [parser, shop.manage("consume_parse_logs")]
    stores = [store, shop.manage("consume_store_logs")]
    shop.wait_until_shared(parsers, 4)
    shop.wait_until_shared(stores, 4)
    shop.place_orders()
    until("the shop writes to all four partitions", lambda: write_to_all(shop), 60, interval_s=0.25)
    shop.wait_until_stored()
    shop.wait_until_parsed(*parsers)
    assert {row[0] for row in shop.rows("DISTINCT `partition`")} == {"0", "1", "2", "3"}

    # Everybody ends cleanly, and a command started anew has nothing left to do.
    for program in [*parsers, *stores]:
        program.finish()
    server.terminate()
    assert len(shop.rows()) == shop.placed
    shop.start_server()
    again = shop.manage("consume_store_logs")
    shop.place_orders(1)
    shop.wait_until_stored()
    again.finish()
    assert again.lines() == ["stored 1"], "only what came after the commits"


def write_to_all(shop):
    """Places some more orders; true once the table has rows of every partition."""
    shop.place_orders(5)
    return len(shop.rows("DISTINCT `partition`")) == 4
