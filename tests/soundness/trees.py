"""Random trees and ignore files, small enough that one change often matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundness.scene import MAIN, PLAIN, RUNNABLE, Node, with_parents

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

DIRECTORIES = (b"src", b"lib", b"d", b"app", b"docs")
NAMES = (
    *(b"a", b"b.txt", b"c.txt", b"main.py", b"package.json", b"package-lock.json", b"x", b"README.md", b"run.sh"),
    *(b"b", b"ab", b"Makefile", b".env", b"A", b"go.mod", b"go.sum", b"test_main.py", b"app.tar"),
)
ODD_NAMES = (
    *(b"with blank", "été".encode(), "e\u0301".encode(), b"q?x", b"st*r", b"[x]", b"-dash", b"back\\slash"),
    *(b"l\xe4tin", b"{y}", b"do$lar", b"quo'te", b'dou"ble', b"#hash", b"!bang", b"new\nline", b"tab\there"),
)
DATA = (b"", b"one\n", b"two\n", b"three\n", b"#!/bin/sh\necho hello\n", b"\x00\xff\x00", b"line\r\nline\r\n")


def name(rng: random.Random) -> bytes:
    """Return a name for a new entry."""
    return rng.choice(ODD_NAMES) if rng.random() < 0.15 else rng.choice(NAMES)


def place(rng: random.Random, directories: Sequence[bytes]) -> bytes:
    """Return a path for a new entry in one of ``directories`` (``b""``: the root)."""
    above = rng.choice([b"", *directories])
    return f"{above.decode()}/".encode() + name(rng) if above and _is_text(above) else name(rng)


def _is_text(path: bytes) -> bool:
    return path.decode("utf-8", "ignore").encode() == path


def node(rng: random.Random, paths: Sequence[bytes], *, links: float = 0.12) -> Node:
    """Return something new to lie at a path; a link leads to one of ``paths``, nowhere, or out of the context."""
    draw = rng.random()
    if draw < links:
        return Node("link", link_text(rng, paths))
    if draw < links + 0.08:
        return Node("directory")
    if draw < links + 0.09:
        return Node(rng.choice(("fifo", "socket")))
    return Node("file", rng.choice(DATA), RUNNABLE if rng.random() < 0.2 else PLAIN)


def link_text(rng: random.Random, paths: Sequence[bytes]) -> bytes:
    """Return where a new link leads."""
    inside = rng.choice(paths) if paths else b"a"
    form = rng.choice(("plain", "plain", "absolute", "up", "base", "nowhere", "out"))
    forms = {
        "plain": inside,
        "absolute": b"/" + inside,
        "up": b"../" + inside,
        "base": inside.rpartition(b"/")[2],
        "nowhere": b"nowhere",
        "out": b"../../secret",
    }
    return forms[form] or b"a"


def tree(rng: random.Random, size: int, *, links: float) -> dict[bytes, Node]:
    """Return about ``size`` entries below one context, every directory included; ``links`` is the share of links."""
    directories = [rng.choice(DIRECTORIES) for _ in range(rng.randint(1, 3))]
    directories += [f"{rng.choice(directories).decode()}/{rng.choice(DIRECTORIES).decode()}".encode() for _ in "12"]
    found: dict[bytes, Node] = {}
    for _ in range(size):
        path = place(rng, directories)
        if path not in found:
            found[path] = node(rng, sorted(found), links=links)
    return with_parents(found)


def ignore_line(rng: random.Random, paths: Sequence[bytes]) -> bytes:
    """Return one line of an ignore file, mostly about something that is there."""
    texts = [path for path in paths if _is_text(path) and path.isascii() and path.decode().isprintable()]
    path = rng.choice([*texts, b"a", b"src"])
    parts = path.split(b"/")
    extension = parts[-1].rpartition(b".")[2]
    forms = [
        *(path, path, b"/" + path, path + b"/", b"**/" + parts[-1], parts[0], parts[0] + b"/**", parts[0] + b"/*"),
        *(b"*." + extension, b"**/*." + extension, b"*", b"# " + path, b"", b"*/" + parts[-1]),
    ]
    line = rng.choice(forms).replace(b"[", b"?").replace(b"\\", b"?")
    return b"!" + line if line and rng.random() < 0.25 else line


def ignore_file(rng: random.Random, paths: Sequence[bytes]) -> bytes:
    """Return an ignore file of one to four lines."""
    ending = rng.choice((b"\n", b"\n", b"\n", b"\r\n"))
    mark = b"\xef\xbb\xbf" if rng.random() < 0.05 else b""
    return mark + b"".join(ignore_line(rng, paths) + ending for _ in range(rng.randint(1, 4)))


def git_entries(rng: random.Random, places: Sequence[bytes]) -> dict[bytes, Node]:
    """Return a repository's own ``.git`` in the main context, and perhaps one more, as a clone or a submodule has."""
    found = {MAIN + b"/.git/HEAD": Node("file", b"one\n"), MAIN + b"/.git/refs/a": Node("file", b"two\n")}
    if rng.random() < 0.5:
        above = rng.choice(places)
        found = {above + b"/.git": Node("file", b"gitdir: ../.git/modules/x\n")} | (found if rng.random() < 0.5 else {})
    return found


def placed(context: bytes, entries: Mapping[bytes, Node]) -> dict[bytes, Node]:
    """Return ``entries`` with their paths below ``context``."""
    return {context + b"/" + path: entry for path, entry in entries.items()}
