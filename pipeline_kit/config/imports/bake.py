"""What ``docker buildx bake --print`` says, as entries of ``images:``.

Bake itself has resolved variables, functions, inheritance and matrices by then. Source: buildx, "Bake file reference".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.document import MappingNode, Node, Position, ScalarNode, SequenceNode, Unreadable
from pipeline_kit.config.findings import shown
from pipeline_kit.config.placeholders import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline_kit.config.fields import Reading

_TARGET = re.compile(r"""(?m)^[ \t]*(?P<word>target[ \t]+"?(?P<hcl>[\w-]+)"?[ \t]*\{)""")
_LINK = "target:"
_NOT_TAKEN = frozenset({"labels", "network", "extra-hosts", "entitlements", "annotations"})
_TEXTS = {"dockerfile": "dockerfile", "target": "target"}


def read_bake(reading: Reading, data: bytes, printed: bytes) -> dict[str, tuple[ScalarNode, MappingNode]]:
    """Return the images by target name; ``data`` is the bake file, for places, and ``printed`` bake's answer.

    Images are what bare ``docker buildx bake`` builds (the group ``default``), and the targets that those build upon.
    Raises Unreadable when the answer is none.
    """
    try:
        targets = json.loads(printed)["target"].items()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        reading.findings.add(Position(1, 1), "bake's answer cannot be read", suggestion="try another buildx")
        raise Unreadable from None
    places = _places(data.decode("utf-8", "replace"))
    found = {}
    for name, target in targets:
        at = places.get(name, Position(1, 1))
        where = _Target(reading, at, name)
        node = where.image(target if isinstance(target, dict) else {})
        if node is not None:
            found[name] = (where.scalar(name), node)
    return found


def _places(text: str) -> dict[str, Position]:
    """Return where each target is written, as far as its name stands there (one made by a matrix does not)."""
    found: dict[str, Position] = {}
    pattern = re.compile(r'"(?P<hcl>[\w-]+)"[ \t]*:[ \t]*\{') if text.lstrip()[:1] == "{" else _TARGET
    for match in pattern.finditer(text):
        start = match.start("word") if "word" in match.re.groupindex else match.start()
        before = text[:start]
        found.setdefault(match["hcl"], Position(before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1))
    return found


class _Target:
    """One target; all its values are said to stand where the target begins."""

    def __init__(self, reading: Reading, at: Position, name: str) -> None:
        self._reading = reading
        self._at = at
        self._name = name

    def scalar(self, text: str) -> ScalarNode:
        """Return a text."""
        return ScalarNode(self._at.line, self._at.column, text, plain=False, inset=-1, file=self._reading.findings.mark)

    def image(self, target: Mapping[str, Any]) -> MappingNode | None:
        """Return the target's entry, ``None`` after a problem that leaves nothing of it."""
        self._tell(target)
        if "dockerfile-inline" in target:
            return None
        entries: dict[str, Node] = {"context": self.scalar(str(target.get("context") or "."))}
        entries |= {ours: self.scalar(str(target[name])) for name, ours in _TEXTS.items() if target.get(name)}
        args = {str(name): str(value) for name, value in _pairs(target.get("args")) if value is not None}
        if args:
            entries["args"] = self._mapping({name: self.scalar(escape(value)) for name, value in args.items()})
        contexts = {str(name): self.scalar(_context(str(value))) for name, value in _pairs(target.get("contexts"))}
        if contexts:
            entries["contexts"] = self._mapping(contexts)
        if target.get("platforms"):
            entries["platforms"] = self._sequence(map(str, target["platforms"]))
        secrets = {name: self._mapping(value) for name, value in map(self._secret, _items(target.get("secret")))}
        if secrets:
            entries["secrets"] = self._mapping(secrets)
        if target.get("ssh"):
            entries["ssh"] = self._sequence(_id(item, "default") for item in _items(target["ssh"]))
        return self._mapping(entries)

    def _tell(self, target: Mapping[str, Any]) -> None:
        key = f"target.{self._name}"
        at = self.scalar("")
        if "dockerfile-inline" in target:
            message = f"target {shown(self._name)}: 'dockerfile-inline' is not read: nothing but a file has a history"
            self._reading.findings.add(at, message, key=key, suggestion="write it into a Dockerfile")
        for name in sorted(_NOT_TAKEN & {name for name, value in target.items() if value}):
            message = f"target {shown(self._name)}: '{name}' is not taken over: images are built without it"
            self._reading.findings.warn(at, message, key=key)

    def _secret(self, item: Any) -> tuple[str, dict[str, Node]]:
        """Return id and source of ``id=…,env=…`` or ``{"id": …, "env": …}``; without a source the id is a variable."""
        members = item if isinstance(item, dict) else _fields(str(item))
        name = str(members.get("id") or "")
        file = members.get("src") or members.get("source")
        if file and members.get("type") != "env":
            return name, {"file": self.scalar(str(file))}
        return name, {"env": self.scalar(str(members.get("env") or file or name))}

    def _mapping(self, entries: Mapping[str, Node]) -> MappingNode:
        pairs = tuple((self.scalar(name), node) for name, node in entries.items())
        return MappingNode(self._at.line, self._at.column, pairs, self._reading.findings.mark)

    def _sequence(self, texts: Iterable[str]) -> SequenceNode:
        items = tuple(map(self.scalar, texts))
        return SequenceNode(self._at.line, self._at.column, items, self._reading.findings.mark)


def _context(value: str) -> str:
    return f"image:{value.removeprefix(_LINK)}" if value.startswith(_LINK) else value


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in text.split(","))}


def _id(item: Any, default: str) -> str:
    if isinstance(item, dict):
        return str(item.get("id") or default)
    return str(item).partition("=")[0] or default
