"""What git knows about a work tree that ``git status`` does not tell: flags, holes, conversions, ignored files.

Each question is asked and answered on its own, so that one that fails leaves the others their answers. Paths are
relative to the tree's root, as in :mod:`pipeline_kit.adapters.git.worktree`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from pipeline_kit.adapters.git.conversion import Mentions, read_settings, suspects
from pipeline_kit.adapters.git.index import LIST_CHANGED, LIST_ENTRIES, parse_changed
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline_kit.adapters.git.command import Git
    from pipeline_kit.adapters.git.repository import Repository

_LIST_IGNORED = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--full-name", "--")
_ATTRIBUTES = ("filter", "working-tree-encoding", "ident")
_UNCONVERTED = (b"unspecified", b"unset", b"")
_GITLINK = b"160000"
_LINK = b"120000"
_LFS = b"lfs"
_ALGORITHMS = {40: "sha1", 64: "sha256"}
_CHUNK = 1 << 20


@value_class()
class IndexState:
    """The index's entries below some directories.

    ``records`` are ``b"<mode> <blob id>"`` by path, without submodules (``modules``) and ``unmerged`` paths.
    """

    records: dict[bytes, bytes] = field(default_factory=dict)
    modules: set[bytes] = field(default_factory=set)
    unmerged: set[bytes] = field(default_factory=set)
    skip_worktree: set[bytes] = field(default_factory=set)
    assume_unchanged: set[bytes] = field(default_factory=set)


def read_index(repository: Repository, asked: Sequence[bytes]) -> IndexState:
    """Return the index below the ``asked`` directories, perhaps more. Raises CheckoutError where git cannot read it.

    The flags are those of git-ls-files(1), ``-v``: ``S`` skip-worktree, ``M`` unmerged, lower case assume-unchanged.
    """
    state = IndexState()
    cut = len(repository.prefix)
    for entry in repository.git.run([*LIST_ENTRIES, *repository.pathspecs(asked)]).split(b"\0")[:-1]:
        head, _, full = entry.partition(b"\t")
        flag, mode, blob, _ = head.split(b" ")
        path = full[cut:]
        if flag in b"Mm":
            state.unmerged.add(path)
        elif mode == _GITLINK:
            state.modules.add(path)
        else:
            state.records[path] = mode + b" " + blob
            if flag in b"Ss":
                state.skip_worktree.add(path)
            if flag.islower():
                state.assume_unchanged.add(path)
    return state


def find_ignored(repository: Repository, asked: Sequence[bytes]) -> set[bytes]:
    """Return what lies below the ``asked`` directories, is not tracked and ignored by git's rules.

    An entry that ends with a slash is a repository of its own and stands for everything below. Raises CheckoutError.
    """
    cut = len(repository.prefix)
    raw = repository.git.run([*_LIST_IGNORED, *repository.pathspecs(asked)])
    return {path[cut:] for path in raw.split(b"\0")[:-1]}


def find_conversions(repository: Repository, asked: Sequence[bytes], index: IndexState) -> dict[bytes, str]:
    """Return the files whose bytes a conversion made differ from their blobs, and which: eol, ident, filter, encoding.

    Edited files are not told apart from converted ones where a filter driver applies, since the driver is never run.
    Content that Git LFS put in place of its pointers is what everybody wants, and not told. Raises CheckoutError.
    """
    settings = read_settings(repository.git)
    git = settings.applied(repository.git)
    told = parse_changed(git.run([*LIST_CHANGED, *repository.pathspecs(asked)]), repository.prefix)
    changed = told.edited | told.deleted | index.skip_worktree | index.assume_unchanged
    base = repository.base + repository.prefix
    files = {
        path: record for path, record in index.records.items() if not record.startswith(_LINK) and _is_file(base + path)
    }
    clean = {path: record for path, record in files.items() if path not in changed}
    edited = {path: record for path, record in files.items() if path in changed}
    found = suspects(git, base, repository.prefix, clean, Mentions(by_size=True, by_bytes=True))
    found |= suspects(git, base, repository.prefix, edited, Mentions(by_bytes=True))
    differing = sorted(path for path in found if not _is_blob(base + path, files[path].partition(b" ")[2]))
    return _kinds(git, repository.prefix, differing, by_driver=changed)


def _is_file(full: bytes) -> bool:
    try:
        return stat.S_ISREG(os.lstat(full).st_mode)
    except OSError:
        return False


def _is_blob(full: bytes, blob: bytes) -> bool:
    """Return whether the file holds the bytes of ``blob``; one that cannot be read differs in no way we could tell."""
    try:
        with open(full, "rb") as stream:  # noqa: PTH123 - names are bytes
            size = os.fstat(stream.fileno()).st_size
            digest = hashlib.new(_ALGORITHMS[len(blob)], b"blob %d\0" % size, usedforsecurity=False)
            while data := stream.read(_CHUNK):
                digest.update(data)
    except OSError:
        return True
    return digest.hexdigest().encode() == blob


def _kinds(git: Git, prefix: bytes, paths: Sequence[bytes], *, by_driver: Iterable[bytes]) -> dict[bytes, str]:
    attributes = _attributes(git, prefix, paths) if paths else {}
    edited = frozenset(by_driver)
    found: dict[bytes, str] = {}
    for path in paths:
        values = attributes.get(path, {})
        if values.get(b"filter") == _LFS:
            continue
        if b"filter" in values:
            found[path] = "filter"
        elif path not in edited:
            found[path] = _builtin_kind(values)
    return found


def _builtin_kind(values: Mapping[bytes, bytes]) -> str:
    if b"working-tree-encoding" in values:
        return "encoding"
    return "ident" if b"ident" in values else "eol"


def _attributes(git: Git, prefix: bytes, paths: Iterable[bytes]) -> dict[bytes, dict[bytes, bytes]]:
    """Return, by path, the attributes that are set and may convert (git-check-attr(1), "OUTPUT")."""
    stdin = b"".join([prefix + path + b"\0" for path in paths])
    fields = git.run(["check-attr", "-z", "--stdin", *_ATTRIBUTES], stdin).split(b"\0")
    found: dict[bytes, dict[bytes, bytes]] = {}
    for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        if value not in _UNCONVERTED:
            found.setdefault(path[len(prefix) :], {})[name] = value
    return found
