"""One child process with its output in a file, ended for certain and by its own id."""

import os
import signal
import subprocess
from pathlib import Path

from .waiting import until


class Process:
    """A program that runs beside the test. Its standard output and error go to `log` (appended: restarts share it)."""

    def __init__(self, argv, log: Path, env=None, cwd=None, stdin=subprocess.DEVNULL, stdout=None):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.argv = [str(part) for part in argv]
        self.log = log
        with open(log, "ab") as sink:
            self._child = subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=stdout or sink,
                stderr=sink,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def stdin(self):
        return self._child.stdin

    @property
    def stdout(self):
        return self._child.stdout

    def exit_code(self):
        """The exit code, or None while the process runs; negative when a signal ended it."""
        return self._child.poll()

    def log_tail(self, lines=40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait(self, deadline_s=30.0) -> int:
        """Waits for the process to end by itself; returns its exit code."""
        until(lambda: f"{self.argv[0]} ends\n{self.log_tail()}", lambda: self.exit_code() is not None, deadline_s)
        return self.exit_code()

    def terminate(self, deadline_s=30.0) -> int:
        """SIGTERM, then waits for the process to end; returns its exit code."""
        if self.exit_code() is None:
            self._child.send_signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def kill(self) -> None:
        """SIGKILL to the process and to what it started (its process group), and reaps it."""
        if self.exit_code() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait(timeout=30)
