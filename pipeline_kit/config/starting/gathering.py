"""From what was found to candidates: each file read, no Dockerfile taken from two of them, and no build twice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pipeline_kit.config.findings import shown
from pipeline_kit.config.starting import bake, chartpress, compose, skaffold
from pipeline_kit.config.starting.contexts import guess
from pipeline_kit.config.starting.found import KINDS, Account, Candidate, Described
from pipeline_kit.config.starting.names import of_dockerfile, suffix_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline_kit.config.starting.found import Disk, Examine, Examined, Findings

_READERS = {"bake": bake.read, "chartpress": chartpress.read, "skaffold": skaffold.read, "compose": compose.read}
_TEMPLATES = frozenset({"erb", "in", "j2", "jinja", "jinja2", "m4", "mustache", "template", "tmpl", "tpl"})
_ASIDE = re.compile(
    r"[_.]?tests?(?:[-_]?(?:data|files?|fixtures?|cases?|suites?|utils?))?|testing|(?:integration|e2e|unit|smoke)[-_]?tests?"
    r"|e2e|docs?|documentation|examples?|samples?|fixtures?|hack|benchmarks?|vendor|third[-_]party|node_modules"
    r"|\.devcontainer|\.github|\.gitlab|\.gitpod|\.vscode",
    re.IGNORECASE,
)
"""Directories whose Dockerfiles are seldom shipped."""
_FOR_PEOPLE = frozenset({"ci", "debug", "dev", "devel", "development", "e2e", "local", "test", "testing", "tests"})
"""Suffixes of Dockerfiles, and names of last stages, that are usually not what gets shipped."""
_SHIPPED = ("production", "prod", "runtime", "release", "final", "runner", "app")


def described(findings: Findings, kinds: Collection[str], account: Account) -> list[Described]:
    """Return what each describing file says, the most telling first; twins and what is covered already left out."""
    found: list[Described] = []
    covered: dict[str, Candidate] = {}
    for kind in KINDS:
        file = findings.files.get(kind)
        if file is None or kind not in kinds:
            continue
        one = _READERS[kind](file, account)
        one.candidates = [item for item in one.candidates if _is_new(item, one, covered, account)]
        _merge_twins(one, account)
        covered |= {item.dockerfile: item for item in one.candidates}
        found.append(one)
    return found


def _is_new(item: Candidate, one: Described, covered: dict[str, Candidate], account: Account) -> bool:
    other = covered.get(item.dockerfile)
    if other is None:
        return True
    one.is_whole = False
    account.leave(f"{item.source}: {shown(item.name)}", f"{other.source} says how {item.dockerfile} is built")
    return False


def _merge_twins(one: Described, account: Account) -> None:
    """Keep one of those that are built alike: under two names an image would be built and stored twice."""
    first: dict[str, Candidate] = {}
    for item in one.candidates:
        build = json.dumps([item.context, item.dockerfile, item.entry], sort_keys=True)
        other = first.setdefault(build, item)
        if other is not item:
            one.is_whole = False
            account.leave(f"{item.source}: {shown(item.name)}", f"it is built as {shown(other.name)} is: one image")
            _point_elsewhere(one.candidates, item.name, other.name)
    one.candidates = list(first.values())


def _point_elsewhere(candidates: Sequence[Candidate], old: str, new: str) -> None:
    for item in candidates:
        contexts = item.entry.get("contexts", {})
        for name, value in contexts.items():
            if value == f"image:{old}":
                contexts[name] = f"image:{new}"


def from_dockerfiles(
    findings: Findings, taken: Collection[str], examine: Examine, disk: Disk, account: Account
) -> list[Candidate]:
    """Return an image for each Dockerfile that no file describes, in the context where it most likely is built.

    Those for tests, documentation or development count only where there are no others.
    """
    left = [path for path in findings.dockerfiles if path not in taken and not _is_template(path, account)]
    aside = {path: why for path in left if (why := _why_aside(path))}
    found = _candidates([path for path in left if path not in aside], examine, disk, account)
    if not found and not taken:
        return _candidates(list(aside), examine, disk, account)
    for path, why in aside.items():
        account.leave(path, why)
    return found


def _candidates(paths: Sequence[str], examine: Examine, disk: Disk, account: Account) -> list[Candidate]:
    homes = {path.rpartition("/")[0] for path in paths}
    return [item for path in paths if (item := _candidate(path, homes, examine, disk, account))]


def _is_template(path: str, account: Account) -> bool:
    suffix = suffix_of(path).rpartition(".")[2].lower()
    if suffix in _TEMPLATES:
        account.leave(path, "it is a template")
    return suffix in _TEMPLATES


def is_aside(path: str) -> bool:
    """Return whether a file lies in a directory whose contents are seldom shipped."""
    return any(_ASIDE.fullmatch(part) for part in path.split("/")[:-1])


def _why_aside(path: str) -> str:
    directory = next((part for part in path.split("/")[:-1] if _ASIDE.fullmatch(part)), "")
    if directory:
        return f"what lies in '{directory}' is seldom shipped"
    suffix = suffix_of(path).lower()
    word = next((word for word in re.split(r"[._-]", suffix) if word in _FOR_PEOPLE), "")
    return f"'{word}' in its name: seldom shipped" if word else ""


def _candidate(path: str, homes: Collection[str], examine: Examine, disk: Disk, account: Account) -> Candidate | None:
    examined = examine(path, None, {})
    if examined.problem:
        account.leave(path, examined.problem)
        return None
    target = shipped_stage(examined)
    if target is not None:
        examined = examine(path, target, {})
        account.chosen.append(f"{path}: target {target}: its last stage, by its name, is not what is shipped")
    where = guess(path, examined, disk)
    wanted = of_dockerfile(path, homes)
    told = f"{path}: context {where.context}: {where.why}"
    if where.missing:
        told += f"; missing: {', '.join(where.missing)} (made before the build?)"
    account.chosen.append(told)
    entry = {} if target is None else {"target": target}
    return Candidate(wanted.name, "dockerfile", path, where.context, path, entry, parents=wanted.parents)


def shipped_stage(examined: Examined) -> str | None:
    """Return the stage to build where the last one is, by its name, for development; ``None``: the last one."""
    stages = [name for name in examined.stages if name]
    if not examined.stages or examined.stages[-1] not in _FOR_PEOPLE:
        return None
    return next((name for name in _SHIPPED if name in stages), None)
