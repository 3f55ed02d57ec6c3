"""What was repeated and why, as part of the report: each repetition at the image that it was for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.errors import InvalidReference
from pipeline_kit.outputs.report import Attempt
from pipeline_kit.reference import parse_reference
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.outputs.report import ImageResult, RunReport


def with_attempts(report: RunReport, requests: Sequence[Retry], pushes: Sequence[tuple[str, Retry]]) -> RunReport:
    """Return ``report`` with every repetition: of pushes at their image, of requests at their reference's image."""
    images = []
    left = list(requests)
    for image in report.images:
        own = [retry for retry in left if _is_about(retry, image)]
        left = [retry for retry in left if retry not in own]
        pushed = [retry for name, retry in pushes if name == image.name]
        images.append(replace(image, attempts=tuple(map(_attempt, (*own, *pushed)))))
    known = {image.name for image in report.images}
    others = [retry for name, retry in pushes if name not in known]
    return replace(report, images=tuple(images), attempts=tuple(map(_attempt, (*left, *others))))


def _is_about(retry: Retry, image: ImageResult) -> bool:
    """Return whether a request was about the image: its repository, under its tag, an alias or a digest."""
    try:
        asked = parse_reference(retry.subject)
    except InvalidReference:
        return False
    if asked.name != image.reference.name:
        return False
    tags = {image.tag, *(alias.tag for alias in image.aliases)}
    return asked.tag is None or asked.tag in tags


def _attempt(retry: Retry) -> Attempt:
    return Attempt(retry.failed_attempt, retry.retry_class, retry.status, retry.seconds, retry.reason, retry.subject)
