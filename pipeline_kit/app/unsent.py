"""What no build is sent: a ``node_modules`` that every ignore file excludes need not be read, nor be readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline_kit.dockerignore import Walk


class IgnoredByAll(NamedTuple):
    """Implements :class:`pipeline_kit.ports.Unsent` for the contexts of some images.

    ``walks`` maps a context's directory (``b""``: the root) to the ignore rules it is sent with, one for each way;
    ``inputs`` are further paths that count whatever is ignored.
    """

    walks: Mapping[bytes, Sequence[Walk]]
    inputs: Collection[bytes]

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:
        """Return whether every context that holds ``path`` ignores it; a path in no context is kept."""
        if self.inputs and any(_touch(path, wanted) for wanted in self.inputs):
            return False
        is_covered = False
        for directory, rest in _splits(path):
            for walk in self.walks.get(directory, ()):
                is_covered = True
                if not (walk.is_closed(rest) if is_directory else walk.excludes_file(rest)):
                    return False
        return is_covered and not (is_directory and self._holds_context(path))

    def _holds_context(self, path: bytes) -> bool:
        return any(directory == path or directory.startswith(path + b"/") for directory in self.walks)


def _splits(path: bytes) -> list[tuple[bytes, bytes]]:
    """Return every directory above ``path``, the root first, each with the rest of the path."""
    found = [(b"", path)]
    at = path.find(b"/")
    while at != -1:
        found.append((path[:at], path[at + 1 :]))
        at = path.find(b"/", at + 1)
    return found


def _touch(path: bytes, wanted: bytes) -> bool:
    return path == wanted or path.startswith(wanted + b"/") or wanted.startswith(path + b"/")
