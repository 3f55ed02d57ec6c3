"""A bake file, by what bake itself prints of it."""

from __future__ import annotations

import json
import re
from typing import Any

from pipeline_kit.config.document import Unreadable
from pipeline_kit.config.fields import Environment, Reading
from pipeline_kit.config.findings import Findings, ReportFull, shown
from pipeline_kit.config.imports.bake import read_bake
from pipeline_kit.config.paths import PathKind, Paths
from pipeline_kit.config.starting.found import Account, Candidate, Described, FoundFile
from pipeline_kit.config.starting.nodes import items, mapping, plain, take_place, text

_NO_IMAGE = frozenset({"local", "tar", "cacheonly"})


def read(file: FoundFile, account: Account) -> Described:
    """Return what bare ``docker buildx bake`` builds, as bake says itself."""
    described = Described(file, "bake")
    findings = Findings(file.path)
    reading = Reading(findings, Environment({}), Paths(lambda _path: PathKind.MISSING, allow_outside=False))
    try:
        images = read_bake(reading, file.data, file.beside)
        targets = mapping(json.loads(file.beside)["target"])
    except (Unreadable, ReportFull):
        images, targets = {}, {}
    for problem in findings.problems:
        described.is_whole = False
        account.leave(file.path, f"line {problem.line}: {problem.message}")
    for name, (_, node) in images.items():
        kind = next(map(_output, items(mapping(targets.get(name)).get("output"))), "")
        if kind in _NO_IMAGE:
            described.is_whole = False
            account.leave(f"{file.path}: {shown(name)}", f"its output is {kind}, not an image")
            continue
        entry = plain(node)
        # "local" is what the machine is, which no content tag can say.
        platforms = [word for word in entry.pop("platforms", []) if word != "local"]
        entry |= {"platforms": platforms} if platforms else {}
        context, dockerfile = take_place(entry)
        declared = next(map(text, items(mapping(targets.get(name)).get("tags"))), "")
        described.candidates.append(Candidate(name, "bake", file.path, context, dockerfile, entry, declared))
    return described


def _output(output: Any) -> str:
    """Return the type of an output, written as a mapping, as ``type=…,…`` or as the directory to write to."""
    if isinstance(output, dict):
        return text(output.get("type"))
    found = re.search(r"(?:^|,)type=(\w+)", text(output))
    return found[1] if found else "local"
