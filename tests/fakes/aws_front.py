"""AWS as one HTTP server on loopback that notes every call, answers for CodeBuild itself, and passes the rest on.

What is noted is what IAM would be asked about: the service from the signature's scope, the operation, its parameters.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs

import urllib3

if TYPE_CHECKING:
    from fakes.fake_codebuild import FakeCodeBuild

REGION = "eu-west-1"
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[a-z0-9-]+/(?P<service>[a-z0-9-]+)/aws4_request")
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "host", "content-length"}


class Call(NamedTuple):
    """One call: ``ecs``, ``UpdateService`` and its parameters."""

    service: str
    operation: str
    parameters: dict[str, Any]


@dataclass(slots=True)
class AwsFront:
    """The server, a context manager; ``calls`` is what was asked."""

    upstream: str = ""
    """URL of what answers for everything else."""
    upstreams: dict[str, str] = field(default_factory=dict)
    """URLs of what answers for a service, by its name."""
    codebuild: FakeCodeBuild | None = None
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Answers by ``service:Operation``, whatever is asked."""
    calls: list[Call] = field(default_factory=list)
    _server: _Server | None = None
    _http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, maxsize=16))

    def environment(self) -> dict[str, str]:
        """Return the variables that send boto3 here."""
        assert self._server is not None
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer to one call."""
        found = _SCOPE.search(headers.get("authorization", ""))
        service = found["service"] if found else ""
        operation, parameters = _taken_apart(method, path, headers, body)
        self.calls.append(Call(service, operation, parameters))
        if f"{service}:{operation}" in self.answers:
            document = self.answers[f"{service}:{operation}"]
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()
        if service == "codebuild" and self.codebuild is not None:
            status, document = self.codebuild.answer(operation, parameters)
            return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()
        kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        reply = self._http.request(
            method, f"{self.upstreams.get(service, self.upstream)}{path}", headers=kept, body=body, redirect=False
        )
        back = {name: value for name, value in reply.headers.items() if name.lower() not in _HOP_BY_HOP}
        return reply.status, back, reply.data

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.front = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._http.clear()


def _taken_apart(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    if b"Action=" in body:
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return fields.pop("Action"), dict(fields)
    return f"{method} {path}", {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    front: AwsFront


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""

    def _serve(self) -> None:
        front = self.server.front
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        status, back, data = front.answer(self.command, self.path, headers, body)
        self.send_response_only(status)
        for name, value in {**back, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base class names them so
