"""What a build of one target uses, as values."""

from __future__ import annotations

from functools import cached_property

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import value_class


@value_class()
class ImageUse:
    """An external image: its ``reference`` after expansion, the 1-based ``line`` (0: a build argument), and by what.

    ``kind`` is ``FROM``, ``COPY --from``, ``RUN --mount`` or ``syntax``.
    """

    reference: str
    line: int
    kind: str


@value_class()
class Unresolved:
    """An image that cannot be named: the ``text`` as written, its 1-based ``line`` and ``why``, fit for a message."""

    text: str
    line: int
    why: str


@value_class()
class RemoteAdd:
    """An ADD from the network: ``checksum`` is what pins its content (digest or commit id), or ``None``."""

    url: str
    line: int
    checksum: str | None


class ContextRead(NamedTuple):
    """Files that one instruction reads from a context.

    ``context`` is a named context, or ``None`` for the main one. ``pattern`` is relative to its root and clean; ``.``
    is all of it. A pattern that matches a directory stands for everything below, and a link on the way is followed.
    ``is_glob``: the syntax is Go's ``filepath.Match``; with ``parents`` it is that of ``.dockerignore`` (``**``).
    ``excludes`` are as written; leaving them aside only widens the set.
    """

    context: str | None
    pattern: str
    line: int
    is_glob: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()


@value_class()
class Uses:
    """Everything outside the Dockerfile's own bytes that can influence a build of one target (design D4).

    Exactly one of ``reads`` and ``whole_context_because`` is ``None``: with ``reads=None`` every file of every context
    counts. ``contexts`` are named contexts that are really used, ``context_bases`` those that stand in a FROM; like
    ``external_bases`` they may bring ONBUILD triggers that only their image configuration shows.
    """

    stages: tuple[int, ...]
    images: tuple[ImageUse, ...]
    contexts: tuple[str, ...]
    context_bases: tuple[str, ...]
    external_bases: tuple[str, ...]
    visible_args: frozenset[str]
    unresolved: tuple[Unresolved, ...]
    reads: tuple[ContextRead, ...] | None
    whole_context_because: str | None
    remotes: tuple[RemoteAdd, ...]
    secrets: tuple[str, ...]
    ssh: tuple[str, ...]

    def reads_of(self, context: str) -> tuple[ContextRead, ...]:
        """Return the reads of one context, ``""`` being the main one."""
        return self._reads_by_context.get(context, ())

    @cached_property
    def _reads_by_context(self) -> dict[str, tuple[ContextRead, ...]]:
        found: dict[str, list[ContextRead]] = {}
        for read in self.reads or ():
            found.setdefault(read.context or "", []).append(read)
        return {context: tuple(reads) for context, reads in found.items()}
