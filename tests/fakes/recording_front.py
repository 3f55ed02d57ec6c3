"""A reverse proxy before a real registry that notes what ECR would ask IAM about, for each request it passes on."""

from __future__ import annotations

import http.client
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from io import BufferedIOBase

_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^?]*)")
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "expect"}
_ACTIONS = {
    # ECR user guide, "Private repository policies" and "Required IAM permissions for pushing an image"; for referrers
    # botocore's documentation of ListImageReferrers.
    ("GET", "manifests"): "ecr:BatchGetImage",
    ("HEAD", "manifests"): "ecr:BatchGetImage",
    ("PUT", "manifests"): "ecr:PutImage",
    ("DELETE", "manifests"): "ecr:BatchDeleteImage",
    ("GET", "blobs"): "ecr:GetDownloadUrlForLayer",
    ("HEAD", "blobs"): "ecr:BatchCheckLayerAvailability",
    ("POST", "blobs/uploads"): "ecr:InitiateLayerUpload",
    ("PATCH", "blobs/uploads"): "ecr:UploadLayerPart",
    ("PUT", "blobs/uploads"): "ecr:CompleteLayerUpload",
    ("GET", "tags"): "ecr:ListImages",
    ("GET", "referrers"): "ecr:BatchGetImage",
}


class RecordingFront:
    """``host`` is where it listens; ``asked`` are pairs of IAM action and repository."""

    def __init__(self, host: str, upstream: str) -> None:
        self.host = host
        self.upstream = upstream
        self.asked: set[tuple[str, str]] = set()
        self.refused: str = ""
        """A pattern of method and path, ``PUT /v2/shop/.*``, that is answered with 403."""

    def note(self, method: str, path: str, *, has_body: bool) -> None:
        """Note what a request needs. A mount needs no more than an upload, which it becomes where it is refused."""
        found = _PATH.match(path)
        if found is None:
            return
        repository, kind = found["repository"], found["kind"]
        action = _ACTIONS.get((method, kind))
        if action is None:
            assert (method, kind) in {("GET", "blobs/uploads"), ("DELETE", "blobs/uploads")}, (method, path)
            return
        self.asked.add((action, repository))
        if action == "ecr:CompleteLayerUpload" and has_body:
            self.asked.add(("ecr:UploadLayerPart", repository))


@contextmanager
def recording_front(upstream: str) -> Iterator[RecordingFront]:
    """Run a front for ``upstream`` (``host:port``) on a free loopback port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.front = RecordingFront(f"127.0.0.1:{server.server_address[1]}", upstream)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.front
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: RecordingFront


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # a TLS greeting is answered in HTTP, by which engines know to go on without
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep the test's output clean."""

    def _serve(self) -> None:
        front = self.server.front
        body = _body(self.rfile, self.headers)
        front.note(self.command, self.path, has_body=bool(body))
        if re.fullmatch(front.refused, f"{self.command} {self.path}"):
            self._answer(403, [("Content-Type", "application/json")], b'{"errors": [{"code": "DENIED"}]}')
            return
        connection = http.client.HTTPConnection(front.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            # With the front's own name as Host, so that the registry's Location leads back through the front.
            connection.request(self.command, self.path, body=body, headers=headers)
            with connection.getresponse() as answer:
                data = answer.read()
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
            self._answer(answer.status, kept, data)
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base class names them so


def _body(stream: BufferedIOBase, headers: Message) -> bytes:
    if "chunked" not in headers.get("Transfer-Encoding", ""):
        return stream.read(int(headers.get("Content-Length") or 0))
    parts = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(parts)
