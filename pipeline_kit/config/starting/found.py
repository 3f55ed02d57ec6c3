"""What was found, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.values import field, value_class

KINDS = ("bake", "chartpress", "skaffold", "compose", "dockerfile")
"""Where images are described, the most telling first: what one describes is not taken from the next as well."""


class FoundFile(NamedTuple):
    """A file by its path from the directory that the configuration is for."""

    path: str
    data: bytes
    beside: bytes = b""
    """Of a bake file: what bake says of it. Of a Compose file: the ``.env`` beside it, unless git ignores it."""


class Read(NamedTuple):
    """What an instruction of a Dockerfile takes from its context: a clean path, ``.`` for all of it."""

    pattern: str
    is_glob: bool
    line: int


class ImageUse(NamedTuple):
    """An image that a Dockerfile names, and by what: ``FROM``, ``COPY --from``, ``RUN --mount``."""

    reference: str
    line: int
    kind: str


@value_class()
class Examined:
    """What one target of a Dockerfile uses; ``problem`` says why it cannot be read at all, or not be built."""

    reads: tuple[Read, ...] = ()
    images: tuple[ImageUse, ...] = ()
    stages: tuple[str, ...] = ()
    """The names of its stages, ``""`` for one without, in their order."""
    unresolved: str = ""
    """Why the name of an image that it uses cannot be told."""
    needs: tuple[str, ...] = ()
    """The build arguments that would tell it."""
    problem: str = ""


Examine = Callable[[str, str | None, Mapping[str, str]], Examined]
"""Examines the Dockerfile at a path, for a target (``None``: the last stage) and with build arguments."""


class Disk(Protocol):
    """Answers about the directory; paths are relative to it and clean."""

    def exists(self, path: str) -> bool:
        """Return whether something lies at ``path``."""
        ...

    def holds(self, directory: str) -> tuple[str, ...]:
        """Return the files below ``directory`` that were found, relative to it."""
        ...


@value_class(frozen=False)
class Candidate:
    """An image as one file describes it; ``context`` and ``dockerfile`` are relative to the configuration."""

    name: str
    """As it is called there; made legal and unique later."""
    kind: str
    source: str
    """The describing file's path."""
    context: str
    dockerfile: str
    entry: dict[str, Any] = field(default_factory=dict)
    """Further keys, as under ``images:``; ``image:NAME`` in ``contexts`` names a candidate of the same source."""
    declared: str = ""
    """The reference that the image goes by, ``""`` where it is not said."""
    parents: tuple[str, ...] = ()
    """Directories above it, the nearest last, to tell two of one name apart."""
    upon: dict[str, str] = field(default_factory=dict)
    """Contexts that only its Dockerfile tells of, as in ``contexts``; images by the names they have here."""


class LeftOut(NamedTuple):
    """Something that is not in the configuration, and why."""

    what: str
    why: str


@value_class(frozen=False)
class Account:
    """What people are told: ``chosen`` in sentences, and what was left out."""

    chosen: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave(self, what: str, why: str) -> None:
        """Note that ``what`` was left out, once."""
        if (item := LeftOut(what, why)) not in self.left_out:
            self.left_out.append(item)


@value_class(frozen=False)
class Described:
    """The images of one file; ``is_whole`` tells whether all that it describes was understood."""

    file: FoundFile
    kind: str
    candidates: list[Candidate] = field(default_factory=list)
    is_whole: bool = True
    project: str = ""


@value_class()
class Findings:
    """Everything that was found in one directory."""

    directory: str
    """The directory's own name."""
    dockerfiles: tuple[str, ...] = ()
    files: Mapping[str, FoundFile] = field(default_factory=dict)
    """At most one of each of :data:`KINDS`."""
    definitions: tuple[FoundFile, ...] = ()
    """JSON files that may be ECS task definitions."""
    ecr: Mapping[str, str] = field(default_factory=dict)
    """ECR registry hosts to where they are named, the most frequent first."""
    remote: str = ""
    """The URL of git's remote."""
    unread: tuple[LeftOut, ...] = ()
    """What was found and could not be read, or is not read."""
