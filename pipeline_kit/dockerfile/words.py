"""How the text behind an instruction's keyword is cut: flags, words, JSON arrays, comma-separated fields."""

from __future__ import annotations

import re

from pipeline_kit.dockerfile.faults import StatementError
from pipeline_kit.dockerfile.text import SPACE, encode

_BLANKS = re.compile(r"[\t\v\f\r ]+")


def blank_separated(text: str, maximum: int = 0) -> list[str]:
    """Return ``text`` cut at runs of blanks, at most ``maximum`` times (0: everywhere); ``""`` gives no words."""
    return _BLANKS.split(text, maximum) if text else []


def json_array(text: str) -> list[str] | None:
    """Return the strings of ``text`` when it is a JSON array of strings, ``None`` when it is not JSON.

    Raises :class:`StatementError` for a JSON array that holds anything but strings.
    """
    if not text.lstrip(SPACE).startswith("["):
        return None
    import json  # noqa: PLC0415 - takes 2 ms to load, and most runs read none

    try:
        array = json.loads(text.lstrip(SPACE), parse_int=float, parse_constant=_refuse_constant)
    except ValueError:
        return None
    except RecursionError:
        array = [None]
    if not isinstance(array, list) or not all(isinstance(item, str) for item in array):
        raise StatementError("a JSON array here may hold strings only", hint='write ["a", "b"], every item in quotes')
    return array


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def quoted_words(text: str, escape: str) -> list[str]:
    """Return the words of ``text``, cut at blanks outside quotes; quotes and escapes stay for the expansion."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char in SPACE:
            if word:
                words.append("".join(word))
                word.clear()
            continue
        if char == escape and quote != "'":
            if position == len(text):
                break
            word += [char, text[position]]
            position += 1
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    return [*words, "".join(word)] if word else words


def take_flags(text: str, escape: str) -> tuple[list[str], str]:
    """Return the leading ``--flags`` of ``text``, quotes removed, and the rest.

    BuildKit reads this part byte by byte, so a flag outside ASCII comes out as if it were Latin-1; so it does here.
    """
    data = encode(text).decode("latin-1")
    flags: list[str] = []
    position = 0
    while True:
        while position < len(data) and data[position] in SPACE:
            position += 1
        if not data.startswith("--", position):
            return flags, _rest(data, position)
        flag, quoted, position = _flag(data, position, escape)
        if flag == "--":
            return flags, _rest(data, position)
        if flag or quoted:
            flags.append(flag)


def _rest(data: str, position: int) -> str:
    return data[position:].encode("latin-1").decode("utf-8", "surrogateescape")


def _flag(data: str, position: int, escape: str) -> tuple[str, bool, int]:
    flag: list[str] = []
    quote = ""
    quoted = False
    while position < len(data):
        char = data[position]
        if not quote and char in SPACE:
            break
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote, quoted = char, True
        elif char == escape:
            flag.append(data[position : position + 1])
            position += 1
        else:
            flag.append(char)
    return "".join(flag), quoted, min(position, len(data))


def comma_separated(text: str) -> list[str]:
    """Return the fields of one line of CSV (RFC 4180), as ``--mount`` has them.

    Raises :class:`StatementError` for quotes that do not enclose a field.
    """
    fields: list[str] = []
    position = 0
    while True:
        if text.startswith('"', position):
            match = re.compile(r'"((?:[^"]|"")*)"(?=,|\Z)').match(text, position)
        else:
            match = re.compile(r'([^",]*)(?=,|\Z)').match(text, position)
        if match is None:
            raise StatementError(f"the quotes in {text!r} do not enclose a whole field")
        fields.append(match[1].replace('""', '"'))
        position = match.end() + 1
        if match.end() == len(text):
            return fields
