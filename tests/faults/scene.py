"""The main job over a real registry behind the fault proxy: one image, ``api``, with the alias ``latest``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import urllib3
from fakes.fake_clock import FakeClock
from fakes.project_files import WHOLE, config_text, environment, write_files
from fakes.real_registry import RealRegistry
from faults.runner import Order, PushingBuilder
from faults.whole import Holding, holding

from pipeline_kit.adapters.registry.content import ContentClient
from pipeline_kit.app.job import BuildOptions, run_build
from pipeline_kit.app.session import open_session
from pipeline_kit.app.tagging import compute_tags
from pipeline_kit.content_tag import KEY_LABEL
from pipeline_kit.errors import PipelineKitError
from pipeline_kit.reference import Reference
from pipeline_kit.retry import NO_RETRIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.fault_proxy import FaultProxy

    from pipeline_kit.ports.builder import Builder

ALIAS = "latest"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, as the command tells it."""

    code: int
    status: str = ""
    text: str = ""
    digest: str | None = None
    retries: tuple[str, ...] = ()
    slept: float = 0.0
    builds: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class FaultScene:
    """A project whose registry is ``proxy``; ``run`` does the job, ``held`` reads what the registry then holds."""

    root: Path
    proxy: FaultProxy
    project: str
    verify: str = "tag"
    platforms: tuple[str, ...] = ("linux/amd64",)
    layer: int = 5_000
    settings: dict[str, Any] = field(default_factory=dict)
    """Further members of the client."""

    @property
    def repository(self) -> str:
        """Return the image's repository."""
        return f"{self.project}/api"

    @property
    def tag(self) -> str:
        """Return the content tag."""
        with self._opened() as session:
            return str(compute_tags(session.project, ("api",), session.around, None).keyed["api"].tag)

    @property
    def key(self) -> str:
        """Return the whole key."""
        with self._opened() as session:
            return str(compute_tags(session.project, ("api",), session.around, None).keyed["api"].key)

    def reference(self, tag: str = "") -> Reference:
        """Return the image's reference at the proxy, by its content tag or another."""
        return Reference(self.proxy.host, self.repository, tag or self.tag)

    def change(self, text: str) -> None:
        """Change the image's only file."""
        write_files(self.root, {"app/file": text})

    def run(self, **options: Any) -> Ended:
        """Do the main job through the proxy and return how it ended."""
        clock = FakeClock()
        client = ContentClient(**{"environment": {}, "clock": clock, **self.settings})
        builds: list[str] = []

        @contextmanager
        def opened(_: object) -> Iterator[Builder]:
            order = Order(self.proxy.host, self.project, 1, {"api": 1}, layer=self.layer, is_repeatable=True)
            builder = PushingBuilder(client, order, NO_RETRIES)
            builder.builds = builds
            yield builder

        with self._opened() as session:
            session._registry = client
            try:
                report = run_build(session, BuildOptions(("api",), **options), opened, lambda _: None)
                image = report.images[0]
                aliases = " ".join(alias.detail for alias in image.aliases)
                ended = Ended(report.exit_code, image.status.value, image.error or aliases, image.digest)
                warnings = report.warnings
            except PipelineKitError as error:
                ended, warnings = Ended(error.exit_code, text=f"{error.message}\n{error.hint or ''}"), ()
        told = tuple(retry.retry_class for retry in client.statistics.retries)
        return Ended(ended.code, ended.status, ended.text, ended.digest, told, clock.slept, tuple(builds), warnings)

    def held(self) -> Holding:
        """Read all that the repository's tags lead to, past the proxy; fail where a part is missing."""
        with urllib3.PoolManager(retries=False) as http:
            return holding(self.proxy.upstream, self.repository, http)

    def tags(self) -> set[str]:
        """Return the repository's tags, all of which are whole; build records' lists are left out."""
        return {tag for tag in self.held().tags if not tag.startswith("sha256-")}

    def put_theirs(self, tag: str, **members: Any) -> str:
        """Let another runner push an image of the same key under ``tag``, past the proxy; return its digest."""
        members = {"labels": {KEY_LABEL: self.key}, "content": "theirs", **members}
        return RealRegistry(self.proxy.upstream).put_image(self.repository, tag, self.platforms, **members).digest

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        image = {"context": "app", "aliases": [ALIAS], "repository": self.repository, "platforms": [*self.platforms]}
        text = config_text({"api": image}, registry=self.proxy.host, verify=self.verify)
        write_files(self.root, {"pipeline-kit.yaml": text, "app/Dockerfile": WHOLE})
        if not (self.root / "app/file").exists():
            self.change("one\n")
        with open_session(self.root, None, environment()) as session:
            yield session


def errors(code: str, message: str = "") -> bytes:
    """Return an error body of the distribution specification."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


SPEC = {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json"}
