"""The normal form of a task definition: two that mean the same to ECS have the same, whatever the server filled in.

Sources: ECS API reference (TaskDefinition, ContainerDefinition and below: "default", "if not specified"); ECS developer
guide "Task definition parameters". What the server writes where nothing was given: ``cpu: 0``, ``essential: true``,
empty lists, ``protocol: tcp``, host ports, health check times; it may give environment and the like in another order.
"""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEYED: Mapping[str, str] = MappingProxyType(
    {
        "containerDefinitions": "name",
        "environment": "name",
        "secrets": "name",
        "secretOptions": "name",
        "volumes": "name",
        "tags": "key",
        "ulimits": "name",
        "dependsOn": "containerName",
        "extraHosts": "hostname",
        "systemControls": "namespace",
        "mountPoints": "containerPath",
        "volumesFrom": "sourceContainer",
        "tmpfs": "containerPath",
        "devices": "hostPath",
        "properties": "name",
        "inferenceAccelerators": "deviceName",
        "resourceRequirements": "type",
    }
)
"""Lists whose order means nothing, and the member that names an item."""

_UNORDERED = frozenset(
    {
        *_KEYED,
        "portMappings",
        "placementConstraints",
        "requiresCompatibilities",
        "links",
        "dockerSecurityOptions",
        "add",
        "drop",
        "permissions",
        "ignoredExitCodes",
    }
)
_NAMED_MAPS = frozenset({"dockerLabels", "options", "driverOpts", "labels"})
"""Maps whose keys the user chooses."""

_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "": {"networkMode": "bridge", "enableFaultInjection": False},
        "containerDefinitions": {
            "cpu": 0,
            "essential": True,
            "versionConsistency": "enabled",
            "privileged": False,
            "readonlyRootFilesystem": False,
            "interactive": False,
            "pseudoTerminal": False,
            "disableNetworking": False,
        },
        "portMappings": {"protocol": "tcp"},
        "mountPoints": {"readOnly": False},
        "volumesFrom": {"readOnly": False},
        "linuxParameters": {"initProcessEnabled": False},
        "devices": {"permissions": ["mknod", "read", "write"]},
        "healthCheck": {"interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0},
        "restartPolicy": {"restartAttemptPeriod": 300},
        "volumes": {"configuredAtLaunch": False},
        "dockerVolumeConfiguration": {"scope": "task", "autoprovision": False, "driver": "local"},
        "efsVolumeConfiguration": {"rootDirectory": "/", "transitEncryption": "DISABLED"},
        "s3filesVolumeConfiguration": {"rootDirectory": "/"},
        "authorizationConfig": {"iam": "DISABLED"},
    }
)
"""What the server means, or writes, where a member is not given; by the name of the structure."""

_CPU = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*vcpu", re.IGNORECASE)
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*gb", re.IGNORECASE)
_UNITS = 1024
_HOST_PORTS = frozenset({"awsvpc", "host"})


def flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the normal form as path -> value; paths name containers and the like: ``containerDefinitions[api].image``.

    Two documents mean the same to ECS when their flat forms are equal.
    """
    found: dict[str, Any] = {}
    _flatten(_normal(_with_sizes(document), "", _host_ports(document)), "", "", found)
    return found


def _with_sizes(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with task sizes as ECS gives them back: CPU units and MiB, as text."""
    result = dict(document)
    for name, pattern in (("cpu", _CPU), ("memory", _MEMORY)):
        if name in result and result[name] is not None:
            text = str(result[name]).strip()
            found = pattern.fullmatch(text)
            result[name] = f"{round(float(found[1]) * _UNITS)}" if found else text
    return result


def _host_ports(document: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what completes a port mapping: in awsvpc and host mode the host's port is the container's own."""
    has_own_ports = document.get("networkMode") in _HOST_PORTS

    def complete(mapping: dict[str, Any]) -> dict[str, Any]:
        default = mapping.get("containerPort") if has_own_ports else 0
        given = mapping.get("hostPort")
        bare = {name: value for name, value in mapping.items() if name != "hostPort"}
        return bare if given in (None, 0, default) else mapping

    return complete


def _normal(node: Any, name: str, ports: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(node, list):
        items = [item for item in (_normal(item, name, ports) for item in node) if item is not None]
        return (sorted(items, key=_canonical) if name in _UNORDERED else items) or None
    if not isinstance(node, dict):
        return node
    if name in _NAMED_MAPS:
        return {key: value for key, value in node.items() if value is not None} or None
    members = {key: _normal(value, key, ports) for key, value in node.items()}
    if name == "portMappings":
        members = ports(members)
    defaults = _DEFAULTS.get(name, {})
    return {key: value for key, value in members.items() if not _is_nothing(value, key, defaults)} or None


def _is_nothing(value: Any, key: str, defaults: Mapping[str, Any]) -> bool:
    """Return whether a member says no more than its absence; of empty texts only a variable's value says something."""
    if value is None or (value == "" and key != "value"):
        return True
    # In Python True == 1: the kinds must agree as well.
    return key in defaults and type(value) is type(defaults[key]) and bool(value == defaults[key])


def _flatten(node: Any, name: str, path: str, found: dict[str, Any]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{path}[{key}]" if name in _NAMED_MAPS else f"{path}.{key}" if path else key
            _flatten(value, key, place, found)
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for label, item in zip(_labels(node, name), node, strict=True):
            _flatten(item, name, f"{path}[{label}]", found)
    elif node is not None:
        found[path] = node


def _labels(items: list[Any], name: str) -> list[str]:
    """Return what tells the items apart in a path: their names where those are unique, else their places."""
    key = _KEYED.get(name, "")
    named = [str(item.get(key)) for item in items if isinstance(item, dict) and item.get(key) is not None]
    if len(named) == len(items) == len(set(named)):
        return named
    return [str(index) for index in range(len(items))]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
