r"""The part of Go's ``regexp`` that an ignore pattern can reach, as nodes that Python can run.

moby/patternmatcher turns a pattern into a Go regular expression by plain text replacement and leaves ``[``, ``]``,
``^``, ``-``, ``|``, ``{``, ``}`` and ``\x`` to Go (it means to escape bar and braces, but its table is too small).
So ``\d`` is a digit, ``[[:alpha:]]`` a POSIX class, ``[z-a]`` an error, ``x*|b`` a choice, and ``[*]`` becomes
``[[^/]*]``: a class, a star, a bracket. Python's ``re`` reads many of these otherwise; hence this parser (Go 1.22
``regexp/syntax``, flags ``syntax.Perl``).
"""

from __future__ import annotations

import re

from pipeline_kit.dockerignore.go_regexp import SKIP, GoRegexp, GoRegexpError, Kind, Node
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.values import replace

_LAST_RUNE = 0x10FFFF
_Ranges = list[tuple[int, int]]

_SKIP = "(.*/)?"
_PERL: dict[str, _Ranges] = {
    "d": [(0x30, 0x39)],
    "s": [(0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)],
    "w": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
}
_POSIX: dict[str, _Ranges] = {
    "alnum": [(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)],
    "alpha": [(0x41, 0x5A), (0x61, 0x7A)],
    "ascii": [(0x00, 0x7F)],
    "blank": [(0x09, 0x09), (0x20, 0x20)],
    "cntrl": [(0x00, 0x1F), (0x7F, 0x7F)],
    "digit": [(0x30, 0x39)],
    "graph": [(0x21, 0x7E)],
    "lower": [(0x61, 0x7A)],
    "print": [(0x20, 0x7E)],
    "punct": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
    "space": [(0x09, 0x0D), (0x20, 0x20)],
    "upper": [(0x41, 0x5A)],
    "word": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
    "xdigit": [(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)],
}
_ASSERTIONS = {"A": r"\A", "b": r"(?a:\b)", "B": r"(?a:\B)", "z": r"\Z"}
_CONTROLS = {"a": 0x07, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_OCTAL = "01234567"
_HEX_PAIR = late_pattern(r"[0-9a-fA-F]{2}")
_BRACES = re.compile(r"\{(?P<low>0|[1-9][0-9]*)(?P<comma>,)?(?P<high>(?<=,)(?:0|[1-9][0-9]*))?\}")
_MOST_REPEATS = 1000
_DIGITS = 5  # more say nothing new: too many


def parse_go_regexp(expression: str) -> GoRegexp:
    """Return ``expression``, as moby/patternmatcher's translation makes them; GoRegexpError where Go refuses it."""
    return GoRegexp(tuple(tuple(nodes) for nodes in _Parser(expression).alternatives()))


class _Parser:
    """A cursor over an expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def alternatives(self) -> list[list[Node]]:
        """Return every alternative of the expression."""
        found: list[list[Node]] = [[]]
        repeated = False
        while self._at < len(self._text):
            count = self._quantifier()
            if count is not None:
                _repeat(found[-1], *count, again=repeated)
            elif self._take("|"):
                found.append([])
            else:
                found[-1] += self._step()
            repeated = count is not None
        return found

    def _step(self) -> list[Node]:
        """Return the node that comes next, or the nodes of a quotation."""
        if self._take(_SKIP):
            return [SKIP]
        if self._take(r"\Q"):
            return [Node(Kind.CHARACTERS, re.escape(character)) for character in self._quoted()]
        assertion = self._assertion()
        return [Node(Kind.CHARACTERS, self._atom()) if assertion is None else Node(Kind.ASSERT, assertion)]

    def _quantifier(self) -> tuple[int, int | None] | None:
        """Return the bounds of ``*`` or ``{low,high}``, if one comes next; any other ``{`` is a character."""
        if self._take("*"):
            return 0, None
        braces = _BRACES.match(self._text, self._at)
        if braces is None:
            return None
        self._at = braces.end()
        low = int(braces["low"][:_DIGITS])
        most = int(braces["high"][:_DIGITS]) if braces["high"] else None if braces["comma"] else low
        if max(low, most or 0) > _MOST_REPEATS or (most is not None and most < low):
            raise GoRegexpError(f"invalid repeat count {braces[0]}")
        return low, most

    def _take(self, text: str) -> bool:
        """Step over ``text`` if it comes next."""
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _next(self) -> str:
        """Return the next character, stepping over it; GoRegexpError at the end."""
        if self._at >= len(self._text):
            raise GoRegexpError("unexpected end")
        self._at += 1
        return self._text[self._at - 1]

    def _quoted(self) -> str:
        r"""Return what stands between ``\Q`` and ``\E``, or the end of the expression (its ``$`` included)."""
        literal, _, rest = self._text[self._at :].partition(r"\E")
        self._at = len(self._text) - len(rest)
        return literal

    def _assertion(self) -> str | None:
        """Return a zero-width assertion in Python's spelling, if one comes next."""
        if self._take("^"):
            return r"\A"
        if self._take("$"):
            return r"\Z"
        for letter, source in _ASSERTIONS.items():
            if self._take("\\" + letter):
                return source
        return None

    def _atom(self) -> str:
        """Return Python's spelling of one character class, any character, or one literal."""
        if self._take("."):
            return "."
        if self._take("["):
            return self._class()
        ranges = self._perl_class()
        if ranges is not None:
            return f"[{_spell(ranges)}]"
        return re.escape(chr(self._character()))

    def _class(self) -> str:
        """Return a bracket expression whose ``[`` was just read."""
        sign = "^" if self._take("^") else ""
        ranges: _Ranges = []
        first = True
        while first or not self._take("]"):
            first = False
            named = self._posix_class()
            if named is None:
                named = self._perl_class()
            ranges += [self._range()] if named is None else named
        return f"[{sign}{_spell(ranges)}]"

    def _range(self) -> tuple[int, int]:
        """Return a single character or ``lo-hi`` inside a bracket expression."""
        low = self._character()
        rest = self._text[self._at : self._at + 2]
        if len(rest) < 2 or rest[0] != "-" or rest[1] == "]":  # noqa: PLR2004 - "-" and what follows it
            return low, low
        self._at += 1
        high = self._character()
        if high < low:
            raise GoRegexpError("a character range that runs backwards")
        return low, high

    def _posix_class(self) -> _Ranges | None:
        """Return the ranges of ``[:name:]`` or ``[:^name:]``, if one comes next."""
        if not self._text.startswith("[:", self._at):
            return None
        end = self._text.find(":]", self._at + 2)
        if end < 0:
            return None
        name = self._text[self._at + 2 : end]
        ranges = _POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise GoRegexpError(f"unknown character class [:{name}:]")
        self._at = end + 2
        return _complement(ranges) if name.startswith("^") else ranges

    def _perl_class(self) -> _Ranges | None:
        r"""Return the ranges of ``\d``, ``\s``, ``\w`` and their opposites, if one comes next."""
        pair = self._text[self._at : self._at + 2]
        if pair[:1] != "\\" or pair[1:].lower() not in _PERL:
            return None
        self._at += 2
        ranges = _PERL[pair[1].lower()]
        return _complement(ranges) if pair[1].isupper() else ranges

    def _character(self) -> int:
        """Return the code point of one literal or escaped character."""
        character = self._next()
        return self._escaped() if character == "\\" else ord(character)

    def _escaped(self) -> int:
        """Return the code point of an escape whose backslash was just read."""
        letter = self._next()
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x" and (pair := _HEX_PAIR.match(self._text, self._at)):
            self._at = pair.end()
            return int(pair[0], 16)
        if letter in _OCTAL and (letter == "0" or self._text[self._at : self._at + 1] in tuple(_OCTAL)):
            return self._octal(letter)
        if letter.isascii() and not letter.isalnum():
            return ord(letter)
        raise GoRegexpError(f"invalid escape sequence \\{letter}")

    def _octal(self, digits: str) -> int:
        """Return an octal escape of at most three digits, the first of which was just read."""
        while len(digits) < 3 and self._text[self._at : self._at + 1] in tuple(_OCTAL):  # noqa: PLR2004 - three digits
            digits += self._next()
        return int(digits, 8)


def _repeat(nodes: list[Node], low: int, high: int | None, *, again: bool) -> None:
    """Repeat the last of ``nodes``; GoRegexpError where there is none, or where it is repeated already."""
    if not nodes:
        raise GoRegexpError("nothing to repeat")
    last = nodes.pop()
    if again or last.loops or last.low != 1:
        raise GoRegexpError("a repetition of a repetition")
    if last.kind is Kind.CHARACTERS:
        nodes.append(replace(last, low=low, high=high))
    elif low:
        nodes.append(last)  # an assertion consumes nothing, so once is as good as often


def _complement(ranges: _Ranges) -> _Ranges:
    """Return the code points outside ``ranges``, which ascend."""
    starts = [0, *(high + 1 for _, high in ranges)]
    ends = [*(low - 1 for low, _ in ranges), _LAST_RUNE]
    return [(low, high) for low, high in zip(starts, ends, strict=True) if low <= high]


def _spell(ranges: _Ranges) -> str:
    """Return the inside of Python's bracket expression for ``ranges``."""
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
