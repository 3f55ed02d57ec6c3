"""What a run did not have to build: the seconds that earlier runs noted in their build records.

For the job summary alone, and of no consequence: a record may be written by anybody who may push, and what cannot be
learnt in a moment is left out.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from pipeline_kit.errors import PipelineKitError
from pipeline_kit.plan import Status
from pipeline_kit.record import CREATED_NOTE, RECORD_TYPE, SECONDS_NOTE
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pipeline_kit.app.session import Session
    from pipeline_kit.outputs.report import ImageResult, RunReport
    from pipeline_kit.ports.registry import ContentRegistry

_MOMENT = 3.0
_AT_ONCE = 32
_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
_NOT_BUILT = (Status.SKIPPED, Status.REUSED)


def with_savings(report: RunReport, session: Session, *, is_told: bool = False) -> RunReport:
    """Return ``report`` with the seconds saved by each image that was there.

    Only where they are told: in a job summary, or wherever else with ``is_told``.
    """
    asked = [image for image in report.images if image.status in _NOT_BUILT and image.digest]
    if not (is_told or session.ci.summary_file) or not asked:
        return report
    registry = session.registry
    pool = ThreadPoolExecutor(min(_AT_ONCE, len(asked)), "savings")
    futures: dict[str, Future[float | None]] = {image.name: pool.submit(_seconds, registry, image) for image in asked}
    late = wait(futures.values(), timeout=_MOMENT).not_done
    pool.shutdown(wait=False, cancel_futures=True)
    if late:
        registry.abort()  # nothing is asked after this, and the process shall not wait for it
    found = {name: future.result() for name, future in futures.items() if future not in late}
    return replace(report, images=tuple(replace(image, saved_seconds=found.get(image.name)) for image in report.images))


def _seconds(registry: ContentRegistry, image: ImageResult) -> float | None:
    if image.digest is None:
        return None
    try:
        listed = registry.referrers(image.reference.with_digest(image.digest), RECORD_TYPE)
    except PipelineKitError:
        return None
    notes = sorted((dict(item.annotations) for item in listed), key=lambda item: item.get(CREATED_NOTE, ""))
    told = next((item[SECONDS_NOTE] for item in reversed(notes) if SECONDS_NOTE in item), "")
    return float(told) if _SECONDS.fullmatch(told) else None
