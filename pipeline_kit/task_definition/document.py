"""A task definition file, JSON or YAML, as values: what is text stays text, everything else is refused with its place.

YAML is read as the configuration is: safely, bounded, without YAML 1.1's surprises. Where the SDK's model wants text, a
number is taken as it was written (``cpu: 256``, ``value: 1.10``), as ECS's own tools do.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipeline_kit.config.document import MappingNode, ScalarNode, SequenceNode, Unreadable, read_document
from pipeline_kit.config.fields import is_null, is_surprising
from pipeline_kit.config.findings import Findings, ReportFull
from pipeline_kit.errors import TaskDefinitionError
from pipeline_kit.task_definition.json_text import Source, decode, scan
from pipeline_kit.task_definition.shape import Shape, Shapes, as_request

if TYPE_CHECKING:
    from pipeline_kit.config.document import Node as YamlNode
    from pipeline_kit.task_definition.json_text import Node as JsonNode

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_MAX_DIGITS = 18


def is_yaml(name: str) -> bool:
    """Return whether a file of this name is read as YAML."""
    return name.lower().endswith((".yaml", ".yml"))


def read_definition(data: bytes, name: str, shapes: Shapes) -> dict[str, Any]:
    """Return the request to register that the file ``data`` holds; ``name`` decides JSON or YAML and is for messages.

    The file may hold the request itself, or the answer of ``aws ecs describe-task-definition``, whose tags are moved
    inside. Raises TaskDefinitionError with ``file:line:column``.
    """
    document = _read_yaml(data, name, shapes.request) if is_yaml(name) else _read_json(data, name, shapes.request)
    inner = document.get("taskDefinition")
    if "containerDefinitions" not in document and isinstance(inner, dict):
        tags = document.get("tags")
        return as_request(inner, shapes, tags if isinstance(tags, list) else None)
    return as_request(document, shapes)


def _read_json(data: bytes, name: str, shape: Shape) -> dict[str, Any]:
    source = decode(data, name)
    root = scan(source)
    if root.kind != "object":
        raise source.error(root.start, "a task definition is a JSON object")
    value = _json_value(source, root, _wrapped(shape))
    if not isinstance(value, dict):  # pragma: no cover - the root is an object
        raise TypeError
    return value


def _wrapped(shape: Shape) -> Shape:
    """Return the request's shape, in which describe's wrapper is known as well."""
    return Shape("structure", {**shape.members, "taskDefinition": shape})


def _json_value(source: Source, node: JsonNode, shape: Shape | None) -> Any:
    if node.kind == "object":
        return {m.key: _json_value(source, m.value, shape.of(m.key) if shape else None) for m in node.members}
    if node.kind == "array":
        item = shape.item if shape else None
        return [_json_value(source, entry, item) for entry in node.items]
    text = source.text[node.start : node.end]
    if shape is not None and shape.kind == "text" and node.kind == "number":
        return text
    if shape is not None and shape.kind == "text" and text in ("true", "false"):
        raise source.error(node.start, f"{text} where text is meant", f'write "{text}"')
    if shape is not None and shape.kind == "integer" and node.kind == "string":
        return _integer(source.string(node))
    return json.loads(text)


def _integer(text: str) -> int | str:
    """Return a number that was written as text, as copied console output has it; other text is ECS's to refuse."""
    return int(text) if _INTEGER.fullmatch(text) and len(text) <= _MAX_DIGITS else text


def _read_yaml(data: bytes, name: str, shape: Shape) -> dict[str, Any]:
    findings = Findings(name)
    value: Any = None
    with suppress(Unreadable, ReportFull):  # what is wrong stands in the findings
        value = _yaml_value(findings, read_document(data, findings), _wrapped(shape))
    if findings.problems:
        raise TaskDefinitionError("\n".join(str(problem) for problem in sorted(findings.problems)))
    return value if isinstance(value, dict) else {}


def _yaml_value(findings: Findings, node: YamlNode, shape: Shape | None) -> Any:
    if isinstance(node, MappingNode):
        return {
            key.value: _yaml_value(findings, value, shape.of(key.value) if shape else None)
            for key, value in node.entries
        }
    if isinstance(node, SequenceNode):
        item = shape.item if shape else None
        return [_yaml_value(findings, entry, item) for entry in node.items]
    return _scalar(findings, node, shape.kind if shape else "other")


def _scalar(findings: Findings, node: ScalarNode, kind: str) -> Any:
    text = node.value
    if not node.plain:
        return _integer(text) if kind == "integer" else text
    is_number = _INTEGER.fullmatch(text) is not None or _DECIMAL.fullmatch(text) is not None
    if kind == "text":
        if is_surprising(node) and not is_number and not is_null(node):
            findings.add(node, f'"{text}" must be quoted here', suggestion=f"write '{text}'")
        return None if is_null(node) else text
    if is_null(node):
        return None
    if text in ("true", "false"):
        return text == "true"
    if is_number and len(text) <= _MAX_DIGITS:
        return float(text) if "." in text else int(text)
    if is_surprising(node):
        findings.add(node, f'"{text}" must be quoted here', suggestion=f"write '{text}', or true, false or a number")
    return text
