"""A CodeBuild project as a user has it: a repository, a role's endpoints that note what is asked, and builds of it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.buildspec_runner import run_batch, run_buildspec
from fakes.iam import required
from fakes.main_job import make_job
from fakes.shop_copy import OFFLINE_PIP, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fakes.aws_front import AwsFront
    from fakes.buildspec_runner import BuildResult
    from fakes.fake_codebuild import Batch
    from fakes.main_job import Job
    from fakes.recording_front import RecordingFront

TEMPLATES = ROOT / "buildspec-templates"
CONFIG = """\
version: 1
project: {project}
registry: {registry}
images:
  base: {{context: base, args: {{BASE: "{base}"}}}}
  api: {{context: services/api, contexts: {{base: "image:base"}}, aliases: [newest]}}
deploy:
  ecs:
    prod:
      cluster: {project}
      services:
        api:
          task_definition: ecs.json
          containers: {{api: api}}
          codedeploy: {{container: api, port: 8080}}
          timeout: 2m
"""
_PYTHON = """\
import pathlib, sys, venv
assert sys.argv[1:3] == ["-m", "venv"], sys.argv
place = pathlib.Path(sys.argv[3])
venv.create(place, with_pip=False)
found = next(place.glob("lib/python*/site-packages"))
(found / "tested.pth").write_text({packages!r} + "\\n", encoding="utf-8")
"""


@dataclass(slots=True)
class Scene:
    """One project. ``front`` is the account's ECR, ``aws`` the rest of AWS."""

    job: Job
    front: RecordingFront
    aws: AwsFront
    place: Path
    environment: dict[str, str]
    count: int = 0
    batch_asked: set[tuple[str, str]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Return the project's name, which is its repositories' prefix and its cluster as well."""
        return self.job.project

    def build(self, template: str, source: Path | None = None, /, **variables: str) -> BuildResult:
        """Carry out a template in ``source`` (a fresh clone of the repository), with the project's ``variables``."""
        source = source or self.checkout()
        log = self.place / f"{self.count}-{template}.log"
        return run_buildspec(TEMPLATES / f"{template}.yml", source, {**self.environment, **variables}, log)

    def batch(self, batch: Batch, tell: Callable[[str, str], None]) -> None:
        """Carry out a batch as the project of its builds does; what these ask is noted apart, in ``batch_asked``."""
        logs = self.place / batch.id.replace(":", "-")
        logs.mkdir()
        given = {**self.environment, **batch.variables, "CODEBUILD_SOURCE_VERSION": batch.request["sourceVersion"]}
        given.pop("CODEBUILD_WEBHOOK_TRIGGER")
        before, self.front.asked = self.front.asked, set()
        run_batch(batch.request["buildspecOverride"], lambda _: self.checkout(), given, logs, tell)
        self.batch_asked |= required(self.front.asked, ())
        self.front.asked = before

    def checkout(self) -> Path:
        """Return a new clone of the repository as CodeBuild makes one: of depth 1, with a detached head."""
        self.count += 1
        place = self.place / f"src{self.count}"
        self.job.git("clone", "--quiet", "--depth=1", "--no-local", str(self.job.directory), str(place))
        subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=place, check=True)
        return place

    def archive(self) -> Path:
        """Return the repository's files as CodePipeline hands them over: a zip without ``.git``, links and modes."""
        self.count += 1
        packed, place = self.place / f"src{self.count}.zip", self.place / f"src{self.count}"
        clone = self.checkout()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(clone.rglob("*")):
                name = path.relative_to(clone)
                if name.parts[0] != ".git" and not path.is_symlink():
                    archive.write(path, name)
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(place)
        assert not any(stat.S_IMODE(path.stat().st_mode) & 0o100 for path in place.rglob("*") if path.is_file())
        return place

    def commit(self, path: str, text: str) -> None:
        """Write a file of the repository and commit it."""
        self.job.write(path, text)
        self.job.git("add", "--all")
        self.job.git("commit", "--quiet", "-m", "next")
        self.environment["CODEBUILD_RESOLVED_SOURCE_VERSION"] = self.job.git("rev-parse", "HEAD").strip()

    def break_image(self) -> None:
        """Commit a Dockerfile that cannot be built."""
        self.commit("services/api/Dockerfile", "FROM base\nCOPY src /src\nRUN false\n")

    def recorded(self) -> set[tuple[str, str]]:
        """Return the IAM actions that were needed since the last look, each with the resource's ARN."""
        found = required(self.front.asked, self.aws.calls)
        self.front.asked.clear()
        self.aws.calls.clear()
        return found

    def images(self) -> dict[str, str]:
        """Return the digests that the registry holds under the tags of what is committed, by image."""
        plan = self.job.kit("plan", "--json")
        assert plan.returncode == 0, plan.stderr
        images: dict[str, Any] = json.loads(plan.stdout)["images"]
        return {name: image["digest"] for name, image in images.items() if image["digest"]}


def make_scene(
    place: Path, front: RecordingFront, aws: AwsFront, environment: Mapping[str, str], *, base: str, wheel: Path
) -> Scene:
    """Make a project whose images no registry has seen; ``base`` is a base image elsewhere."""
    job = make_job(place / "repository", front.host, environment, base=base)
    job.write("pipeline-kit.yaml", CONFIG.format(project=job.project, registry=front.host, base=base))
    temporary = place / "tmp"
    temporary.mkdir()
    given = {
        **job.environment,
        **OFFLINE_PIP,
        "PIP_NO_COMPILE": "0",  # pip reads 0 there as "do not compile": what is imported is compiled then
        **aws.environment(),
        "PATH": f"{_fast_python(place / 'bin')}:{environment['PATH']}",
        "TMPDIR": str(temporary),
        "PK_PACKAGE": f"{wheel}[aws]",
        "CODEBUILD_BUILD_ID": f"{job.project}:1",
        "CODEBUILD_BUILD_ARN": f"arn:aws:codebuild:eu-west-1:111122223333:build/{job.project}:1",
        "CODEBUILD_INITIATOR": "GitHub-Hookshot/1",
        "CODEBUILD_WEBHOOK_EVENT": "PUSH",
        "CODEBUILD_WEBHOOK_TRIGGER": "branch/main",
    }
    scene = Scene(job, front, aws, place, given)
    scene.commit("ecs.json", json.dumps(definition(job.project)))
    return scene


def definition(project: str) -> dict[str, Any]:
    """Return the task definition of the service ``api``."""
    logs = {"awslogs-group": f"/{project}", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-west-1"}
    return {
        "family": project,
        "networkMode": "host",
        "executionRoleArn": f"arn:aws:iam::111122223333:role/{project}-execution",
        "taskRoleArn": f"arn:aws:iam::111122223333:role/{project}-task",
        "containerDefinitions": [
            {
                "name": "api",
                "image": "set by pipeline-kit",
                "memory": 64,
                "command": ["sh", "-c", "sh /src/app.py && sleep 600"],
                "logConfiguration": {"logDriver": "awslogs", "options": logs},
            }
        ],
    }


def build_wheel(directory: Path) -> Path:
    """Build the package as it is; with the packages of this environment it then installs in a moment."""
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, env={"PATH": "/usr/bin:/bin", **OFFLINE_PIP})
    return next(directory.glob("*.whl"))


def _fast_python(directory: Path) -> Path:
    """Write ``python3``, whose ``-m venv`` makes environments that see this one's packages; return its directory."""
    directory.mkdir()
    code = directory / "make_venv.py"
    code.write_text(_PYTHON.format(packages=sysconfig.get_path("purelib")), encoding="utf-8")
    program = directory / "python3"
    base = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path=f"{sys.base_prefix}/bin")
    program.write_text(f'#!/bin/sh\nexec "{base}" "{code}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return directory
