"""What differs between two task definitions, in the terms of ECS."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.secrecy import is_secret_name, is_secret_value
from pipeline_kit.task_definition.normal import flat
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "***"
_LABEL = re.compile(r"\[(?P<name>[^]]*)\](?:\.value)?$")
_ENTRY_ENDS = (".value", ".valueFrom")
_ENTRY = re.compile(r"^(?P<entry>.*\.?(?:environment|secrets|secretOptions|tags|properties)\[[^]]*\])\.(?:name|key)$")


@value_class()
class Difference:
    """One member that differs: ``old`` or ``new`` is ``None`` where the member is not there."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """Return ``+ path: new``, ``- path: old`` or ``~ path: old -> new``, secret-looking values hidden."""
        if self.old is None:
            return f"+ {self.path}: {self.shown(self.new)}"
        if self.new is None:
            return f"- {self.path}: {self.shown(self.old)}"
        return f"~ {self.path}: {self.shown(self.old)} -> {self.shown(self.new)}"

    def shown(self, value: Any) -> str:
        """Return a value as JSON on one line, ``***`` where its name or form is a secret's."""
        name = _LABEL.search(self.path)
        is_plain = not self.path.endswith("valueFrom")
        if is_plain and name is not None and is_secret_name(name["name"]) and "secrets[" not in self.path:
            return HIDDEN
        if is_plain and isinstance(value, str) and is_secret_value(value):
            return HIDDEN
        return json.dumps(value, ensure_ascii=False)

    def document(self) -> dict[str, Any]:
        """Return the JSON form, secret-looking values hidden as in the text."""

        def member(value: Any) -> Any:
            return HIDDEN if value is not None and self.shown(value) == HIDDEN else value

        return {"path": self.path, "old": member(self.old), "new": member(self.new)}


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what differs in meaning from ``old`` to ``new``, in the order of paths; ``()`` when they are equal."""
    before, after = flat(old), flat(new)
    paths = sorted({*before, *after})
    found = [Difference(path, before.get(path), after.get(path)) for path in paths]
    return tuple(_without_names(item for item in found if item.old != item.new or type(item.old) is not type(item.new)))


def _without_names(found: Iterable[Difference]) -> list[Difference]:
    """Leave out ``environment[X].name`` beside ``environment[X].value``: the path says it already."""
    every = list(found)
    paths = {item.path for item in every}
    kept = []
    for item in every:
        entry = _ENTRY.match(item.path)
        if entry is None or not any(f"{entry['entry']}{end}" in paths for end in _ENTRY_ENDS):
            kept.append(item)
    return kept
