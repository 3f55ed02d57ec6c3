"""The content tag: one hash over everything that can change an image (design D4).

The key is the SHA-256 of a canonical record: a sorted sequence of ``(kind, name, value)`` byte triples, each field
preceded by its length, so that no two different sets of inputs can spell the same bytes. The tag is a prefix and the
first :data:`TAG_HEX` hex digits of the key; the whole key travels in the image's label :data:`KEY_LABEL`.

Two sets of inputs can also be compared; the differences are what ``plan`` gives as reasons.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from pipeline_kit.errors import InputError
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.reference import is_tag
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline_kit.snapshot import Listing

FORMAT = "1"
"""Version of the record; a change of rule changes every key, on purpose."""
KEY_LABEL = "io.pipeline-kit.content-key"
TAG_HEX = 40
"""Hex digits of the key in a tag: 160 bits, so that nobody can prepare a second input set for a tag."""

Kind = Literal["option", "dockerfile", "arg", "secret", "ssh", "base", "image", "context", "file"]


@value_class()
class KeyInputs:
    """Everything the key of one image is made from.

    ``files`` maps a context's name to what BuildKit is sent for it: ``""`` is the main context, ``name`` a named
    directory context, and :data:`EXTRA_INPUTS` the image's ``inputs``. ``bases`` maps a reference as written to its
    digest, or to ``""`` where only the text counts. ``images`` maps an image here to its own key (a chain).
    """

    dockerfile: str
    """Git blob id of the Dockerfile's bytes."""
    platforms: tuple[str, ...]
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    """Named contexts that are no directory: ``image:NAME`` or ``docker-image://reference``, as text."""
    files: Mapping[str, Listing] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    """Further options that count, such as the ``max_age`` period; never named ``target`` or ``platforms``."""

    def __post_init__(self) -> None:
        taken = {"target", "platforms"} & self.options.keys()
        if taken:
            raise ValueError(f"options named like members: {', '.join(sorted(taken))}")


EXTRA_INPUTS = "\0inputs"
"""Name under which :attr:`KeyInputs.files` holds ``inputs``; no context can be called so."""


class Change(NamedTuple):
    """One input that differs: ``state`` is seen from the older set of inputs to the newer."""

    kind: Kind
    name: str
    state: Literal["added", "removed", "changed"]


def key(inputs: KeyInputs) -> str:
    """Return the key: 64 lower-case hex digits."""
    triples = sorted(_scalars(inputs) + _listings(inputs))
    record = b"".join([b"%d:%b" % (len(part), part) for triple in triples for part in triple])
    return hashlib.sha256(f"pipeline-kit content key {FORMAT}\n".encode() + record).hexdigest()


def tag(key_hex: str, prefix: str = "") -> str:
    """Return the tag for a key. Raises InputError when ``prefix`` does not make a legal tag."""
    text = f"{prefix}{key_hex[:TAG_HEX]}"
    if not is_tag(text):
        raise InputError(f"tag_prefix {prefix!r} does not make a legal tag", hint="use letters, digits, _, . and -")
    return text


def changes(old: KeyInputs, new: KeyInputs) -> tuple[Change, ...]:
    """Return every difference between two sets of inputs, sorted; empty exactly when their keys are equal."""
    found = list(_scalar_changes(_named_scalars(old), _named_scalars(new)))
    for context in sorted({*old.files, *new.files}):
        found += _file_changes(context, old.files.get(context), new.files.get(context))
    return tuple(sorted(found))


def file_name(context: str, path: bytes) -> str:
    """Return how a file of ``context`` is called in reasons and in ``explain``."""
    text = path.decode("utf-8", "backslashreplace")
    return text if context in ("", EXTRA_INPUTS) else f"{context}:{text}"


def _scalars(inputs: KeyInputs) -> list[tuple[bytes, bytes, bytes]]:
    return [
        (kind.encode(), name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for (kind, name), value in _named_scalars(inputs).items()
    ]


def _listings(inputs: KeyInputs) -> list[tuple[bytes, bytes, bytes]]:
    return [(b"files", name.encode(), listing.digest().encode()) for name, listing in inputs.files.items()]


def _named_scalars(inputs: KeyInputs) -> dict[tuple[Kind, str], str]:
    pairs: dict[tuple[Kind, str], str] = {
        ("dockerfile", ""): inputs.dockerfile,
        ("option", "target"): inputs.target,
        ("option", "platforms"): ",".join(sorted(inputs.platforms)),
    }
    groups: tuple[tuple[Kind, Mapping[str, str]], ...] = (
        ("option", inputs.options),
        ("arg", inputs.args),
        ("base", inputs.bases),
        ("image", inputs.images),
        ("context", inputs.contexts),
        ("secret", dict.fromkeys(inputs.secrets, "")),
        ("ssh", dict.fromkeys(inputs.ssh, "")),
    )
    for kind, values in groups:
        if values:  # most are empty
            pairs.update({(kind, name): value for name, value in values.items()})
    return pairs


def _scalar_changes(old: Mapping[tuple[Kind, str], str], new: Mapping[tuple[Kind, str], str]) -> Iterator[Change]:
    for kind, name in {**old, **new}:
        before, after = old.get((kind, name)), new.get((kind, name))
        if before is None:
            yield Change(kind, name, "added")
        elif after is None:
            yield Change(kind, name, "removed")
        elif before != after:
            yield Change(kind, name, "changed")


def _file_changes(context: str, old: Listing | None, new: Listing | None) -> list[Change]:
    if old is None or new is None:
        whole = new if old is None else old
        state: Literal["added", "removed"] = "added" if old is None else "removed"
        names = [file_name(context, path) for path in whole.paths] if whole is not None else []
        return [Change("context", context or "(main)", state), *(Change("file", name, state) for name in names)]
    before, after = dict(old), dict(new)
    found: list[Change] = []
    for path in before.keys() | after.keys():
        name = file_name(context, path)
        if path not in before:
            found.append(Change("file", name, "added"))
        elif path not in after:
            found.append(Change("file", name, "removed"))
        elif before[path] != after[path]:
            found.append(Change("file", name, "changed"))
    return found
