"""One random change to a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from soundness import trees
from soundness.scene import BELOW, MAIN, OTHER, PLAIN, RUNNABLE, SHARED, Node, with_parents

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from soundness.scene import Scene


@dataclass(frozen=True, slots=True)
class Edit:
    """What was changed, for people, by which kind of change, and the scene afterwards."""

    kind: str
    what: str
    after: Scene


def edit(rng: random.Random, scene: Scene) -> Edit:
    """Return ``scene`` after one change that is really one."""
    while True:
        kind = rng.choice(_KINDS)
        found = _EDITS[kind](rng, scene)
        if found is not None and found.after != scene:
            return found


def _context(rng: random.Random, scene: Scene) -> bytes:
    if scene.chained and rng.random() < 0.3:
        return BELOW
    return OTHER if scene.named and rng.random() < 0.2 else MAIN


def _bytes(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    files = scene.below(context, "file")
    if not files:
        return None
    path = context + b"/" + rng.choice(files)
    node = scene.nodes[path]
    data = rng.choice((*trees.DATA, node.data + b"more\n", node.data[::-1], node.data.upper()))
    return _set(scene, "bytes", path, replace(node, data=data))


def _mode(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    files = scene.below(context, "file")
    if not files:
        return None
    path = context + b"/" + rng.choice(files)
    node = scene.nodes[path]
    mode = PLAIN if node.mode == RUNNABLE else RUNNABLE
    return _set(scene, "mode", path, replace(node, mode=SHARED if rng.random() < 0.15 else mode))


def _rename(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    paths = scene.below(context)
    if not paths:
        return None
    old = rng.choice(paths)
    above = old.rpartition(b"/")[0]
    directories = [path for path in scene.below(context, "directory") if not (path + b"/").startswith(old + b"/")]
    new = above + b"/" + trees.name(rng) if above and rng.random() < 0.6 else trees.place(rng, directories)
    if context + b"/" + new in scene.nodes or new.startswith(old + b"/"):
        return None
    source, target = context + b"/" + old, context + b"/" + new
    nodes = {
        target + path[len(source) :] if path == source or path.startswith(source + b"/") else path: node
        for path, node in scene.nodes.items()
    }
    return _changed(scene, "rename", f"{source!r} to {target!r}", nodes)


def _retarget(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    links = scene.below(context, "link")
    if not links:
        return None
    path = context + b"/" + rng.choice(links)
    return _set(scene, "link target", path, Node("link", trees.link_text(rng, scene.below(context))))


def _kind(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    paths = scene.below(context, "file", "link", "fifo", "socket")
    if not paths:
        return None
    path = context + b"/" + rng.choice(paths)
    return _set(scene, "kind", path, trees.node(rng, scene.below(context)))


def _add(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    path = context + b"/" + trees.place(rng, scene.below(context, "directory"))
    if path in scene.nodes:
        return None
    return _set(scene, "add", path, trees.node(rng, scene.below(context)))


def _delete(rng: random.Random, scene: Scene) -> Edit | None:
    context = _context(rng, scene)
    paths = scene.below(context)
    if not paths:
        return None
    path = context + b"/" + rng.choice(paths)
    nodes = {other: node for other, node in scene.nodes.items() if other != path and not other.startswith(path + b"/")}
    return _changed(scene, "delete", repr(path), nodes)


def _ignore(rng: random.Random, scene: Scene) -> Edit | None:
    beside, inside = scene.dockerfile + b".dockerignore", MAIN + b"/.dockerignore"
    path = beside if beside in scene.nodes else inside
    node = scene.nodes.get(path, Node("file"))
    if node.kind != "file":
        return None
    lines = node.data.splitlines(keepends=True)
    form = rng.choice(("add", "add", "remove", "replace", "comment"))
    at = rng.randint(0, len(lines))
    new = trees.ignore_line(rng, scene.below(MAIN)) if form != "comment" else b"# said"
    kept = lines[at + 1 :] if form in {"remove", "replace"} else lines[at:]
    lines = [*lines[:at], *([] if form == "remove" else [new + b"\n"]), *kept]
    return _set(scene, "ignore line", path, replace(node, data=b"".join(lines)))


def _arg(rng: random.Random, scene: Scene) -> Edit | None:
    name = rng.choice([*scene.args, "WHICH", "UNDECLARED", "HTTP_PROXY"])
    paths = [path.decode() for path in scene.below(MAIN, "file", "directory") if path.replace(b"/", b"").isalnum()]
    value = rng.choice([*paths, "a", "src", ""])
    args = {**scene.args, name: value}
    if name in scene.args and rng.random() < 0.2:
        del args[name]
    return Edit("arg", f"{name}={args.get(name)}", replace(scene, args=args))


def _base(rng: random.Random, scene: Scene) -> Edit | None:
    if not scene.bases:
        return None
    reference = rng.choice(sorted(scene.bases))
    moved = {**scene.bases, reference: scene.bases[reference].translate(str.maketrans("12", "21"))}
    return Edit("base moved", reference, replace(scene, bases=moved))


def _git(rng: random.Random, scene: Scene) -> Edit | None:
    """Return a commit, as a context sees it: files of a ``.git`` that lies in it."""
    paths = [path for path, node in scene.nodes.items() if b"/.git" in path and node.kind == "file"]
    if not paths:
        return None
    path = rng.choice(sorted(paths))
    return _set(scene, "commit", path, replace(scene.nodes[path], data=rng.choice(trees.DATA)))


def _outside(rng: random.Random, scene: Scene) -> Edit | None:
    return _set(scene, "outside", b"elsewhere/" + trees.name(rng), Node("file", rng.choice(trees.DATA)))


_EDITS: dict[str, Callable[[random.Random, Scene], Edit | None]] = {
    "bytes": _bytes,
    "mode": _mode,
    "rename": _rename,
    "link target": _retarget,
    "kind": _kind,
    "add": _add,
    "delete": _delete,
    "ignore line": _ignore,
    "arg": _arg,
    "base moved": _base,
    "outside": _outside,
    "commit": _git,
}
_KINDS = (
    *(["bytes"] * 6 + ["mode"] * 3 + ["rename"] * 3 + ["link target"] * 2 + ["kind"] * 2 + ["add"] * 5),
    *(["delete"] * 3 + ["ignore line"] * 4 + ["arg"] * 3 + ["base moved"] * 2 + ["outside"] + ["commit"] * 2),
)


def _set(scene: Scene, kind: str, path: bytes, node: Node) -> Edit | None:
    was = scene.nodes.get(path)
    what = f"{path!r}: {_shown(was)} to {_shown(node)}"
    return _changed(scene, kind, what, {**scene.nodes, path: node})


def _shown(node: Node | None) -> str:
    return "nothing" if node is None else f"{node.kind} {node.mode:o} {node.data!r}"


def _changed(scene: Scene, kind: str, what: str, nodes: dict[bytes, Node]) -> Edit | None:
    whole = with_parents(nodes)
    needed = (scene.dockerfile, *([BELOW + b"/Dockerfile"] if scene.chained else []))
    if any(path not in whole or whole[path].kind != "file" for path in needed):
        return None
    return Edit(kind, what, scene.with_nodes(whole))
