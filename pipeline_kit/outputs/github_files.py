"""GitHub's files: step outputs and the step summary (design D7, faults G1-G4).

Only the outputs file and the summary are ever written: a value in an environment or path file acts on later steps.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from pipeline_kit.errors import OutputFailed
from pipeline_kit.outputs.cutting import fitting, utf16_units
from pipeline_kit.outputs.files import append
from pipeline_kit.outputs.markdown import SUMMARY_LIMIT, markdown_summary
from pipeline_kit.outputs.report import AVAILABLE, NEW
from pipeline_kit.plan import Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline_kit.outputs.report import RunReport

OUTPUTS_LIMIT = 1_000_000
"""Bytes, as UTF-16, that GitHub takes for all outputs of a job."""
_MATTERS_MOST = ("task-definition", "built", "skipped", "digests", "images", "matrix")
_TOO_LARGE = "read them from the file that --report FILE writes, or name fewer images in a job"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SHOWN = 5


def github_outputs(report: RunReport) -> dict[str, str]:
    """Return the step outputs by name, each on one line; only digests that the registry holds appear.

    - ``images``: JSON, image name to ``host/repository@digest``; ``digests``: JSON, image name to digest.
    - ``built``: JSON list of the names that this run made available (built, completed, or built by another run at the
      same time); ``skipped``: JSON list of those that were there already.
    - ``matrix``: JSON ``{"include": [{"image", "tag", "reference", "digest"}, …]}`` over ``built``. GitHub refuses an
      empty matrix, so jobs guard it with ``if: outputs.built != '[]'``.
    - ``task-definition``: the path of the one rendered task definition; with several, JSON ``environment/service`` to
      path; empty where none was written.
    """
    available = [image for image in report.named(AVAILABLE) if image.pinned]
    new = [image for image in available if image.status in NEW]
    include = [
        {"image": image.name, "tag": image.tag, "reference": image.pinned, "digest": image.digest} for image in new
    ]
    return {
        "images": json.dumps({image.name: image.pinned for image in available}),
        "digests": json.dumps({image.name: image.digest for image in available}),
        "built": json.dumps([image.name for image in new]),
        "skipped": json.dumps([image.name for image in available if image.status is Status.SKIPPED]),
        "matrix": json.dumps({"include": include}),
        "task-definition": _task_definition(report),
    }


def format_outputs(outputs: Mapping[str, str]) -> str:
    """Return ``outputs`` as the runner reads them back: ``name<<DELIMITER``, the value, ``DELIMITER``.

    The delimiter is random for each value and does not occur in it. Raises OutputFailed for a name with anything but
    letters, digits, ``_`` and ``-``.
    """
    lines: list[str] = []
    for name, value in outputs.items():
        if not _NAME.fullmatch(name):
            raise OutputFailed(f"{name!r} is not a legal output name")
        delimiter = _delimiter(value)
        lines += [f"{name}<<{delimiter}", value, delimiter]
    return "".join(f"{line}\n" for line in lines)


def write_outputs(path: Path, report: RunReport) -> None:
    """Append :func:`github_outputs` to the file ``GITHUB_OUTPUT`` names, all of them or none.

    Those that GitHub's limit for a job leaves no room for are not written, since half a JSON document is none. Raises
    OutputFailed that says what is in the registry all the same.
    """
    found = github_outputs(report)
    ranked = {name: found[name] for name in _MATTERS_MOST}
    append_outputs(path, ranked, told=_pushed(report), hint=_TOO_LARGE)


def append_outputs(path: Path, outputs: Mapping[str, str], *, told: str = "", hint: str) -> None:
    """Append ``outputs``, which matters most first, to the file ``GITHUB_OUTPUT`` names.

    Those without room in GitHub's limit for a job are left out. Raises OutputFailed, which begins with ``told``; where
    something was left out its hint is ``hint``.
    """
    kept, left_out = fitting(outputs, OUTPUTS_LIMIT, lambda value: 2 * utf16_units(value))
    try:
        append(path, format_outputs(kept).encode("utf-8", "backslashreplace"), what="the GitHub outputs file")
    except OutputFailed as error:
        raise OutputFailed(f"{told}outputs not written: {error.message}", hint=error.hint) from error
    if left_out:
        raise OutputFailed(f"{told}too large for GitHub and not written: the outputs {', '.join(left_out)}", hint=hint)


def write_summary(path: Path, report: RunReport) -> None:
    """Append the Markdown summary to the file ``GITHUB_STEP_SUMMARY`` names, within GitHub's limit for the whole file.

    Raises OutputFailed like :func:`write_outputs`.
    """
    text = markdown_summary(report, limit=summary_room(path))
    try:
        append_summary(path, text)
    except OutputFailed as error:
        raise OutputFailed(f"{_pushed(report)}summary not written: {error.message}", hint=error.hint) from error


def append_summary(path: Path, text: str) -> None:
    """Append Markdown to the file ``GITHUB_STEP_SUMMARY`` names. Raises OutputFailed."""
    append(path, text.encode("utf-8", "backslashreplace"), what="the GitHub step summary")


def summary_room(path: Path) -> int:
    """Return how many bytes the file ``GITHUB_STEP_SUMMARY`` names takes yet."""
    try:
        return max(0, SUMMARY_LIMIT - path.stat().st_size)
    except OSError:
        return SUMMARY_LIMIT


def _delimiter(value: str) -> str:
    while True:
        delimiter = f"ghadelimiter_{uuid.uuid4()}"
        if delimiter not in value:
            return delimiter


def _task_definition(report: RunReport) -> str:
    written = {
        f"{result.environment}/{result.service}": result.path for result in report.task_definitions if result.path
    }
    if len(written) == 1:
        path = next(iter(written.values()))
        # One line whatever the file is called: a caller may pass the value on in the old name=value form.
        return path if path.isprintable() else json.dumps(path)
    return json.dumps(written) if written else ""


def _pushed(report: RunReport) -> str:
    names = [f"{image.name}@{image.digest}" for image in report.named(NEW) if image.digest]
    if not names:
        return ""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"pushed {', '.join(names[:_SHOWN])}{rest}, but "
