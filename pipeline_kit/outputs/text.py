"""The report as lines for a terminal or a pipe, and streams that take any text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TextIO

from pipeline_kit.outputs.sanitize import one_line
from pipeline_kit.plan import Status

if TYPE_CHECKING:
    from pipeline_kit.outputs.report import ImageResult, RunReport


def result_lines(report: RunReport) -> tuple[str, ...]:
    """Return stdout's product: ``name reference@digest status`` for each image, ``@digest`` where there is one.

    The reference includes the content tag, as in ``host/repository:tag@sha256:…``, which every engine accepts.
    """
    return tuple(_line(image) for image in report.images)


def summary_line(report: RunReport) -> str:
    """Return the last line for people: ``2 built, 18 skipped in 12.3 s (41 requests, 1 retry)``."""
    counts = [(sum(image.status is status for image in report.images), status) for status in Status]
    told = ", ".join(f"{count} {status}" for count, status in counts if count) or "no images"
    retries = f", {report.retries} {'retry' if report.retries == 1 else 'retries'}" if report.retries else ""
    requests = f"{report.requests} request{'' if report.requests == 1 else 's'}"
    head = "interrupted: " if report.is_interrupted else ""
    return f"{head}{told} in {format_seconds(report.seconds)} ({requests}{retries})"


def format_seconds(seconds: float) -> str:
    """Return ``0.4 s``, ``12.3 s``, ``3 min 05 s`` or ``1 h 02 min``."""
    tenths = round(max(seconds, 0.0) * 10)
    if tenths < 600:  # noqa: PLR2004 - a minute
        return f"{tenths / 10:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def tolerate(stream: TextIO) -> TextIO:
    r"""Return ``stream`` set to write what its encoding lacks as ``\xe4`` instead of failing (LANG=C, ASCII pipes)."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _line(image: ImageResult) -> str:
    digest = f"@{image.digest}" if image.digest else ""
    return f"{one_line(image.name)} {one_line(str(image.reference))}{digest} {image.status.value}"
