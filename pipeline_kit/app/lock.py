"""pipeline-kit.lock: base images and their digests, one a line, sorted (design D4, ``bases: lock``).

A line is ``REFERENCE sha256:…``; the word ``onbuild`` behind it says that the image holds ONBUILD triggers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.app.bases import resolve_bases, triggers
from pipeline_kit.app.keys import Bases, references_of
from pipeline_kit.app.sources import Reader
from pipeline_kit.errors import InputError
from pipeline_kit.reference import is_digest, parse_reference
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from pipeline_kit.app.project import Project
    from pipeline_kit.app.surroundings import Surroundings
    from pipeline_kit.ports.registry import Registry

LOCK_NAME = "pipeline-kit.lock"
_HEAD = "# Base images and their digests. Written by `pipeline-kit lock`; review it like code.\n"
_TRIGGERS = "onbuild"


def read_lock(data: bytes, name: str) -> Bases:
    """Return what the lock file says. Raises InputError naming file and line."""
    digests: dict[str, str] = {}
    quiet: set[str] = set()
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        is_whole = len(words) == 2 or words[2:] == [_TRIGGERS]  # noqa: PLR2004 - reference and digest
        if not is_whole or not is_digest(words[1]) or words[0] in digests:
            raise InputError(
                f"{name}:{number}: not a line of the form REFERENCE sha256:…, or the same reference twice",
                hint="write it anew with: pipeline-kit lock",
            )
        digests[words[0]] = words[1]
        quiet |= set() if words[2:] else {words[0]}
    return Bases(digests, frozenset(quiet))


def format_lock(bases: Bases) -> bytes:
    """Return the lock file's bytes."""
    lines = [
        f"{text} {digest}{'' if text in bases.quiet else f' {_TRIGGERS}'}\n"
        for text, digest in sorted(bases.digests.items())
    ]
    return (_HEAD + "".join(lines)).encode()


def resolve_lock(project: Project, around: Surroundings, registry: Registry) -> Bases:
    """Return the present digest of every base image, and whether it holds ONBUILD triggers.

    Raises RegistryRefused or RegistryUnreachable naming the base that has none, DockerfileError for a base whose
    triggers bring images of their own.
    """
    sources = Reader(project.config, project.prefix, project.tree, around.values).read(project.config.images)
    resolving = {name: replace(item, image=replace(item.image, bases="resolve")) for name, item in sources.items()}
    bases = resolve_bases(resolving, Bases(), lambda: registry)
    texts = {text for item in sources.values() for text in references_of(item)}
    asked = texts - bases.quiet
    loud = {text for text in asked if triggers(registry, parse_reference(text).with_digest(bases.digests[text]))}
    return Bases(bases.digests, frozenset(texts - loud))
