"""Configurations whose images come from other files, loaded without a disk."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.config import PathKind, load
from pipeline_kit.config.imports.source import NO_SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline_kit.config import Config

HEAD = "version: 1\nproject: shop\nregistry: ghcr.io/acme\nimports: [compose.yaml]\n"
"""Four lines."""


@dataclass(slots=True)
class Files:
    """Files by path; all else that is asked for is a directory, but for ``.env``. Bake is answered from ``printed``."""

    texts: dict[str, str]
    printed: bytes | None = None
    outside: set[str] = field(default_factory=set)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        text = self.texts.get(path)
        return None if text is None else textwrap.dedent(text).encode()

    def bake(self, data: bytes) -> bytes:
        """Return what bake is said to have printed."""
        return NO_SOURCE.bake(data) if self.printed is None else self.printed

    def kind(self, path: str) -> PathKind:
        """Return what lies at ``path``."""
        if path.startswith("../") or path in self.outside:
            return PathKind.OUTSIDE
        if path in self.texts or path.rpartition("/")[2].startswith("Dockerfile"):
            return PathKind.FILE
        is_file = path.endswith((".env", ".yaml", ".hcl", ".json", ".txt"))
        return PathKind.MISSING if is_file else PathKind.DIRECTORY

    def load(self, text: str = HEAD, environ: Mapping[str, str] | None = None) -> Config:
        """Load the configuration ``text`` beside these files."""
        data = textwrap.dedent(text).encode()
        return load(data, "sub/pipeline-kit.yaml", environ=environ or {}, exists=self.kind, source=self)


def of_compose(text: str, environ: Mapping[str, str] | None = None, **more: str) -> Config:
    """Load a configuration that imports the Compose file ``text`` and holds nothing else of its own."""
    return Files({"compose.yaml": text, **more}).load(environ=environ)
