"""The ``--flags`` of an instruction, checked against what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline_kit.dockerfile.faults import StatementError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Kind = Literal["switch", "value", "values"]

Flags = dict[str, list[str]]

FROM: Mapping[str, Kind] = {"platform": "value"}
RUN: Mapping[str, Kind] = {"mount": "values", "network": "value", "security": "value", "device": "values"}
COPY: Mapping[str, Kind] = {
    "from": "value",
    "chown": "value",
    "chmod": "value",
    "link": "switch",
    "parents": "switch",
    "exclude": "values",
}
ADD: Mapping[str, Kind] = {
    "chown": "value",
    "chmod": "value",
    "link": "switch",
    "keep-git-dir": "switch",
    "checksum": "value",
    "unpack": "switch",
    "exclude": "values",
}
HEALTHCHECK: Mapping[str, Kind] = dict.fromkeys(
    ("interval", "timeout", "start-period", "start-interval", "retries"), "value"
)
NONE: Mapping[str, Kind] = {}


def read_flags(given: Sequence[str], known: Mapping[str, Kind]) -> Flags:
    """Return the values by flag name; a switch has ``["true"]`` or ``["false"]``, an absent flag no entry.

    Raises :class:`StatementError` for an unknown or repeated flag, and for a value that is missing or not a boolean.
    """
    flags: Flags = {}
    for flag in given:
        written, has_value, value = flag.partition("=")
        name = written.removeprefix("--")
        kind = known.get(name)
        if kind is None:
            raise StatementError(f"unknown flag: {written}", hint=_flag_hint(name, known))
        if name in flags and kind != "values":
            raise StatementError(f"the flag {written} is given twice")
        if kind == "switch":
            value = _boolean(written, value, given=bool(has_value))
        elif not has_value:
            raise StatementError(f"the flag {written} needs a value", hint=f"write {written}=…")
        flags.setdefault(name, []).append(value)
    return flags


def _flag_hint(name: str, known: Mapping[str, Kind]) -> str:
    if not known:
        return "this instruction takes no flags"
    return did_you_mean(f"--{name}", [f"--{flag}" for flag in known]) or "it takes " + ", ".join(
        f"--{flag}" for flag in sorted(known)
    )


def _boolean(written: str, value: str, *, given: bool) -> str:
    if given and value.lower() not in {"true", "false"}:
        raise StatementError(f"the flag {written} is true or false, not {value!r}")
    return value.lower() or "true"
