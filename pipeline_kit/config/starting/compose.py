"""A Compose file read for what it is worth: services that the reader of ``imports:`` refuses are left out singly."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.document import MappingNode, Unreadable, read_document
from pipeline_kit.config.fields import Environment, Reading
from pipeline_kit.config.findings import Findings, ReportFull
from pipeline_kit.config.imports.compose import Compose, Target
from pipeline_kit.config.imports.dotenv import read_dotenv
from pipeline_kit.config.imports.variables import InterpolationFault, Variables
from pipeline_kit.config.paths import PathKind, Paths
from pipeline_kit.config.starting.found import Account, Candidate, Described
from pipeline_kit.config.starting.nodes import mapping, plain, take_place, text

if TYPE_CHECKING:
    from pipeline_kit.config.starting.found import FoundFile
    from pipeline_kit.errors import Problem

_NOWHERE = Target("", "")


def read(file: FoundFile, account: Account) -> Described:
    """Return the services with a ``build``. Variables get what the committed ``.env`` says, or their defaults.

    What somebody's environment holds may be a secret, or true on that machine only, and what is written here stays.
    """
    described = Described(file, "compose")
    findings = Findings(file.path)
    reading = Reading(findings, Environment({}), Paths(lambda _path: PathKind.MISSING, allow_outside=False))
    variables = Variables(Environment({}))
    read_dotenv(Findings(".env"), file.beside, variables)
    compose = Compose(reading, variables, posixpath.dirname(file.path) or ".", _NOWHERE)
    try:
        services = mapping(mapping(_document(file)).get("services"))
        images = compose.images(file.data)
    except (Unreadable, ReportFull):
        account.leave(file.path, findings.problems[0].message if findings.problems else "it cannot be read")
        described.is_whole = False
        return described
    described.project = compose.project
    refused = _refused(findings.problems, services)
    for name, why in refused.items():
        described.is_whole = False
        account.leave(f"{file.path}: service '{name}'" if name else file.path, why)
    described.is_whole &= not findings.problems
    for name, (_, node) in images.items():
        if name not in refused:
            described.candidates.append(_candidate(file, name, node, _declared(variables, services[name])))
    return described


def _document(file: FoundFile) -> Any:
    return plain(read_document(file.data, Findings(file.path)))


def _refused(problems: list[Problem], services: dict[str, Any]) -> dict[str, str]:
    """Return the first reason against each service, and under ``""`` against the file as a whole.

    An ``image:`` that cannot be read says nothing against the build.
    """
    found: dict[str, str] = {}
    for problem in sorted(problems):
        named = [name for name in services if f"{problem.key}.".startswith(f"services.{name}.")]
        name = max(named, key=len, default="")
        if problem.key != f"services.{name}.image":
            found.setdefault(name, f"line {problem.line}: {problem.message}")
    return found


def _declared(variables: Variables, service: Any) -> str:
    try:
        return variables.interpolate(text(mapping(service).get("image")))
    except InterpolationFault:
        return ""


def _candidate(file: FoundFile, name: str, node: MappingNode, declared: str) -> Candidate:
    entry = plain(node)
    context, dockerfile = take_place(entry)
    entry.pop("repository", None)
    return Candidate(name, "compose", file.path, context, dockerfile, entry, declared)
