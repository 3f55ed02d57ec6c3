"""What ``pipeline-kit init`` would find, in memory: the pure core with its real Dockerfile reader and loader."""

from __future__ import annotations

import posixpath
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline_kit.app.init_dockerfiles import examiner
from pipeline_kit.config import Config, PathKind, load
from pipeline_kit.config.starting.drafting import Started, Wishes, start
from pipeline_kit.config.starting.found import KINDS, Findings, FoundFile
from pipeline_kit.config.starting.names import is_dockerfile
from pipeline_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.errors import Problem

_KINDS = {
    "docker-bake.hcl": "bake",
    "chartpress.yaml": "chartpress",
    "skaffold.yaml": "skaffold",
    "compose.yaml": "compose",
}


@dataclass(slots=True)
class Repository:
    """Files by path; ``bake`` is what bake is said to print of docker-bake.hcl."""

    files: Mapping[str, str]
    bake: str = "{}"
    remote: str = ""
    ecr: Mapping[str, str] = field(default_factory=dict)
    directory: str = "shop"

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        text = self.files.get(path)
        return None if text is None else textwrap.dedent(text).encode("utf-8", "surrogateescape")

    def exists(self, path: str) -> bool:
        """Return whether a file or directory lies at ``path``."""
        return self.kind(path) is not PathKind.MISSING

    def holds(self, directory: str) -> tuple[str, ...]:
        """Return the files below ``directory``."""
        if directory == ".":
            return tuple(sorted(self.files))
        start = f"{directory}/"
        return tuple(sorted(name[len(start) :] for name in self.files if name.startswith(start)))

    def kind(self, path: str) -> PathKind:
        """Return what lies at ``path``."""
        path = posixpath.normpath(path)
        if path.startswith(("../", "/")) or path == "..":
            return PathKind.OUTSIDE
        if path in self.files:
            return PathKind.FILE
        is_directory = path == "." or any(name.startswith(f"{path}/") for name in self.files)
        return PathKind.DIRECTORY if is_directory else PathKind.MISSING

    def start(self, registry: str = "ghcr.io/acme", project: str = "", kinds: Sequence[str] = KINDS) -> Started:
        """Return what init would write here; ``""`` as the registry: what is found says it."""
        files = {}
        for path, kind in _KINDS.items():
            data = self.read(path)
            if data is not None and kind in kinds:
                beside = self.bake.encode() if kind == "bake" else self.read(".env") or b""
                files[kind] = FoundFile(path, data, beside)
        findings = Findings(
            directory=self.directory,
            dockerfiles=tuple(name for name in sorted(self.files) if is_dockerfile(name.rpartition("/")[2])),
            files=files,
            definitions=tuple(FoundFile(p, self.read(p) or b"") for p in sorted(self.files) if p.endswith(".json")),
            ecr=self.ecr,
            remote=self.remote,
        )
        wishes = Wishes(registry, project, kinds)
        return start(findings, wishes, examiner(self.read, self.exists), self, self.check)

    def check(self, text: str, waiting: Collection[str]) -> Sequence[Problem]:
        """Return what keeps a text from loading."""
        try:
            self.load(text, **dict.fromkeys(waiting, "x"))
        except ConfigError as error:
            return error.problems
        return ()

    def load(self, text: str, **variables: str) -> Config:
        """Load a configuration beside these files."""
        environ = {"REGISTRY": "registry.invalid", **variables}
        return load(text.encode(), "pipeline-kit.yaml", environ=environ, exists=self.kind, source=_Source(self))

    def config(self, **wishes: str) -> Config:
        """Return the configuration that init would write, loaded."""
        return self.load(self.start(**wishes).text)


@dataclass(frozen=True, slots=True)
class _Source:
    repository: Repository

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        return self.repository.read(path)

    def bake(self, data: bytes) -> bytes:
        """Return what bake is said to have printed."""
        del data
        return self.repository.bake.encode()


def left_out(started: Started) -> dict[str, str]:
    """Return what was left out, with the reasons."""
    return dict(started.account.left_out)
