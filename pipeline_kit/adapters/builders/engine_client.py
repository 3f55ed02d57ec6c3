"""docker-py against one engine, with every way it can fail turned into this project's errors.

Only imported when an image is built or pushed through the engine's API. docker-py reports most failures of build and
push inside the stream and raises nothing; some others come as urllib3's exceptions, which are neither its own nor
requests'.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import docker
import requests
import urllib3
from docker.auth import AuthConfig
from docker.errors import APIError, DockerException
from docker.types import CancellableStream
from docker.utils import kwargs_from_env

from pipeline_kit.adapters.builders.capabilities import DEFAULT_SOCKET, unreachable
from pipeline_kit.errors import EngineUnreachable, WorkFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

QUIET_SECONDS = 300
"""How long an engine may say nothing before it is given up; a build step may be quiet as long as it likes."""

_CONNECT_SECONDS = 10.0

Credentials = tuple[str, str]
_TOKEN_USER = "<token>"  # noqa: S105 - docker's marker for an identity token, not a secret


class StreamFailed(WorkFailed):
    """The engine reported an error: inside the stream, or as its answer to the request."""


class EngineClient(docker.APIClient):
    """An API client that remembers the answer it is streaming, so that another thread can cut it off."""

    _auth_configs: AuthConfig
    answer: requests.Response | None = None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send ``request`` and keep its answer."""
        self.answer = super().send(request, **kwargs)
        return self.answer

    def use_credentials(self, found: Mapping[str, Credentials | None]) -> None:
        """Let builds pull from registries with these credentials, by registry host, and with no others."""
        auths = {host: auth_config(pair) | {"serveraddress": host} for host, pair in found.items() if pair}
        self._auth_configs = AuthConfig({"auths": auths})

    def cancel(self) -> None:
        """End what is being streamed: the engine stops a build or push when its client goes away."""
        answer = self.answer
        if answer is not None:
            with contextlib.suppress(OSError, AttributeError, DockerException):
                CancellableStream(iter(()), answer).close()

    def close(self) -> None:
        """Close every connection, that of a stream not read to its end included."""
        if self.answer is not None:
            self.answer.close()
        super().close()


def connect(environ: Mapping[str, str]) -> EngineClient:
    """Return a client of the engine that ``environ`` names. Raises EngineUnreachable."""
    _try_socket(environ)
    try:
        options = kwargs_from_env(environment=dict(environ))
        client = EngineClient(version="auto", timeout=QUIET_SECONDS, **options)
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise unreachable(_text(error), environ) from error
    # Credentials are given call by call; docker-py would run every helper that is configured, without any time limit.
    client.use_credentials({})
    return client


def _try_socket(environ: Mapping[str, str]) -> None:
    """Raise EngineUnreachable where a unix socket does not answer: docker-py would leak the socket it tried with."""
    scheme, _, path = (environ.get("DOCKER_HOST") or DEFAULT_SOCKET).partition("://")
    if scheme != "unix":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(path)
        except OSError as error:
            text = "permission denied" if isinstance(error, PermissionError) else f"Cannot connect: {error}"
            raise unreachable(text, environ) from error


def auth_config(pair: Credentials | None) -> dict[str, str]:
    """Return credentials in the engine's form; without any, an empty object, which is anonymous."""
    if pair is None:
        return {}
    user, secret = pair
    return {"identitytoken": secret} if user == _TOKEN_USER else {"username": user, "password": secret}


def stream(
    call: Callable[[], Iterator[Any]], environ: Mapping[str, str], stopped: threading.Event | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a stream. Raises StreamFailed for an error in it, EngineUnreachable when it is cut."""
    try:
        for message in call():
            if stopped is not None and stopped.is_set():
                raise EngineUnreachable("the build was stopped")
            if not isinstance(message, dict):
                continue
            if message.get("error") or message.get("errorDetail"):
                raise StreamFailed(_stream_error(message))
            yield message
    except APIError as error:
        raise StreamFailed(str(error.explanation or error)) from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if isinstance(error, urllib3.exceptions.ReadTimeoutError | requests.Timeout):
            raise EngineUnreachable(f"the Docker Engine said nothing for {QUIET_SECONDS} s") from error
        raise unreachable(f"connection lost: {_text(error)}", environ) from error


def _stream_error(message: Mapping[str, Any]) -> str:
    detail = message.get("errorDetail")
    inner = detail.get("message") if isinstance(detail, dict) else None
    return str(inner or message.get("error") or "unknown error")


def _text(error: BaseException) -> str:
    # requests and urllib3 wrap the operating system's words several times; the innermost says it best.
    cause: BaseException = error
    seen = {id(cause)}
    while (inner := cause.__cause__ or cause.__context__) is not None and id(inner) not in seen:
        cause = inner
        seen.add(id(cause))
    text = str(error)
    if isinstance(cause, PermissionError):
        return f"permission denied: {text}"
    if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
        return f"Cannot connect: {text}"
    return text
