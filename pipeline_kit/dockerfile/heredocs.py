"""Here-documents of RUN, COPY and ADD: ``<<EOF``, ``<<-EOF``, ``<<"EOF"``.

Source: Dockerfile reference, "Here-Documents"; moby/buildkit frontend/dockerfile/parser.
"""

from __future__ import annotations

import re

from pipeline_kit.dockerfile import shell
from pipeline_kit.dockerfile.faults import ExpansionError
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.values import value_class

_HEREDOC = re.compile(r"(\d*)<<(-?)[\t\n\f\r ]*([^<]*)\Z", re.ASCII)
_LEADING_TABS = late_pattern(r"^\t+", re.MULTILINE)


@value_class()
class Heredoc:
    """A here-document: its terminator ``name``, whether variables ``expand`` and tabs are cut, and its ``content``."""

    name: str
    expand: bool
    chomp: bool
    content: str = ""

    @property
    def text(self) -> str:
        """Return the content as the build sees it: without leading tabs for ``<<-``."""
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content


def heredoc(word: str) -> Heredoc | None:
    """Return the here-document that ``word`` opens, without content, or ``None``.

    Raises :class:`ExpansionError` for a terminator with unbalanced quotes.
    """
    match = _HEREDOC.match(word)
    if match is None or not match[3]:
        return None
    plain = shell.split(match[3], raw_quotes=False, raw_escapes=False)
    if len(plain) != 1:
        return None
    raw = shell.split(match[3], raw_quotes=True, raw_escapes=False)
    if len(raw) != 1:
        raise ExpansionError(f"cannot read the here-document's end marker {match[3]!r}")
    return Heredoc(name=plain[0], expand=_quotes(plain[0]) == _quotes(raw[0]), chomp=match[2] == "-")


def heredocs(line: str) -> list[Heredoc]:
    """Return the here-documents that the logical ``line`` opens, in order.

    A line whose quotes do not match opens none: BuildKit leaves such a line to the shell.
    """
    if "<<" not in line:
        return []
    try:
        words = shell.split(line, raw_quotes=True, raw_escapes=True)
    except ExpansionError:
        return []
    return [found for found in map(heredoc, words) if found is not None]


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
