"""chartpress.yaml: images of Helm charts.

Source: chartpress's README, "A chartpress.yaml file". Paths are relative to the file; an image's context is
``images/NAME`` and its Dockerfile lies in the context unless said otherwise.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.paths import join
from pipeline_kit.config.placeholders import escape
from pipeline_kit.config.starting.found import Account, Candidate, Described
from pipeline_kit.config.starting.nodes import documents, items, mapping, text

if TYPE_CHECKING:
    from pipeline_kit.config.starting.found import FoundFile

_MOVING = re.compile(r"\{(?:LAST_COMMIT|TAG|BRANCH)\}")


def read(file: FoundFile, account: Account) -> Described:
    """Return the images of every chart. ``paths`` and the like are not needed: the context's files decide."""
    described = Described(file, "chartpress", is_whole=False)
    values: dict[str, str] = {}
    for document in documents(file.data, file.path):
        if isinstance(document, str):
            account.leave(file.path, document)
            continue
        for chart in map(mapping, items(document.get("charts"))):
            prefix = text(chart.get("imagePrefix"))
            for name, spec in mapping(chart.get("images")).items():
                described.candidates.append(_candidate(file, name, mapping(spec), prefix, account))
                if mapping(spec).get("valuesPath"):
                    values[name] = text(chart.get("name"))
    if values:
        account.chosen.append(
            f"{file.path}: valuesPath is not read here; 'pipeline-kit emit helm-values' hands digests to charts"
        )
    return described


def _candidate(file: FoundFile, name: str, spec: dict[str, Any], prefix: str, account: Account) -> Candidate:
    base = posixpath.dirname(file.path) or "."
    context = join(base, text(spec.get("contextPath")) or f"images/{name}")
    named = text(spec.get("dockerfilePath"))
    dockerfile = join(base, named) if named else join(context, "Dockerfile")
    args: dict[str, str] = {}
    for arg, value in mapping(spec.get("buildArgs")).items():
        if _MOVING.search(text(value)):
            why = "it changes with every commit; where the image needs it, see volatile_args"
            account.leave(f"{file.path}: build argument {arg} of '{name}'", why)
        else:
            args[arg] = escape(text(value))
    entry: dict[str, Any] = {"args": args} if args else {}
    platforms = [text(item) for item in items(spec.get("platforms"))]
    if platforms:
        entry["platforms"] = platforms
    target = _target(items(spec.get("extraBuildCommandOptions")), f"{file.path}: '{name}'", account)
    if target:
        entry["target"] = target
    declared = text(spec.get("imageName")) or f"{prefix}{name}"
    return Candidate(name, "chartpress", file.path, context, dockerfile, entry, declared)


def _target(options: list[Any], where: str, account: Account) -> str:
    """Return the ``--target`` among options of ``docker build``; the others are left out."""
    words = [word for option in map(text, options) for word in option.split()]
    target = ""
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name == "--target":
            target = value if equals or not words else words.pop(0)
        elif name.startswith("-"):
            account.leave(f"{where}: option {name}", "options of docker build are not taken over")
    return target
