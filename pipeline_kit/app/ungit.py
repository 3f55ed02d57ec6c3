"""``.git`` stays out of what is built: it is no input of any key, so it may enter no image.

A main context is sent with one more ignore rule; it lies beside a copy of the Dockerfile, where BuildKit looks first.
The rules of a named context can only come from its own directory, so there a ``.git`` that the build could read is
refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline_kit.errors import DockerfileError
from pipeline_kit.narrowing import narrow
from pipeline_kit.snapshot import FILE, Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline_kit.app.sources import ImageSources
    from pipeline_kit.dockerignore import IgnoreRules

_GIT = b".git"
_WITHOUT_GIT = b"\n**/.git\n"
_ANY_RECORD = FILE + b" -"


def dockerfile_without_git(
    sources: ImageSources, context: Path, dockerfile: Path, place: Path, named: Mapping[str, Path]
) -> Path:
    """Return the Dockerfile to build with: ``dockerfile``, or a copy in ``place`` with rules that keep ``.git`` out.

    ``named`` are the directories of named contexts. Raises DockerfileError where the build could read the ``.git`` of
    one.
    """
    for name, directory in named.items():
        _refuse_reachable(sources, name, directory)
    if next(_sent(context, sources.ignore_rules[""]), None) is None:
        return dockerfile
    place.mkdir()
    copy = place / dockerfile.name
    copy.write_bytes(sources.dockerfile)
    (place / f"{dockerfile.name}.dockerignore").write_bytes(sources.ignore_bytes + _WITHOUT_GIT)
    return copy


def _refuse_reachable(sources: ImageSources, name: str, directory: Path) -> None:
    found = [path for git in _sent(directory, sources.ignore_rules[name]) for path in _inside(directory, git)]
    if not found:
        return
    reached, uses = found, sources.uses
    if uses.reads is not None:
        whole = Listing.of([*sources.files[name], *((path, _ANY_RECORD) for path in found)])
        read = narrow(whole, uses.reads_of(name), lambda path: sources.link_text(name, path)).listing
        reached = [path for path in found if read.get(path) is not None]
    if reached:
        shown = reached[0].decode("utf-8", "backslashreplace")
        raise DockerfileError(
            f"{sources.image.dockerfile}: the build could read {shown} of the context {name}, which no tag covers",
            hint=f"add the line **/.git to the .dockerignore of that context ({directory})",
        )


def _sent(context: Path, rules: IgnoreRules) -> Iterator[bytes]:
    """Yield each ``.git``, file or directory, that ``rules`` let through, the outermost first."""
    base = os.path.join(os.fsencode(context), b"")  # noqa: PTH118 - names are bytes
    walk = rules.walk()
    waiting = [b""]
    while waiting:
        inner: list[bytes] = []
        for prefix in waiting:
            with os.scandir(base + prefix) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if not walk.is_closed(path):
                            inner.append(path)
                    elif entry.name == _GIT and not walk.excludes_file(path):
                        yield path
        yield from (path for path in inner if path.rpartition(b"/")[2] == _GIT)
        waiting = [path + b"/" for path in inner if path.rpartition(b"/")[2] != _GIT]


def _inside(context: Path, git: bytes) -> Iterator[bytes]:
    """Yield every file below ``git``, or ``git`` itself where it is one or is empty."""
    base = os.path.join(os.fsencode(context), b"")  # noqa: PTH118 - as above
    is_empty = True
    for above, _, names in os.walk(base + git):
        for name in names:
            is_empty = False
            yield above[len(base) :] + b"/" + name
    if is_empty:
        yield git
