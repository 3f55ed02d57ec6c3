"""A repository of one image, ``api``, whose context is ``app``, and the ways to ask pipeline-kit about it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.project_files import WHOLE, config_text, environment, tag, write_files

import pipeline_kit
from pipeline_kit.app.doctor import examine
from pipeline_kit.app.job import BuildOptions, run_build
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.ports.builder import Builder, BuildEvent, BuildOutcome, BuildRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fakes.fake_registry import FakeRegistry
    from fakes.git_checkout import Checkout

    from pipeline_kit.app.keys import Keyed
    from pipeline_kit.outputs.report import RunReport
    from pipeline_kit.plan import PlannedImage


def _nothing() -> None:
    """Let nothing else happen."""


@dataclass(slots=True)
class StoringBuilder:
    """Stores an image for each request in the fake registry, as buildx does by digest; ``meanwhile`` runs last."""

    registry: FakeRegistry
    meanwhile: Callable[[], object] = _nothing
    requests: list[BuildRequest] = field(default_factory=list)

    def build(
        self, requests: Sequence[BuildRequest], *, push: bool, on_event: Callable[[BuildEvent], None]
    ) -> Mapping[str, BuildOutcome]:
        """Build all."""
        del push, on_event
        self.requests += requests
        outcomes = {request.name: BuildOutcome(request.name, self._store(request)) for request in requests}
        self.meanwhile()
        return outcomes

    def push(self, request: BuildRequest, on_event: Callable[[BuildEvent], None]) -> str:
        """Refuse: everything was pushed by digest."""
        del on_event
        raise AssertionError(request.name)

    def _store(self, request: BuildRequest) -> str:
        repository = request.repository.removeprefix(f"{self.registry.host}/")
        return self.registry.put_image(repository, None, request.platforms, labels=request.labels).digest


_conforms: type[Builder] = StoringBuilder


@dataclass(frozen=True, slots=True)
class TrapScene:
    """A checkout whose registry, images and bases are in this process."""

    checkout: Checkout
    registry: FakeRegistry

    @property
    def root(self) -> Path:
        """Return the top of the checkout."""
        return self.checkout.root

    @property
    def app(self) -> Path:
        """Return the image's context."""
        return self.root / "app"

    def image(self, text: str | bytes = WHOLE, /, **members: Any) -> None:
        """Write app/Dockerfile and the configuration, whose image has these further ``members``."""
        config = config_text({"api": {"context": "app", **members}}, registry=self.registry.host)
        write_files(self.root, {"app/Dockerfile": text, "pipeline-kit.yaml": config})

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files, named from the top."""
        write_files(self.root, files)

    def commit(self) -> str:
        """Commit everything, let the index settle, and return the commit's id."""
        made = self.checkout.commit()
        self.checkout.age()
        return made

    def git(self, *arguments: str) -> str:
        """Run git at the top."""
        return self.checkout.git(*arguments)

    def status(self) -> str:
        """Return what git finds changed or untracked."""
        return self.git("status", "--porcelain")

    def tag(self, **environ: str) -> str:
        """Return the content tag."""
        return tag(self.root, **environ)

    def tag_without_git(self) -> str:
        """Return the content tag of a copy without ``.git``, whose every byte is read."""
        copy = self.root.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.root), str(copy)], check=True)  # copies FIFOs and sockets, too
        shutil.rmtree(copy / ".git")
        return tag(copy)

    def keyed(self) -> Keyed:
        """Return the key and what it was made from."""
        with open_session(self.root, None, environment()) as session:
            return compute_tags(session.project, ("api",), session.around, lambda: session.registry).keyed["api"]

    def plan(self, *, offline: bool = False) -> PlannedImage:
        """Return what is planned."""
        return pipeline_kit.plan(self.root, ("api",), environ=environment(), offline=offline).images["api"]

    def build(self, builder: StoringBuilder) -> RunReport:
        """Do the main job with ``builder``."""
        with open_session(self.root, None, environment()) as session:
            return run_build(session, BuildOptions(("api",)), lambda _: _given(builder), lambda _: None)

    def doctor(self) -> dict[str, set[str]]:
        """Return the paths that doctor finds, by rule."""
        found = examine(self.root, None, os.environ).findings
        return {finding.rule: {os.fsdecode(path) for path in finding.paths} for finding in found}


@contextmanager
def _given(builder: StoringBuilder) -> Iterator[Builder]:
    yield builder
