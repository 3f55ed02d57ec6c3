"""What a builder is asked for an image of a plan, where nothing is really built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.ports.builder import BuildRequest
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from pipeline_kit.plan import PlannedImage


def request_for(image: PlannedImage, **members: Any) -> BuildRequest:
    """Return the request for ``image``, whole and under its content tag, with other ``members``."""
    plain = BuildRequest(
        name=image.name,
        context="/nowhere",
        dockerfile="/nowhere/Dockerfile",
        target=None,
        args={},
        contexts={},
        platforms=image.platforms,
        labels={KEY_LABEL: str(image.key)},
        repository=image.repository,
        tag=str(image.tag),
    )
    return replace(plain, **members)
