"""One small project: its files, what a build of it is given, and how it is written to a disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["file", "link", "directory", "fifo", "socket"]

MAIN = b"main"
OTHER = b"other"
BELOW = b"below"
PLAIN, RUNNABLE, SHARED = 0o644, 0o755, 0o664


@dataclass(frozen=True, slots=True)
class Node:
    """What lies at a path: ``data`` is a file's bytes or a link's text."""

    kind: Kind
    data: bytes = b""
    mode: int = PLAIN


@dataclass(frozen=True, slots=True)
class Scene:
    """A project. Paths are bytes below its root: ``main`` is the context, ``other`` a named one.

    Where it is ``chained``, ``below`` is the context of another image, which ``main`` builds upon.

    ``bases`` maps a reference in the Dockerfile to the name of the base image that it stands for just now.
    """

    nodes: Mapping[bytes, Node]
    dockerfile: bytes = MAIN + b"/Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    named: bool = False
    chained: bool = False
    bases: Mapping[str, str] = field(default_factory=dict)
    ordinary: bool = True

    def with_nodes(self, nodes: Mapping[bytes, Node]) -> Scene:
        """Return the scene with other files; the Dockerfile stays what it is."""
        return replace(self, nodes=nodes)

    def below(self, directory: bytes, *kinds: Kind) -> list[bytes]:
        """Return the paths of ``kinds`` (none: all) below ``directory``, relative to it, the Dockerfile left out."""
        start = directory + b"/"
        return sorted(
            path[len(start) :]
            for path, node in self.nodes.items()
            if path.startswith(start)
            and path not in (self.dockerfile, BELOW + b"/Dockerfile")
            and (not kinds or node.kind in kinds)
        )


def with_parents(nodes: Mapping[bytes, Node]) -> dict[bytes, Node]:
    """Return ``nodes`` with every directory that they imply; where something else stands, it gives way."""
    found = dict(nodes)
    for path in nodes:
        above = path.rpartition(b"/")[0]
        while above:
            if above not in found or found[above].kind != "directory":
                found[above] = Node("directory")
            above = above.rpartition(b"/")[0]
    return found


def write(scene: Scene, root: Path) -> None:
    """Write the scene below ``root``, which is made."""
    base = os.fsencode(root)
    root.mkdir(parents=True)
    for path, node in sorted(with_parents(scene.nodes).items()):
        full = os.path.join(base, path)  # noqa: PTH118 - names are bytes, which pathlib does not take
        if node.kind == "directory":
            os.mkdir(full)  # noqa: PTH102 - as above
        elif node.kind == "link":
            os.symlink(node.data, full)  # noqa: PTH211 - as above
        elif node.kind == "file":
            with open(full, "wb") as stream:  # noqa: PTH123 - as above
                stream.write(node.data)
            os.chmod(full, node.mode)  # noqa: PTH101 - as above
        else:
            os.mknod(full, (stat.S_IFIFO if node.kind == "fifo" else stat.S_IFSOCK) | PLAIN)


def told(scene: Scene) -> str:
    """Return the scene for people: files, ignore rules, Dockerfile and what the build is given."""
    lines = [f"target={scene.target} args={dict(scene.args)} bases={dict(scene.bases)} named={scene.named}"]
    lines += [f"{path!r}: {node.kind} {node.mode:o} {node.data!r}" for path, node in sorted(scene.nodes.items())]
    for path in (scene.dockerfile, *([BELOW + b"/Dockerfile"] if scene.chained else [])):
        lines += [f"-- {path!r}", scene.nodes[path].data.decode("utf-8", "backslashreplace")]
    return "\n".join(lines)
