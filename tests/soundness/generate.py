"""Case ``number`` of a seed: a random scene and one random change to it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from soundness import trees
from soundness.dockerfiles import Writer
from soundness.edits import Edit, edit
from soundness.likely import builds
from soundness.scene import BELOW, MAIN, OTHER, Node, Scene, with_parents

_ORDINARY_SHARE = 0.5
_MOST_TRIES = 30
_GIT_SHARE = 0.12
CHANGES_A_SCENE = 3
"""How many cases begin with the same scene, so that it is built once for all of them."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scene, and what one change makes of it."""

    number: int
    scene: int
    before: Scene
    edit: Edit


def case(seed: int, number: int, flags: frozenset[str] = frozenset()) -> Case:
    """Return case ``number`` of ``seed``: the same one every time, whatever other cases were asked for.

    ``flags`` are those of COPY and ADD that the builder knows and not every builder does.
    """
    scene = number // CHANGES_A_SCENE
    before = _likely(random.Random(f"{seed}/{scene}"), flags)  # noqa: S311 - the same scene every time
    return Case(number, scene, before, edit(random.Random(f"{seed}/{scene}/{number}"), before))  # noqa: S311 - likewise


def _likely(rng: random.Random, flags: frozenset[str]) -> Scene:
    """Return a scene that seems to build, as most should."""
    found = _scene(rng, flags)
    tries = rng.choice((0, *[_MOST_TRIES] * 19))
    while tries and not builds(found):
        found, tries = _scene(rng, flags), tries - 1
    return found


def _scene(rng: random.Random, flags: frozenset[str]) -> Scene:
    ordinary = rng.random() < _ORDINARY_SHARE
    links = 0.04 if ordinary else 0.15
    main, other = (trees.tree(rng, rng.randint(*size), links=links) for size in ((6, 16), (2, 6)))
    writer = Writer(
        rng,
        ordinary=ordinary,
        files=_texts(main, "file"),
        directories=_texts(main, "directory"),
        links=_texts(main, "link"),
        other=[path for path in _texts(other, "file", "directory") if re.fullmatch(r"[\w./-]+", path, re.ASCII)],
        flags=flags,
    )
    data = writer.text()
    place = rng.choice((b"main/Dockerfile",) * 4 + (b"main/app/prod.Dockerfile", b"docker/Dockerfile"))
    nodes = {**trees.placed(MAIN, main), **trees.placed(OTHER, other), place: Node("file", data)}
    nodes |= _ignore_files(rng, place, sorted(main), sorted(other))
    used = set(writer.bases)
    if writer.chained:
        below = trees.tree(rng, rng.randint(2, 6), links=links)
        under = Writer(rng, ordinary, _texts(below, "file"), _texts(below, "directory"), _texts(below, "link"), [])
        nodes |= {**trees.placed(BELOW, below), BELOW + b"/Dockerfile": Node("file", under.below())}
        used |= under.bases
    if rng.random() < _GIT_SHARE:
        nodes |= trees.git_entries(rng, [*(MAIN + b"/" + path for path in sorted(main)), OTHER, BELOW])
    scene = Scene(
        {},
        place,
        writer.args,
        writer.target,
        named=writer.named,
        chained=writer.chained,
        bases={reference: f"{reference.partition('/')[2].partition(':')[0]}1" for reference in sorted(used)},
        ordinary=ordinary,
    )
    return scene.with_nodes(with_parents(nodes))


def _texts(tree: dict[bytes, Node], *kinds: str) -> list[str]:
    """Return the paths that a Dockerfile can spell."""
    found: list[str] = []
    for path, node in sorted(tree.items()):
        text = path.decode("utf-8", "replace")
        if node.kind in kinds and text.isprintable() and "\ufffd" not in text:
            found.append(text)
    return found


def _ignore_files(rng: random.Random, dockerfile: bytes, main: list[bytes], other: list[bytes]) -> dict[bytes, Node]:
    found: dict[bytes, Node] = {}
    if rng.random() < 0.5:
        found[MAIN + b"/.dockerignore"] = Node("file", trees.ignore_file(rng, main))
    if rng.random() < 0.1:
        found[dockerfile + b".dockerignore"] = Node("file", trees.ignore_file(rng, main))
    if found and rng.random() < 0.05:
        found[MAIN + b"/rules"] = found.get(MAIN + b"/.dockerignore", Node("file", b"a\n"))
        found[MAIN + b"/.dockerignore"] = Node("link", b"rules")
    if rng.random() < 0.15:
        found[OTHER + b"/.dockerignore"] = Node("file", trees.ignore_file(rng, other))
    return found
