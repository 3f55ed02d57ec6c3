"""The form of a buildspec 0.2, key by key, as CodeBuild's user guide has it; no schema of AWS's own can be had here.

Sources: "Build specification reference", "Batch build buildspec reference". A key that is not named here is refused, so
that a misspelt one is not silently ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS = [str]
_ARTIFACTS: dict[str, Any] = {
    "files": _TEXTS,
    "name": str,
    "discard-paths": {"yes", "no"},
    "base-directory": str,
    "exclude-paths": str,
    "enable-symlinks": {"yes", "no"},
    "s3-prefix": str,
}
_PHASE: dict[str, Any] = {
    "run-as": str,
    "on-failure": {"ABORT", "CONTINUE"},
    "commands": _TEXTS,
    "finally": _TEXTS,
}
_NODE: dict[str, Any] = {
    "identifier": str,
    "buildspec": str,
    "debug-session": bool,
    "depend-on": _TEXTS,
    "ignore-failure": bool,
    "env": {
        "compute-type": str,
        "fleet": str,
        "image": str,
        "privileged-mode": bool,
        "type": {"LINUX_CONTAINER", "LINUX_GPU_CONTAINER", "ARM_CONTAINER", "LINUX_EC2", "ARM_EC2"},
        "variables": {str: str},
    },
}
FORM: dict[str, Any] = {
    "version": {0.2},
    "run-as": str,
    "env": {
        "shell": {"bash", "/bin/sh"},
        "variables": {str: str},
        "parameter-store": {str: str},
        "secrets-manager": {str: str},
        "exported-variables": _TEXTS,
        "git-credential-helper": {"yes", "no"},
    },
    "proxy": {"upload-artifacts": {"yes", "no"}, "logs": {"yes", "no"}},
    "batch": {"fast-fail": bool, "build-graph": [_NODE]},
    "phases": {
        "install": {"runtime-versions": {str: str}, **_PHASE},
        "pre_build": _PHASE,
        "build": _PHASE,
        "post_build": _PHASE,
    },
    "artifacts": {**_ARTIFACTS, "secondary-artifacts": {str: _ARTIFACTS}},
    "cache": {"paths": _TEXTS, "key": str, "fallback-keys": _TEXTS},
}
MOST_BUILDS = 100
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


def problems(spec: object) -> list[str]:
    """Return what CodeBuild would refuse or ignore, one line each, with the key's path."""
    found = _problems(spec, FORM, "")
    if isinstance(spec, dict) and not found:
        found += [f"{name} is missing" for name in ("version", "phases") if name not in spec]
        found += _batch_problems(spec.get("batch"))
    return found


def _problems(value: object, form: Any, at: str) -> list[str]:
    if isinstance(form, (set, type)):
        is_good = value in form if isinstance(form, set) else type(value) is form
        return [] if is_good else [f"{at}: {value!r} is not {form}"]
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return [f"{at}: {value!r} is no list, or an empty one"]
        return [line for number, item in enumerate(value) for line in _problems(item, form[0], f"{at}[{number}]")]
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no mapping"]
    if set(form) == {str}:
        return [line for key, item in value.items() for line in _problems(item, form[str], f"{at}.{key}")]
    return [
        line
        for key, item in value.items()
        for line in (_problems(item, form[key], f"{at}.{key}") if key in form else [f"{at}.{key} is not known"])
    ]


def _batch_problems(batch: Mapping[str, Any] | None) -> list[str]:
    nodes = (batch or {}).get("build-graph", [])
    names = [node["identifier"] for node in nodes]
    found = [f"{name!r} is no legal identifier" for name in names if not _IDENTIFIER.fullmatch(name)]
    if len({name.lower() for name in names}) != len(names):
        found.append("two builds have one identifier")
    if len(nodes) > MOST_BUILDS:
        found.append(f"{len(nodes)} builds in a batch")
    for number, node in enumerate(nodes):
        # Whoever lists dependencies first has no cycle.
        found += [f"{node['identifier']} waits for {n}" for n in node.get("depend-on", ()) if n not in names[:number]]
    return found
