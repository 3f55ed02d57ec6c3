"""Values of a Compose file: text with its variables replaced, paths seen from the configuration's directory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.config.document import MappingNode, Node, ScalarNode, SequenceNode
from pipeline_kit.config.fields import is_null
from pipeline_kit.config.imports.variables import InterpolationFault
from pipeline_kit.config.paths import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.config.fields import Reading
    from pipeline_kit.config.imports.variables import Variables

_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]{0,17})|true|false")
"""What is no text in YAML and is written the same way by Compose all the same."""


class Values:
    """Answers about nodes of one file; ``base`` is its directory, relative to the configuration's."""

    def __init__(self, reading: Reading, variables: Variables, base: str) -> None:
        self._reading = reading
        self.variables = variables
        self._base = base

    def text(self, node: Node, key: str) -> ScalarNode | None:
        """Return a scalar with its variables replaced, ``None`` after a problem."""
        add = self._reading.findings.add
        last = key.rpartition(".")[2]
        if not isinstance(node, ScalarNode) or is_null(node):
            what = "has no value" if isinstance(node, ScalarNode) else "must be text"
            add(node, f"'{last}' {what}", key=key)
            return None
        try:
            value = self.variables.interpolate(node.value)
        except InterpolationFault as fault:
            offset = fault.offset + node.inset if node.inset >= 0 else 0
            add(node, fault.message, key=key, suggestion=fault.suggestion, offset=offset)
            return None
        if value == node.value:
            return node._replace(plain=False) if _SCALAR.fullmatch(value) else node
        return node._replace(value=value, plain=False, inset=-1)

    def path(self, node: Node, key: str) -> ScalarNode | None:
        """Return a path that Compose takes from its file's directory, as seen from the configuration's."""
        found = self.text(node, key)
        if found is None or not found.value or self._base == "." or "://" in found.value:
            return found
        return found._replace(value=join(self._base, found.value), inset=-1)

    def variable(self, node: ScalarNode, name: str, key: str) -> str | None:
        """Return an environment variable that ``node`` takes over by its name, ``None`` where it is not set."""
        try:
            return self.variables.get(name)
        except InterpolationFault as fault:
            self._reading.findings.add(node, fault.message, key=key, suggestion=fault.suggestion)
            return None

    def pairs(self, node: Node, key: str) -> Iterator[tuple[ScalarNode, Node | None]]:
        """Yield name and value of a mapping, or of a list of ``NAME=VALUE``; ``None`` where only the name stands."""
        if isinstance(node, MappingNode):
            for name, value in node.entries:
                yield name, None if is_null(value) else value
        elif isinstance(node, SequenceNode):
            for item in node.items:
                text = self.text(item, key)
                if text is not None:
                    word, equals, rest = text.value.partition("=")
                    at = text._replace(value=rest.replace("$", "$$"), plain=False, inset=-1)
                    yield text._replace(value=word, plain=False), at if equals else None
        else:
            self._reading.findings.add(node, f"'{key.rpartition('.')[2]}' must be a mapping or a list", key=key)

    @staticmethod
    def sequence(at: Node, items: tuple[Node, ...]) -> SequenceNode:
        """Return a list written where ``at`` is."""
        return SequenceNode(at.line, at.column, items, at.file)

    @staticmethod
    def mapping(at: Node, entries: tuple[tuple[ScalarNode, Node], ...]) -> MappingNode:
        """Return a mapping written where ``at`` is."""
        return MappingNode(at.line, at.column, entries, at.file)

    def tell_unset(self, at: Node) -> None:
        """Warn about variables that were not set: Compose takes an empty text for them, and so does this."""
        for name in self.variables.unset:
            message = f"variable '{name}' is not set, so it is empty, as Compose has it"
            self._reading.findings.warn(at, message, suggestion=f"set it, or write ${{{name}:-default}}")
