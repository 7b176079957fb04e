"""Kafka's command-line tools, ours and Java's, run the way a person runs them: by name, to the end."""

import subprocess
from pathlib import Path

from . import java
from .places import MILLRACE

DEADLINE_S = 60


class Done:
    """How a tool ended: exit code, standard output and error as text."""

    def __init__(self, argv, completed):
        self.argv = argv
        self.code = completed.returncode
        self.out = completed.stdout
        # Kafka's jars come without a logging back end and say so each time.
        self.err = "".join(line for line in completed.stderr.splitlines(True) if not line.startswith("SLF4J: "))

    def __str__(self):
        return f"$ {' '.join(self.argv)}\nexit {self.code}\n--- out\n{self.out}--- err\n{self.err}"


class OurTools:
    """The binary under the names that people type: links in `directory`, as an image has them in /usr/bin."""

    name = "ours"

    def __init__(self, directory: Path, bootstrap: str):
        self.directory = directory
        self.bootstrap = bootstrap
        directory.mkdir(parents=True, exist_ok=True)

    def argv(self, tool):
        link = self.directory / tool
        if not link.is_symlink():
            link.symlink_to(MILLRACE)
        return [str(link)]

    def run(self, tool, *arguments, stdin=""):
        """Runs `tool --bootstrap-server ... ARGUMENT...` with `stdin` typed into it."""
        argv = [*self.argv(tool), "--bootstrap-server", self.bootstrap, *map(str, arguments)]
        completed = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, cwd=self.directory)
        return Done([tool, *argv[-len(arguments) - 2 :]], completed)


class JavaTools(OurTools):
    """The tools of Apache Kafka, from its jars."""

    name = "java"

    def argv(self, tool):
        return java.command(java.TOOLS[tool])
