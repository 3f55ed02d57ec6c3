"""Templates: ``{sha}``, ``{branch}``, … in build arguments and aliases, ``{env.NAME}`` and ``{env.NAME:-default}``.

``{{`` and ``}}`` stand for one brace. Environment placeholders are replaced when the configuration is read; the others
stay in the model, because their values belong to a run.
"""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "sha": "full commit id of HEAD",
        "short_sha": "first 12 characters of the commit id",
        "branch": "branch name; in an alias with every illegal character replaced",
        "tag": "git tag that is being built",
        "pull_request": "number of the pull request",
        "date": "date of the run, UTC, as 2026-01-31",
        "time": "time of the run, UTC, as 20260131T120000Z",
    }
)
"""Every placeholder with its meaning. One without a value in a run (a detached HEAD's branch) drops its template."""

_TOKEN = late_pattern(r"(?P<text>(?:[^{}]|\{\{|\}\})+)|\{(?P<name>[^{}]*)\}|[{}]")
_ENVIRONMENT = late_pattern(r"env\.([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)
_ANY = late_pattern(rf"\{{(?:{'|'.join(PLACEHOLDERS)}|env\.[^{{}}]*)\}}")
_ILLEGAL_IN_TAG = late_pattern(r"[^A-Za-z0-9_.-]+")
_MAX_TAG = 128
_HASH_LENGTH = 8
_MAX_FAULTS = 10


class Part(NamedTuple):
    """A piece of a template.

    ``kind`` is ``text`` (``value`` is literal), ``name`` (a placeholder's), ``env`` (a variable's name) or ``bad``
    (``value`` is the piece as written). ``offset`` counts characters from the template's beginning.
    """

    kind: Literal["text", "name", "env", "bad"]
    value: str
    offset: int
    default: str | None = None


class TemplateFault(NamedTuple):
    """What is wrong with a template, and where in it."""

    offset: int
    message: str
    suggestion: str


def split_template(text: str) -> tuple[Part, ...]:
    """Return the parts of ``text`` in order; concatenated they are the whole of it, braces unescaped."""
    if "{" not in text and "}" not in text:
        return (Part("text", text, 0),) if text else ()
    return tuple(_part(token) for token in _TOKEN.finditer(text))


def _part(token: re.Match[str]) -> Part:
    written, offset, name = token[0], token.start(), token["name"] or ""
    if token["text"] is not None:
        return Part("text", written.replace("{{", "{").replace("}}", "}"), offset)
    if name in PLACEHOLDERS:
        return Part("name", name, offset)
    variable = _ENVIRONMENT.fullmatch(name)
    if variable:
        return Part("env", variable[1], offset, variable[3] if variable[2] else None)
    return Part("bad", written, offset)


def template_faults(parts: Iterable[Part], *, allowed: Iterable[str]) -> list[TemplateFault]:
    """Return what keeps ``parts`` from being a template, the first 10 at most.

    ``allowed`` holds ``name`` (placeholders of a run) and ``env``, or one of them.
    """
    kinds = {"text", *allowed}
    bad = (part for part in parts if part.kind not in kinds)
    return [_fault(part, kinds) for part in islice(bad, _MAX_FAULTS)]


def _fault(part: Part, kinds: set[str]) -> TemplateFault:
    if part.kind == "name":
        return TemplateFault(part.offset, f"placeholder '{{{part.value}}}' is not read here", "only {env.NAME} is")
    if part.kind == "env":
        return TemplateFault(part.offset, f"placeholder '{{env.{part.value}}}' is not read here", "")
    if part.value in ("{", "}"):
        return TemplateFault(part.offset, f"a single '{part.value}'", f"write '{part.value * 2}' for a literal brace")
    known = PLACEHOLDERS if "name" in kinds else ()
    near = did_you_mean(part.value.strip("{} $"), known)
    message = f"unknown placeholder {shown(part.value)}"
    return TemplateFault(part.offset, message, near or "write '{{' and '}}' for literal braces")


def holds_placeholder(text: str) -> re.Match[str] | None:
    """Return the first placeholder in a text that is no template, or ``None``."""
    return _ANY.search(text) if "{" in text else None


def escape(text: str) -> str:
    """Return the template that expands to exactly ``text``."""
    return text.replace("{", "{{").replace("}", "}}")


def expand(template: str, values: Mapping[str, str]) -> str | None:
    """Return ``template`` with ``values`` in it, or ``None`` when one that it needs is absent or empty."""
    result: list[str] = []
    for part in split_template(template):
        if part.kind == "name":
            value = values.get(part.value, "")
            if not value:
                return None
            result.append(value)
        elif part.kind == "env":
            return None
        else:
            result.append(part.value)
    return "".join(result)


def slug(text: str) -> str:
    """Return a legal tag (or part of one) for a branch name, ``""`` for ``""``.

    A name that is one already is kept. Any other has its illegal characters replaced by ``-``, is cut to fit 128
    characters and ends with 8 hex digits of its hash, so that ``a/b``, ``a-b`` and ``a+b`` stay three tags.
    """
    clean = _ILLEGAL_IN_TAG.sub("-", text).lstrip(".-")
    if clean == text and len(text) <= _MAX_TAG:
        return text
    digits = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_HASH_LENGTH]
    head = clean[: _MAX_TAG - _HASH_LENGTH - 1].rstrip(".-")
    return f"{head}-{digits}" if head else digits
