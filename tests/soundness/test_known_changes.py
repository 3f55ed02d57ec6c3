"""Changes that fooled this or another tagger, each built before and after by a real BuildKit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from soundness.build import AT_ONCE, Job, open_engine
from soundness.dockerfiles import LOUD, SHELL, THIN
from soundness.likely import builds
from soundness.products import Product, differences
from soundness.scene import RUNNABLE, SHARED, Node, Scene, with_parents, write
from soundness.tags import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import stack

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]

GONE = Node("file", b"", 0)
COMMON = {
    "a": Node("file", b"one\n"),
    "b.txt": Node("file", b"two\n"),
    "src/main.py": Node("file", b"three\n"),
    "src/link": Node("link", b"../a"),
    "lib/f": Node("file", b"four\n"),
    "to-file": Node("link", b"a"),
    "to-directory": Node("link", b"lib"),
    "chain": Node("link", b"to-file"),
    "]": Node("file", b"bracket\n"),
    "fifo/x": Node("fifo"),
    "void": Node("directory"),
    "run.sh": Node("file", b"#!/bin/sh\n"),
}


@dataclass(frozen=True)
class Row:
    """A Dockerfile and one change: files (``GONE`` removes), arguments, or the version of every base."""

    dockerfile: str
    files: Mapping[str, Node] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)
    moved: bool = False
    target: str | None = None


def file(text: str, mode: int = 0o644) -> Node:
    """Return a file."""
    return Node("file", text.encode(), mode)


COPY_SRC = "FROM scratch\nCOPY src /x/\n"
MOUNT = "FROM {0} AS made\nRUN --network=none --mount={1} cp -a /m /made\nFROM scratch\nCOPY --from=made /made /\n"
STAGES = "FROM scratch AS one\nCOPY a /\nFROM {0} AS two\nCOPY lib /\nFROM scratch AS three\nCOPY {1} /\n"

DIFFERENT = {
    "bytes": Row(COPY_SRC, {"src/main.py": file("other\n")}),
    "exec bit": Row(COPY_SRC, {"src/main.py": file("three\n", RUNNABLE)}),
    "rename, same bytes": Row(COPY_SRC, {"src/main.py": GONE, "src/moved.py": file("three\n")}),
    "symlink retarget": Row(COPY_SRC, {"src/link": Node("link", b"../b.txt")}),
    "symlink to file": Row(COPY_SRC, {"src/link": file("one\n")}),
    "empty directory": Row("FROM scratch\nCOPY . /\n", {"void": GONE}),
    "untracked file": Row("FROM scratch\nCOPY . /\n", {"src/new": file("new\n")}),
    "name that is not text": Row("FROM scratch\nCOPY . /\n", {"l\udce4tin": file("new\n")}),
    "glob finds more": Row("FROM scratch\nCOPY b* /x/\n", {"b2.txt": file("new\n")}),
    "class with an escaped bracket": Row('FROM scratch\nCOPY ["[\\\\\\\\]]", "/x/"]\n', {"]": file("other\n")}),
    "link as source": Row("FROM scratch\nCOPY to-file /x/\n", {"a": file("other\n")}),
    "link to a link": Row("FROM scratch\nCOPY chain /x/\n", {"a": file("other\n")}),
    "link to a directory": Row("FROM scratch\nCOPY to-directory/f /x/\n", {"lib/f": file("other\n")}),
    "link found by a glob": Row("FROM scratch\nCOPY to-fi* /x/\n", {"a": file("other\n")}),
    "link found by two stars": Row("FROM scratch\nCOPY src/** /x/\n", {"a": file("other\n")}),
    "socket for FIFO": Row("FROM scratch\nCOPY fifo /x/\n", {"fifo/x": Node("socket")}),
    "mounted file": Row(MOUNT.format(SHELL, "type=bind,source=src,target=/m"), {"src/main.py": file("other\n")}),
    "mounted whole": Row(MOUNT.format(SHELL, "target=/m"), {"b.txt": file("other\n")}),
    "ignore rule": Row("FROM scratch\nCOPY . /\n", {".dockerignore": file("b.txt\n.dockerignore\n")}),
    "ignore rule beside": Row("FROM scratch\nCOPY src /\n", {"Dockerfile.dockerignore": file("src/main.py\n")}),
    "argument": Row("FROM scratch\nARG WHICH=a\nCOPY $WHICH /x/\n", args={"WHICH": "b.txt"}),
    "argument by default": Row("FROM scratch\nARG WHICH\nCOPY ${WHICH:-a} /x/\n", args={"WHICH": "b.txt"}),
    "argument before FROM": Row(f"ARG BASE={THIN}\nFROM $BASE\nCOPY a /\n", args={"BASE": "scratch"}),
    "base moved": Row(f"FROM {THIN}\nCOPY a /\n", moved=True),
    "base of COPY --from": Row(f"FROM scratch\nCOPY --from={THIN} /etc /etc\n", moved=True),
    "base of a mount": Row(MOUNT.format(SHELL, f"from={THIN},target=/m"), moved=True),
    "variable of the base": Row(f"FROM {THIN}\nCOPY ${{BASE_DIR}} /x/\n", {"a": file("other\n")}),
    "trigger of a base": Row(f"FROM {LOUD}\n", {"a": file("other\n")}),
    "argument of a trigger": Row(f"FROM {LOUD}\n", args={"WHICH": "b.txt"}),
    "trigger of a stage": Row("FROM scratch AS p\nONBUILD COPY a /\nFROM p\n", {"a": file("other\n")}),
    "source appears": Row("FROM scratch\nCOPY missing /x/\n", {"missing": file("new\n")}),
    "source goes": Row("FROM scratch\nCOPY b.txt /x/\n", {"b.txt": GONE}),
    "stage taken by number": Row(STAGES.format("scratch", "--from=0 a"), {"a": file("other\n")}),
}
ALIKE = {
    "umask": Row(COPY_SRC, {"src/main.py": file("three\n", SHARED)}),
    "file that nothing reads": Row(COPY_SRC, {"b.txt": file("other\n")}),
    "new file that nothing reads": Row("FROM scratch\nCOPY a? b.* /x/\n", {"c.txt": file("new\n")}),
    "comment in the ignore file": Row(COPY_SRC, {".dockerignore": file("# said\n")}),
    "undeclared argument": Row(COPY_SRC, args={"WHICH": "b.txt"}),
    "stage that is not reached": Row(
        STAGES.format(THIN, "b.txt"), {"lib/f": file("other\n")}, moved=True, target="three"
    ),
}


def scene(row: Row, *, after: bool) -> Scene:
    """Return the project of a row before or after its change."""
    entries = {**COMMON, **(row.files if after else {}), "Dockerfile": file(row.dockerfile)}
    nodes = {b"main/" + name.encode(errors="surrogateescape"): node for name, node in entries.items() if node != GONE}
    names = {base: base.partition("/")[2].partition(":")[0] for base in (SHELL, THIN, LOUD) if base in row.dockerfile}
    bases = {base: f"{name}{2 if after and row.moved else 1}" for base, name in names.items()}
    return Scene(with_parents(nodes), args=row.args if after else {}, bases=bases, target=row.target)


def test_known_changes(running_stack: stack.Stack, tmp_path: Path) -> None:
    """Each change that BuildKit makes something else of gives another tag, and each that it does not leaves the tag."""
    engine = open_engine(tmp_path)
    jobs: list[Job] = []
    for number, row in enumerate([*DIFFERENT.values(), *ALIKE.values()]):
        for after in (False, True):
            name = f"r{number}{'b' if after else 'a'}"
            found = scene(row, after=after)
            write(found, tmp_path / name)
            jobs.append(Job(name, found, tmp_path / name, alone=not builds(found)))
    products: dict[str, Product] = {}
    for start in range(0, len(jobs), AT_ONCE):
        products |= engine.build(jobs[start : start + AT_ONCE], tmp_path)
    tags = {job.name: tag_of(job.scene, job.root, engine.digests) for job in jobs}
    wrong: dict[str, object] = {}
    for number, name in enumerate([*DIFFERENT, *ALIKE]):
        one, two = f"r{number}a", f"r{number}b"
        outcome = (products[one] != products[two], tags[one].tag != tags[two].tag)
        if outcome != ((True, True) if name in DIFFERENT else (False, False)):
            wrong[name] = outcome, differences(products[one], products[two]), tags[one], tags[two]
    assert wrong == {}
