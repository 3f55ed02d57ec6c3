"""Nodes to typed values: one function a type, each reporting what is wrong and returning ``None`` then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.config.document import MappingNode, Node, ScalarNode, SequenceNode
from pipeline_kit.config.findings import did_you_mean, one_of, shown
from pipeline_kit.config.keys import AGE_PATTERN
from pipeline_kit.config.placeholders import PLACEHOLDERS, holds_placeholder
from pipeline_kit.late_pattern import late_pattern
from pipeline_kit.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipeline_kit.config.findings import Findings
    from pipeline_kit.config.paths import Paths

_NOT_TEXT = re.compile(
    r"""~|null|Null|NULL|=|<<
    |yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF
    |[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?   # 12, 1_000, 0777, 1.10, 1e3, 1.5e+3
    |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?               # .5
    |[-+]?0b[01_]+|[-+]?0x[0-9a-fA-F_]+|0o[0-7]+
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?      # 12:30:45 is 45045 in YAML 1.1
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[\ \t]+)[0-9:.]+[\ \t]*(?:Z|[-+][0-9:]+)?)?""",
    re.VERBOSE,
)
_SUSPICIOUS = frozenset("~=<yYnNtTfFoO+-.0123456789")
"""First characters of everything that the pattern above matches: most texts need no more than this look."""

_LONGEST_SURPRISE = 100
MAX_TEXT = 32 * 1024
"""Characters of one value: near what a process takes as one argument, and far beyond what anybody writes."""

MAX_TAKEN = 1024 * 1024
"""Characters that environment placeholders may bring in altogether."""

_INTEGER = late_pattern(r"0|[1-9][0-9]{0,8}")
_AGE = late_pattern(AGE_PATTERN)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Environment:
    """The environment, with a bound on all that is ever taken from it: placeholders must not multiply a long value."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._left = MAX_TAKEN

    def take(self, name: str) -> str | None:
        """Return the value of ``name`` or ``None``. Raises ValueError when more than the bound was taken."""
        value = self._variables.get(name)
        self._left -= len(value or "")
        if self._left < 0:
            raise ValueError(name)
        return value


class Reading(NamedTuple):
    """What every reading function needs."""

    findings: Findings
    environment: Environment
    paths: Paths


class Members(NamedTuple):
    """The known keys of a mapping, by name."""

    node: MappingNode
    where: str
    nodes: Mapping[str, Node]

    def get(self, name: str) -> Node | None:
        """Return the value written for ``name``, or ``None`` where the key is not written."""
        return self.nodes.get(name)

    def key(self, name: str) -> str:
        """Return the dotted path of ``name``, as problems name it."""
        return f"{self.where}.{name}" if self.where else name


def is_null(node: Node) -> bool:
    """Return whether nothing, or YAML's null, stands where a value is expected."""
    return isinstance(node, ScalarNode) and node.plain and node.value in ("", "~", "null", "Null", "NULL")


def is_surprising(node: ScalarNode) -> bool:
    """Return whether a YAML 1.1 reader would make something other than a string of this scalar."""
    if not node.plain or len(node.value) > _LONGEST_SURPRISE:
        return False
    return not node.value or (node.value[0] in _SUSPICIOUS and _NOT_TEXT.fullmatch(node.value) is not None)


def read_text(reading: Reading, node: Node, key: str, *, hidden: bool = False, template: bool = False) -> str | None:
    """Return a string of one line. ``hidden`` keeps its text out of problems; ``template`` leaves braces to others."""
    add = reading.findings.add
    if not isinstance(node, ScalarNode):
        add(node, f"'{_last(key)}' must be text, not {_what(node)}", key=key, suggestion=_unquoted(node))
    elif is_null(node):
        add(node, f"'{_last(key)}' has no value", key=key, suggestion="remove the key or give it a value")
    elif is_surprising(node):
        literal = "this value" if hidden else f'"{node.value}"'
        suggestion = "" if hidden else f"write '{node.value}'"
        add(node, f"{literal} must be quoted here", key=key, suggestion=suggestion)
    elif len(node.value) > MAX_TEXT:
        add(node, f"'{_last(key)}' has more than {MAX_TEXT} characters", key=key)
    elif _CONTROL.search(node.value):
        add(node, f"'{_last(key)}' holds a line break or control character", key=key)
    else:
        found = None if template else holds_placeholder(node.value)
        if not found:
            return node.value
        offset = found.start() + node.inset if node.inset >= 0 else 0
        add(node, f"placeholder '{found[0]}' is not read here", key=key, offset=offset)
    return None


def read_filled(reading: Reading, node: Node, key: str) -> str | None:
    """Return a string as :func:`read_text` does, and report an empty one."""
    text = read_text(reading, node, key)
    if text == "":
        reading.findings.add(node, f"'{_last(key)}' is empty", key=key)
        return None
    return text


def read_word(reading: Reading, node: Node, key: str, words: Collection[str]) -> str | None:
    """Return one of ``words``."""
    text = read_text(reading, node, key)
    if text is None or text in words:
        return text
    suggestion = did_you_mean(text, words)
    message = f"{shown(text)} is not a value of '{_last(key)}': {one_of(words)}"
    reading.findings.add(node, message, key=key, suggestion=suggestion)
    return None


def read_integer(reading: Reading, node: Node, key: str) -> int | None:
    """Return a decimal number from 1 to 999999999."""
    if isinstance(node, ScalarNode) and node.plain and _INTEGER.fullmatch(node.value) and node.value != "0":
        return int(node.value)
    what = shown(node.value) if isinstance(node, ScalarNode) else _what(node)
    suggestion = ""
    if isinstance(node, ScalarNode) and not node.plain and _INTEGER.fullmatch(node.value):
        suggestion = f"write {node.value} without quotes"
    reading.findings.add(
        node, f"'{_last(key)}' must be a whole number above 0, not {what}", key=key, suggestion=suggestion
    )
    return None


def read_age(reading: Reading, node: Node, key: str, example: str) -> int | None:
    """Return seconds from a number and a unit, as in ``7d``; ``example`` is what a problem suggests."""
    if isinstance(node, ScalarNode) and _AGE.fullmatch(node.value):
        return int(node.value[:-1]) * _SECONDS[node.value[-1]]
    what = shown(node.value) if isinstance(node, ScalarNode) else "this"
    message = f"{what} is not an age: a number and one of s, m, h, d, w"
    reading.findings.add(node, message, key=key, suggestion=f"write {example}")
    return None


def read_boolean(reading: Reading, node: Node, key: str) -> bool | None:
    """Return ``true`` or ``false``; none of YAML 1.1's other spellings."""
    if isinstance(node, ScalarNode) and node.plain and node.value in ("true", "false"):
        return node.value == "true"
    what = shown(node.value) if isinstance(node, ScalarNode) else _what(node)
    reading.findings.add(node, f"'{_last(key)}' must be true or false, not {what}", key=key)
    return None


def read_items(reading: Reading, node: Node, key: str) -> tuple[Node, ...]:
    """Return the items of a list, ``()`` after a problem."""
    if isinstance(node, SequenceNode):
        return node.items
    suggestion = ""
    if is_null(node):
        suggestion = "remove the key or write []"
    elif isinstance(node, ScalarNode):
        quote = "" if node.plain and not _needs_quotes(node.value) else "'"
        suggestion = f"write [{quote}{node.value[:60]}{quote}]"
    reading.findings.add(node, f"'{_last(key)}' must be a list, not {_what(node)}", key=key, suggestion=suggestion)
    return ()


def read_texts(reading: Reading, node: Node, key: str, *, template: bool = False) -> list[tuple[str, Node]]:
    """Return the non-empty strings of a list with their nodes; one written twice counts once."""
    found: dict[str, Node] = {}
    for item in read_items(reading, node, key):
        text = read_text(reading, item, key, template=template)
        if text == "":
            reading.findings.add(item, f"'{_last(key)}' holds an empty text", key=key)
        elif text is not None:
            found.setdefault(text, item)
    return list(found.items())


def read_mapping(reading: Reading, node: Node, key: str) -> MappingNode | None:
    """Return ``node`` when it is a mapping."""
    if isinstance(node, MappingNode):
        return node
    suggestion = "remove the key or give it a value" if is_null(node) else ""
    what = "nothing" if is_null(node) else _what(node)
    reading.findings.add(node, f"'{_last(key)}' must be a mapping, not {what}", key=key, suggestion=suggestion)
    return None


def read_members(
    reading: Reading, node: Node, where: str, known: Collection[str], *, foreign: Mapping[str, str] | None = None
) -> Members | None:
    """Return the known keys of a mapping; unknown ones are reported, ``x-…`` at the top of the file excepted.

    ``foreign`` maps words that other tools use for one of ``known`` to it, for the suggestion.
    """
    mapping = read_mapping(reading, node, where)
    if mapping is None:
        return None
    nodes: dict[str, Node] = {}
    for key_node, value in mapping.entries:
        name = key_node.value
        if name in known:
            nodes[name] = value
        elif where or not name.startswith("x-"):
            meant = (foreign or {}).get(name)
            suggestion = f"did you mean '{meant}'?" if meant else did_you_mean(name, known)
            place = f" in '{where}'" if where else ""
            path = f"{where}.{name}" if where else name
            reading.findings.add(key_node, f"unknown key {shown(name)}{place}", key=path, suggestion=suggestion)
    return Members(mapping, where, nodes)


def read_named(
    reading: Reading, node: Node, where: str, pattern: re.Pattern[str], what: str
) -> Iterator[tuple[str, ScalarNode, Node]]:
    """Yield name, key and value of a mapping whose names the user chooses and ``pattern`` limits."""
    mapping = read_mapping(reading, node, where)
    for key_node, value in mapping.entries if mapping else ():
        name = key_node.value
        if is_surprising(key_node):
            suggestion = f"write '{name}'" if name else ""
            reading.findings.add(key_node, f'"{name}" must be quoted here', key=where, suggestion=suggestion)
        elif pattern.fullmatch(name):
            yield name, key_node, value
        else:
            suggestion = f"write '{name.lower()}'" if pattern.fullmatch(name.lower()) else ""
            message = f"{shown(name)} is not a legal {what} name"
            reading.findings.add(key_node, message, key=where, suggestion=suggestion)


def require(reading: Reading, members: Members, name: str, suggestion: str = "") -> Node | None:
    """Return the value of ``name``, reporting at the mapping when it is not written."""
    node = members.get(name)
    if node is None:
        place = f" in '{members.where}'" if members.where else ""
        reading.findings.add(members.node, f"'{name}' is missing{place}", key=members.key(name), suggestion=suggestion)
    return node


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _what(node: Node) -> str:
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    return "nothing" if is_null(node) else "a single value"


def _needs_quotes(text: str) -> bool:
    return any(char in text for char in "{}[],:#")


def _unquoted(node: Node) -> str:
    """Return a suggestion when ``{branch}`` was written without quotes, which YAML reads as a mapping."""
    if isinstance(node, MappingNode) and len(node.entries) == 1:
        name_node, value = node.entries[0]
        if is_null(value) and (name_node.value in PLACEHOLDERS or name_node.value.startswith("env.")):
            return f"""write "{{{name_node.value}}}" in quotes"""
    return ""
