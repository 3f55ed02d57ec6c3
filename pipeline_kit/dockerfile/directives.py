"""Parser directives: ``# syntax=``, ``# escape=`` and ``# check=`` at the top of a Dockerfile.

Two readers exist in BuildKit and they differ on purpose: the frontend that looks for ``syntax`` also takes ``//``
comments, JSON and a shebang line but no leading blanks; the parser that looks for ``escape`` takes leading blanks only.
Source: Dockerfile reference, "Parser directives"; moby/buildkit frontend/dockerfile/parser.
"""

from __future__ import annotations

from pipeline_kit.dockerfile.faults import StatementError
from pipeline_kit.dockerfile.text import SPACE, physical_lines, trim_newline
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.values import value_class

DEFAULT_ESCAPE = "\\"

_DIRECTIVE = late_pattern(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")
_NAMES = frozenset({"syntax", "escape", "check"})


@value_class()
class Directive:
    """One directive: its lower-case ``name``, its ``value`` and its 1-based ``line``."""

    name: str
    value: str
    line: int


def _leading(lines: list[str], comment: str) -> tuple[list[Directive], int | None]:
    """Return the directives before the first other line, and the line of a repeated one (reading stops there)."""
    found: list[Directive] = []
    for number, line in enumerate(lines, 1):
        if not line.startswith(comment):
            break
        match = _DIRECTIVE.match(line.removeprefix(comment).lstrip(SPACE))
        if match is None or match[1].lower() not in _NAMES:
            break
        if match[1].lower() in {directive.name for directive in found}:
            return found, number
        found.append(Directive(match[1].lower(), match[2], number))
    return found, None


def escape_character(text: str) -> str:
    r"""Return the escape character of the Dockerfile ``text``: ``\`` or a backtick.

    Raises :class:`DirectiveError` for a repeated directive and for another escape character.
    """
    lines = [trim_newline(line).lstrip(SPACE) for line in physical_lines(text)]
    found, repeated = _leading(lines, "#")
    if repeated is not None:
        raise DirectiveError("a parser directive may be given only once", line=repeated)
    for directive in found:
        if directive.name != "escape":
            continue
        if directive.value not in {"\\", "`"}:
            raise DirectiveError(f"the escape character is \\ or `, not {directive.value}", line=directive.line)
        return directive.value
    return DEFAULT_ESCAPE


class DirectiveError(StatementError):
    """A parser directive that BuildKit refuses, at the 1-based ``line``."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


def syntax_directive(text: str) -> Directive | None:
    """Return the directive that names the frontend image, its value cut at the first blank, or ``None``."""
    lines = [line.removesuffix("\n").removesuffix("\r") for line in physical_lines(text)]
    shebang = bool(lines) and lines[0].startswith("#!")
    body = lines[1:] if shebang else lines
    for comment in ("#", "//"):
        for directive in _leading(body, comment)[0]:
            if directive.name == "syntax":
                return Directive("syntax", directive.value.partition(" ")[0], directive.line + shebang)
    return _json_syntax("\n".join(body), 1 + shebang)


def _json_syntax(text: str, line: int) -> Directive | None:
    if not text.lstrip().startswith("{"):
        return None
    import json  # noqa: PLC0415 - takes 2 ms to load, and most runs read none

    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    value = document.get("syntax") if isinstance(document, dict) else None
    return Directive("syntax", value, line) if isinstance(value, str) else None
