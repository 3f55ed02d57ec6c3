"""Compose override and Swarm stack files.

Sources: Compose specification, "Merge" and "image"; Compose file version 3 reference, which ``docker stack`` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import InputError
from pipeline_kit.outputs.emitted.yaml_text import yaml_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline_kit.outputs.emitted.image import PinnedImage


def compose(images: Sequence[PinnedImage], services: Mapping[str, str]) -> str:
    """Return an override that gives each service its image; ``services`` maps further service names to image names.

    Raises InputError for an image that is none of ``images``.
    """
    use = "docker compose --file compose.yaml --file FILE up --no-build"
    return yaml_text({"services": _services(images, services)}, use)


def stack(images: Sequence[PinnedImage], services: Mapping[str, str]) -> str:
    """Return likewise what ``docker stack deploy`` takes as a further file. Raises InputError."""
    use = "docker stack deploy --compose-file stack.yaml --compose-file FILE NAME"
    return yaml_text({"version": "3.8", "services": _services(images, services)}, use)


def _services(images: Sequence[PinnedImage], services: Mapping[str, str]) -> dict[str, dict[str, str]]:
    known = {image.name: image for image in images}
    for image in services.values():
        if image not in known:
            raise InputError(f"there is no image {image!r} here", hint=f"images are: {', '.join(known)}")
    wanted = services or {name: name for name in known}
    return {service: {"image": known[image].pinned} for service, image in wanted.items()}
