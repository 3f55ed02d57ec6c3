"""One run's surroundings: project, CI, registry client, clock; closed at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from pipeline_kit.app.project import Project, open_project
from pipeline_kit.app.surroundings import Surroundings
from pipeline_kit.values import field, replace, value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from pipeline_kit.adapters.ci import Ci
    from pipeline_kit.adapters.registry.content import ContentClient
    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.app.ahead import Beginning
    from pipeline_kit.config.model import Verify


def _quiet(retry: Retry) -> None:
    del retry


@value_class(frozen=False)
class Session:
    """Everything a command needs; a context manager that closes the registry's connections."""

    project: Project
    ci: Ci
    around: Surroundings
    environ: Mapping[str, str]
    on_retry: Callable[[Retry], None] = _quiet
    started: float = field(default_factory=time.monotonic)
    push_retries: list[tuple[str, Retry]] = field(default_factory=list)
    """Image names with each repetition of their push."""
    _registry: ContentClient | None = None

    @property
    def registry(self) -> ContentClient:
        """Return the run's registry client, made at first use."""
        if self._registry is None:
            from pipeline_kit.adapters.registry.content import ContentClient

            self._registry = ContentClient(
                environment=self.environ, plain_http=self.project.config.plain_http, on_retry=self.on_retry
            )
        return self._registry

    def reached_registry(self, questions: int) -> ContentClient:
        """Return the registry client; connections for so many ``questions`` open while the caller makes tags."""
        self.registry.open_ahead((self.project.config.registry,), questions)
        return self.registry

    @property
    def requests(self) -> int:
        """Return the number of HTTP requests sent to registries so far."""
        return self._registry.statistics.requests if self._registry is not None else 0

    @property
    def request_retries(self) -> tuple[Retry, ...]:
        """Return each repetition of a request to a registry."""
        return tuple(self._registry.statistics.retries) if self._registry is not None else ()

    @property
    def retries(self) -> int:
        """Return the number of requests and pushes that were repeated."""
        return len(self.request_retries) + len(self.push_retries)

    def note_push_retry(self, image: str, retry: Retry) -> None:
        """Remember that the push of ``image`` is repeated. Thread-safe."""
        self.push_retries.append((image, retry))

    @property
    def registry_warnings(self) -> tuple[str, ...]:
        """Return what registries said in Warning headers, each once."""
        return tuple(self._registry.statistics.warnings) if self._registry is not None else ()

    def require(self, level: Verify | None) -> None:
        """Let hits need as much proof as ``level`` says, whatever the configuration says."""
        if level is not None:
            self.project = self.project._replace(config=replace(self.project.config, verify=level))

    def seconds(self) -> float:
        """Return the seconds since the session began."""
        return time.monotonic() - self.started

    def know_commit(self) -> None:
        """Fill in the placeholder values, which needs git's word on HEAD."""
        self.around = self.around._replace(values=_values(self.project, self.ci, self.around.now))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.project.close()
        if self._registry is not None:
            self._registry.close()


def open_session(
    directory: Path,
    config: str | None,
    environ: Mapping[str, str],
    *,
    on_retry: Callable[[Retry], None] = _quiet,
    allowed: Iterable[str] = (),
    ahead: Beginning | None = None,
) -> Session:
    """Open the project in ``directory`` and look at the CI. Raises what :func:`open_project` raises."""
    project = open_project(directory, config, environ, allowed=allowed, ahead=ahead)
    from pipeline_kit.adapters.ci import detect  # after the project, whose git is at work by now

    ci = detect(environ)
    from pipeline_kit.app.trust import scope_for

    around = Surroundings(
        values={},
        environ=environ,
        now=time.time(),
        base_commit=ci.base_commit,
        scope=scope_for(ci, project.config, environ),
        is_read_only=ci.can_write is False,
    )
    session = Session(project, ci, around, environ, on_retry)
    if _uses_placeholders(project):
        session.know_commit()
    return session


def _uses_placeholders(project: Project) -> bool:
    from pipeline_kit.config import split_template

    templates = [text for image in project.config.images.values() for text in (*image.args.values(), *image.aliases)]
    return any(part.kind == "name" for text in templates for part in split_template(text))


def _values(project: Project, ci: Ci, now: float) -> dict[str, str]:
    from datetime import UTC, datetime  # few configurations hold placeholders

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
