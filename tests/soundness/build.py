"""Real builds of many scenes at once, and the base images that they stand on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import stack
from soundness.dockerfiles import BELOW_NAME, FLAGS, OTHER_NAME
from soundness.products import Product, read_product
from soundness.scene import BELOW, MAIN, OTHER
from stack_seed import ensure_pushed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from soundness.scene import Scene

AT_ONCE = 40
"""Targets in one bake; an engine overwhelmed answers "no such job"."""
_ALONE_AT_ONCE = 3
_BELOW = "_below"
_TRIES = 4
_SECONDS_BETWEEN = 3
_REFUSED = (
    "failed to solve",
    "failed to run Build function",
    "failed to read dockerfile",
    "error reading",
    "illegal exclusion pattern",
)
_TROUBLE = ("no such job", "Unavailable", "Cannot connect", "connection re", "EOF", "context canceled", "closing")
_STEP = re.compile(r"^#(\d+) \[(\w+)[ \]]", re.MULTILINE)
_STEP_FAILED = re.compile(r"^#(\d+) ERROR: (?!.*cancell?ed)", re.MULTILINE)
_TARGET = re.compile(r"^ERROR: target (\w+): ", re.MULTILINE)
_BASES = {
    "thin": "FROM scratch\nCOPY <<EOF /etc/version\n{0}\nEOF\nENV BASE_DIR={1}\n",
    "loud": "FROM scratch\nCOPY <<EOF /etc/version\n{0}\nEOF\nONBUILD ARG WHICH={1}\nONBUILD ENV SEEN_ABOVE=$WHICH\n"
    "ONBUILD COPY {1}* /onbuild/\n",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One scene as it lies below ``root``."""

    name: str
    scene: Scene
    root: Path
    alone: bool
    """Whether it is likely to fail: one failure ends a whole bake."""
    dockerfiles: tuple[Path, Path] | None = None
    """The Dockerfile to build with, where it is not the scene's own, and that of the other image."""

    @property
    def archive(self) -> Path:
        """Return where the product goes."""
        return self.root.parent / f"{self.root.name}.oci"


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine and the base images in its registry: ``digests`` by the image's name (``thin1``)."""

    environ: Mapping[str, str]
    registry: str
    digests: Mapping[str, str]
    flags: frozenset[str] = frozenset()
    """Those flags of COPY and ADD that this builder knows and not every builder does."""
    cured: list[str] = field(default_factory=list)
    """Failures that went away without the engine's cache, as each was told: the engine's own, not the build's."""

    def build(self, jobs: Sequence[Job], folder: Path) -> dict[str, Product]:
        """Return every job's product. Raises RuntimeError where the engine itself fails, again and again."""
        definition = folder / "bake.json"
        definition.write_text(
            json.dumps({"target": {k: v for job in jobs for k, v in self._targets(job).items()}}), encoding="utf-8"
        )
        found: dict[str, Product] = {}
        apart = [job for job in jobs if job.alone]
        apart += self._together([job for job in jobs if not job.alone], definition, found)
        with ThreadPoolExecutor(_ALONE_AT_ONCE) as pool:
            products = pool.map(lambda job: self._one(job, definition), apart)
            found.update(zip([job.name for job in apart], products, strict=True))
        return found

    def _together(self, jobs: Sequence[Job], definition: Path, found: dict[str, Product]) -> list[Job]:
        """Build ``jobs`` in one bake, again and again without those that fail, which are returned."""
        failing: list[Job] = []
        left = list(jobs)
        while len(left) > 1:
            done = self._bake(left, definition)
            if done.returncode == 0:
                found.update({job.name: read_product(job.archive) for job in left})
                return failing
            for job in left:
                with suppress(KeyError, ValueError, OSError, tarfile.TarError):
                    found[job.name] = read_product(job.archive)
            left = [job for job in left if job.name not in found]
            named = _failed(done.stderr)
            culprits = [job for job in left if job.name in named] or left[: max(1, len(left) // 4)]
            failing += culprits
            left = [job for job in left if job not in culprits]
        return failing + left

    def _one(self, job: Job, definition: Path) -> Product:
        """Build one job; it only fails if it fails without the cache too, a record of which may be damaged."""
        errors, failure = "", ""
        for attempt in range(_TRIES):
            done = self._bake([job], definition, *(["--no-cache"] if failure else []))
            if done.returncode == 0:
                self.cured.extend([failure] if failure else [])
                return read_product(job.archive)
            errors = done.stderr
            last = "\n".join(line for line in errors.splitlines() if line.startswith("ERROR: "))
            if any(text in last for text in _REFUSED) and not any(text in last for text in _TROUBLE):
                if failure:
                    return Product(failure=last, failed=True)
                failure = last
                continue
            time.sleep(_SECONDS_BETWEEN * (attempt + 1))
        if "failed to solve" in errors:  # some bad patterns end in "context canceled", again and again
            return Product(failure=errors[-200:], failed=True)
        raise RuntimeError(f"the engine could not build {job.root}: {errors[-2000:]}")

    def _bake(self, jobs: Sequence[Job], definition: Path, *options: str) -> subprocess.CompletedProcess[str]:
        names = [job.name for job in jobs]
        command = ["docker", "buildx", "bake", "--progress=plain", *options, "-f", str(definition), *names]
        return subprocess.run(
            command, env=dict(self.environ), capture_output=True, text=True, errors="replace", timeout=300, check=False
        )

    def _targets(self, job: Job) -> dict[str, object]:
        pins = {
            text: f"docker-image://{self.registry}/soundness/{name}@{self.digests[name]}"
            for text, name in job.scene.bases.items()
        }
        named = {OTHER_NAME: str(job.root / OTHER.decode())} if job.scene.named else {}
        own = job.root / os.fsdecode(job.scene.dockerfile), job.root / BELOW.decode() / "Dockerfile"
        dockerfile, dockerfile_below = job.dockerfiles or own
        below = {BELOW_NAME: f"target:{job.name}{_BELOW}"} if job.scene.chained else {}
        attest = ["type=provenance,disabled=true"]
        target: dict[str, object] = {
            "context": str(job.root / MAIN.decode()),
            "dockerfile": str(dockerfile),
            "args": dict(job.scene.args),
            "contexts": {**pins, **named, **below},
            "output": [f"type=oci,dest={job.archive}"],
            "attest": attest,
        }
        target |= {"target": job.scene.target} if job.scene.target else {}
        if not job.scene.chained:
            return {job.name: target}
        other = {"context": str(job.root / BELOW.decode()), "dockerfile": str(dockerfile_below), "contexts": pins}
        return {job.name: target, f"{job.name}{_BELOW}": {**other, "output": ["type=cacheonly"], "attest": attest}}


def _failed(log: str) -> set[str]:
    """Return the targets that a bake's plain log holds to blame for its end."""
    owners = dict(_STEP.findall(log))
    found = {owners[number] for number in _STEP_FAILED.findall(log) if number in owners} | set(_TARGET.findall(log))
    return {name.removesuffix(_BELOW) for name in found}


def open_engine(folder: Path) -> Engine:
    """Return the running stack with two versions of each base image in its registry."""
    parts = stack.up()
    environ = {**os.environ, **parts.environment()}
    digests: dict[str, str] = {}
    for number, word in (("1", "a"), ("2", "s")):
        repository = f"soundness/shell{number}"
        digests[f"shell{number}"] = stack.seed_base(parts.engine, parts.registry, repository, "1", version=number)
        for name, text in _BASES.items():
            image = f"{name}{number}"
            digests[image] = _push(parts, folder, image, text.format(number, word))
    return Engine(environ, parts.registry, digests, _known_flags(environ, folder))


def _known_flags(environ: Mapping[str, str], folder: Path) -> frozenset[str]:
    """Return which of :data:`FLAGS` the builder's own frontend takes."""
    return frozenset(flag for flag in FLAGS if _takes(flag, environ, folder))


def _takes(flag: str, environ: Mapping[str, str], folder: Path) -> bool:
    place = folder / f"flag-{flag}"
    place.mkdir()
    (place / "a").write_text("a\n", encoding="utf-8")
    value = "=b" if flag == "exclude" else ""
    (place / "Dockerfile").write_text(f"FROM scratch\nCOPY --{flag}{value} a /\n", encoding="utf-8")
    command = ["docker", "buildx", "build", "--quiet", "--output=type=cacheonly", str(place)]
    return subprocess.run(command, env=dict(environ), capture_output=True, timeout=300, check=False).returncode == 0


def _push(parts: stack.Stack, folder: Path, image: str, dockerfile: str) -> str:
    """Return the digest of a base image; what it is made of names its tag, so that an older one is not taken for it."""
    repository, tag = f"soundness/{image}", hashlib.sha256(dockerfile.encode()).hexdigest()[:12]
    empty = folder / f"base-{image}"
    empty.mkdir()
    (empty / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    return ensure_pushed(parts.engine, parts.registry, repository, tag, empty)
