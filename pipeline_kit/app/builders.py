"""Opening a builder with what the run knows: registry, credentials, contexts."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_kit.adapters.builders import open_builder
from pipeline_kit.adapters.registry.credentials import CredentialChain, DockerConfig
from pipeline_kit.adapters.system_clock import SystemClock
from pipeline_kit.app.context_files import context_files
from pipeline_kit.app.docker_config import docker_config_for
from pipeline_kit.execute.publish import require_certain
from pipeline_kit.named_tuple import NamedTuple
from pipeline_kit.plan import Verdict
from pipeline_kit.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline_kit.app.session import Session
    from pipeline_kit.app.tagging import Tagged
    from pipeline_kit.ports.builder import Builder


class RegistryQuestions(NamedTuple):
    """What builders ask about the registry, answered by the run's client."""

    session: Session

    def observe(self, reference: str) -> str | None:
        """Return the digest that the registry holds under a tag, ``None`` when it is certain that there is none.

        Raises RegistryRefused and RegistryUnreachable.
        """
        tagged = parse_reference(reference)
        answer = self.session.registry.observe(tagged)
        require_certain(answer, tagged)
        return answer.digest

    def probe(self, repository: str) -> bool | None:
        """Return whether the registry answers for a repository; ``None`` when it cannot be said."""
        verdict = self.session.registry.observe(parse_reference(repository)).verdict
        return None if verdict is Verdict.UNKNOWN else verdict is not Verdict.DENIED

    def credentials(self, host: str) -> tuple[str, str] | None:
        """Return user and secret for a host, as Docker's configuration or AWS gives them."""
        from pipeline_kit.adapters.aws.ecr import EcrCredentials

        found = CredentialChain((DockerConfig(self.session.environ), EcrCredentials())).lookup(host)
        if found is None:
            return None
        return (found.username, found.password) if found.password else ("<token>", found.identity_token)


@contextmanager
def builder_of(
    session: Session, tagged: Tagged, *, name: str | None = None, jobs: int | None = None
) -> Iterator[Builder]:
    """Give the builder of a run; ``name`` is a buildx builder, or ``engine`` for the engine's own.

    Raises EngineUnreachable.
    """
    questions = RegistryQuestions(session)
    with docker_config_for(session.project.config.registry, session.environ) as (folder, environ):
        yield open_builder(
            environ,
            clock=SystemClock(),
            observe=questions.observe,
            credentials=questions.credentials,
            context_files=lambda request: context_files(Path(request.context), tagged.sources[request.name].files[""]),
            probe=questions.probe,
            name=None if name == "engine" else name,
            prefer="engine" if name == "engine" else "auto",
            jobs=jobs,
            docker_config=folder,
            on_retry=session.note_push_retry,
        )
