"""What GitHub's runner makes of a step's output and of the files it writes, as its source does."""

from __future__ import annotations

import re


def runner_reads(text: str) -> dict[str, str]:
    """Read an outputs file as the runner does (actions/runner, FileCommandManager, on Linux: lines end with LF)."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        else:
            name, sign, delimiter = line.partition("<<")
            assert sign, f"invalid format: {line!r}"
            body: list[str] = []
            while (entry := next(lines)) != delimiter:
                body.append(entry)
            value = "\n".join(body)
        found[name] = value
    return found


def runner_acts(lines: list[str]) -> list[str]:
    """Return the lines the runner takes for commands (ActionCommand.TryParseV2, TryParse; stop-commands honoured)."""
    acted: list[str] = []
    token = ""
    for line in "\n".join(lines).split("\n"):
        start = line.lstrip()
        if token:
            token = "" if start == f"::{token}::" else token
        elif stop := re.match(r"::stop-commands::(.+)", start):
            token = stop.group(1)
        elif start.startswith("::") or "##[" in line:
            acted.append(line)
    return acted
