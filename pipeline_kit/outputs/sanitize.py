"""Untrusted text made fit for a terminal, a CI log or one line of a table.

A build log, a commit subject or a file name may hold cursor movements, carriage returns that overwrite what stood
before, bidirectional marks that reorder what is read, or text that a CI runner takes for a command.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline_kit.late_pattern import late_pattern

# Compiled at its first use, which most runs never come to.
# Cc but tab and newline; Zl and Zp; the Cf that hide or reorder text; lone surrogates. Some scripts need ZWJ and ZWNJ.
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_COLOUR = late_pattern(r"\x1b\[[0-9;:]*m")
_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(text: str) -> str:
    r"""Return ``text`` with what would act instead of being read written as ``\x1b`` or ``\u202e``; lines stay lines.

    Idempotent. The result can be encoded as UTF-8.
    """
    return text if text.isprintable() else re.sub(_UNSAFE, _escaped, text)


def one_line(text: str, limit: int = 500) -> str:
    r"""Return ``text`` on one line (``\n`` spelt out), cut to ``limit`` characters with an ellipsis. Idempotent."""
    # Cut before escaping as well, so that a megabyte of control codes is not escaped for nothing.
    line = text[: limit + 1]
    line = line if line.isprintable() else re.sub(f"[\t\n]|{_UNSAFE}", _escaped, line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def log_line(text: str, limit: int = 4000) -> str:
    r"""Return one line of build output: colours dropped, only what stands after the last ``\r``, the rest visible.

    GitHub's runner takes ``##[`` anywhere in a line for a command (``ActionCommand.TryParse``), so it is broken up;
    ``::`` counts only at the beginning of a line, where the callers put a prefix or stop commands altogether.
    """
    last = text.rstrip("\r\n").rpartition("\r")[2]
    line = _COLOUR.sub("", last).expandtabs(8)
    return one_line(line, limit).replace("##[", "## [")


def inert(text: str) -> str:
    """Return lines of which GitHub's runner takes none for a command; see :func:`log_line`. Idempotent.

    Leading blanks do not count for the runner (``ActionCommand.TryParseV2`` trims), so a space goes between the colons.
    """
    if "::" not in text and "##[" not in text:
        return text
    return re.sub(r"(?m)^(\s*):(?=:)", r"\1: ", text).replace("##[", "## [")


def inert_json(text: str) -> str:
    """Return JSON text with the same value, in which no ``##[`` stands; ``::`` never begins a line of JSON."""
    return text.replace("##[", "#\\u0023[")


def display_width(text: str) -> int:
    """Return how many terminal columns ``text`` (already sanitised) takes: wide ones two, combining marks none."""
    if text.replace("…", "").isascii():  # as most is, cut short or whole
        return len(text)
    return sum(_columns(character) for character in text)


def fit(text: str, columns: int) -> str:
    """Return the beginning of ``text`` that takes at most ``columns`` columns, with an ellipsis where it was cut."""
    if columns <= 0:
        return ""
    if display_width(text) <= columns:
        return text
    used, kept = 0, []
    for character in text:
        used += _columns(character)
        if used > columns - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    import unicodedata  # noqa: PLC0415 - most text is ASCII

    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:  # noqa: PLR2004 - the limit of the \x form
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - the limit of the \u form
