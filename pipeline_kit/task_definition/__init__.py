"""ECS task definition files: read the container names, set images by digest, change nothing else (design D8)."""

from __future__ import annotations

from pipeline_kit.task_definition.edit import containers, render

__all__ = ["containers", "render"]
