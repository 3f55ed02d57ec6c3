"""The AppSpec of an ECS blue/green deployment by CodeDeploy.

Source: CodeDeploy user guide "AppSpec file structure for Amazon ECS deployments". CodeDeploy takes JSON as well as
YAML, and reads its keys without regard to case.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import TaskDefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


def app_spec(definition: str, container: str, port: int, platform_version: str = "") -> dict[str, Any]:
    """Return the AppSpec that moves a service to ``definition`` (an ARN) behind ``container``:``port``."""
    properties: dict[str, Any] = {
        "TaskDefinition": definition,
        "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port},
    }
    if platform_version:
        properties["PlatformVersion"] = platform_version
    return {"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}]}


def with_definition(document: Mapping[str, Any], definition: str, name: str) -> dict[str, Any]:
    """Return a given AppSpec with its task definition replaced; hooks and all else stay. ``name`` is for messages.

    Raises TaskDefinitionError where it names no ECS service.
    """
    resources = _member(document, "resources")
    entries = resources if isinstance(resources, list) else [resources] if isinstance(resources, dict) else []
    replaced = [_with_target(entry, definition) for entry in entries]
    if not entries or all(new is old for new, old in zip(replaced, entries, strict=True)):
        raise TaskDefinitionError(f"{name}: no Resources with an AWS::ECS::Service: this is no AppSpec for ECS")
    key = next(key for key in document if key.lower() == "resources")
    return {**document, key: replaced}


def _with_target(entry: Any, definition: str) -> Any:
    if not isinstance(entry, dict):
        return entry
    for name, target in entry.items():
        properties_key = _key(target, "properties")
        if properties_key is None or str(_member(target, "type")).lower() != "aws::ecs::service":
            continue
        properties = target[properties_key] or {}
        key = _key(properties, "taskdefinition") or "TaskDefinition"
        return {**entry, name: {**target, properties_key: {**properties, key: definition}}}
    return entry


def content(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the AppSpec as text and the hex SHA-256 that CreateDeployment wants beside it."""
    text = json.dumps(document, indent=2)
    return text, hashlib.sha256(text.encode()).hexdigest()


def _key(node: Any, name: str) -> str | None:
    keys = node if isinstance(node, dict) else ()
    return next((key for key in keys if isinstance(key, str) and key.lower() == name), None)


def _member(node: Any, name: str) -> Any:
    key = _key(node, name)
    return None if key is None else node[key]
