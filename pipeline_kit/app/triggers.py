"""ONBUILD triggers that bring an image of their own.

They run in whatever is built upon the image that holds them, and the image they name may move. Its digest stands in no
Dockerfile that is read here, so it would be in no key: such a build gets no tag at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline_kit.errors import DockerfileError
from pipeline_kit.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_IMAGE = late_pattern(
    r"\s*(?:(?:COPY|ADD)\b.*?\s--from=|RUN\b.*?\s--mount=\S*?\bfrom=)[\"']?([^\s,\"']+)", re.IGNORECASE | re.DOTALL
)


def refuse_images(base: str, triggers: Iterable[str]) -> None:
    """Raise DockerfileError when a trigger of ``base`` copies or mounts from an image (or stage) by name."""
    for trigger in triggers:
        found = _IMAGE.match(trigger)
        if found:
            raise DockerfileError(
                f"{base} holds the trigger ONBUILD {trigger.strip()[:200]}: what {found[1]} is would be in no tag",
                hint="build upon an image without that trigger, and write its step into your own Dockerfile",
            )
