"""How a repository that we do not own builds its Dockerfiles: context, target and arguments, as far as its files tell.

Read are Compose files, skaffold files and steps with docker/build-push-action, a matrix of plain values included. A
Dockerfile that none of them names is taken to have its own directory as context.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Read = Callable[[str], bytes | None]

_DOCKERFILE = re.compile(r"(?:.*/)?(?:Dockerfile(?:[.-][^/]*)?|[^/]+\.Dockerfile)", re.IGNORECASE)
# Beside a Dockerfile, or what one is made from.
_OTHER_SUFFIX = re.compile(r"dockerignore|template|tmpl|tpl|j2|jinja2?|erb|in|m4|md|sh|py|go|ya?ml|json", re.IGNORECASE)
_COMPOSE = re.compile(r"(?:.*/)?[^/]*compose[^/]*\.ya?ml")
_SKAFFOLD = re.compile(r"(?:.*/)?skaffold[^/]*\.ya?ml")
_WORKFLOW = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
_EXPRESSION = re.compile(r"\$\{\{\s*matrix\.([\w.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Build:
    """One Dockerfile and the directory it is built from, both relative to the repository's root."""

    dockerfile: str
    context: str
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)


def is_dockerfile(path: str) -> bool:
    """Tell whether ``path`` is named like a Dockerfile, and not like a template or a companion of one."""
    return _DOCKERFILE.fullmatch(path) is not None and not _OTHER_SUFFIX.fullmatch(path.rpartition(".")[2])


def guess_builds(paths: Iterable[str], read: Read) -> list[Build]:
    """Return one build for each Dockerfile among ``paths``: the first that a file of the repository describes."""
    known = list(paths)
    files = set(known)
    described = chain(
        chain.from_iterable(_compose(path, read) for path in known if _COMPOSE.fullmatch(path)),
        chain.from_iterable(_skaffold(path, read) for path in known if _SKAFFOLD.fullmatch(path)),
        chain.from_iterable(_workflow(path, read) for path in known if _WORKFLOW.fullmatch(path)),
    )
    found: dict[str, Build] = {}
    for build in described:
        is_inside = build.context == "." or any(path.startswith(f"{build.context}/") for path in files)
        if build.dockerfile in files and is_inside:
            found.setdefault(build.dockerfile, build)
    return [
        found.get(path, Build(path, posixpath.dirname(path) or ".")) for path in sorted(files) if is_dockerfile(path)
    ]


def _documents(path: str, read: Read) -> list[dict[Any, Any]]:
    try:
        return [found for found in yaml.safe_load_all(read(path) or b"") if isinstance(found, dict)]
    except (yaml.YAMLError, ValueError):
        return []  # templates of YAML files are often named like YAML files


def _mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _build(context: str, dockerfile: str, target: object, args: Mapping[str, str]) -> Iterator[Build]:
    """Yield the build where both paths are plain ones inside the repository; both are relative to its root."""
    place, file = posixpath.normpath(context), posixpath.normpath(dockerfile)
    if "$" not in place + file and ":" not in place + file and not place.startswith(("..", "/")):
        yield Build(file, place, target if isinstance(target, str) and "$" not in target else None, args)


def _compose(path: str, read: Read) -> Iterator[Build]:
    home = posixpath.dirname(path)
    lines = (read(posixpath.join(home, ".env")) or b"").decode("utf-8", "replace").splitlines()
    defaults = {name.strip(): value.strip("\"' ") for name, _, value in (line.partition("=") for line in lines)}

    def plain(value: object) -> str:
        text = str(value)
        for _ in range(3):  # values in .env may name others
            text = _VARIABLE.sub(lambda match: defaults.get(match[1] or match[3], match[2] or ""), text)
        return text

    for document in _documents(path, read):
        for service in _mapping(document.get("services")).values():
            described = _mapping(service).get("build")
            if isinstance(described, str):
                described = {"context": described}
            if not isinstance(described, dict) or "dockerfile_inline" in described:
                continue
            context = posixpath.join(home, plain(described.get("context", ".")))
            file = posixpath.join(context, plain(described.get("dockerfile", "Dockerfile")))
            yield from _build(context, file, described.get("target"), _arguments(described.get("args"), plain))


def _arguments(value: object, plain: Callable[[object], str]) -> dict[str, str]:
    if isinstance(value, dict):
        pairs = [(str(name), plain(given)) for name, given in value.items() if given is not None]
    else:
        pairs = [(name, plain(given)) for name, _, given in (str(item).partition("=") for item in _list(value))]
    return {name: given for name, given in pairs if given}


def _skaffold(path: str, read: Read) -> Iterator[Build]:
    home = posixpath.dirname(path)
    for document in _documents(path, read):
        for item in _list(_mapping(document.get("build")).get("artifacts")):
            artifact = _mapping(item)
            docker = _mapping(artifact.get("docker"))
            context = posixpath.join(home, str(artifact.get("context", ".")))
            file = posixpath.join(context, str(docker.get("dockerfile", "Dockerfile")))
            yield from _build(context, file, docker.get("target"), {})


def _workflow(path: str, read: Read) -> Iterator[Build]:
    for document in _documents(path, read):
        for item in _mapping(document.get("jobs")).values():
            job = _mapping(item)
            entries = _matrix(_mapping(_mapping(job.get("strategy")).get("matrix")))
            for step in map(_mapping, _list(job.get("steps"))):
                if str(step.get("uses", "")).startswith("docker/build-push-action@"):
                    options = _mapping(step.get("with"))
                    for entry in entries:
                        yield from _action(options, entry)


def _matrix(matrix: dict[Any, Any]) -> list[dict[str, Any]]:
    include = [entry for entry in _list(matrix.get("include")) if isinstance(entry, dict)]
    singles = [{name: value} for name, values in matrix.items() if name != "include" for value in _list(values)]
    return [*include, *singles] or [{}]


def _action(options: dict[Any, Any], entry: dict[str, Any]) -> Iterator[Build]:
    def plain(value: object) -> str:
        return _EXPRESSION.sub(lambda match: _member(entry, match[1]) or match[0], str(value))

    context = plain(options.get("context", "."))
    file = plain(options["file"]) if "file" in options else posixpath.join(context, "Dockerfile")
    yield from _build(context, file, options.get("target"), {})


def _member(entry: dict[str, Any], path: str) -> str:
    value: Any = entry
    for name in path.split("."):
        value = _mapping(value).get(name)
    return value if isinstance(value, str) else ""
