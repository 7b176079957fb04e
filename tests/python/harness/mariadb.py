"""A MariaDB server of the test's own: own directory, own port, gone afterwards."""

import getpass
import subprocess
from pathlib import Path

from .ports import free_port
from .process import Process
from .waiting import until

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MariaDb:
    """Debian's mariadb-server on one address, loopback unless told, with one user for the tests.

    `place` gives the command that runs another one somewhere else, such as in another network."""

    USER = "example"
    PASSWORD = "example"

    def __init__(self, directory: Path, address="127.0.0.1", place=lambda *argv: list(argv)):
        self.directory = directory
        self.address = address
        self.place = place
        self.port = free_port()
        self.socket = directory / "sock"
        # Where clients connect from.
        self.clients = "127.0.0.1" if address == "127.0.0.1" else "%"
        self.process = None

    def start(self):
        data = self.directory / "data"
        # A server that starts removes the temporary tables that it finds, those of another one as well.
        temporary = self.directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environment = {"PATH": _PATH, "TMPDIR": str(temporary)}
        # The server refuses to run as root unless it is told to; this one is reachable from the machine only.
        user = getpass.getuser()
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}", "--skip-test-db"]
        install += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
        with open(self.directory / "install.log", "wb") as log:
            subprocess.run(install, check=True, timeout=120, stdout=log, stderr=log, env=environment)
        argv = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--user={user}", f"--socket={self.socket}"]
        argv += [f"--port={self.port}", f"--bind-address={self.address}", f"--pid-file={self.directory / 'pid'}"]
        argv += ["--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"]
        self.process = Process(self.place(*argv), self.directory / "mariadb.log", env=environment)
        until(lambda: f"MariaDB serves\n{self.process.log_tail()}", self._answers, 60)
        self.query(f"CREATE USER {self.USER}@'{self.clients}' IDENTIFIED BY '{self.PASSWORD}'")
        return self

    def new_database(self, name):
        """Creates an empty database; returns the environment that the example project finds it by."""
        self.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.query(f"GRANT ALL ON {name}.* TO {self.USER}@'{self.clients}'")
        return {
            "MYSQL_HOST": self.address,
            "MYSQL_PORT": str(self.port),
            "MYSQL_DATABASE": name,
            "MYSQL_USER": self.USER,
            "MYSQL_PASSWORD": self.PASSWORD,
        }

    def _answers(self):
        assert self.process.exit_code() is None, f"MariaDB ended:\n{self.process.log_tail()}"
        return self._client("SELECT 1").returncode == 0

    def _client(self, sql):
        argv = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--batch", "--skip-column-names"]
        return subprocess.run([*argv, "-e", sql], capture_output=True, text=True, timeout=30)

    def query(self, sql):
        """Runs `sql` as the administrator; returns the rows as lists of strings."""
        done = self._client(sql)
        assert done.returncode == 0, f"{sql}: {done.stderr}"
        return [line.split("\t") for line in done.stdout.splitlines()]

    def close(self):
        if self.process is not None:
            self.process.terminate(60)
            self.process = None
