"""The chart's notes, as commands."""

import re


def notes(shell, release, namespace):
    """The commands that NOTES.txt shows, in their order, each as a user copies it: with its indentation, with continued lines
    and with here-documents."""
    text = shell.run(f"helm get notes {release} --namespace {namespace}")
    commands, open_until, continued = [], None, False
    for line in text.splitlines():
        if open_until or continued:
            commands[-1] += "\n" + line
        elif line.startswith("  "):
            commands.append(line)
        else:
            continue
        if open_until:
            # As a shell has it: nothing but the word, at the margin.
            open_until = None if line == open_until else open_until
        else:
            document = re.search(r"<<(\w+)", line)
            open_until = document[1] if document else None
            continued = line.endswith("\\") and not open_until
    assert not open_until, f"a here-document never ends:\n{commands[-1]}"
    return commands
