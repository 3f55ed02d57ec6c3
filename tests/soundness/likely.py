"""A guess whether a scene builds: most should, and those that do not are built apart. Nothing else rests on it."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from typing import TYPE_CHECKING

from soundness.dockerfiles import BELOW_NAME, OTHER_NAME
from soundness.scene import BELOW, MAIN, OTHER

from pipeline_kit.dockerfile import parse, uses
from pipeline_kit.dockerignore import IgnoreRules
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.snapshot import EMPTY_DIRECTORY_RECORD, FILE, Listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from soundness.scene import Node, Scene

    from pipeline_kit.dockerfile import ContextRead

_MOST_LINKS = 10


def builds(scene: Scene) -> bool:
    """Return whether every source of each Dockerfile seems to be there."""
    sent = {None: MAIN, OTHER_NAME: OTHER}
    names = [*([OTHER_NAME] if scene.named else []), *([BELOW_NAME] if scene.chained else [])]
    try:
        if scene.chained and not _has_sources(scene, BELOW + b"/Dockerfile", {None: BELOW}, []):
            return False
        return _has_sources(scene, scene.dockerfile, sent, names)
    except PipelineKitError:
        return False


def _has_sources(
    scene: Scene, dockerfile: bytes, directories: Mapping[str | None, bytes], contexts: Sequence[str]
) -> bool:
    is_main = dockerfile == scene.dockerfile
    found = uses(
        parse(scene.nodes[dockerfile].data, "Dockerfile"),
        target=scene.target if is_main else None,
        args=scene.args if is_main else {},
        platforms=["linux/amd64"],
        contexts=contexts,
    )
    sent = {name: _sent(scene, directory) for name, directory in directories.items()}
    return all(read.context not in sent or _is_there(read, sent[read.context]) for read in found.reads or ())


def _sent(scene: Scene, context: bytes) -> dict[bytes, Node]:
    """Return what is sent of a context, every directory included; links to an ignore file are not followed."""
    below = {path: scene.nodes[context + b"/" + path] for path in scene.below(context)}
    rules = [scene.nodes.get(context + b"/.dockerignore")]
    if context == MAIN:
        rules.insert(0, scene.nodes.get(scene.dockerfile + b".dockerignore"))
    data = next((node.data for node in rules if node is not None and node.kind == "file"), b"")
    records = {path: EMPTY_DIRECTORY_RECORD if node.kind == "directory" else FILE for path, node in below.items()}
    kept = IgnoreRules.parse(data, ".dockerignore").filter(Listing.of(records.items()))
    found = {path: below[path] for path in kept.paths if b"/.git" not in b"/" + path}
    for path in kept.paths:
        above = path.rpartition(b"/")[0]
        while above:
            found[above] = below[above]
            above = above.rpartition(b"/")[0]
    return found


def _is_there(read: ContextRead, sent: Mapping[bytes, Node]) -> bool:
    path = os.fsencode(read.pattern)
    if path == b".":
        return True
    if not read.is_glob:
        return _resolved(path, sent) is not None
    pattern = re.compile(fnmatch.translate(read.pattern.replace("[^", "[!").replace("\\", "")))
    depths = {read.pattern.count("/")}
    if read.parents and "**" in read.pattern:
        pattern = re.compile(fnmatch.translate(read.pattern.replace("**/", "*")))  # "**/" may be no directory at all
        depths = set(range(20))
    matched = [
        other
        for other in sent
        if other.count(b"/") in depths and pattern.match(other.decode("utf-8", "replace")) is not None
    ]
    return bool(matched) and all(_resolved(other, sent) is not None for other in matched)


def _resolved(path: bytes, sent: Mapping[bytes, Node]) -> bytes | None:
    for _ in range(_MOST_LINKS):
        parts = path.split(b"/")
        for count in range(1, len(parts) + 1):
            node = sent.get(b"/".join(parts[:count]))
            if node is None:
                return None
            if node.kind == "link":
                above = b"/" + b"/".join(parts[: count - 1])
                path = posixpath.normpath(posixpath.join(above, node.data, *parts[count:])).strip(b"/")
                break
        else:
            return path
        if not path:
            return path
    return None
