"""The installed SDK's model of ECS as values of ours, and documents that hold more than it knows."""

from __future__ import annotations

from functools import cache
from typing import Any

from pipeline_kit.errors import AuthenticationFailed
from pipeline_kit.task_definition import Shape, Shapes

_KINDS = {
    "structure": "structure",
    "list": "list",
    "map": "map",
    "string": "text",
    "integer": "integer",
    "long": "integer",
    "double": "decimal",
    "float": "decimal",
    "boolean": "boolean",
}


@cache
def task_definition_shapes() -> Shapes:
    """Return the shapes of RegisterTaskDefinition's request and of a described task definition.

    Raises AuthenticationFailed where botocore is not installed.
    """
    try:
        import botocore.loaders
        import botocore.model
    except ImportError:
        raise AuthenticationFailed(
            "boto3 is not installed, and its model of ECS is needed here", hint="pip install 'pipeline-kit[aws]'"
        ) from None
    loader = botocore.loaders.Loader()
    service = botocore.model.ServiceModel(loader.load_service_model("ecs", "service-2"), "ecs")
    request = service.operation_model("RegisterTaskDefinition").input_shape
    return Shapes(request=_shape(request), answer=_shape(service.shape_for("TaskDefinition")))


def _shape(shape: Any, seen: tuple[str, ...] = ()) -> Shape:
    kind = _KINDS.get(shape.type_name, "other")
    if shape.name in seen:  # pragma: no cover - no task definition holds itself
        return Shape("other")
    inside = (*seen, shape.name)
    if kind == "structure":
        return Shape("structure", {name: _shape(member, inside) for name, member in shape.members.items()})
    if kind == "list":
        return Shape("list", item=_shape(shape.member, inside))
    if kind == "map":
        return Shape("map", item=_shape(shape.value, inside))
    return Shape(kind)  # type: ignore[arg-type] # one of ShapeKind's words


def known_part(document: Any, shape: Shape) -> Any:
    """Return what of ``document`` the SDK knows, which is what its own validation can be asked about."""
    if isinstance(document, dict) and shape.kind in ("structure", "map"):
        members = ((name, value, shape.of(name)) for name, value in document.items())
        return {name: known_part(value, inner) for name, value, inner in members if inner is not None}
    if isinstance(document, list) and shape.item is not None:
        return [known_part(value, shape.item) for value in document]
    return document
