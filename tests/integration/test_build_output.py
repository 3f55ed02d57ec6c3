"""What a real build prints reaches GitHub's log as text, and its failure the line that failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import stack
from fakes.github_runner import runner_acts, runner_reads
from fakes.main_job import Job, make_job

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]

COMMANDS = (
    "::set-output name=pwned::1",
    "::add-mask::pwned",
    "::stop-commands::pwned",
    "::endgroup::",
    "##[add-mask]pwned",
    "in the middle ##[set-env name=pwned;]1",
)
DOCKERFILE = """\
FROM base
COPY lines /lines
RUN cat /lines; cat /lines >&2
RUN cat /lines && exit 3
"""


@pytest.fixture
def job(tmp_path: Path, registry_host: str, engine_env: dict[str, str], running_stack: stack.Stack) -> Job:
    """A repository whose second image prints workflow commands and then fails."""
    stack.seed_base(running_stack.engine, running_stack.registry)
    base = f"{running_stack.registry}/library/busybox:1.36"
    made = make_job(tmp_path / "repository", registry_host, engine_env, base=base)
    made.write("services/api/lines", "".join(f"{line}\n" for line in COMMANDS))
    made.write("services/api/Dockerfile", DOCKERFILE)
    return made


@pytest.mark.parametrize("form", ["auto", "text", "json"])
def test_build_output_injects_no_commands(job: Job, tmp_path: Path, form: str) -> None:
    """In groups, as prefixed lines and as JSON; the outputs are ours; the annotation is at the failed instruction."""
    (tmp_path / "event.json").write_text("{}")
    done = job.kit(
        "--log-format",
        form,
        "-v",
        "build",
        GITHUB_ACTIONS="true",
        GITHUB_EVENT_NAME="push",
        GITHUB_EVENT_PATH=str(tmp_path / "event.json"),
        GITHUB_REF="refs/heads/main",
        GITHUB_SHA="1" * 40,
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
    )
    assert done.returncode == 1, done.stderr
    assert "pwned" in done.stderr
    acted = [line.strip() for line in [*runner_acts(done.stdout.split("\n")), *runner_acts(done.stderr.split("\n"))]]
    allowed = ("::group::", "::endgroup::", "::error file=", "::warning ")
    assert [line for line in acted if not line.startswith(allowed) or "pwned" in line.partition("::")[0]] == []
    assert acted.count("::endgroup::") == sum(line.startswith("::group::") for line in acted)
    assert [line for line in acted if line.startswith("::error file=services/api/Dockerfile,line=4,col=1,")]
    outputs = runner_reads((tmp_path / "output").read_text())
    assert "pwned" not in " ".join(outputs)
    assert list(json.loads(outputs["digests"])) == ["base"]
    assert "<pre>" in (tmp_path / "summary").read_text()
