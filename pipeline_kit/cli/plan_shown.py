"""The forms that a plan is shown in, and what it leaves for the steps that follow on GitHub."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline_kit.cli.options import option
from pipeline_kit.cli.results import for_github

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline_kit.app.session import Session
    from pipeline_kit.outputs.plan_markdown import Origin
    from pipeline_kit.plan import Plan

Command = TypeVar("Command", bound="Callable[..., Any]")
FORMATS = ("table", "json", "markdown", "mermaid", "github-matrix", "codebuild-batch")
_MOST_LEVELS = 32


def matrix_options(command: Command) -> Command:
    """Add the options that say which jobs a matrix has."""
    for add in (
        option(
            "--buildspec",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="For codebuild-batch: whose phases each build carries out. Default: build.yml, which comes with this.",
        ),
        option(
            "--runner",
            "runners",
            metavar="PLATFORM=LABEL",
            multiple=True,
            help="What runs-on is for a platform; several labels with commas. May be repeated. Default: GitHub's own.",
        ),
        option(
            "--levels",
            metavar="N",
            type=click.IntRange(1, _MOST_LEVELS),
            default=3,
            show_default=True,
            help="Levels of jobs at the most; what builds upon the last level's images is built in its jobs.",
        ),
        option("--per-platform", is_flag=True, help="A job for each platform of an image; join makes it whole."),
    ):
        command = add(command)
    return command


def read_runners(texts: Sequence[str]) -> dict[str, str]:
    """Return the label of each platform. Raises InputError for anything but ``PLATFORM=LABEL``."""
    from pipeline_kit.app.tagging import read_platform
    from pipeline_kit.errors import InputError

    found: dict[str, str] = {}
    for text in texts:
        platform, sign, label = text.partition("=")
        labels = [part.strip() for part in label.split(",")]
        if not sign or not all(labels) or not label.isprintable():
            raise InputError(f"--runner {text!r} is not PLATFORM=LABEL", hint="write linux/arm64=ubuntu-24.04-arm")
        found[str(read_platform(platform))] = ",".join(labels)
    return found


class Shown:
    """One plan in every form; each is made when it is asked for."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        *,
        per_platform: bool,
        levels: int,
        runners: Mapping[str, str],
        only: str | None,
        buildspec: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.plan = plan
        self._batch = (buildspec, variables or {})
        self._session = session
        self._matrix_options: dict[str, Any] = {
            "per_platform": per_platform,
            "deepest": levels,
            "runners": runners,
            "only": only,
        }

    def text(self, form: str) -> str:
        """Return stdout's product in any form but the table, which depends on the terminal."""
        from pipeline_kit.outputs.sanitize import inert_json

        match form:
            case "json":
                return self._document()
            case "markdown":
                from pipeline_kit.outputs.plan_markdown import plan_markdown

                return plan_markdown(self.plan, self._origin())
            case "mermaid":
                from pipeline_kit.outputs.plan_mermaid import plan_mermaid

                return plan_mermaid(self.plan)
            case "github-matrix":
                import json

                return inert_json(json.dumps(self._matrix()))
            case "codebuild-batch":
                from pipeline_kit.app.codebuild_batch import batch_text

                asked = {name: self._matrix_options[name] for name in ("per_platform", "only")}
                return batch_text(self.plan, *self._batch, **asked)
            case _:
                return ""

    def save(self, path: Path) -> None:
        """Write what ``build --plan`` reads. Raises OutputFailed."""
        from pipeline_kit.outputs.files import write_atomically

        write_atomically(path, self._document().encode() + b"\n")

    def save_page(self, path: Path) -> None:
        """Write the plan as an HTML page. Raises OutputFailed."""
        from pipeline_kit.outputs.files import write_atomically
        from pipeline_kit.outputs.html_pages import plan_html

        write_atomically(path, plan_html(self.plan, self._origin()).encode())

    def for_github(self) -> list[Callable[[], None]]:
        """Return what writes the step's outputs and summary, where the CI has such files."""
        return for_github(self._session, self._write_outputs, self._write_summary)

    def _write_outputs(self, path: Path) -> None:
        from pipeline_kit.outputs.plan_outputs import write_plan_outputs

        write_plan_outputs(path, self.plan, self._origin(), self._matrix())

    def _write_summary(self, path: Path) -> None:
        from pipeline_kit.outputs.plan_outputs import write_plan_summary

        if not _is_stdout(path):
            write_plan_summary(path, self.plan, self._origin())

    def _document(self) -> str:
        import json

        from pipeline_kit.outputs.sanitize import inert_json
        from pipeline_kit.plan import document

        return inert_json(json.dumps(document(self.plan), indent=2))

    def _matrix(self) -> dict[str, Any]:
        from pipeline_kit.outputs.github_matrix import github_matrix

        return github_matrix(self.plan, **self._matrix_options)

    def _origin(self) -> Origin:
        from pipeline_kit.outputs.plan_markdown import Origin

        ci = self._session.ci
        warnings = (*map(str, self._session.project.config.warnings), *ci.warnings, *self._session.registry_warnings)
        return Origin(ci.head_commit or ci.commit, ci.ref, ci.run_url, warnings)


def _is_stdout(path: Path) -> bool:
    """Return whether stdout goes to ``path`` already, as in ``plan --format markdown >> "$GITHUB_STEP_SUMMARY"``."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat())
    except (OSError, ValueError, AttributeError):
        return False
