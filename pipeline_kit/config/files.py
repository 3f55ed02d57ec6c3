"""Paths in the configuration: the context, the Dockerfile, further inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.config.document import Node, ScalarNode
from pipeline_kit.config.fields import Members, Reading, read_filled, read_texts, require
from pipeline_kit.config.findings import shown
from pipeline_kit.config.paths import PathKind, join

if TYPE_CHECKING:
    from pipeline_kit.config.model import Location


def read_path(reading: Reading, node: Node, key: str, *wanted: PathKind) -> str | None:
    """Return the path that ``node`` holds, in normal form and of a ``wanted`` kind; else report."""
    text = read_filled(reading, node, key)
    return None if text is None else check_path(reading, node, key, text, *wanted)


def check_path(reading: Reading, node: Node, key: str, text: str, *wanted: PathKind) -> str | None:
    """Return the path ``text``, written in ``node``, in normal form when it is of a ``wanted`` kind; else report."""
    path = join(".", text)
    kind = reading.paths.kind(path)
    message = suggestion = ""
    if kind is PathKind.OUTSIDE:
        if not reading.paths.allow_outside:
            message, suggestion = f"{shown(text)} lies outside the repository", "paths are relative and stay inside it"
    elif kind not in wanted:
        message, suggestion = _path_problem(path, kind, wanted)
    if not message:
        return path
    reading.findings.add(node, message, key=key, suggestion=suggestion)
    return None


def _path_problem(path: str, kind: PathKind, wanted: tuple[PathKind, ...]) -> tuple[str, str]:
    if kind is PathKind.MISSING:
        is_pattern = any(char in path for char in "*?[")
        return f"{shown(path)} does not exist", "patterns are not read here: name files" if is_pattern else ""
    return f"{shown(path)} is a {kind.value}, not a {wanted[0].value}", ""


def read_context(reading: Reading, members: Members) -> str | None:
    """Return the directory that is sent to the build, or ``None`` after a problem."""
    node = require(reading, members, "context", "write the directory that is sent to the build")
    if node is None:
        return None
    if isinstance(node, ScalarNode) and "://" in node.value:
        message = "a remote context has no content tag; 'context' is a directory of this repository"
        reading.findings.add(node, message, key=members.key("context"))
        return None
    return read_path(reading, node, members.key("context"), PathKind.DIRECTORY)


def read_dockerfile(reading: Reading, members: Members, context: str | None) -> tuple[str, Location | None]:
    """Return the Dockerfile's path, relative to the configuration file, and where it was named (``None``: default)."""
    node, key = members.get("dockerfile"), members.key("dockerfile")
    location = reading.findings.location(node) if node else None
    text = read_filled(reading, node, key) if node else "Dockerfile"
    if text is None or context is None:
        return text or "Dockerfile", location
    path = _lower_case_if_only(reading, join(context, text))
    kind = reading.paths.kind(path)
    at = node or members.get("context") or members.node
    if kind is PathKind.OUTSIDE and not reading.paths.allow_outside:
        reading.findings.add(at, f"Dockerfile {shown(path)} lies outside the repository", key=key)
    elif kind is PathKind.MISSING:
        suggestion = (
            "'dockerfile' is relative to the context" if node else "name it with 'dockerfile', relative to the context"
        )
        reading.findings.add(at, f"Dockerfile {shown(path)} does not exist", key=key, suggestion=suggestion)
    elif kind is PathKind.DIRECTORY:
        reading.findings.add(at, f"Dockerfile {shown(path)} is a directory", key=key, suggestion="name the file in it")
    return path, location


def _lower_case_if_only(reading: Reading, path: str) -> str:
    """Return ``path``, or its sibling ``dockerfile`` when only that exists: BuildKit takes it then."""
    head, slash, last = path.rpartition("/")
    if last == "Dockerfile" and reading.paths.kind(path) is PathKind.MISSING:
        sibling = f"{head}{slash}dockerfile"
        return sibling if reading.paths.kind(sibling) is PathKind.FILE else path
    return path


def read_inputs(reading: Reading, node: Node, key: str) -> tuple[str, ...]:
    """Return further files and directories that count, each once."""
    paths = (
        read_path(reading, item, key, PathKind.FILE, PathKind.DIRECTORY) for _, item in read_texts(reading, node, key)
    )
    return tuple(dict.fromkeys(path for path in paths if path is not None))
