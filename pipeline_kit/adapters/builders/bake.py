"""Build requests as ONE JSON definition for ``docker buildx bake``. Pure: no I/O.

Every string of a bake file is an HCL template, so that ``${…}`` and ``%{…}`` in a user's text would be evaluated: each
is escaped. Source: buildx, "Bake file reference"; HCL native syntax specification, "Template Literals".
"""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pipeline_kit.ports.builder import BuildRequest

_TARGET_RE = re.compile(r"[a-zA-Z0-9_-]+")
_LINK = "target:"
_NO_ATTESTATIONS = ["type=provenance,disabled=true", "type=sbom,disabled=true"]


class Export(StrEnum):
    """Where a built image goes."""

    DIGEST = "pushed by digest"
    """BuildKit drivers of their own: docker-container, kubernetes, remote."""
    ENGINE_DIGEST = "pushed by digest by the engine"
    """The docker driver with the containerd image store. buildx refuses ``push-by-digest`` for every docker driver, on
    the client's side; an image that the engine names ``repository@digest`` is pushed without any tag all the same."""
    ENGINE = "kept in the engine's containerd image store"
    ENGINE_CLASSIC = "kept in the engine's classic image store"
    CACHE = "kept in the build cache only"


@value_class()
class BakeDefinition:
    """A definition as JSON ``text``, the image behind each bake target, and what each image builds upon."""

    text: str
    images: Mapping[str, str]
    graph: Mapping[str, tuple[str, ...]]


def needs(request: BuildRequest) -> tuple[str, ...]:
    """Return the names of the images of the same call that ``request`` builds upon."""
    return tuple(value.removeprefix(_LINK) for value in request.contexts.values() if value.startswith(_LINK))


def build_graph(requests: Iterable[BuildRequest]) -> dict[str, tuple[str, ...]]:
    """Return what each image builds upon, by name. Raises InputError for a ``target:`` that names no other request."""
    graph = {request.name: needs(request) for request in requests}
    for name, needed in graph.items():
        missing = [need for need in needed if need not in graph]
        if missing:
            raise InputError(f"{name} builds upon {missing[0]}, which is not built in the same call")
    return graph


def target_names(names: Iterable[str]) -> dict[str, str]:
    """Return, for each image name, a target name that bake accepts; different names stay different."""
    return {name: _target_name(name) for name in names}


def _target_name(name: str) -> str:
    if _TARGET_RE.fullmatch(name) and name != "default":
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}-{mark}"


def escape(text: str) -> str:
    """Return ``text`` so that bake reads it back literally."""
    return text.replace("${", "$${").replace("%{", "%%{")


def csv_field(text: str) -> str:
    """Return ``text`` as one field of the comma-separated values that buildx reads (RFC 4180)."""
    if not any(char in text for char in ',"\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def definition(requests: Sequence[BuildRequest], wanted: Collection[str], export: Export) -> BakeDefinition:
    """Return the definition that builds and exports ``wanted``, images of ``requests``.

    What they build upon is in the definition too, built without being exported.
    """
    by_name = {request.name: request for request in requests}
    targets = target_names(by_name)
    included = _closure(by_name, wanted)
    document = {
        "group": {"default": {"targets": [targets[name] for name in by_name if name in wanted]}},
        "target": {
            targets[name]: _target(request, targets, export) for name, request in by_name.items() if name in included
        },
    }
    # ASCII with \\u escapes carries lone surrogates (a file name's bytes) as far as JSON can.
    images = {targets[name]: name for name in by_name if name in included}
    return BakeDefinition(json.dumps(document), images, {name: needs(by_name[name]) for name in images.values()})


def _closure(by_name: Mapping[str, BuildRequest], wanted: Collection[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += needs(by_name[name])
    return seen


def _target(request: BuildRequest, targets: Mapping[str, str], export: Export) -> dict[str, object]:
    members: dict[str, object] = {
        "context": escape(request.context),
        "dockerfile": escape(request.dockerfile),
        "target": escape(request.target) if request.target else None,
        "args": _escaped(request.args),
        "contexts": _contexts(request.contexts, targets),
        "labels": _escaped(request.labels),
        "platforms": list(request.platforms),
        "secret": [escape(_secret(name, source)) for name, source in request.secrets.items()],
        "ssh": [escape(entry) for entry in request.ssh],
        "cache-from": [escape(entry) for entry in request.cache_from],
        "cache-to": [escape(entry) for entry in request.cache_to],
        "attest": _NO_ATTESTATIONS,
        **_export(request, export),
    }
    return {key: value for key, value in members.items() if value}


def _escaped(pairs: Mapping[str, str]) -> dict[str, str]:
    # The names of a JSON object are templates too.
    return {escape(key): escape(value) for key, value in pairs.items()}


def _contexts(contexts: Mapping[str, str], targets: Mapping[str, str]) -> dict[str, str]:
    linked = {
        name: _LINK + targets[value.removeprefix(_LINK)] if value.startswith(_LINK) else value
        for name, value in contexts.items()
    }
    return _escaped(linked)


def _secret(name: str, source: str) -> str:
    return f"{csv_field(f'id={name}')},{csv_field(source)}"


def _export(request: BuildRequest, export: Export) -> dict[str, object]:
    if export is Export.DIGEST:
        output = f"type=image,name={request.repository},push-by-digest=true,name-canonical=true,push=true"
    elif export is Export.ENGINE_DIGEST:
        # An empty value is true for BuildKit and unset for buildx, which wants a tag for whatever it knows it pushes.
        output = f"type=image,push=,dangling-name-prefix={request.repository}"
    elif export is Export.CACHE:
        output = "type=cacheonly"
    else:
        kind = "image" if export is Export.ENGINE else "docker"
        return {"tags": [f"{request.repository}:{request.tag}"], "output": [f"type={kind}"]}
    return {"output": [output]}
