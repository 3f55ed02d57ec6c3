r"""Word expansion and word splitting: ``$X``, ``${X:-w}``, quotes and the escape character.

A word is one argument of an instruction. The rules resemble a shell's and are not a shell's: an unset variable is
empty, ``'`` quotes everything, ``"`` everything but ``$`` and escapes, and the escape character is the file's own.
Source: Dockerfile reference, "Environment replacement"; moby/buildkit frontend/dockerfile/shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.dockerfile import patterns
from pipeline_kit.dockerfile.directives import DEFAULT_ESCAPE
from pipeline_kit.dockerfile.faults import ExpansionError
from pipeline_kit.dockerfile.text import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

_DEEPEST = 64
_SPECIAL = frozenset("@*#?-$!0")
_MODIFIERS = frozenset("+-?#%")


def expand(word: str, lookup: Lookup, *, escape: str = DEFAULT_ESCAPE, quotes: bool = True) -> str:
    """Return ``word`` with its variables replaced and its quotes and escapes removed.

    ``lookup`` gives a variable's value, or ``None`` when it is not set. Every variable that the word names is asked
    for, also in the branch of a ``${X:-w}`` that is not taken. ``quotes=False`` leaves quotes alone, as in heredocs.

    Raises :class:`ExpansionError`, and whatever ``lookup`` raises.
    """
    return _Lexer(word, lookup, escape=escape, quotes=quotes).run()[0]


def names_in(word: str, *, escape: str = DEFAULT_ESCAPE, quotes: bool = True) -> frozenset[str]:
    """Return the names of the variables that expanding ``word`` would ask for."""
    names: set[str] = set()

    def record(name: str) -> str:
        names.add(name)
        return "x"

    try:
        expand(word, record, escape=escape, quotes=quotes)
    except ExpansionError:
        return frozenset(names)
    return frozenset(names)


def split(text: str, *, raw_quotes: bool, raw_escapes: bool) -> list[str]:
    """Return the words of ``text``, variables left as written; quotes and escapes are kept where ``raw``.

    Raises :class:`ExpansionError`.
    """
    return _Lexer(text, _unset, raw_quotes=raw_quotes, raw_escapes=raw_escapes, keep_unset=True).run()[1]


def _unset(_name: str) -> None:
    return None


class _Words:
    """Words gathered while a text is read; ``buffer`` is shared with nested readings, as in BuildKit."""

    def __init__(self, buffer: list[str]) -> None:
        self.buffer = buffer
        self.words: list[str] = []
        self._inside = False

    def add(self, text: str) -> None:
        for char in text:
            if char not in SPACE:
                self.add_raw(char)
            elif self._inside and self.buffer:
                self.words.append("".join(self.buffer))
                self.buffer.clear()
                self._inside = False

    def add_raw(self, text: str) -> None:
        if text:
            self.buffer.append(text)
        self._inside = True

    def finish(self) -> list[str]:
        if self.buffer:
            self.words.append("".join(self.buffer))
            self.buffer.clear()
        return self.words


class _Lexer:
    """One reading of one text, from ``position`` on."""

    def __init__(
        self,
        text: str,
        lookup: Lookup,
        *,
        escape: str = DEFAULT_ESCAPE,
        quotes: bool = True,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self._text = text
        self._lookup = lookup
        self._escape = escape
        self._raw_quotes = raw_quotes
        self._raw_escapes = raw_escapes
        self._keep_unset = keep_unset
        self._position = 0
        self._depth = 0
        self._buffer: list[str] = []
        self._special: dict[str, Callable[[], str]] = {"$": self._dollar, "<": self._angle}
        if quotes:
            self._special |= {"'": self._single_quoted, '"': self._double_quoted}

    def run(self) -> tuple[str, list[str]]:
        """Return the whole text expanded, and its words."""
        return self._until("", raw_escapes=self._raw_escapes)

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self) -> str:
        char = self._peek()
        self._position += 1
        return char

    def _until(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Read up to ``stop`` (``""``: the end), which is taken and not returned."""
        if self._depth >= _DEEPEST:
            raise ExpansionError("the substitutions are nested too deeply")
        outer, self._raw_escapes = self._raw_escapes, raw_escapes
        self._depth += 1
        try:
            return self._read(stop)
        finally:
            self._raw_escapes = outer
            self._depth -= 1

    def _read(self, stop: str) -> tuple[str, list[str]]:
        result: list[str] = []
        self._buffer.clear()
        words = _Words(self._buffer)
        while char := self._peek():
            if char == stop:
                self._take()
                return "".join(result), words.finish()
            special = self._special.get(char)
            if special is not None:
                text = special()
                result.append(text)
                (words.add if char == "$" else words.add_raw)(text)
            else:
                result.append(self._ordinary(words))
        if stop:
            raise ExpansionError(f"missing {stop}")
        return "".join(result), words.finish()

    def _ordinary(self, words: _Words) -> str:
        char = self._take()
        if char != self._escape:
            words.add(char)
            return char
        kept = char if self._raw_escapes else ""
        escaped = self._take()
        words.add_raw(kept + escaped)
        return kept + escaped

    def _single_quoted(self) -> str:
        self._take()
        end = self._text.find("'", self._position)
        if end < 0:
            raise ExpansionError("missing the closing '")
        inside = self._text[self._position : end]
        self._position = end + 1
        return f"'{inside}'" if self._raw_quotes else inside

    def _double_quoted(self) -> str:
        quote = '"' if self._raw_quotes else ""
        self._take()
        result = [quote]
        while char := self._peek():
            if char == '"':
                self._take()
                return "".join([*result, quote])
            result.append(self._dollar() if char == "$" else self._inside_double_quotes())
        raise ExpansionError('missing the closing "')

    def _inside_double_quotes(self) -> str:
        char = self._take()
        if char != self._escape:
            return char
        kept = char if self._raw_escapes else ""
        following = self._peek()
        if not following:
            return kept
        return kept + (self._take() if following in {'"', "$", self._escape} else char)

    def _angle(self) -> str:
        self._take()
        if self._peek() != "<":
            return "<"
        self._take()
        start = self._position
        while self._peek() in {"\t", "\r", " "}:
            self._take()
        return "<<" + self._text[start : self._position]

    def _name(self) -> str:
        first = self._peek()
        if first.isdecimal():
            start = self._position
            while self._peek().isdecimal():
                self._take()
            return self._text[start : self._position]
        if first in _SPECIAL:
            return self._take()
        start = self._position
        while (char := self._peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
            self._take()
        return self._text[start : self._position]

    def _dollar(self) -> str:
        self._take()
        if self._peek() != "{":
            name = self._name()
            return self._value(name, f"${name}") if name else "$"
        self._take()
        if self._peek() in {"{", "}", ":", ""}:
            raise ExpansionError("bad substitution after ${")
        name = self._name()
        modifier = self._take()
        if modifier == "}":
            return self._value(name, f"${{{name}}}")
        if modifier == "/":
            return self._replacement(name)
        empty_is_unset = modifier == ":"
        if empty_is_unset:
            modifier = self._take()
        if modifier not in _MODIFIERS or (empty_is_unset and modifier in "#%"):
            raise ExpansionError(f"unsupported modifier {modifier or 'at the end'} in ${{{name}…}}")
        return self._modified(name, modifier, empty_is_unset=empty_is_unset)

    def _value(self, name: str, written: str) -> str:
        value = self._lookup(name)
        if value is None:
            return written if self._keep_unset else ""
        return value

    def _modified(self, name: str, modifier: str, *, empty_is_unset: bool) -> str:
        word = self._until("}", raw_escapes=modifier in "#%")[0]
        value = self._lookup(name)
        if value is None and self._keep_unset:
            return f"${{{name}{':' if empty_is_unset else ''}{modifier}{word}}}"
        missing = value is None or (empty_is_unset and not value)
        if modifier == "-":
            return word if missing else value or ""
        if modifier == "+":
            return "" if missing else word
        if modifier == "?":
            if missing:
                default = "is not allowed to be unset" if value is None else "is not allowed to be empty"
                raise ExpansionError(f"{name}: {word or default}", hint=f"give the build argument {name} a value")
            return value or ""
        longest = word.startswith(modifier)
        remove = patterns.remove_prefix if modifier == "#" else patterns.remove_suffix
        return remove(value or "", word[1:] if longest else word, longest=longest)

    def _replacement(self, name: str) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._take()
        pattern = self._until("/", raw_escapes=True)[0]
        replacement = self._until("}", raw_escapes=True)[0]
        value = self._lookup(name)
        if value is None and self._keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        return patterns.replace(value or "", pattern, replacement, everywhere=everywhere)
