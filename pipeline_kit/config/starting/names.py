"""Names of images: legal (design D3), unique, and told from where their Dockerfiles lie."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from pipeline_kit.config.keys import NAME_PATTERN
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.scopes import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_LEGAL = re.compile(NAME_PATTERN)
_LONGEST = 60
_STEM = r"(?:dockerfile|containerfile)"
_PLAIN = re.compile(rf"{_STEM}\Z", re.IGNORECASE)
_SUFFIXED = re.compile(rf"{_STEM}[._-](?P<name>.+)\Z", re.IGNORECASE | re.DOTALL)
_PREFIXED = re.compile(rf"(?P<name>.+)[.]{_STEM}\Z", re.IGNORECASE | re.DOTALL)
_SOMETHING_ELSE = re.compile(
    r"[.](?:dockerignore|md|txt|rst|html|ya?ml|json|toml|sh|png|svg|lock|orig|bak|rej|swp)\Z"
    r"|[_-].*[.](?:c|cc|cpp|cs|go|java|js|kt|lua|php|pl|py|rb|rs|swift|ts|vue)\Z",
    re.IGNORECASE | re.DOTALL,
)
"""Ends of the names of what is about Dockerfiles: notes, programs (``dockerfile_test.go``), ignore rules."""
_SAY_NOTHING = frozenset(
    {"docker", "dockerfile", "dockerfiles", "container", "containers", "build", "deploy", "image", "images", "src"}
    | {"services", "apps", "packages", "production", "prod", "release", "ci", "package", "main"}
)
"""Directory names and suffixes that do not tell one image from another."""


class Wanted(NamedTuple):
    """What an image would be called, and the directories above that tell it from another of the same name."""

    name: str
    parents: tuple[str, ...] = ()


def is_dockerfile(name: str) -> bool:
    """Return whether a file of this name is taken for a Dockerfile."""
    is_one = any(pattern.match(name) for pattern in (_PLAIN, _SUFFIXED, _PREFIXED))
    return is_one and _SOMETHING_ELSE.search(name) is None


def suffix_of(path: str) -> str:
    """Return what tells a Dockerfile from others beside it: ``dev`` of ``Dockerfile.dev`` and ``dev.Dockerfile``."""
    name = path.rpartition("/")[2]
    found = _SUFFIXED.match(name) or _PREFIXED.match(name)
    return found["name"] if found else ""


def is_legal(name: str) -> bool:
    """Return whether an image may be called ``name`` and its repository be derived from that."""
    return len(name) <= _LONGEST and _LEGAL.fullmatch(name) is not None and not name.endswith(SUFFIX)


def legal(name: str) -> str:
    """Return ``name`` where it is legal, else what comes nearest to it."""
    if is_legal(name):
        return name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-") or "image"
    return f"{short[: _LONGEST - 6].rstrip('-')}-image" if short.endswith(SUFFIX) else short


def of_dockerfile(path: str, homes: Collection[str] = ()) -> Wanted:
    """Return what the image of a Dockerfile would be called: after its directory, or what stands in its own name.

    ``""`` where neither says anything. ``homes`` are directories with Dockerfiles: what lies below one is a variant.
    """
    *directories, _ = path.split("/")
    own = suffix_of(path)
    while directories and directories[-1].lower() in _SAY_NOTHING:
        directories.pop()
    parents = tuple(directories)
    if own.lower() in _SAY_NOTHING:
        own = ""
    if not parents:
        return Wanted(own)
    if len(parents) > 1 and "/".join(parents[:-1]) in homes:
        parents = (*parents[:-2], f"{parents[-2]}-{parents[-1]}")
    if not own or legal(own) == legal(parents[-1]):
        return Wanted(parents[-1], parents[:-1])
    return Wanted(f"{parents[-1]}-{own}", parents[:-1])


def unique(wanted: Sequence[Wanted]) -> list[str]:
    """Return legal names in the same order, no two alike (``.``, ``_`` and ``-`` count as one).

    Those that would be alike get the directories above them in front, as many as it takes, and else a number.
    """
    depth = [0] * len(wanted)
    while True:
        names = [_at(item, count) for item, count in zip(wanted, depth, strict=True)]
        seen = Counter(map(_key, names))
        longer = [
            number
            for number, item in enumerate(wanted)
            if seen[_key(names[number])] > 1 and depth[number] < len(item.parents)
        ]
        if not longer:
            return _numbered(names)
        for number in longer:
            depth[number] += 1


def _at(wanted: Wanted, depth: int) -> str:
    above = wanted.parents[len(wanted.parents) - depth :]
    return legal("-".join((*above, wanted.name)) if above else wanted.name)


def _numbered(names: Sequence[str]) -> list[str]:
    taken = set(map(_key, names))
    used: set[str] = set()
    found: list[str] = []
    for name in names:
        chosen, number = name, 1
        while _key(chosen) in used or (number > 1 and _key(chosen) in taken):
            number += 1
            chosen = f"{name[: _LONGEST - 8].rstrip('-._')}-{number}"
        used.add(_key(chosen))
        found.append(chosen)
    return found


def _key(name: str) -> str:
    return name.replace(".", "-").replace("_", "-")
