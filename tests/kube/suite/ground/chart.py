"""The chart's notes, as commands."""

import re


def notes(shell, release, namespace):
    """The commands that NOTES.txt shows, in their order, each as a user copies it: with continued lines and here-documents."""
    text = shell.run(f"helm get notes {release} --namespace {namespace}")
    shown = [line[2:] for line in text.splitlines() if line.startswith("  ")]
    commands, open_until, continued = [], None, False
    for line in shown:
        if open_until or continued:
            commands[-1] += "\n" + line
        else:
            commands.append(line)
        document = re.search(r"<<(\w+)", line)
        open_until = document[1] if document else None if line.strip() == open_until else open_until
        continued = line.endswith("\\") and not open_until
    return commands
