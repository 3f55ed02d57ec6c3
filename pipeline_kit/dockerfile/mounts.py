"""``RUN --mount=…``: what is mounted, from where, and which secrets are asked for.

Source: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile.faults import StatementError, UnknownValueError, did_you_mean
from pipeline_kit.dockerfile.words import comma_separated
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from pipeline_kit.dockerfile.environment import StageScope

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_SWITCHES = frozenset({"readonly", "readwrite", "required"})
_KEYS = frozenset(
    {*_SWITCHES, "type", "from", "source", "target", "id", "sharing", "size", "mode", "uid", "gid", "env"}
)


@value_class()
class Mount:
    """One mount: its ``kind`` and expanded fields; a field whose value cannot be known is in ``unknown``."""

    kind: str
    origin: str
    fields: dict[str, str]
    unknown: dict[str, str]

    def secret_id(self) -> str:
        """Return the id that a ``secret`` or ``ssh`` mount asks the client for."""
        if self.kind == "ssh":
            return self.fields.get("id") or "default"
        named = self.fields.get("source") or self.fields.get("id")
        return named or self.fields.get("target", "").rstrip("/").rpartition("/")[2]


def read_mount(text: str, scope: StageScope) -> Mount:
    """Return the mount that the flag's ``text`` describes, with the variables of ``scope``.

    A field that needs an unknown variable keeps its raw text and is listed in ``unknown`` with the variable's name.

    Raises :class:`StatementError` for unknown keys and types.
    """
    fields: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for written in comma_separated(text):
        key, has_value, raw = written.partition("=")
        name = _ALIASES.get(key.lower(), key.lower())
        if name not in _KEYS:
            raise StatementError(f"--mount: unexpected key {key!r}", hint=did_you_mean(name, _KEYS | _ALIASES.keys()))
        if not has_value and name not in _SWITCHES:
            raise StatementError(f"--mount: {key!r} needs a value", hint=f"write {key}=…")
        try:
            fields[name] = scope.value_of(raw)
        except UnknownValueError as error:
            fields[name] = raw
            unknown[name] = error.name
    kind = fields.get("type", "bind").lower()
    if kind not in _TYPES and "type" not in unknown:
        raise StatementError(f"--mount: unsupported type {kind!r}", hint=did_you_mean(kind, _TYPES))
    if kind == "secret" and not any(fields.get(name) for name in ("id", "source", "target")):
        raise StatementError("--mount=type=secret needs an id or a target", hint="write --mount=type=secret,id=…")
    return Mount(kind, fields.get("from", ""), fields, unknown)
