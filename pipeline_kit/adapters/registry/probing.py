"""Single questions to a registry, answered as they come: for ``login`` and ``doctor``, which look at the answer itself.

Source: OCI distribution specification 1.1, "API" (``/v2/``), "Pushing blobs" (an upload's session, its cancellation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pipeline_kit.adapters.registry.addresses import api_host, base_url, check_target
from pipeline_kit.adapters.registry.challenge import choose
from pipeline_kit.adapters.registry.failures import from_network
from pipeline_kit.adapters.registry.network import NetworkFailure
from pipeline_kit.adapters.registry.tokens import Access, Authorizer
from pipeline_kit.adapters.registry.transport import Outgoing, Transport

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Self

    from pipeline_kit.adapters.registry.answers import Answer
    from pipeline_kit.adapters.registry.credentials import CredentialSource
    from pipeline_kit.ports.clock import Clock

ABSENT_TAG = "pipeline-kit-probe"
"""A tag that nobody pushes: asking for it tells what may be read, without reading anything."""


class RegistryProbe:
    """Asks one thing at a time, once; safe for use by many threads. Each call may take ``seconds``."""

    def __init__(
        self,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        credentials: CredentialSource,
        plain_http: Collection[str] = (),
        seconds: float = 30.0,
    ) -> None:
        self._clock = clock
        self._plain_http = plain_http
        self._seconds = seconds
        self._transport = Transport(clock=clock, environment=environment, plain_http=plain_http, connections=8)
        self._authorizer = Authorizer(
            transport=self._transport, credentials=credentials, clock=clock, plain_http=plain_http
        )

    def greet(self, host: str, *, scheme: str | None = None) -> Answer:
        """Return the answer to GET ``/v2/`` without credentials, by ``scheme`` instead of the usual one where given.

        Raises NetworkFailure, or RegistryRefused for a redirect that must not be followed.
        """
        base = base_url(host, self._plain_http) if scheme is None else f"{scheme}://{api_host(host)}"
        return self._transport.send(Outgoing("GET", f"{base}/v2/", api_host(host), {}), self._deadline())

    def introduce(self, host: str) -> Answer:
        """Return the answer to GET ``/v2/`` with the credentials; raises as :meth:`ask` does."""
        return self._authorized("GET", f"{base_url(host, self._plain_http)}/v2/", Access(host, ""))

    def insist(self, host: str, authorization: str) -> Answer:
        """Return the answer to GET ``/v2/`` with an Authorization header that nobody asked for."""
        url = f"{base_url(host, self._plain_http)}/v2/"
        return self._send("GET", url, host, authorization)

    def ask(self, method: str, host: str, repository: str, path: str, *, actions: str = "pull") -> Answer:
        """Return the answer to one request about ``repository``, sent again with better authorization after a 401.

        ``path`` follows ``/v2/<repository>/``. Raises AuthenticationFailed, AuthorizationDenied or RegistryUnreachable
        where no token is to be had, and what :func:`from_network` makes of a request without an answer.
        """
        url = f"{base_url(host, self._plain_http)}/v2/{repository}/{path}"
        return self._authorized(method, url, Access(host, repository, actions))

    def cancel_upload(self, host: str, repository: str, location: str) -> Answer:
        """Return the answer to the cancellation of the upload whose POST gave ``location``; raises as ``ask`` does.

        A location at another host gets no credentials of this one.
        """
        here = f"{base_url(host, self._plain_http)}/v2/{repository}/blobs/uploads/"
        url = urljoin(here, location)
        check_target(url, registry=api_host(host), plain_http=self._plain_http, what="upload")
        if urlsplit(url)[:2] != urlsplit(here)[:2]:
            return self._send("DELETE", url, host, None)
        return self._authorized("DELETE", url, Access(host, repository, "pull,push,delete"))

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _deadline(self) -> float:
        return self._clock.monotonic() + self._seconds

    def _send(self, method: str, url: str, host: str, authorization: str | None) -> Answer:
        headers = {"Authorization": authorization} if authorization else {}
        if method == "POST":
            headers["Content-Length"] = "0"
        try:
            return self._transport.send(Outgoing(method, url, api_host(host), headers), self._deadline())
        except NetworkFailure as failure:
            raise from_network(failure, f"{method} {urlsplit(url).path}") from failure

    def _authorized(self, method: str, url: str, access: Access) -> Answer:
        sent = self._authorizer.header(access, self._deadline())
        answer = self._send(method, url, access.host, sent)
        for _ in range(2):  # a challenge to learn, then a token to renew
            if answer.status not in (401, 403):
                break
            fresh = self._authorizer.renew(access, answer, sent, self._deadline())
            if fresh is None or fresh == sent:
                break
            sent = fresh
            answer = self._send(method, url, access.host, sent)
        return answer


def is_registry_answer(answer: Answer) -> bool:
    """Return whether an answer to ``/v2/`` looks like a registry's: its header, its errors, a challenge, or ``{}``."""
    if answer.is_spec_answer or answer.codes:
        return True
    if answer.status == 401:  # noqa: PLR2004 - HTTP
        return choose(answer.header("www-authenticate")) is not None
    return answer.status == 200 and answer.media_type == "application/json"  # noqa: PLR2004 - HTTP
