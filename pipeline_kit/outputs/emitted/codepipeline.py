"""The files that CodePipeline's ECS actions read.

Source: CodePipeline user guide, "Image definitions file reference": imagedefinitions.json (standard deployments),
imageDetail.json, taskdef.json and appspec.yaml (blue/green); "Amazon ECS and CodeDeploy blue-green action reference".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted.yaml_text import yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES = 100_000
"""100 KB, the limit of imagedefinitions.json, read as the smaller of its two meanings."""
MAX_IMAGES = 4
"""Image1 to Image4: more input artifacts for images the blue/green action does not take."""
TASK_DEFINITION = "<TASK_DEFINITION>"
"""What CodePipeline replaces in appspec.yaml by the revision that it registers."""


def placeholder(number: int) -> str:
    """Return what stands for image ``number`` (from 1) in taskdef.json; the action is told it without the brackets."""
    return f"<IMAGE{number}_NAME>"


def image_definitions(containers: Mapping[str, str]) -> bytes:
    """Return imagedefinitions.json: ``containers`` maps their names to ``host/path@digest``. Raises InputError."""
    entries = [{"name": name, "imageUri": image} for name, image in containers.items()]
    data = _json(entries)
    if len(data) > MAX_BYTES:
        raise InputError(
            f"imagedefinitions.json would have {len(data)} bytes, and CodePipeline takes {MAX_BYTES}",
            hint="split the task definition",
        )
    return data


def blue_green(
    task_definition: bytes, app_spec: Mapping[str, Any], images: Sequence[tuple[str, str]]
) -> dict[str, bytes]:
    """Return the files of a blue/green deployment by path.

    ``task_definition`` holds placeholders in the order of ``images``, pairs of name and ``host/path@digest``. The name
    imageDetail.json is fixed and each image needs its own, so each of several images gets a directory (an artifact).
    Raises InputError for more than four images.
    """
    if len(images) > MAX_IMAGES:
        names = ", ".join(name for name, _ in images)
        raise InputError(
            f"the blue/green action takes at most {MAX_IMAGES} images, not {len(images)}: {names}",
            hint="leave containers whose image hardly changes to the task definition",
        )
    files = {"taskdef.json": task_definition, "appspec.yaml": yaml_text(dict(app_spec)).encode()}
    for number, (_, image) in enumerate(images, 1):
        folder = "" if len(images) == 1 else f"image{number}/"
        files[f"{folder}imageDetail.json"] = _json({"ImageURI": image})
    return files


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
