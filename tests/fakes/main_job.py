"""A small repository of two images, and the command run on it as a user runs it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KIT = str(Path(sys.executable).with_name("pipeline-kit"))
ACCEPT = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        "oci.image.index.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.v2+json",
    )
)
CONFIG = """\
version: 1
project: {project}
registry: {registry}
images:
  base:
    context: base
    args: {{BASE: "{base}"}}
  api:
    context: services/api
    contexts: {{base: "image:base"}}
    aliases: ["{{branch}}"]
deploy:
  ecs:
    prod:
      cluster: prod
      services:
        shop: {{task_definition: ecs.json, containers: {{api: api}}}}
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A repository, the registry it pushes to, and the environment of its commands."""

    directory: Path
    registry: str
    project: str
    environment: Mapping[str, str] = field(repr=False)

    def kit(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``pipeline-kit`` with ``words`` in the repository."""
        return subprocess.run(
            [KIT, *words],
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start ``pipeline-kit`` with ``words``, its output piped."""
        return subprocess.Popen(
            [KIT, *words],
            cwd=self.directory,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run ``build --json`` and return its images; fail unless it exits with ``code``."""
        done = self.kit("build", "--json", *words)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        images: dict[str, Any] = json.loads(done.stdout)["images"]
        return images

    def write(self, path: str, text: str) -> None:
        """Write a file of the repository."""
        place = self.directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def git(self, *words: str) -> str:
        """Run git in the repository and return what it prints."""
        who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        return subprocess.run(
            ["git", *who, *words],
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def digest(self, image: str, tag: str) -> str | None:
        """Return what the registry holds under a tag, ``None`` when there is nothing."""
        found = self.fetch(f"{self.project}/{image}/manifests/{tag}")
        return None if found is None else f"sha256:{hashlib.sha256(found).hexdigest()}"

    def fetch(self, path: str) -> bytes | None:
        """GET ``/v2/path`` from the registry."""
        request = urllib.request.Request(f"http://{self.registry}/v2/{path}", headers={"Accept": ACCEPT})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return None


def make_job(directory: Path, registry: str, environment: Mapping[str, str], *, base: str) -> Job:
    """Write and commit the repository; its images are new to the registry."""
    project = f"job-{secrets.token_hex(6)}"
    clean = {**environment, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    job = Job(directory, registry, project, clean)
    job.write("pipeline-kit.yaml", CONFIG.format(project=project, registry=registry, base=base))
    job.write("base/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY base.txt /base.txt\n")
    job.write("base/base.txt", f"{project}\n")
    job.write("services/api/Dockerfile", "FROM base\nCOPY src /src\nRUN cat /src/app.py > /built\n")
    job.write("services/api/src/app.py", "print(1)\n")
    job.write("ecs.json", '{"family": "shop", "containerDefinitions": [{"name": "api", "image": "later"}]}\n')
    job.git("init", "--quiet", "--initial-branch=main")
    job.git("add", "--all")
    job.git("commit", "--quiet", "-m", "one")
    return job
