"""Characters and lines as BuildKit's Go code sees them, which is not always as Python does."""

from __future__ import annotations

import re

from pipeline_kit.dockerfile.faults import StatementError

SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""Go's ``unicode.IsSpace``; Python's ``str.isspace`` also takes U+001C to U+001F."""

_BYTE_ORDER_MARK = "\ufeff"
_LONGEST_LINE = 65535


def decode(data: bytes) -> str:
    """Return the text of a Dockerfile without its byte order mark; bytes outside UTF-8 become lone surrogates."""
    return data.decode("utf-8", "surrogateescape").removeprefix(_BYTE_ORDER_MARK)


def encode(text: str) -> bytes:
    """Return the bytes that :func:`decode` was given for ``text`` (without the byte order mark)."""
    return text.encode("utf-8", "surrogateescape")


def physical_lines(text: str) -> list[str]:
    r"""Return the lines of ``text``, each with its ``\n``, which is the only line end there is."""
    parts = text.split("\n")
    lines = [f"{part}\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def check_length(line: str) -> None:
    """Raise :class:`StatementError` for a line longer than BuildKit's scanner takes (65535 bytes)."""
    if len(line) * 4 > _LONGEST_LINE and len(encode(line.removesuffix("\n"))) > _LONGEST_LINE:
        raise StatementError(f"the line is longer than {_LONGEST_LINE} bytes")


def trim_newline(line: str) -> str:
    r"""Return ``line`` without the ``\r`` and ``\n`` at its end."""
    return line.rstrip("\r\n")


def is_comment(line: str) -> bool:
    """Tell whether the first character that is not a blank is ``#``."""
    return line.lstrip(SPACE).startswith("#")


def is_plain(text: str) -> bool:
    """Tell whether ``text`` goes through Go's scanner unchanged: valid Unicode, no NUL, no byte order mark."""
    return re.search("[\0\ufeff\ufffd\ud800-\udfff]", text) is None
