"""Runs workflows with nektos/act, on this machine as a runner hosts itself: no container, no image, no GitHub.

What workflows use from elsewhere comes from folders: our own actions from this tree, others' from small stand-ins
(tests/actions/stand_ins), because the real ones talk to GitHub's or a cloud's services. Checking out is act's own copy.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = ROOT / "tests" / "actions" / "stand_ins"
ACT = Path(sys.executable).with_name("act")
OURS = "OWNER/pipeline-kit"
_USES = re.compile(r"uses: *([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)@(\w+)")
_NEEDED = ("actions", "pipeline_kit", "examples", "buildspec-templates")
_NEEDED_FILES = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "CHANGELOG.md")


@dataclass(frozen=True, slots=True)
class ActRun:
    """What a run did: act's exit code and its records, one for each line, output, summary and ended step."""

    code: int
    records: tuple[dict[str, Any], ...]
    stderr: str = field(repr=False, default="")

    @property
    def text(self) -> str:
        """Return all that the steps printed, and what act said of them."""
        return "\n".join(str(record.get("msg", "")).rstrip("\n") for record in self.records) + self.stderr

    @property
    def printed(self) -> str:
        """Return what the steps printed, and nothing else."""
        return "".join(str(record["msg"]) for record in self.records if record.get("raw_output"))

    def outputs(self, step: str) -> dict[str, str]:
        """Return the outputs of the step with this id, by name; what is empty is as good as not set."""
        return {
            record["name"]: record["arg"]
            for record in self.records
            if record.get("command") == "set-output" and record.get("stepID") == [step] and record.get("arg")
        }

    @property
    def summary(self) -> str:
        """Return the summaries of all steps."""
        return "".join(str(record["content"]) for record in self.records if record.get("command") == "summary")

    @property
    def jobs(self) -> dict[str, str]:
        """Return ``success`` or ``failure`` by the name that act shows a job with; skipped jobs are not there."""
        ended = [record for record in self.records if "jobResult" in record]
        return {str(record["job"]).partition("/")[2].strip(): str(record["jobResult"]) for record in ended}

    def steps(self) -> list[tuple[str, str]]:
        """Return name and result of each main step that ended, those within actions included."""
        return [
            (str(record["step"]), str(record["stepResult"]))
            for record in self.records
            if "stepResult" in record and record.get("stage") == "Main"
        ]

    def commands(self, *names: str) -> list[dict[str, Any]]:
        """Return the workflow commands that were acted on, by name (``error``, ``set-env``, …)."""
        return [record for record in self.records if record.get("command") in names]


def load_action(name: str) -> dict[str, Any]:
    """Return the document of ``actions/NAME/action.yml``."""
    document = yaml.safe_load((ROOT / "actions" / name / "action.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def copy_library(place: Path) -> Path:
    """Copy what a user's runner downloads of this repository; return ``place``."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _NEEDED:
        shutil.copytree(ROOT / name, place / name, ignore=ignored)
    for name in _NEEDED_FILES:
        shutil.copyfile(ROOT / name, place / name)
    return place


@dataclass(frozen=True, slots=True)
class Act:
    """act with its folders and the environment of every step."""

    library: Path
    place: Path
    environment: Mapping[str, str] = field(repr=False)

    def run(
        self,
        repository: Path,
        workflow: str,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> ActRun:
        """Run ``.github/workflows/NAME.yml`` of ``repository`` for an event, whose file holds ``payload``."""
        self.place.mkdir(parents=True, exist_ok=True)
        event_file = self.place / "event.json"
        event_file.write_text(json.dumps(payload or {}), encoding="utf-8")
        nothing = self.place / "nothing"
        nothing.touch()
        file = repository / ".github" / "workflows" / f"{workflow}.yml"
        words = [
            str(ACT),
            event,
            "--json",
            "--no-cache-server",
            "--workflows",
            str(file),
            "--eventpath",
            str(event_file),
        ]
        words += ["--platform", "ubuntu-latest=-self-hosted", "--platform", "ubuntu-24.04=-self-hosted"]
        words += ["--platform", "ubuntu-24.04-arm=-self-hosted", "--concurrent-jobs", "2", "--actor", "ann"]
        words += ["--action-cache-path", str(self.place / "cache"), "--secret", "GITHUB_TOKEN=job-token"]
        for name in ("env", "secret", "var", "input"):
            words += [f"--{name}-file", str(nothing)]
        for folder in (repository / ".github" / "workflows").glob("*.yml"):
            words += self._replacements(folder.read_text(encoding="utf-8"))
        for action in (self.library / "actions").glob("*/action.yml"):
            words += self._replacements(action.read_text(encoding="utf-8"))
        for name, value in (inputs or {}).items():
            words += ["--input", f"{name}={value}"]
        done = subprocess.run(
            words,
            cwd=repository,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return ActRun(done.returncode, tuple(records), done.stderr)

    def _replacements(self, text: str) -> list[str]:
        """Return act's options that have every action used in ``text`` come from a folder; none may be missing."""
        words: list[str] = []
        for repository, _, ref in _USES.findall(text):
            if repository == "actions/checkout":
                continue
            folder = self.library if repository == OURS else STAND_INS / repository.replace("/", "+")
            assert folder.is_dir(), f"no stand-in for {repository}"
            words += ["--local-repository", f"{repository}@{ref}={folder}"]
        return words
