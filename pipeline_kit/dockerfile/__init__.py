"""Read a Dockerfile as BuildKit's frontend does, to know what a build of one target uses. Pure: no I/O."""

from __future__ import annotations

from pipeline_kit.dockerfile.findings import ContextRead, ImageUse, RemoteAdd, Unresolved, Uses
from pipeline_kit.dockerfile.stages import Dockerfile, Stage, parse
from pipeline_kit.dockerfile.uses import uses

__all__ = [
    "ContextRead",
    "Dockerfile",
    "ImageUse",
    "RemoteAdd",
    "Stage",
    "Unresolved",
    "Uses",
    "parse",
    "uses",
]
