"""The files of ``imports:``, one after the other."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pipeline_kit.config.document import Position, Unreadable
from pipeline_kit.config.fields import Reading, read_texts
from pipeline_kit.config.files import check_path
from pipeline_kit.config.findings import shown
from pipeline_kit.config.imports.bake import read_bake
from pipeline_kit.config.imports.compose import Compose, Target
from pipeline_kit.config.imports.dotenv import read_dotenv
from pipeline_kit.config.imports.merging import Imported
from pipeline_kit.config.imports.source import BakeFault
from pipeline_kit.config.imports.variables import Variables
from pipeline_kit.config.paths import PathKind, join

if TYPE_CHECKING:
    from pipeline_kit.config.document import MappingNode, Node, ScalarNode
    from pipeline_kit.config.imports.source import ImportSource

    _Image = tuple[ScalarNode, MappingNode]

_COMPOSE = (".yaml", ".yml")
_BAKE = (".hcl", ".json")


def read_imports(reading: Reading, node: Node, source: ImportSource, target: Target) -> Imported:
    """Return the images of every file in ``node``. Raises Unreadable when one of them cannot be understood.

    Half an import would blame the rest of the configuration for images that are only not known; so reading ends there.
    """
    images: dict[str, _Image] = {}
    project, files = "", []
    before = len(reading.findings.problems)
    for text, item in read_texts(reading, node, "imports"):
        path = check_path(reading, item, "imports", text, PathKind.FILE)
        if path is None:
            continue
        files.append(path)
        data = source.read(path)
        inner = reading._replace(findings=reading.findings.of(_beside(reading, path)))
        if data is None:
            reading.findings.add(item, f"{shown(path)} does not exist", key="imports")
        elif path.endswith(_COMPOSE):
            compose = Compose(inner, _variables(inner, path, source), posixpath.dirname(path) or ".", target)
            _take(inner, images, compose.images(data))
            project = project or compose.project
        elif path.endswith(_BAKE):
            _take(inner, images, _bake(inner, data, source))
        else:
            message = f"it is not known how to read {shown(path)}"
            suggestion = "a Compose file ends with .yaml or .yml, a bake file with .hcl or .json"
            reading.findings.add(item, message, key="imports", suggestion=suggestion)
    if len(reading.findings.problems) > before:
        raise Unreadable
    return Imported(images, project, tuple(files))


def _beside(reading: Reading, path: str) -> str:
    """Return the name by which problems call a file beside the configuration: as the configuration's own is."""
    return posixpath.join(posixpath.dirname(reading.findings.file), path)


def _variables(inner: Reading, path: str, source: ImportSource) -> Variables:
    """Return the environment, with the ``.env`` beside a Compose file below it."""
    variables = Variables(inner.environment)
    beside = join(posixpath.dirname(path) or ".", ".env")
    if inner.paths.kind(beside) is PathKind.FILE:
        name = posixpath.join(posixpath.dirname(inner.findings.file), ".env")
        read_dotenv(inner.findings.of(name), source.read(beside) or b"", variables)
    return variables


def _bake(inner: Reading, data: bytes, source: ImportSource) -> dict[str, _Image]:
    try:
        printed = source.bake(data)
    except BakeFault as fault:
        inner.findings.add(Position(fault.line, fault.column), f"bake refuses it: {fault.message}", key="imports")
        raise Unreadable from None
    return read_bake(inner, data, printed)


def _take(inner: Reading, images: dict[str, _Image], found: dict[str, _Image]) -> None:
    for name, (key, node) in found.items():
        other = images.setdefault(name, (key, node))[0]
        if other is not key:
            message = f"image {shown(name)} is described in {other.file} too"
            inner.findings.add(key, message, key="imports", suggestion="import one of them")
