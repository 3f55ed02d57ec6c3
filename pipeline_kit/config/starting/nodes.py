"""Nodes of YAML documents as plain values, and lenient ways into documents that others wrote."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.document import MappingNode, Node, ScalarNode, Unreadable, read_document
from pipeline_kit.config.fields import is_null
from pipeline_kit.config.findings import Findings, ReportFull
from pipeline_kit.config.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN = re.compile(rb"(?m)^---(?:[ \t].*)?\r?$|^\.\.\.[ \t]*\r?$")


def plain(node: Node) -> Any:
    """Return text, lists and dictionaries; ``None`` for YAML's null."""
    if isinstance(node, ScalarNode):
        return None if is_null(node) else node.value
    if isinstance(node, MappingNode):
        return {key.value: plain(value) for key, value in node.entries}
    return [plain(item) for item in node.items]


def documents(data: bytes, file: str) -> Iterator[dict[str, Any] | str]:
    """Yield the mappings of a YAML stream, and for each document that is none the reason, as text.

    ``---`` at the beginning of a line is a boundary wherever it stands (YAML 1.2, section 9.1).
    """
    for part in _BETWEEN.split(data):
        if not part.strip() or all(line.lstrip().startswith(b"#") for line in part.splitlines() if line.strip()):
            continue
        findings = Findings(file)
        try:
            yield plain(read_document(part, findings))
        except (Unreadable, ReportFull):
            yield findings.problems[0].message


def take_place(entry: dict[str, Any]) -> tuple[str, str]:
    """Take an image's context and Dockerfile out of ``entry`` and return both, relative to the configuration."""
    context = posixpath.normpath(entry.pop("context", "."))
    return context, join(context, entry.pop("dockerfile", None) or "Dockerfile")


def mapping(value: Any) -> dict[str, Any]:
    """Return ``value`` where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return ``value`` where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return ``value`` where it is text, else ``""``."""
    return value if isinstance(value, str) else ""
