"""Changes to the containers of a task definition: image, environment, secrets, command, labels, log options.

Pure: a document goes in and a new one comes out. ``None`` as a value removes the entry of that name.
"""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pipeline_kit.config import ContainerChanges
from pipeline_kit.errors import TaskDefinitionError
from pipeline_kit.values import asdict, fields, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Mapping


@value_class()
class ContainerEdit(ContainerChanges):
    """What changes in one container: what a configuration can say, and the image; what is left out stays as it is.

    ``command`` and ``entry_point`` replace the whole list. A name set in ``environment`` loses its entry in the
    document's ``secrets`` and the other way round, because ECS refuses a name that stands in both.
    """

    image: str | None = None

    @classmethod
    def of(cls, changes: ContainerChanges, image: str | None) -> ContainerEdit:
        """Return ``changes`` together with ``image``."""
        return cls(image=image, **asdict(changes))

    @property
    def is_image_only(self) -> bool:
        """Return whether nothing but the image changes."""
        return self == ContainerEdit(image=self.image)

    def over(self, other: ContainerEdit) -> ContainerEdit:
        """Return ``other`` with this edit on top: maps are joined, single values replaced where they are given."""
        changes: dict[str, Any] = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            changes[item.name] = {**theirs, **mine} if isinstance(mine, dict) else (theirs if mine is None else mine)
        return replace(other, **changes)


def split_command(text: str) -> tuple[str, ...]:
    """Return the words of a command line as a POSIX shell splits them. Raises ValueError for an open quote."""
    return tuple(shlex.split(text))


def apply_edits(document: Mapping[str, Any], edits: Mapping[str, ContainerEdit], name: str) -> dict[str, Any]:
    """Return ``document`` with ``edits`` (by container name) applied; ``name`` is its name for messages.

    Raises TaskDefinitionError for a container that the document does not define, or one that lost its form.
    """
    definitions = container_definitions(document, name)
    known = [str(item.get("name")) for item in definitions]
    for wanted in edits:
        if wanted not in known:
            close = get_close_matches(wanted, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"containers are: {', '.join(known)}"
            raise TaskDefinitionError(f"{name}: no container is called {wanted!r}", hint=hint)
    changed = [_edited(item, edits.get(str(item.get("name")))) for item in definitions]
    return {**document, "containerDefinitions": changed}


def container_definitions(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the container definitions. Raises TaskDefinitionError where there are none or a name occurs twice."""
    definitions = document.get("containerDefinitions")
    if not isinstance(definitions, list) or not definitions:
        raise TaskDefinitionError(f"{name}: no containerDefinitions: this is not an ECS task definition")
    if not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in definitions):
        raise TaskDefinitionError(f"{name}: every container definition needs a name")
    names = [item["name"] for item in definitions]
    twice = next((item for item in names if names.count(item) > 1), None)
    if twice is not None:
        raise TaskDefinitionError(f"{name}: two containers are called {twice!r}")
    return definitions


def _edited(container: dict[str, Any], change: ContainerEdit | None) -> dict[str, Any]:
    if change is None:
        return container
    result = dict(container)
    if change.image is not None:
        result["image"] = change.image
    if change.command is not None:
        result["command"] = list(change.command)
    if change.entry_point is not None:
        result["entryPoint"] = list(change.entry_point)
    secrets = {**dict.fromkeys(_set(change.environment)), **change.secrets}
    environment = {**dict.fromkeys(_set(change.secrets)), **change.environment}
    _put(result, "environment", _pairs(result.get("environment"), environment, "value"))
    _put(result, "secrets", _pairs(result.get("secrets"), secrets, "valueFrom"))
    _put(result, "dockerLabels", _merged(result.get("dockerLabels"), change.labels))
    if change.log_options or change.log_driver is not None:
        logging = dict(result.get("logConfiguration") or {"logDriver": "awslogs"})
        if change.log_driver is not None:
            logging["logDriver"] = change.log_driver
        _put(logging, "options", _merged(logging.get("options"), change.log_options))
        result["logConfiguration"] = logging
    return result


def _set(values: Mapping[str, str | None]) -> list[str]:
    return [name for name, value in values.items() if value is not None]


def _put(target: dict[str, Any], key: str, value: Any) -> None:
    """Write a member; an empty one is written only where there was one before."""
    if value or key in target:
        target[key] = value


def _pairs(entries: Any, changes: Mapping[str, str | None], value_key: str) -> list[dict[str, str]]:
    """Return ECS's list of names and values with ``changes`` made in place; new names are added at the end."""
    left = dict(changes)
    result: list[dict[str, str]] = []
    for entry in entries or ():
        if entry.get("name") not in changes:
            result.append(entry)
            continue
        value = left.pop(entry["name"], None)
        if value is not None:
            result.append({**entry, value_key: value})
    return result + [{"name": name, value_key: value} for name, value in left.items() if value is not None]


def _merged(entries: Any, changes: Mapping[str, str | None]) -> dict[str, str]:
    joined = {**(entries or {}), **changes}
    return {name: value for name, value in joined.items() if value is not None}
