"""JSON (RFC 8259) as text with positions, so that one value can be replaced and every other byte kept.

``json`` from the standard library gives values without their place; re-encoding those would lose number spelling,
escapes, indentation and duplicate keys. This scanner gives the span of every node and refuses what is ambiguous.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from pipeline_kit.errors import Problem, TaskDefinitionError
from pipeline_kit.values import value_class

MAX_DEPTH = 100
"""Levels of nesting; a task definition has about six."""

Kind = Literal["object", "array", "string", "number", "word"]

_BLANK = re.compile(r"[ \t\n\r]*+")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
_STRING_PREFIX = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?")
_WORD = re.compile(r"true|false|null")


@value_class()
class Node:
    """One value: ``text[start:end]`` is its spelling; objects have ``members``, arrays have ``items``."""

    kind: Kind
    start: int
    end: int
    members: tuple[Member, ...] = ()
    items: tuple[Node, ...] = ()

    def member(self, key: str) -> Member | None:
        """Return the member called ``key``, or ``None``."""
        return next((member for member in self.members if member.key == key), None)


@value_class()
class Member:
    """One ``key: value`` of an object; ``key`` is decoded, ``key_start`` and ``key_end`` include its quotes."""

    key: str
    key_start: int
    key_end: int
    value: Node


@value_class()
class Source:
    """A file's name and its text without a byte order mark."""

    file: str
    text: str

    def problem(self, position: int, message: str, suggestion: str = "") -> Problem:
        """Return a finding at the character ``position`` (0-based) of the text."""
        line = self.text.count("\n", 0, position) + 1
        column = position - self.text.rfind("\n", 0, position)
        return Problem(self.file, line, column, message, suggestion=suggestion)

    def error(self, position: int, message: str, suggestion: str = "") -> TaskDefinitionError:
        """Return the error whose message starts with ``file:line:column``."""
        return TaskDefinitionError(str(self.problem(position, message, suggestion)))

    def string(self, node: Node) -> str:
        """Return the decoded value of a string node."""
        return _decoded(self.text[node.start : node.end])


BOM = b"\xef\xbb\xbf"


def decode(data: bytes, name: str) -> Source:
    """Return the text of a JSON file. Raises TaskDefinitionError at the first byte that is not UTF-8."""
    body = data.removeprefix(BOM)
    try:
        return Source(name, body.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = Source(name, body[: error.start].decode("utf-8"))
        raise before.error(len(before.text), "not JSON: this is not UTF-8 text") from None


def scan(source: Source) -> Node:
    """Return the root value of ``source``.

    Raises TaskDefinitionError at the first character that is not JSON, at a key that occurs twice in one object, and
    at nesting deeper than :data:`MAX_DEPTH`.
    """
    scanner = _Scanner(source)
    position = scanner.blank(0)
    root = scanner.value(position, 1)
    rest = scanner.blank(root.end)
    if rest != len(source.text):
        raise source.error(rest, "not JSON: something follows the end of the document")
    return root


@value_class()
class _Scanner:
    source: Source

    def blank(self, position: int) -> int:
        match = _BLANK.match(self.source.text, position)
        return match.end() if match else position

    def value(self, position: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.source.error(position, f"nested deeper than {MAX_DEPTH} levels")
        first = self.source.text[position : position + 1]
        if first == "{":
            return self._object(position, depth)
        if first == "[":
            return self._array(position, depth)
        if first == '"':
            return Node("string", position, self._string_end(position))
        for kind, pattern in _SCALARS:
            match = pattern.match(self.source.text, position)
            if match:
                return Node(kind, position, match.end())
        raise self._unexpected(position, "a value")

    def _object(self, start: int, depth: int) -> Node:
        members: list[Member] = []
        seen: set[str] = set()
        position = self.blank(start + 1)
        if self._at(position, "}"):
            return Node("object", start, position + 1)
        while True:
            member = self._member(position, depth)
            if member.key in seen:
                raise self.source.error(member.key_start, f"the key {member.key!r} occurs twice in one object")
            seen.add(member.key)
            members.append(member)
            position = self.blank(member.value.end)
            if self._at(position, "}"):
                return Node("object", start, position + 1, members=tuple(members))
            position = self._after_comma(position, "}")

    def _member(self, position: int, depth: int) -> Member:
        if not self._at(position, '"'):
            raise self._unexpected(position, "a key in double quotes")
        key_end = self._string_end(position)
        colon = self.blank(key_end)
        if not self._at(colon, ":"):
            raise self._unexpected(colon, "':'")
        key = _decoded(self.source.text[position:key_end])
        return Member(key, position, key_end, self.value(self.blank(colon + 1), depth + 1))

    def _array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        position = self.blank(start + 1)
        if self._at(position, "]"):
            return Node("array", start, position + 1)
        while True:
            item = self.value(position, depth + 1)
            items.append(item)
            position = self.blank(item.end)
            if self._at(position, "]"):
                return Node("array", start, position + 1, items=tuple(items))
            position = self._after_comma(position, "]")

    def _after_comma(self, position: int, closing: str) -> int:
        if not self._at(position, ","):
            raise self._unexpected(position, f"',' or {closing!r}")
        following = self.blank(position + 1)
        if self._at(following, closing):
            raise self.source.error(position, f"not JSON: a comma before {closing!r}")
        return following

    def _string_end(self, position: int) -> int:
        match = _STRING.match(self.source.text, position)
        if match:
            return match.end()
        prefix = _STRING_PREFIX.match(self.source.text, position)
        broken = prefix.end() if prefix else position
        if broken >= len(self.source.text):
            raise self.source.error(position, "not JSON: this string has no end")
        what = "a bad escape" if self._at(broken, "\\") else "a raw control character"
        raise self.source.error(broken, f"not JSON: {what} in a string")

    def _at(self, position: int, character: str) -> bool:
        return self.source.text.startswith(character, position)

    def _unexpected(self, position: int, wanted: str) -> TaskDefinitionError:
        found = self.source.text[position : position + 1]
        return self.source.error(position, f"not JSON: expected {wanted}, found {repr(found) if found else 'the end'}")


_SCALARS: tuple[tuple[Kind, re.Pattern[str]], ...] = (("number", _NUMBER), ("word", _WORD))


def _decoded(spelling: str) -> str:
    return str(json.loads(spelling))
