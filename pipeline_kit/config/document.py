"""YAML bytes to a tree of nodes with positions, bounded before anything is built (design D12).

Only the event parser of PyYAML is used. Its composers and constructors are not: the C one overflows its stack on
deeply nested input, the pure one raises RecursionError, and both resolve YAML 1.1's surprises before anybody can
object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.findings import shown
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline_kit.config.findings import Findings, Positioned

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASES = 1000
MAX_NODES = 50_000
MAX_EXPANDED = 2 * 1024 * 1024
"""Characters, with 8 more for each node, that the document may have once every alias is written out."""

_BEGIN = "version: 1"
_NODE_COST = 8
_BOM = b"\xef\xbb\xbf"
_ASCII_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_CONTROL = r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_QUOTES = frozenset("'\"")
_STANDARD = "tag:yaml.org,2002:"
_HARMLESS_TAGS = frozenset({"!", f"{_STANDARD}str", f"{_STANDARD}map", f"{_STANDARD}seq"})


class Position(NamedTuple):
    """A 1-based line and column."""

    line: int
    column: int
    file: str = ""
    """The file's name where it is an imported one; empty in the configuration itself."""


class ScalarNode(NamedTuple):
    """A piece of text; ``plain`` when nothing (quotes, ``!!str``) says that it is a string."""

    line: int
    column: int
    value: str
    plain: bool
    inset: int
    """Columns from the node's start to its first character, or -1 where offsets in ``value`` are not columns."""
    file: str = ""


class SequenceNode(NamedTuple):
    """A list."""

    line: int
    column: int
    items: tuple[Node, ...]
    file: str = ""


class MappingNode(NamedTuple):
    """Keys and values in the order written, merge keys resolved, no key twice."""

    line: int
    column: int
    entries: tuple[tuple[ScalarNode, Node], ...]
    file: str = ""


Node = ScalarNode | SequenceNode | MappingNode


class Unreadable(Exception):
    """The document cannot be read any further; the reason is in the findings. Never leaves ``load``."""


def read_document(data: bytes, findings: Findings, *, begin: str = _BEGIN) -> MappingNode:
    """Return the tree of the one mapping in ``data`` (UTF-8, with or without a BOM), which should ``begin`` so.

    Problems that leave the rest readable go to ``findings`` only; after the others :class:`Unreadable` is raised.
    """
    text = _decode(data, findings)
    import yaml  # noqa: PLC0415 - commands that read no configuration must not pay for it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(findings, begin)
    handlers = builder.handlers()
    try:
        for event in yaml.parse(text, Loader=loader):
            handler = handlers.get(type(event).__name__)
            if handler is not None:
                handler(event)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        _add_syntax(findings, text, error)
        raise Unreadable from None
    return builder.root()


def _fail(findings: Findings, at: Positioned, message: str, suggestion: str = "") -> Unreadable:
    findings.add(at, message, suggestion=suggestion)
    return Unreadable()


def _decode(data: bytes, findings: Findings) -> str:
    if len(data) > MAX_BYTES:
        raise _fail(findings, Position(1, 1), f"the file has {len(data)} bytes; at most {MAX_BYTES} are read")
    body = data.removeprefix(_BOM)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _position(body[: error.start].decode("utf-8"))
        raise _fail(findings, at, "the file is not UTF-8", "save it as UTF-8") from None
    # Compiling the whole of Unicode takes longer than reading most configurations does.
    control = re.search(_ASCII_CONTROL if text.isascii() else _CONTROL, text)
    if control:
        at = _position(text[: control.start()])
        raise _fail(findings, at, f"control character U+{ord(control[0]):04X} is not allowed")
    directive = _TAG_DIRECTIVE.search(text)
    if directive:
        raise _fail(
            findings, _position(text[: directive.start()]), "%TAG directives are not allowed", "remove the line"
        )
    return text


def _position(before: str) -> Position:
    return Position(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _add_syntax(findings: Findings, text: str, error: Exception) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    at = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    line = next(iter(text.splitlines()[at.line - 1 : at.line]), "")
    char = line[at.column - 1 : at.column]
    if char == "\t" or "tab character" in problem:
        findings.add(at, "a tab stands where YAML wants spaces", suggestion="indent with spaces")
        return
    suggestion = ""
    if "mapping values are not allowed" in problem:
        suggestion = "check the indentation, and quote a value that holds ': '"
    elif "cannot start any token" in problem:
        suggestion = f"quote a value that begins with {shown(char)}" if char else ""
    elif "{" in line:
        suggestion = "quote a value that holds '{' or '}'"
    findings.add(at, f"not valid YAML: {problem}", suggestion=suggestion)


class _Frame:
    """A list or mapping that is still open; ``children`` of a mapping alternate between keys and values."""

    __slots__ = ("anchor", "at", "children", "height", "is_mapping", "weight")

    def __init__(self, at: Position, *, is_mapping: bool, anchor: str | None) -> None:
        self.at = at
        self.is_mapping = is_mapping
        self.anchor = anchor
        self.children: list[Node] = []
        self.weight = _NODE_COST
        self.height = 1


class _Anchored(NamedTuple):
    node: Node
    weight: int
    height: int


class _Builder:
    """Builds nodes from events with a stack of its own, so that no input reaches Python's or C's."""

    def __init__(self, findings: Findings, begin: str) -> None:
        self._findings = findings
        self._begin = begin
        self._empty = f"write '{begin}'" + (" and 'images:'" if begin == _BEGIN else "")
        self._file = findings.mark
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._aliases = 0
        self._nodes = 0
        self._documents = 0
        self._root: Node | None = None

    def handlers(self) -> dict[str, Callable[[Any], None]]:
        """Return what takes each of PyYAML's events, by class name; the others carry nothing."""
        return {
            "ScalarEvent": self._scalar,
            "AliasEvent": self._alias,
            "SequenceStartEvent": self._open,
            "MappingStartEvent": self._open,
            "SequenceEndEvent": self._close,
            "MappingEndEvent": self._close,
            "DocumentStartEvent": self._document,
        }

    def root(self) -> MappingNode:
        """Return the mapping at the top; raise Unreadable when the document holds nothing or something else."""
        node = self._root
        if node is None or (isinstance(node, ScalarNode) and node.plain and not node.value):
            raise _fail(self._findings, Position(1, 1), "the file is empty", self._empty)
        if not isinstance(node, MappingNode):
            what = "a list" if isinstance(node, SequenceNode) else "a single value"
            message = f"the file holds {what}; it must be a mapping"
            raise _fail(self._findings, node, message, f"begin with '{self._begin}'")
        return node

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _fail(self._findings, _at(event), "the file holds more than one document", "remove the line '---'")

    def _scalar(self, event: Any) -> None:
        start, end, value, style = event.start_mark, event.end_mark, event.value, event.style
        if event.tag is not None:
            self._check_tag(event)
        line, column, length = start.line, start.column, len(value)
        quotes = 1 if style in _QUOTES else 0
        is_exact = line == end.line and end.column - column == length + 2 * quotes
        plain = not style and event.implicit[0] and event.tag is None
        node = ScalarNode(line + 1, column + 1, value, plain, quotes if is_exact else -1, self._file)
        weight = _NODE_COST + length
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, weight, 1)
        self._add(node, weight, 1)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        name, at = event.anchor, _at(event)
        if self._aliases > MAX_ALIASES:
            raise _fail(self._findings, at, f"more than {MAX_ALIASES} aliases", "share settings through 'defaults'")
        if any(frame.anchor == name for frame in self._stack):
            raise _fail(self._findings, at, f"alias {shown('*' + name)} stands inside what it refers to")
        target = self._anchors.get(name)
        if target is None:
            raise _fail(self._findings, at, f"alias {shown('*' + name)} refers to no anchor above it")
        self._add(target.node, target.weight, target.height)

    def _open(self, event: Any) -> None:
        if event.tag is not None:
            self._check_tag(event)
        is_mapping = type(event).__name__ == "MappingStartEvent"
        self._stack.append(_Frame(_at(event), is_mapping=is_mapping, anchor=event.anchor))
        self._check_depth(len(self._stack))

    def _close(self, _event: Any) -> None:
        frame = self._stack.pop()
        node: Node
        if frame.is_mapping:
            node = MappingNode(frame.at.line, frame.at.column, self._entries(frame.children), self._file)
        else:
            node = SequenceNode(frame.at.line, frame.at.column, tuple(frame.children), self._file)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(node, frame.weight, frame.height)
        self._add(node, frame.weight, frame.height)

    def _add(self, node: Node, weight: int, height: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _fail(self._findings, node, f"the file holds more than {MAX_NODES} values")
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        frame.children.append(node)
        frame.weight += weight
        if height >= frame.height:
            frame.height = height + 1
            self._check_depth(len(self._stack) + height)
        if frame.weight > MAX_EXPANDED:
            raise _fail(self._findings, frame.at, "aliases make this too large to be written out")

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _fail(self._findings, self._stack[-1].at, f"more than {MAX_DEPTH} levels of nesting")

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _HARMLESS_TAGS:
            tag = event.tag.replace(_STANDARD, "!!")
            self._findings.add(_at(event), f"tag {shown(tag)} is not allowed", suggestion="remove it")

    def _entries(self, children: list[Node]) -> tuple[tuple[ScalarNode, Node], ...]:
        own: dict[str, tuple[ScalarNode, Node]] = {}
        merged: Node | None = None
        for key, value in _pairs(children):
            if not isinstance(key, ScalarNode):
                self._findings.add(key, "a key must be text", suggestion="quote a key that holds '{' or '['")
            elif key.plain and key.value == "<<" and merged is None:
                merged = value
            elif key.value in own or (key.plain and key.value == "<<"):
                first = own[key.value][0] if key.value in own else None
                where = f" (first in line {first.line}, column {first.column})" if first else ""
                self._findings.add(key, f"key {shown(key.value)} is written twice{where}", key=key.value)
            else:
                own[key.value] = (key, value)
        for source in self._merge_sources(merged):
            for key, value in source.entries:
                own.setdefault(key.value, (key, value))
        return tuple(own.values())

    def _merge_sources(self, merged: Node | None) -> Iterator[MappingNode]:
        sources = merged.items if isinstance(merged, SequenceNode) else (() if merged is None else (merged,))
        for source in sources:
            if isinstance(source, MappingNode):
                yield source
            else:
                self._findings.add(source, "'<<' merges mappings only", suggestion="write '<<: *anchor'")


def _pairs(children: list[Node]) -> Iterator[tuple[Node, Node]]:
    return zip(children[::2], children[1::2], strict=True)


def _at(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)
