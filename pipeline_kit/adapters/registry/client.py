"""The distribution API as the main job needs it: verdicts, manifests, proven writes.

Source: OCI distribution specification 1.1, "Pulling manifests", "Pushing manifests". Unknown is not absent: only a
404 that is truly a registry's, about a manifest, says absent (design D5).
"""

from __future__ import annotations

import os
import random as _random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline_kit.adapters.aws.ecr import EcrCredentials
from pipeline_kit.adapters.registry.blobs import Blobs, parse_config
from pipeline_kit.adapters.registry.credentials import CredentialChain, DockerConfig
from pipeline_kit.adapters.registry.failures import TemporaryFailure
from pipeline_kit.adapters.registry.manifests import Manifests, is_done
from pipeline_kit.adapters.registry.session import Session
from pipeline_kit.adapters.registry.tokens import Authorizer
from pipeline_kit.adapters.registry.transport import Transport
from pipeline_kit.adapters.system_clock import SystemClock
from pipeline_kit.errors import Conflict, ManifestMissing, RegistryRefused, Unreachable
from pipeline_kit.manifest import MAX_BYTES, Manifest
from pipeline_kit.plan import Verdict
from pipeline_kit.ports.registry import Observation, Registry
from pipeline_kit.retry import REQUESTS, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from pipeline_kit.adapters.registry.credentials import CredentialSource
    from pipeline_kit.adapters.registry.retrying import Retry
    from pipeline_kit.adapters.registry.session import Statistics
    from pipeline_kit.ports.clock import Clock
    from pipeline_kit.reference import Reference

CONNECTIONS = 32


def _silent(retry: Retry) -> None:
    del retry


class RegistryClient:
    """Every registry of a run behind the :class:`~pipeline_kit.ports.Registry` port; safe for use by many threads.

    ``environment`` gives proxies and Docker's configuration file; ``plain_http`` names hosts (``host[:port]``) that
    are spoken to without TLS, as loopback always is; ``on_retry`` is called, from any thread, before each wait.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
        credentials: CredentialSource | None = None,
        plain_http: Collection[str] = (),
        connections: int = CONNECTIONS,
        policy: RetryPolicy = REQUESTS,
        random: Callable[[], float] = _random.random,
        on_retry: Callable[[Retry], None] = _silent,
        transport: Transport | None = None,
    ) -> None:
        clock = clock or SystemClock()
        environment = os.environ if environment is None else environment
        self._connections = connections
        self._random = random
        self._transport = transport or Transport(
            clock=clock, environment=environment, plain_http=plain_http, connections=connections
        )
        self._authorizer = Authorizer(
            transport=self._transport,
            credentials=credentials or CredentialChain((DockerConfig(environment), EcrCredentials())),
            clock=clock,
            plain_http=plain_http,
        )
        self._session = Session(
            transport=self._transport,
            authorizer=self._authorizer,
            clock=clock,
            policy=policy,
            random=random,
            on_retry=on_retry,
            plain_http=plain_http,
        )
        self._manifests = Manifests(self._session)
        self._blobs = Blobs(self._session)

    @property
    def statistics(self) -> Statistics:
        """Return what was sent, retried and warned about so far."""
        return self._session.statistics

    @property
    def session(self) -> Session:
        """Return the session, for requests beyond this port."""
        return self._session

    def observe(self, reference: Reference) -> Observation:
        """Return the verdict about ``reference``, which takes one request, or two when it is absent; see the port."""
        try:
            return self._seen(reference)
        except ManifestMissing as error:
            return Observation(Verdict.ABSENT, detail=error.message)
        except RegistryRefused as error:
            return Observation(Verdict.DENIED, detail=error.message, hint=error.hint or "")
        except (Unreachable, Conflict) as error:
            return Observation(Verdict.UNKNOWN, detail=error.message, hint=error.hint or "")

    def _seen(self, reference: Reference, actions: str = "pull") -> Observation:
        """Return that it is present; each request has attempts of its own. Raises ManifestMissing."""
        found = self._session.run(reference, lambda deadline: self._manifests.look(reference, deadline, actions))
        if found is not None:
            return found
        return self._session.run(reference, lambda deadline: self._manifests.prove(reference, deadline, actions))

    def _held(self, reference: Reference) -> str | None:
        try:
            return self._seen(reference, "pull,push").digest
        except ManifestMissing:
            return None

    def open_ahead(self, hosts: Iterable[str], connections: int) -> None:
        """Let ``connections`` to each of ``hosts`` be opened while the caller finds out what to ask; never raises."""
        for host in dict.fromkeys(hosts):
            with suppress(RegistryRefused):
                self._session.open_ahead(host, max(1, min(connections, self._connections)))

    def expect(self, references: Iterable[Reference], *, writes: bool = False) -> None:
        """Say what will be read (or written) soon, so that about 20 repositories share one bearer token."""
        by_host: dict[str, list[str]] = {}
        for reference in references:
            by_host.setdefault(reference.host, []).append(reference.repository)
        for host, repositories in by_host.items():
            self._authorizer.expect(host, repositories, "pull,push" if writes else "pull")

    def observe_all(self, references: Iterable[Reference]) -> list[Observation]:
        """Return the verdicts in the order of ``references``: in parallel, equal ones asked once, tokens shared."""
        wanted = list(references)
        unique = list(dict.fromkeys(wanted))
        self.expect(unique)
        verdicts = dict(zip(unique, self._observed(unique), strict=True))
        return [verdicts[reference] for reference in wanted]

    def _observed(self, references: Sequence[Reference]) -> list[Observation]:
        if len(references) < 2:  # noqa: PLR2004 - one needs no thread
            return [self.observe(reference) for reference in references]
        with ThreadPoolExecutor(min(self._connections, len(references)), "registry") as pool:
            futures = [pool.submit(self.observe, reference) for reference in references]
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._transport.abort()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index, verified against its digest.

        Raises ManifestMissing, another RegistryRefused, RegistryUnreachable, or DigestMismatch.
        """
        return self._session.run(reference, lambda deadline: self._manifests.read(reference, deadline))

    def config(self, reference: Reference, descriptor_digest: str) -> Mapping[str, object]:
        """Return the image config blob ``descriptor_digest`` of the repository as parsed JSON, verified.

        Raises as :meth:`manifest` does.
        """
        return parse_config(self._blobs.read(reference, descriptor_digest, limit=MAX_BYTES), descriptor_digest)

    def put_manifest(
        self,
        reference: Reference,
        manifest: Manifest,
        *,
        is_asked: bool = False,
        instead_of: Collection[str | None] | None = None,
    ) -> str:
        """PUT the very bytes under a tag or their digest and return the digest, proven by a HEAD afterwards.

        What is there already is not sent again; ``is_asked`` and ``instead_of`` are the port's. A lost answer, or an
        immutable tag's refusal, is success when the digest is there.

        Raises TagConflict, DigestMismatch, RegistryRefused or RegistryUnreachable.
        """
        if len(manifest.data) > MAX_BYTES:
            raise RegistryRefused(f"the manifest for {reference} has {len(manifest.data)} bytes, more than {MAX_BYTES}")
        if reference.digest and reference.digest != manifest.digest:
            raise RegistryRefused(f"{reference} cannot hold a manifest whose digest is {manifest.digest}")
        if not is_asked and is_done(reference, manifest, self._held(reference), instead_of):
            return manifest.digest
        tried = [True]

        def attempt(deadline: float) -> str:
            may_skip_asking, tried[0] = tried[0], False
            return self._manifests.write(reference, manifest, deadline, is_asked=may_skip_asking, over=instead_of)

        try:
            return self._session.run(reference, attempt)
        except TemporaryFailure:
            # The last answer may have been lost although the registry did its work.
            if self.observe(reference).digest == manifest.digest:
                return manifest.digest
            raise

    def abort(self) -> None:
        """End every request of every thread within about a second; no later one is sent."""
        self._transport.abort()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


_conforms: type[Registry] = RegistryClient
