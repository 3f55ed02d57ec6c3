"""A run's results as a file that a shell reads with ``. FILE``: CodeBuild's exported variables (design D7).

CodeBuild exports what is set in the build's own shell ("env/exported-variables" in the buildspec reference), so the
values go through a shell: they are JSON on one line in single quotes, and nothing in them is expanded.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pipeline_kit.errors import OutputFailed
from pipeline_kit.outputs.cutting import fitting
from pipeline_kit.outputs.files import write_atomically
from pipeline_kit.outputs.github_files import github_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline_kit.outputs.report import RunReport

EXPORTS_LIMIT = 100_000
"""Bytes of all values together: with a variable of 131,072 bytes or more Linux starts no program at all."""
_NAMES = {  # what matters most comes first
    "task-definition": "PK_TASK_DEFINITION",
    "built": "PK_BUILT",
    "skipped": "PK_SKIPPED",
    "digests": "PK_DIGESTS",
    "images": "PK_IMAGES",
}


def exported_variables(report: RunReport) -> dict[str, str]:
    """Return variables by name: the step outputs of GitHub Actions, except for the matrix, each on one line."""
    outputs = github_outputs(report)
    return {variable: outputs[name] for name, variable in _NAMES.items()}


def format_exports(variables: Mapping[str, str]) -> str:
    """Return ``export NAME='VALUE'`` lines for any POSIX shell, with every character of the values as it is."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def write_exports(path: Path, report: RunReport) -> None:
    """Replace ``path`` by the run's variables. Raises OutputFailed, also where one is too large and was left out."""
    kept, left_out = fitting(exported_variables(report), EXPORTS_LIMIT, lambda value: len(_encoded(value)))
    write_atomically(path, _encoded(format_exports(kept)))
    if left_out:
        raise OutputFailed(
            f"too large for a shell's variables and not exported: {', '.join(left_out)}",
            hint="read them from the file that --report FILE writes, or name fewer images",
        )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
