"""What people are told on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pipeline_kit.outputs.sanitize import inert, visible
from pipeline_kit.outputs.text import tolerate

if TYPE_CHECKING:
    from pipeline_kit.errors import Interrupted, PipelineKitError
    from pipeline_kit.execute.aliases import Moved
    from pipeline_kit.outputs.github import Annotation


def say(text: str) -> None:
    """Write lines for people to stderr; a stderr that takes nothing stops no work.

    Control characters are made visible, and no line is one that GitHub's runner would carry out.
    """
    _write(inert("\n".join(visible(line) for line in text.split("\n"))))


def annotate(annotation: Annotation) -> None:
    """Write a workflow command of our own, whose texts are escaped."""
    _write(annotation.format())


def _write(text: str) -> None:
    with suppress(OSError):
        click.echo(text, file=tolerate(sys.stderr))


def tell_error(error: PipelineKitError | Interrupted) -> None:
    """Say what went wrong and what to do next; in GitHub's log also as annotations."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"  next: {error.hint}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(error)


def tell_unmoved(what: str, moved: Moved) -> None:
    """Say of a tag that could not be moved, or is held by a newer image, why; ``what`` names image and kind of tag."""
    if moved.state in ("failed", "skipped"):
        say(f"error: {what} {moved.tag}: {moved.detail}")
        hint = moved.error.hint if moved.error is not None else "to move it back, give --force"
        if hint:
            say(f"  next: {hint}")


def _annotate(error: PipelineKitError | Interrupted) -> None:
    from pipeline_kit.errors import ConfigError
    from pipeline_kit.outputs.github import Annotation

    problems = error.problems if isinstance(error, ConfigError) else []
    found = [
        Annotation("error", problem.message, file=problem.file, line=problem.line, column=problem.column)
        for problem in problems
    ]
    for annotation in found or [Annotation("error", error.message)]:
        annotate(annotation)
