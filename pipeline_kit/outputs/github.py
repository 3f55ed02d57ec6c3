"""GitHub workflow commands, written so that nothing untrusted can become one.

Source: GitHub docs, "Workflow commands for GitHub Actions"; escaping as in @actions/core ``command.ts``.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Literal

from pipeline_kit.outputs.sanitize import log_line, one_line, visible
from pipeline_kit.plan import Status
from pipeline_kit.values import value_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline_kit.config import Location
    from pipeline_kit.outputs.report import ImageResult, RunReport

Level = Literal["error", "warning", "notice"]

ANNOTATIONS_PER_LEVEL = 10
"""GitHub shows ten annotations of a level in a step and drops the rest."""
_MESSAGE_LIMIT = 4000


@value_class()
class Annotation:
    """A message at a place; ``file`` is relative to the repository, ``line`` and ``column`` are 1-based, 0 if unset."""

    level: Level
    message: str
    title: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def format(self) -> str:
        """Return the workflow command, without a newline."""
        properties = {
            "file": one_line(self.file),
            "line": str(self.line) if self.file and self.line else "",
            "col": str(self.column) if self.file and self.line and self.column else "",
            "title": one_line(self.title, 200),
        }
        listed = ",".join(f"{key}={escape_property(value)}" for key, value in properties.items() if value)
        message = escape_data(visible(self.message[:_MESSAGE_LIMIT]))
        return f"::{self.level}{' ' + listed if listed else ''}::{message}"


def escape_data(text: str) -> str:
    """Return ``text`` as the message of a command: one line that the runner turns back into ``text``."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return ``text`` as the value of a command's property."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def report_annotations(report: RunReport) -> tuple[Annotation, ...]:
    """Return an error for each failed image and a warning for each warning; a tenth counts those that are more."""
    errors = [_failure(image) for image in report.images if image.status is Status.FAILED]
    warnings = [_at("warning", text, "pipeline-kit", report.located.get(text)) for text in report.warnings]
    return (*_capped(errors, "images failed"), *_capped(warnings, "warnings"))


def group(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield ``lines`` (untrusted, one line each) folded under ``title``, with workflow commands stopped around them."""
    yield f"::group::{escape_data(one_line(title))}"
    yield from stopped(lines)
    yield "::endgroup::"


def stopped(lines: Iterable[str]) -> Iterator[str]:
    """Yield ``lines`` sanitised, between ``::stop-commands::TOKEN`` and ``::TOKEN::`` with a token nobody can know."""
    token = uuid.uuid4().hex
    yield f"::stop-commands::{token}"
    for line in lines:
        yield log_line(line)
    yield f"::{token}::"


def mask(value: str) -> tuple[str, ...]:
    """Return the commands that make the runner hide ``value``: one for each of its lines, before anything prints it."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", value)]
    return tuple(f"::add-mask::{escape_data(line)}" for line in dict.fromkeys(lines) if line)


def _failure(image: ImageResult) -> Annotation:
    return _at("error", image.error or "the image failed", f"{image.name} failed", image.location)


def _at(level: Level, text: str, title: str, where: Location | None) -> Annotation:
    if where is None:
        return Annotation(level, text, title=title)
    return Annotation(level, text, title=title, file=where.file, line=where.line, column=where.column)


def _capped(found: list[Annotation], what: str) -> list[Annotation]:
    if len(found) <= ANNOTATIONS_PER_LEVEL:
        return found
    shown = found[: ANNOTATIONS_PER_LEVEL - 1]
    rest = Annotation(found[0].level, f"{len(found) - len(shown)} more {what}: see the log", title="pipeline-kit")
    return [*shown, rest]
