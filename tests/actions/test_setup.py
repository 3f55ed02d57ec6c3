"""The setup action, run by act: real installations, offline, with pip and with uv."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.act_runner import OURS
from fakes.shop_copy import OFFLINE_PIP
from fakes.workflow_files import one_step

if TYPE_CHECKING:
    from fakes.act_runner import Act, ActRun
    from fakes.main_job import Job

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.xdist_group("engine")]
_CHECK = """\
      - run: |
          command -v pipeline-kit
          command -v docker-credential-pipeline-kit
          pipeline-kit --version
          command -v python | grep -v pipeline-kit
"""
_AGAIN = f"      - uses: {OURS}/actions/plan@COMMIT\n        id: plan\n        with: {{offline: true, aws: false}}\n"
_FORGET = '      - run: rm -r "$RUNNER_TEMP"/pipeline-kit-*\n'
_SECOND = (
    f"      - uses: {OURS}/actions/setup@COMMIT\n        id: second\n        with: {{python: PYTHON, aws: false}}\n"
)
_PACKAGES = sysconfig.get_path("purelib")
_NO_PROGRAM = {"PIPELINE_KIT_PROGRAM": ""}
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _offline_python(place: Path) -> str:
    """Write a python whose environments see this one's packages: with OFFLINE_PIP all is done but to download."""
    program = place / "python3"
    program.write_text(
        "#!/bin/sh\n"
        f'if [ "$1 $2" != "-m venv" ]; then exec "{sys.executable}" "$@"; fi\n'
        f'"{sys.executable}" "$@" && for folder in "$4"/lib/python*/site-packages; do\n'
        f'  echo "{_PACKAGES}" > "$folder/tested.pth"\n'
        "done\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return str(program)


def _made(done: ActRun) -> int:
    """Return how many installations were made."""
    return done.text.count("Install pipeline-kit")


def test_installs_once_in_a_job_and_once_for_many_jobs(act: Act, job: Job, tmp_path: Path) -> None:
    """Pip installs; the plan action uses that program; a job with an empty disk gets it from the cache."""
    python = _offline_python(tmp_path)
    more = _CHECK + _AGAIN + _FORGET + _SECOND.replace("PYTHON", python) + _CHECK
    workflow = one_step(job, "setup", {"python": python, "aws": "false"}, login=False, more=more)
    done = act.run(job.directory, workflow, env={**OFFLINE_PIP, **_NO_PROGRAM})
    assert done.code == 0, done.text
    first, second = done.outputs("it"), done.outputs("second")
    assert (first["cache-hit"], second["cache-hit"]) == ("false", "true")
    assert first["program"] == second["program"]
    assert first["version"] == second["version"]
    assert done.outputs("plan")["has-work"] == "true"
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert _made(done) == 1, done.text


def test_without_cache_nothing_is_stored_and_no_other_action_installs_again(act: Act, job: Job, tmp_path: Path) -> None:
    """``cache: false`` neither restores nor saves."""
    python = _offline_python(tmp_path)
    workflow = one_step(job, "setup", {"python": python, "cache": "false"}, login=False, more=_AGAIN)
    done = act.run(job.directory, workflow, env={**OFFLINE_PIP, **_NO_PROGRAM})
    assert done.code == 0, done.text
    assert (_made(done), list((tmp_path / "cache").iterdir())) == (1, [])


def test_an_action_without_setup_installs_by_itself_once_in_a_job(act: Act, job: Job, tmp_path: Path) -> None:
    """The first action installs, the second one finds it, whatever its own inputs say."""
    python = _offline_python(tmp_path)
    workflow = one_step(job, "plan", {"python": python, "aws": "false", "offline": "true"}, login=False, more=_AGAIN)
    done = act.run(job.directory, workflow, env={**OFFLINE_PIP, **_NO_PROGRAM})
    assert done.code == 0, done.text
    assert (done.outputs("it")["has-work"], done.outputs("plan")["has-work"]) == ("true", "true")
    assert _made(done) == 1


def test_uv_is_used_where_there_is_one(act: Act, job: Job, tmp_path: Path) -> None:
    """With uv on PATH no pip is needed: the Python that is named has none of its own."""
    folder = tmp_path / "uv-bin"
    folder.mkdir()
    real = Path(sys.executable).with_name("uv")
    # Offline, what a download would bring comes from this environment.
    (folder / "uv").write_text(
        "#!/bin/sh\n"
        f'echo "uv $1" >> "{folder}/log"\n'
        f'if [ "$1" = venv ]; then exec "{real}" "$@" --system-site-packages --offline; fi\n'
        f'exec "{real}" "$@" --offline --no-deps --no-build-isolation\n',
        encoding="utf-8",
    )
    (folder / "uv").chmod(0o755)
    inputs = {"python": sys.executable, "aws": "false", "cache": "false"}
    workflow = one_step(job, "setup", inputs, login=False, more="      - run: pipeline-kit --version\n")
    path = {"PATH": f"{folder}:{act.environment['PATH']}", "PYTHONPATH": _PACKAGES}
    done = act.run(job.directory, workflow, env={**path, **_NO_PROGRAM})
    assert done.code == 0, done.text
    assert (folder / "log").read_text(encoding="utf-8").splitlines() == ["uv venv", "uv pip"]
    assert done.outputs("it")["program"].endswith("/bin/pipeline-kit")


def test_a_runners_own_program_is_used_as_it_is(act: Act, job: Job) -> None:
    """PIPELINE_KIT_PROGRAM, or the input: nothing is installed, and the program is on PATH."""
    done = act.run(job.directory, one_step(job, "setup", {}, login=False, more=_CHECK + _AGAIN))
    assert done.code == 0, done.text
    assert done.outputs("it")["program"] == act.environment["PIPELINE_KIT_PROGRAM"]
    assert _made(done) == 0
    program = {"program": act.environment["PIPELINE_KIT_PROGRAM"]}
    done = act.run(job.directory, one_step(job, "setup", program, login=False, more=_AGAIN), env=_NO_PROGRAM)
    assert (done.code, _made(done)) == (0, 0), done.text


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"program": "/nowhere/pipeline-kit"}, "the program '/nowhere/pipeline-kit' does not run"),
        ({"python": "python-of-nowhere"}, "'python-of-nowhere' is not Python 3.11 or newer"),
        ({"cache": "sometimes"}, "input cache is 'sometimes'"),
        ({"registry": "registry.invalid", "username": "ann"}, "input username is set without password"),
        ({"registry": "registry.invalid", "password": "x"}, "input username is required"),
    ],
    ids=["program", "python", "cache", "no-password", "no-username"],
)
def test_an_input_that_cannot_be_meant_fails_and_is_named(
    act: Act, job: Job, inputs: dict[str, str], told: str
) -> None:
    """The job fails and says what to do."""
    own = {} if "registry" in inputs else {**_NO_PROGRAM, "PATH": _SYSTEM_PATH}
    done = act.run(job.directory, one_step(job, "setup", inputs, login=False), env=own)
    assert done.jobs == {"one": "failure"}
    assert told in done.text, done.text


def test_the_jobs_token_goes_to_ghcr_and_nowhere_else(act: Act, job: Job, tmp_path: Path) -> None:
    """For ghcr.io the token is given on standard input; a host that the workflow does not give one gets none."""
    program = tmp_path / "recorder"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "pipeline-kit 0"; exit; fi\n'
        f'{{ printf "[%s]" "$@"; case " $* " in *--password-stdin*) cat ;; esac; echo; }} >> "{tmp_path}/log"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    inputs = {"program": str(program), "registry": "ghcr.io"}
    done = act.run(job.directory, one_step(job, "setup", inputs, login=False))
    assert done.code == 0, done.text
    other = act.run(job.directory, one_step(job, "setup", {**inputs, "registry": "ghcr.io.example.com"}, login=False))
    assert other.code == 0, other.text
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == [
        "[login][--username=ann][--password-stdin][--][ghcr.io]job-token",
        "[login][--][ghcr.io.example.com]",
    ]
    assert "job-token" not in done.text


def test_a_wrong_password_fails_and_stays_hidden(act: Act, job: Job) -> None:
    """Nothing is stored that the registry does not take, and no line of the password is printed."""
    inputs = {"registry": job.registry, "username": "ann", "password": "wrong%secret\nsecond line"}
    more = '      - if: always()\n        run: echo "wrong%secret and second line"\n'
    done = act.run(job.directory, one_step(job, "setup", inputs, login=False, more=more))
    assert done.jobs == {"one": "failure"}
    assert "::set" not in done.printed
    assert "second line" not in done.printed
    assert "wrong%secret" not in done.printed
