"""Set the images of an ECS task definition file in place (design D8; shape: ECS API, RegisterTaskDefinition).

The file may be the request itself or wrapped as ``{"taskDefinition": {…}}``, as ``aws ecs describe-task-definition``
prints it. Only the spelling of the image values changes; every other byte of the file stays as it was.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pipeline_kit.errors import Problem, TaskDefinitionError
from pipeline_kit.task_definition.json_text import BOM, Member, Node, Source, decode, scan
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def containers(data: bytes, name: str) -> tuple[str, ...]:
    """Return the container names of the task definition ``data``, in file order; ``name`` is the file's, for messages.

    Raises TaskDefinitionError with ``file:line:column`` where the file is not JSON, has no ``containerDefinitions`` or
    names a container twice.
    """
    return tuple(container.name for container in _containers(_source(data, name)))


def render(data: bytes, name: str, images: Mapping[str, str]) -> bytes:
    """Return ``data`` with the image of every container in ``images`` (container name to image) set.

    A container without an ``image`` member gets one after its ``name``. Rendering twice changes nothing more. ``name``
    is the file's, for messages. Raises TaskDefinitionError like :func:`containers`, and for a container in ``images``
    that the file does not define.
    """
    source = _source(data, name)
    found = _containers(source)
    _require(source, found, images)
    edits = [edit for container in found if container.name in images for edit in _edits(source, container, images)]
    text = source.text
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.replacement + text[edit.end :]
    bom = BOM if data.startswith(BOM) else b""
    return bom + text.encode("utf-8")


@value_class()
class _Container:
    name: str
    node: Node
    name_member: Member


@value_class()
class _Edit:
    start: int
    end: int
    replacement: str


def _source(data: bytes, name: str) -> Source:
    if name.lower().endswith((".yaml", ".yml")):
        problem = Problem(name, 1, 1, "a YAML task definition cannot be edited in place", suggestion="save it as JSON")
        raise TaskDefinitionError(str(problem))
    return decode(data, name)


def _containers(source: Source) -> tuple[_Container, ...]:
    definitions = _definitions(source, scan(source))
    found: list[_Container] = []
    names: set[str] = set()
    for index, node in enumerate(definitions.items):
        container = _container(source, index, node)
        if container.name in names:
            position = container.name_member.value.start
            raise source.error(position, f"two containers are called {container.name!r}")
        names.add(container.name)
        found.append(container)
    if not found:
        raise source.error(definitions.start, "containerDefinitions is empty")
    return tuple(found)


def _definitions(source: Source, root: Node) -> Node:
    if root.kind != "object":
        raise source.error(root.start, "a task definition is a JSON object")
    member = root.member("containerDefinitions")
    wrapper = root.member("taskDefinition")
    if member is None and wrapper is not None and wrapper.value.kind == "object":
        member = wrapper.value.member("containerDefinitions")
    if member is None:
        raise source.error(root.start, "no containerDefinitions: this is not an ECS task definition")
    if member.value.kind != "array":
        raise source.error(member.value.start, "containerDefinitions is not a list")
    return member.value


def _container(source: Source, index: int, node: Node) -> _Container:
    if node.kind != "object":
        raise source.error(node.start, f"containerDefinitions[{index}] is not an object")
    member = node.member("name")
    if member is None:
        raise source.error(node.start, f"containerDefinitions[{index}] has no name")
    if member.value.kind != "string":
        raise source.error(member.value.start, f"the name of containerDefinitions[{index}] is not a string")
    return _Container(source.string(member.value), node, member)


def _require(source: Source, found: Sequence[_Container], images: Mapping[str, str]) -> None:
    known = [container.name for container in found]
    missing = [name for name in images if name not in known]
    if not missing:
        return
    position = found[0].node.start
    lines = [str(source.problem(position, f"no container is called {n!r}", _suggestion(n, known))) for n in missing]
    raise TaskDefinitionError("\n".join(lines))


def _suggestion(name: str, known: Sequence[str]) -> str:
    listed = f"containers here: {', '.join(map(repr, known))}"
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? {listed}" if close else listed


def _edits(source: Source, container: _Container, images: Mapping[str, str]) -> tuple[_Edit, ...]:
    image = images[container.name]
    spelling = json.dumps(image)
    member = container.node.member("image")
    if member is None:
        return (_insertion(source.text, container, spelling),)
    if member.value.kind != "string":
        raise source.error(member.value.start, f"the image of container {container.name!r} is not a string")
    if source.string(member.value) == image:
        return ()
    return (_Edit(member.value.start, member.value.end, spelling),)


def _insertion(text: str, container: _Container, spelling: str) -> _Edit:
    name = container.name_member
    colon = text[name.key_end : name.value.start]
    following = next((member for member in container.node.members if member.key_start > name.key_start), None)
    if following is not None:
        gap = text[name.value.end : following.key_start].partition(",")[2]
    else:
        before = text[: name.key_start]
        gap = before[len(before.rstrip(" \t\r\n")) :]
    if not gap and colon.endswith(" "):
        gap = " "
    return _Edit(name.value.end, name.value.end, f',{gap}"image"{colon}{spelling}')
