"""``build:`` of a Compose service as an entry of ``images:``.

Source: Compose specification, "Compose Build Specification".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.config.document import MappingNode, Node, ScalarNode
from pipeline_kit.config.fields import is_null, read_items, read_mapping
from pipeline_kit.config.findings import did_you_mean, shown
from pipeline_kit.config.placeholders import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline_kit.config.fields import Reading
    from pipeline_kit.config.imports.values import Values

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")
_WITHOUT_EFFECT = frozenset(
    {"cache_from", "cache_to", "no_cache", "pull", "tags", "shm_size", "ulimits", "isolation", "provenance", "sbom"}
)
"""How an image is built or named, not what is in it."""
_NOT_TAKEN = frozenset({"labels", "network", "extra_hosts", "privileged", "entitlements"})
"""What could change the image and has no counterpart here."""


class BuildSection:
    """Translates build sections of one file, whose top-level ``secrets`` they refer to."""

    def __init__(self, reading: Reading, values: Values, secrets: Node | None) -> None:
        self._reading = reading
        self._values = values
        self._secrets = secrets
        self._readers: dict[str, Callable[[Node, str], Node | None]] = {
            "context": values.path,
            "dockerfile": values.text,
            "target": values.text,
            "args": self._args,
            "additional_contexts": self._contexts,
            "platforms": self._texts,
            "secrets": self._secrets_of,
            "ssh": self._ssh,
        }

    def image(self, node: Node, where: str) -> MappingNode | None:
        """Return the image's entry, or ``None`` after a problem that leaves nothing of it."""
        if isinstance(node, ScalarNode):
            context = self._values.path(node, where)
            key = node._replace(value="context", plain=False)
            return None if context is None else self._values.mapping(node, ((key, context),))
        mapping = read_mapping(self._reading, node, where)
        if mapping is None:
            return None
        entries: list[tuple[ScalarNode, Node]] = []
        for key, value in mapping.entries:
            reader = self._readers.get(key.value)
            if reader is None:
                self._other(key, where)
            elif not is_null(value):
                read = reader(value, f"{where}.{key.value}")
                ours = "contexts" if key.value == "additional_contexts" else key.value
                entries += [] if read is None else [(key._replace(value=ours), read)]
        if not any(key.value == "context" for key, _ in entries):
            here = ScalarNode(mapping.line, mapping.column, ".", plain=False, inset=-1, file=mapping.file)
            context = self._values.path(here, where)
            entries += [] if context is None else [(here._replace(value="context"), context)]
        return self._values.mapping(mapping, tuple(entries))

    def _other(self, key: ScalarNode, where: str) -> None:
        """Say what becomes of a key that is not translated."""
        name, path = key.value, f"{where}.{key.value}"
        if name == "dockerfile_inline":
            message = "'dockerfile_inline' is not read: nothing but a file has a history"
            self._reading.findings.add(key, message, key=path, suggestion="write it into a Dockerfile")
        elif name in _NOT_TAKEN:
            message = f"'{name}' is not taken over: images are built without it"
            self._reading.findings.warn(key, message, key=path)
        elif name == "x-pipeline-kit":
            message = "'x-pipeline-kit' stands beside 'build', not in it"
            self._reading.findings.add(key, message, key=path, suggestion="indent it less")
        elif name not in _WITHOUT_EFFECT and not name.startswith("x-"):
            known = (*self._readers, *_WITHOUT_EFFECT, *_NOT_TAKEN)
            message = f"unknown key {shown(name)} in '{where}'"
            self._reading.findings.add(key, message, key=path, suggestion=did_you_mean(name, known))

    def _args(self, node: Node, where: str) -> Node:
        """Return the arguments; one without a value is the environment's, and none where that has none."""
        entries = []
        for name, value in self._values.pairs(node, where):
            key = f"{where}.{name.value}"
            if value is None:
                taken = self._values.variable(name, name.value, key)
                text = None if taken is None else name._replace(value=taken, plain=False, inset=-1)
            else:
                text = self._values.text(value, key)
            if text is not None:
                entries.append((name, text._replace(value=escape(text.value), inset=-1)))
        return self._values.mapping(node, tuple(entries))

    def _contexts(self, node: Node, where: str) -> Node:
        entries = []
        for name, value in self._values.pairs(node, where):
            key = f"{where}.{name.value}"
            if value is None:
                self._reading.findings.add(name, f"context {shown(name.value)} has no value", key=key)
                continue
            text = self._values.text(value, key)
            if text is not None and text.value.startswith("service:"):
                text = text._replace(value=f"image:{text.value.removeprefix('service:')}")
            elif text is not None and not _SCHEME.match(text.value):
                text = self._values.path(value, key)
            entries += [] if text is None else [(name, text)]
        return self._values.mapping(node, tuple(entries))

    def _texts(self, node: Node, where: str) -> Node:
        found = (self._values.text(item, where) for item in read_items(self._reading, node, where))
        return self._values.sequence(node, tuple(item for item in found if item is not None))

    def _ssh(self, node: Node, where: str) -> Node:
        """Return the ids; which socket or key stands behind one is the machine's to say."""
        if isinstance(node, ScalarNode):
            node = self._values.sequence(node, (node,))
        names = tuple(name for name, _ in self._values.pairs(node, where))
        return self._values.sequence(node, names)

    def _secrets_of(self, node: Node, where: str) -> Node:
        entries = []
        for item in read_items(self._reading, node, where):
            members = {key.value: value for key, value in item.entries} if isinstance(item, MappingNode) else {}
            source = members.get("source", item)
            name = self._values.text(source, f"{where}.source")
            told = self._values.text(members["target"], f"{where}.target") if "target" in members else name
            secret = None if name is None else self._secret(name, where)
            if secret is not None and told is not None:
                entries.append((told._replace(plain=False), secret))
        return self._values.mapping(node, tuple(entries))

    def _secret(self, name: ScalarNode, where: str) -> MappingNode | None:
        """Return where a secret of the file's top level has its value from."""
        entries = self._secrets.entries if isinstance(self._secrets, MappingNode) else ()
        known = {key.value: value for key, value in entries}
        node = known.get(name.value)
        if node is None:
            message = f"{shown(name.value)} is none of the file's 'secrets'"
            self._reading.findings.add(name, message, key=where, suggestion=did_you_mean(name.value, known))
            return None
        key = f"secrets.{name.value}"
        for word, value in node.entries if isinstance(node, MappingNode) else ():
            if word.value == "file":
                path = self._values.path(value, f"{key}.file")
                return None if path is None else self._values.mapping(node, ((word, path),))
            if word.value == "environment":
                text = self._values.text(value, f"{key}.environment")
                ours = word._replace(value="env")
                return None if text is None else self._values.mapping(node, ((ours, text),))
        message = f"secret {shown(name.value)} has neither 'file' nor 'environment'"
        self._reading.findings.add(node, message, key=key)
        return None
