"""One run's surroundings: project, CI, registry client, clock; closed at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pipeline_kit.app.project import Project, open_project
from pipeline_kit.app.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from pipeline_kit.adapters.ci import Ci
    from pipeline_kit.adapters.registry.client import RegistryClient
    from pipeline_kit.adapters.registry.retrying import Retry


def _quiet(retry: Retry) -> None:
    del retry


@dataclass(slots=True)
class Session:
    """Everything a command needs; a context manager that closes the registry's connections."""

    project: Project
    ci: Ci
    around: Surroundings
    environ: Mapping[str, str]
    on_retry: Callable[[Retry], None] = _quiet
    started: float = field(default_factory=time.monotonic)
    _registry: RegistryClient | None = None

    @property
    def registry(self) -> RegistryClient:
        """Return the run's registry client, made at first use."""
        if self._registry is None:
            from pipeline_kit.adapters.registry.client import RegistryClient

            self._registry = RegistryClient(
                environment=self.environ, plain_http=self.project.config.plain_http, on_retry=self.on_retry
            )
        return self._registry

    @property
    def requests(self) -> int:
        """Return the number of HTTP requests sent to registries so far."""
        return self._registry.statistics.requests if self._registry is not None else 0

    @property
    def retries(self) -> int:
        """Return the number of requests that were repeated."""
        return len(self._registry.statistics.retries) if self._registry is not None else 0

    @property
    def registry_warnings(self) -> tuple[str, ...]:
        """Return what registries said in Warning headers, each once."""
        return tuple(self._registry.statistics.warnings) if self._registry is not None else ()

    def seconds(self) -> float:
        """Return the seconds since the session began."""
        return time.monotonic() - self.started

    def know_commit(self) -> None:
        """Fill in the placeholder values, which needs git's word on HEAD."""
        self.around = replace(self.around, values=_values(self.project, self.ci, self.around.now))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.project.close()
        if self._registry is not None:
            self._registry.close()


def open_session(
    directory: Path, config: str | None, environ: Mapping[str, str], *, on_retry: Callable[[Retry], None] = _quiet
) -> Session:
    """Open the project in ``directory`` and look at the CI. Raises what :func:`open_project` raises."""
    project = open_project(directory, config, environ)
    from pipeline_kit.adapters.ci import detect  # after the project, whose git is at work by now

    ci = detect(environ)
    around = Surroundings(values={}, environ=environ, now=time.time(), base_commit=ci.base_commit)
    session = Session(project, ci, around, environ, on_retry)
    if _uses_placeholders(project):
        session.know_commit()
    return session


def _uses_placeholders(project: Project) -> bool:
    from pipeline_kit.config import split_template

    templates = [text for image in project.config.images.values() for text in (*image.args.values(), *image.aliases)]
    return any(part.kind == "name" for text in templates for part in split_template(text))


def _values(project: Project, ci: Ci, now: float) -> dict[str, str]:
    head = project.history.checkout() if project.history is not None else None
    commit = ci.commit or (head.commit if head else "")
    moment = datetime.fromtimestamp(now, UTC)
    on_branch = ci.branch or (head.branch if head and ci.provider == "local" else "")
    values = {
        "sha": commit,
        "short_sha": commit[:12],
        "branch": on_branch,
        "tag": ci.ref.removeprefix("refs/tags/") if ci.ref.startswith("refs/tags/") else "",
        "pull_request": str(ci.pull_request) if ci.pull_request is not None else "",
        "date": moment.strftime("%Y-%m-%d"),
        "time": moment.strftime("%Y%m%dT%H%M%SZ"),
    }
    return {name: value for name, value in values.items() if value}
