"""The inputs of a key as a build record keeps them: names and hashes, few enough to store and to compare.

Files of large contexts are kept by directory: of a hundred thousand files a record says which directories changed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast, get_args

from pipeline_kit.config.secrecy import is_secret_name, is_secret_value
from pipeline_kit.content_tag import Change, Kind, file_name
from pipeline_kit.values import field, value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.content_tag import KeyInputs

HIDDEN = "hidden"
"""Stands for an argument that looks like a secret: even its hash could be guessed at."""
MAX_FILES = 20_000
_MAX_NAMES = 2 * 1024 * 1024
_DEPTHS = (8, 6, 4, 3, 2, 1)
_MOST = 4 * MAX_FILES
_LONGEST_NAME = 8192
_LONGEST_VALUE = 2000
_KINDS = cast("tuple[Kind, ...]", get_args(Kind))


@value_class()
class RecordedInputs:
    """Names and hashes by kind. ``depth`` is how many directories deep files are told apart; 0: each by itself."""

    groups: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    depth: int = 0


def record_inputs(inputs: KeyInputs) -> RecordedInputs:
    """Return what a record keeps of ``inputs``."""
    files: dict[str, str] = {}
    for context, listing in inputs.files.items():
        for path, record in listing:
            name, value = file_name(context, path), record.decode("ascii", "replace")
            # A file of "inputs" may be called like one of the context.
            files[name] = f"{files[name]} {value}" if name in files else value
    groups: dict[Kind, Mapping[str, str]] = {
        "dockerfile": {"": inputs.dockerfile},
        "option": {"target": inputs.target, "platforms": ",".join(sorted(inputs.platforms)), **inputs.options},
        "arg": {name: _hidden(name, value) for name, value in inputs.args.items()},
        "secret": dict.fromkeys(inputs.secrets, ""),
        "ssh": dict.fromkeys(inputs.ssh, ""),
        "base": dict(inputs.bases),
        "image": dict(inputs.images),
        "context": dict(inputs.contexts),
        "file": files,
    }
    whole = RecordedInputs({kind: _encodable(values) for kind, values in groups.items()})
    if _fits(whole):
        return whole
    by_directory = (at_depth(whole, depth) for depth in _DEPTHS)
    return next((found for found in by_directory if _fits(found)), at_depth(whole, _DEPTHS[-1]))


def _hidden(name: str, value: str) -> str:
    if is_secret_name(name) or is_secret_value(value):
        return HIDDEN
    return hashlib.sha256(f"{name}={value}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _encodable(values: Mapping[str, str]) -> dict[str, str]:
    def text(value: str) -> str:
        return value.encode("utf-8", "backslashreplace").decode()

    return {text(name): text(value) for name, value in values.items()}


def _fits(inputs: RecordedInputs) -> bool:
    files = inputs.groups["file"]
    return len(files) <= MAX_FILES and sum(map(len, files)) <= _MAX_NAMES


def at_depth(inputs: RecordedInputs, depth: int) -> RecordedInputs:
    """Return inputs of which each file stands by itself (``depth`` 0) with files told apart by directory only."""
    found: dict[str, list[str]] = {}
    for name, value in inputs.groups.get("file", {}).items():
        parts = name.split("/")
        shown = name if len(parts) <= depth else "/".join(parts[:depth]) + "/"
        found.setdefault(shown, []).append(f"{value}\t{name}\0")
    files = {name: hashlib.sha256("".join(sorted(lines)).encode()).hexdigest() for name, lines in found.items()}
    return RecordedInputs({**inputs.groups, "file": files}, depth)


def differences(old: RecordedInputs, new: RecordedInputs) -> tuple[Change, ...]:
    """Return every difference, sorted. Where one side knows directories only, so do the changes."""
    if old.depth != new.depth:
        if old.depth and new.depth:
            return tuple(sorted((*_changes(old, new, without="file"), Change("file", "(some)", "changed"))))
        old = at_depth(old, new.depth) if new.depth else old
        new = at_depth(new, old.depth) if old.depth and not new.depth else new
    return tuple(sorted(_changes(old, new)))


def _changes(old: RecordedInputs, new: RecordedInputs, *, without: Kind | None = None) -> Iterable[Change]:
    for kind in _KINDS:
        before, after = old.groups.get(kind, {}), new.groups.get(kind, {})
        if kind == without:
            continue
        for name in before.keys() | after.keys():
            if name not in before:
                yield Change(kind, name, "added")
            elif name not in after:
                yield Change(kind, name, "removed")
            elif before[name] != after[name]:
                yield Change(kind, name, "changed")


def inputs_document(inputs: RecordedInputs) -> dict[str, Any]:
    """Return the inputs as a JSON object, which :func:`read_inputs` takes back."""
    groups: dict[str, Any] = {kind: dict(sorted(values.items())) for kind, values in inputs.groups.items() if values}
    return {"depth": inputs.depth, **groups}


def read_inputs(document: Mapping[str, Any]) -> RecordedInputs:
    """Return the inputs in a JSON object of a stranger's. Raises ValueError, KeyError or TypeError."""
    depth = document["depth"]
    if depth not in (0, *_DEPTHS) or isinstance(depth, bool):
        raise ValueError("depth is malformed")
    groups: dict[Kind, Mapping[str, str]] = {}
    for kind in _KINDS:
        values = document.get(kind, {})
        if not isinstance(values, dict) or len(values) > _MOST or not all(map(_is_sane, values, values.values())):
            raise ValueError(f"inputs of kind {kind} are malformed")
        groups[kind] = values
    return RecordedInputs(groups, depth)


def _is_sane(name: str, value: object) -> bool:
    return len(name) <= _LONGEST_NAME and isinstance(value, str) and len(value) <= _LONGEST_VALUE
