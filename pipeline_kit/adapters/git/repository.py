"""Find the checkout around a directory, and verify that git takes it for the same one before anything else runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.filesystem import shown
from pipeline_kit.adapters.git.command import Git
from pipeline_kit.adapters.git.find import toplevel_above
from pipeline_kit.errors import CheckoutError, DubiousOwnership
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTRIBUTES_FILE = b".gitattributes"
HEX_LENGTH = {b"sha1": 40, b"sha256": 64}
_PATHSPECS_AT_MOST = 16  # git compares every path with every pathspec, so the whole is cheaper from here on
_PROBE = (
    "rev-parse",
    "--is-shallow-repository",
    "--show-object-format",
    "--show-toplevel",
    "--git-path",
    "info/attributes",
)


class Repository(NamedTuple):
    """A verified checkout: ``git`` runs in its top level; ``prefix`` leads from there to the tree's root.

    ``prefix`` is ``b""`` or ends with a slash; ``id_length`` is 40 (SHA-1) or 64 hex digits; ``info_attributes`` is the
    absolute path of ``$GIT_DIR/info/attributes``.
    """

    git: Git
    prefix: bytes
    id_length: int
    is_shallow: bool
    info_attributes: bytes

    @property
    def base(self) -> bytes:
        """Return the top level with a trailing slash."""
        return with_slash(os.fsencode(self.git.toplevel))

    def pathspecs(self, asked: Sequence[bytes]) -> list[bytes]:
        """Return literal pathspecs from the top level that cover the ``asked`` paths; empty for the whole."""
        if b"" in asked or len(asked) > _PATHSPECS_AT_MOST:
            return [self.prefix[:-1]] if self.prefix else []
        return [self.prefix + path for path in asked]

    def attributes_above(self, asked: Sequence[bytes]) -> list[bytes]:
        """Return every ``.gitattributes`` path, from the top level, that governs the ``asked`` paths from outside."""
        directories = {b""}
        for path in asked:
            parts = (self.prefix + path).split(b"/")
            directories.update(b"/".join(parts[:count]) for count in range(1, len(parts)))
        return sorted(with_slash(directory) + ATTRIBUTES_FILE for directory in directories)


def with_slash(directory: bytes) -> bytes:
    """Return ``directory`` ready for a name to follow; ``b""`` stays empty."""
    return directory if not directory or directory.endswith(b"/") else directory + b"/"


def find_toplevel(start: Path) -> Path | None:
    """Return what :func:`toplevel_above` does, as a path."""
    found = toplevel_above(str(start))
    return Path(found) if found is not None else None


def verify(toplevel: Path, root: Path) -> Repository:
    """Return the repository at ``toplevel`` for the tree at ``root`` (real paths, the same or below).

    Raises GitUnavailable, DubiousOwnership, or CheckoutError where git cannot use it or sees another top level.
    """
    git = Git(toplevel)
    try:
        answer = _probe(git)
    except DubiousOwnership:
        trusted = git.system_safe_directories()
        if not trusted:
            raise
        git = git.with_config(*trusted)
        answer = _probe(git)
    shallow, object_format, rest = answer.split(b"\n", 2)
    here = os.fsencode(toplevel)
    if not rest.startswith(here + b"\n"):
        seen = shown(rest.split(b"\n", 1)[0])
        raise CheckoutError(f"git sees the top level {seen}, not {shown(here)}", hint="remove core.worktree")
    inside = os.fsencode(root)[len(here) :].strip(b"/")
    return Repository(
        git=git,
        prefix=with_slash(inside),
        id_length=HEX_LENGTH.get(object_format, 0),
        is_shallow=shallow == b"true",
        info_attributes=os.path.join(here, rest[len(here) + 1 : -1]),  # noqa: PTH118 - bytes
    )


def _probe(git: Git) -> bytes:
    with git.start(_PROBE) as running:
        git.require_version()
        return running.result()
