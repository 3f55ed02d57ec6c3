"""Env files and JSON for scripts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted.image import PinnedImage, distinct, filled

if TYPE_CHECKING:
    from collections.abc import Sequence

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def env_file(images: Sequence[PinnedImage], variable: str) -> str:
    """Return lines ``NAME_IMAGE=host/path@digest``, which a shell, Compose and Docker read alike. Raises InputError."""
    lines = []
    for name, image in distinct(images, lambda image: _variable(image, variable), "variable"):
        lines.append(f"{name}={image.pinned}\n")
    return "".join(lines)


def _variable(image: PinnedImage, template: str) -> str:
    name = filled(template, image, "--variable")
    name = f"_{name}" if name[:1].isdigit() else name
    if not _VARIABLE.fullmatch(name):
        raise InputError(f"{name!r} is no name of a variable", hint="as in {NAME}_IMAGE")
    return name


def json_document(images: Sequence[PinnedImage]) -> str:
    """Return an object with ``image`` (pinned), ``repository``, ``digest`` and ``tag`` of each image by name."""
    members = {
        image.name: {
            "image": image.pinned,
            "repository": image.repository,
            "digest": image.digest,
            "tag": image.tag,
        }
        for image in images
    }
    return json.dumps({"images": members}, indent=2) + "\n"
