"""What ``pipeline-kit init`` finds in a directory: Dockerfiles, files that describe images, and where images go."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import base_of, read_inside, scan
from pipeline_kit.adapters.git.repository import find_toplevel, verify
from pipeline_kit.config.imports.source import BakeFault
from pipeline_kit.config.starting.found import Findings, FoundFile, LeftOut
from pipeline_kit.config.starting.gathering import is_aside
from pipeline_kit.config.starting.names import is_dockerfile
from pipeline_kit.config.starting.place import ecr_hosts
from pipeline_kit.errors import EngineUnreachable
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.adapters.git.command import Git

_DESCRIBING = {
    "bake": ("docker-bake.hcl", "docker-bake.json"),
    "compose": ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
    "skaffold": ("skaffold.yaml", "skaffold.yml"),
    "chartpress": ("chartpress.yaml", "chartpress.yml"),
}
"""Which files describe images, by kind; of several in one directory the first is read, as their own tools do."""
_OVERRIDES = re.compile(r"(?:docker-)?compose\.override\.ya?ml|docker-bake\.override\.(?:hcl|json)")
_DEFINITIONS = re.compile(
    r"(?:.*/)?(?:\.?aws|ecs|deploy[\w-]*|infra[\w-]*|task[-_]?def[\w-]*)/(?:.*/)?[^/]+\.json"
    r"|(?:.*/)?[^/]*(?:task|ecs)[^/]*\.json",
    re.IGNORECASE,
)
_PIPELINES = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|(?:.*/)?buildspec[^/]*\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml"
    r"|Makefile|Jenkinsfile|bitbucket-pipelines\.yml|azure-pipelines\.yml"
)
_UNTOLD = frozenset({b"node_modules", b".venv", b"venv", b".tox"})
"""Directories of what was installed; only looked at where git does not say what counts."""
_TO_RUN = frozenset({"PATH", "HOME", "DOCKER_CONFIG", "TMPDIR", "LANG"})
"""Variables without which bake may not run."""
_LARGEST = 1024 * 1024
_MOST_FILES = 500
_FEW = 3


@value_class()
class Directory:
    """A directory that gets a configuration, and the repository around it; implements ``starting.found.Disk``."""

    home: Path
    """Its real path."""
    root: Path
    """The repository's top level, or ``home`` where there is no git."""
    names: Sequence[str] = field(repr=False)
    """The files below ``home`` that count, relative to it and sorted: tracked or at least not ignored by git."""
    remote: str = ""

    def exists(self, path: str) -> bool:
        """Return whether something lies at ``path``."""
        return os.path.exists(os.path.join(self.home, path))  # noqa: PTH110, PTH118 - text, asked often

    def holds(self, directory: str) -> tuple[str, ...]:
        """Return the files below ``directory``, relative to it."""
        if directory == ".":
            return tuple(self.names)
        start = f"{directory}/"
        first, end = bisect_left(self.names, start), bisect_left(self.names, f"{directory}0")  # "0" comes after "/"
        return tuple(name[len(start) :] for name in self.names[first:end])

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, ``None`` where there is none inside the repository or it is far too large."""
        inside = (self.home / path).relative_to(self.root).as_posix()
        data = read_inside(self._base, inside)
        return None if data is None or len(data) > _LARGEST else data

    @cached_property
    def _base(self) -> bytes:
        return base_of(self.root)


def look(directory: Path) -> Directory:
    """Return what lies in ``directory``: by git, or all of it where there is none. Raises CheckoutError subclasses."""
    home = Path(os.path.realpath(directory))
    root = find_toplevel(home)
    if root is None:
        return Directory(
            home, home, sorted(map(os.fsdecode, scan(base_of(home), [b""], include_git=False, unsent=_skip).leaves))
        )
    repository = verify(root, home)
    words: list[str | bytes] = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        *repository.pathspecs([b""]),
    ]
    listed = {name[len(repository.prefix) :] for name in repository.git.run(words).split(b"\0") if name}
    return Directory(home, root, sorted(map(os.fsdecode, listed)), _remote(repository.git))


def _skip(path: bytes, *, is_directory: bool) -> bool:
    return is_directory and path.rpartition(b"/")[2] in _UNTOLD


def _remote(git: Git) -> str:
    lines = git.ask(["config", "--get-regexp", r"^remote\..*\.url$"]).stdout.decode("utf-8", "replace").splitlines()
    urls = dict(line.partition(" ")[::2] for line in lines)
    return urls.get("remote.origin.url") or next(iter(urls.values()), "")


def find(place: Directory, kinds: Iterable[str], environ: Mapping[str, str]) -> Findings:
    """Return everything that says something about images in ``place``; ``kinds`` are those to look for."""
    unread: list[LeftOut] = []
    files: dict[str, FoundFile] = {}
    for kind in kinds:
        path = _describing(place, kind, unread)
        data = place.read(path) if path else None
        file = FoundFile(path, data) if data is not None else None
        if file is not None and kind == "bake":
            file = _printed(file, environ, unread)
        if file is not None and kind == "compose":
            file = file._replace(beside=_dotenv(place, file.path))
        if file is not None:
            files[kind] = file
    definitions = [
        FoundFile(path, data)
        for path in _shallow(place.names, _DEFINITIONS)
        if (data := place.read(path)) and b'"containerDefinitions"' in data
    ]
    pipelines = [(path, place.read(path) or b"") for path in _shallow(place.names, _PIPELINES)]
    texts = [(path, data.decode("utf-8", "replace")) for path, data in [*pipelines, *(d[:2] for d in definitions)]]
    return Findings(
        directory=place.home.name,
        dockerfiles=tuple(name for name in place.names if _is_dockerfile(place, name)),
        files=files,
        definitions=tuple(definitions),
        ecr=ecr_hosts(texts),
        remote=place.remote,
        unread=tuple(unread),
    )


def _is_dockerfile(place: Directory, name: str) -> bool:
    return is_dockerfile(name.rpartition("/")[2]) and (place.home / name).is_file()


def _shallow(names: Iterable[str], pattern: re.Pattern[str]) -> list[str]:
    """Return the names that match, those nearest to the top first, as many as will ever be read."""
    found = [name for name in names if pattern.fullmatch(name) and (name[:1] == "." or not is_aside(name))]
    return sorted(found, key=lambda name: (name.count("/"), name))[:_MOST_FILES]


def _describing(place: Directory, kind: str, unread: list[LeftOut]) -> str:
    """Return the file of a kind that is read: one here, or the only one nearest below; ``""`` without one."""
    order = _DESCRIBING.get(kind, ())
    found = [name for name in place.names if name.rpartition("/")[2] in order and not is_aside(name)]
    if not found:
        return ""
    depth = min(name.count("/") for name in found)
    nearest = sorted((n for n in found if n.count("/") == depth), key=lambda n: order.index(n.rpartition("/")[2]))
    is_clear = depth == 0 or len(nearest) == 1
    chosen = nearest[0] if is_clear and (depth == 0 or kind != "bake") else ""
    others = [name for name in found if name != chosen]
    why = f"{chosen} is read" if chosen else "only one in this directory is read where there are several"
    unread += [LeftOut(name, why) for name in others[:_FEW]]
    unread += [LeftOut(f"{len(others) - _FEW} more {kind} files", why)] if len(others) > _FEW else []
    unread += [
        LeftOut(name, "overrides are not read")
        for name in place.names
        if _OVERRIDES.fullmatch(name) and (kind == "bake") == ("bake" in name)
    ]
    return chosen


def _dotenv(place: Directory, path: str) -> bytes:
    """Return the ``.env`` beside a Compose file unless git ignores it: what one machine knows stays there."""
    beside = f"{path.rpartition('/')[0]}/.env".lstrip("/")
    return (place.read(beside) or b"") if beside in place.names else b""


def _printed(file: FoundFile, environ: Mapping[str, str], unread: list[LeftOut]) -> FoundFile | None:
    from pipeline_kit.adapters.builders.bake_print import print_bake

    # Values of other variables are true on this machine only, or secrets, and may come to stand in the file.
    few = {name: value for name, value in environ.items() if name in _TO_RUN}
    try:
        return file._replace(beside=print_bake(file.data, few))
    except BakeFault as fault:
        unread.append(LeftOut(file.path, f"bake refuses it: {fault.message}"))
    except EngineUnreachable as error:
        unread.append(LeftOut(file.path, error.message))
    return None
