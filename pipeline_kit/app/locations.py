"""Where in the repository a report's problems are, as annotations need it: paths from the checkout's top.

BuildKit names a failed step by its instruction's text, so the line is looked for in the Dockerfile; where the text
stands there more than once, or not at all, the image's entry in the configuration is the place.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pipeline_kit.config import Location
from pipeline_kit.dockerfile.directives import escape_character
from pipeline_kit.dockerfile.lexer import statements
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.plan import Status
from pipeline_kit.values import replace

if TYPE_CHECKING:
    from pipeline_kit.app.project import Project
    from pipeline_kit.config import ImageConfig
    from pipeline_kit.outputs.report import ImageResult, RunReport

_STEP = re.compile(r"^\s*\[[^\]]*\]\s*")
"""``[stage 3/4]`` before an instruction's text."""
_ENOUGH = 60
"""Characters of an instruction that tell it from others, where BuildKit's text of it was cut or expanded later on."""


def with_locations(report: RunReport, project: Project) -> RunReport:
    """Return ``report`` with a place for each failed image and for each warning of the configuration."""
    images = tuple(_placed(image, project) for image in report.images)
    warnings = {
        str(problem): Location(_path_of(project, problem.file), problem.line, problem.column)
        for problem in project.config.warnings
    }
    return replace(report, images=images, located=warnings)


def _placed(result: ImageResult, project: Project) -> ImageResult:
    image = project.config.images.get(result.name)
    if image is None or result.status is not Status.FAILED:
        return result
    line = _line_of(result.error, _dockerfile(image, project))
    if line:
        return replace(result, location=Location(project.in_tree(image.dockerfile), line, 1))
    written = image.dockerfile_location or image.location
    return replace(result, location=Location(_path_of(project, written.file), written.line, written.column))


def _path_of(project: Project, file: str) -> str:
    """Return the configuration's path, or that of the imported ``file``, from the checkout's top."""
    if file != project.config.file:
        beside = os.path.relpath(file, os.path.dirname(project.config.file) or ".")  # noqa: PTH120 - text
        return project.in_tree(beside)
    return _config_path(project)


def _config_path(project: Project) -> str:
    real = os.path.realpath(project.config_path.parent)
    return os.path.normpath(os.path.relpath(os.path.join(real, project.config_path.name), project.root))  # noqa: PTH118 - text


def _dockerfile(image: ImageConfig, project: Project) -> str:
    try:
        data = project.tree.read(project.in_tree(image.dockerfile))
    except PipelineKitError:
        return ""
    return (data or b"").decode("utf-8", "replace")


def _line_of(error: str, dockerfile: str) -> int:
    """Return the 1-based line of the one instruction that ``error`` begins with, else 0."""
    told = " ".join(_STEP.sub("", error, count=1).split())
    try:
        found = list(statements(dockerfile, "Dockerfile", escape=escape_character(dockerfile)))
    except PipelineKitError:
        return 0
    texts = [(item.line, " ".join(item.text.split())) for item in found]
    hits = [line for line, text in texts if text and told.lower().startswith(text.lower()[:_ENOUGH])]
    return hits[0] if len(hits) == 1 else 0
