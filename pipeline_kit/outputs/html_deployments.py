"""The HTML page of ``ecs deploy``: what each service runs now, from what before, and why where it went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.outputs.html_page import columns_with_text, document, section
from pipeline_kit.outputs.html_text import code, element, shown, table
from pipeline_kit.outputs.text import format_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = ("service", "ending", "task definition", "before", "why", "time")


class Deployed(NamedTuple):
    """One service. ``revision`` and ``previous`` are ARNs or ``""``; ``images`` is container to reference by digest."""

    key: str
    status: str
    is_success: bool
    revision: str = ""
    previous: str = ""
    reasons: tuple[str, ...] = ()
    images: Mapping[str, str] = {}
    seconds: float = 0.0


def deployments_html(services: Sequence[Deployed], *, seconds: float, run_url: str = "") -> str:
    """Return the page as text to be written as UTF-8."""
    good = sum(item.is_success for item in services)
    headline = f"{good} of {len(services)} services as asked in {format_seconds(seconds)}"
    facts = element("dl", element("dt", "run"), element("dd", shown(run_url))) if run_url else ""
    return document(headline, [facts], _sections(services))


def _sections(services: Sequence[Deployed]) -> Iterator[str]:
    if services:
        yield from section("Services", columns_with_text("Services", _HEAD, [_row(item) for item in services]))
    rows = [
        (code(item.key), code(container), code(reference))
        for item in services
        for container, reference in item.images.items()
    ]
    if rows:
        yield from section("Images", table("Images", ("service", "container", "reference"), rows))


def _row(item: Deployed) -> tuple[str, ...]:
    colour = "failed" if not item.is_success else "skip" if item.status == "unchanged" else "built"
    before = item.previous if item.previous != item.revision else ""
    return (
        code(item.key),
        element("span", shown(item.status.replace("_", " ")), class_=f"state {colour}"),
        _revision(item.revision),
        _revision(before),
        "<br/>".join(shown(reason) for reason in item.reasons),
        shown(format_seconds(item.seconds)) if item.seconds else "",
    )


def _revision(arn: str) -> str:
    return code(arn.rpartition("/")[2]) if arn else ""
