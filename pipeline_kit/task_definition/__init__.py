"""ECS task definitions: read, edit, compare (design D8)."""

from __future__ import annotations

from pipeline_kit.task_definition.container_edit import ContainerEdit, apply_edits, container_definitions, split_command
from pipeline_kit.task_definition.difference import Difference, compare
from pipeline_kit.task_definition.document import is_yaml, read_definition
from pipeline_kit.task_definition.edit import containers, render
from pipeline_kit.task_definition.shape import Shape, Shapes, as_request, unknown_members

__all__ = [
    "ContainerEdit",
    "Difference",
    "Shape",
    "Shapes",
    "apply_edits",
    "as_request",
    "compare",
    "container_definitions",
    "containers",
    "is_yaml",
    "read_definition",
    "render",
    "split_command",
    "unknown_members",
]
